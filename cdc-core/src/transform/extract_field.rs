//! One field in the place of the whole key or value.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field_path::{FieldPath, FieldSyntaxVersion, Route};
use super::header_from::on;
use super::reshape::Side;
use super::{Build, Transform, TransformError};
use crate::record::{Record, SchemaCache, Value};

/// Replaces the key or value by one of its fields.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtractField {
    /// Which side of the record.
    #[serde(default)]
    pub side: Side,
    /// The field, or in version 2 the path to it.
    pub field: String,
    /// How the path is written.
    #[serde(default)]
    pub field_syntax_version: FieldSyntaxVersion,
    /// Whether null becomes the field's default.
    #[serde(default = "on")]
    pub replace_null_with_default: bool,
}

impl Build for ExtractField {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        Ok(Box::new(Extract {
            path: FieldPath::parse(&self.field, self.field_syntax_version)
                .map_err(|e| format!("field: {e}"))?,
            options: self.clone(),
            routes: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Extract {
    options: ExtractField,
    path: FieldPath,
    routes: SchemaCache<Route>,
}

impl Transform for Extract {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let data = self.options.side.of_mut(&mut record);
        let (path, field) = (&self.path, &self.options.field);
        if let Some(schema) = &data.schema {
            let route = self.routes.try_get(schema, |schema| {
                let unknown = || TransformError::new(format!("there is no field {field}"));
                path.resolve(schema)?.ok_or_else(unknown)
            })?;
            if !matches!(data.value, Value::Null | Value::Struct(_)) {
                let text = format!("needs a struct, and it is {}", data.value.kind_name());
                return Err(TransformError::new(text));
            }
            data.value = route.take(&mut data.value, self.options.replace_null_with_default);
            data.schema.clone_from(&route.schema);
        } else if !data.value.is_null() {
            if !matches!(data.value, Value::Map(_)) {
                let text = format!("needs an object, and it is {}", data.value.kind_name());
                return Err(TransformError::new(text));
            }
            data.value = path.take(&mut data.value);
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, envelope, payload, plain, row};

    fn field(side: Side, field: &str, version: FieldSyntaxVersion) -> ExtractField {
        ExtractField {
            side,
            field: field.into(),
            field_syntax_version: version,
            replace_null_with_default: true,
        }
    }

    #[test]
    fn a_field_takes_the_whole_s_place() {
        let record = || envelope("c", None, Some(row(5, None)));
        let key = apply(&field(Side::Key, "id", FieldSyntaxVersion::V1), record())
            .unwrap()
            .unwrap();
        assert_eq!(
            (payload(&key.key).as_str(), key.key.schema.unwrap().optional),
            ("1", false)
        );
        let deep = field(Side::Value, "after.v", FieldSyntaxVersion::V2);
        assert_eq!(
            payload(&apply(&deep, record()).unwrap().unwrap().value),
            "\"dflt\""
        );
        let absent = apply(&field(Side::Value, "before.id", FieldSyntaxVersion::V2), record())
            .unwrap()
            .unwrap();
        assert!(absent.value.value.is_null() && absent.value.schema.is_some());
        let unknown = apply(&field(Side::Value, "x", FieldSyntaxVersion::V1), record()).unwrap_err();
        assert_eq!(unknown.to_string(), "there is no field x");
        let map = apply(
            &field(Side::Value, "a.b", FieldSyntaxVersion::V2),
            plain(r#"{"a":{"b":7}}"#),
        )
        .unwrap()
        .unwrap();
        assert_eq!(payload(&map.value), "7");
        let none = apply(&field(Side::Value, "x", FieldSyntaxVersion::V1), plain("{}"))
            .unwrap()
            .unwrap();
        assert_eq!(payload(&none.value), "none");
    }
}
