//! Another name or version for a schema.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::header_from::on;
use super::reshape::{Defaults, Side};
use super::{Build, Transform, TransformError};
use crate::connect::{Kind, Schema};
use crate::record::{Record, SchemaCache, Value};

/// Sets name, version or both of the key's or value's schema.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSchemaMetadata {
    /// Which side of the record.
    #[serde(default)]
    pub side: Side,
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_name: Option<String>,
    /// Version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<i32>,
    /// Whether null becomes the field's default.
    #[serde(default = "on")]
    pub replace_null_with_default: bool,
}

impl Build for SetSchemaMetadata {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if self.schema_name.is_none() && self.schema_version.is_none() {
            return Err("schema_name: give it, or schema_version".into());
        }
        Ok(Box::new(Set {
            options: self.clone(),
            schemas: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Set {
    options: SetSchemaMetadata,
    schemas: SchemaCache<(Arc<Schema>, Defaults)>,
}

impl Transform for Set {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let options = &self.options;
        let data = options.side.of_mut(&mut record);
        let Some(schema) = &data.schema else {
            return match data.value.is_null() {
                true => Ok(Some(record)),
                false => Err(TransformError::new(format!(
                    "the {} has no schema",
                    options.side.name()
                ))),
            };
        };
        if !matches!(schema.kind, Kind::Struct(_)) {
            let text = format!(
                "needs a struct as {}, and it is {}",
                options.side.name(),
                schema.kind.name()
            );
            return Err(TransformError::new(text));
        }
        let (new, defaults) = self.schemas.try_get(schema, |schema| {
            let mut new = Schema::clone(schema);
            if let Some(name) = &options.schema_name {
                new.name = Some(name.clone());
            }
            new.version = options.schema_version.or(new.version);
            let defaults = Defaults::of(schema, options.replace_null_with_default)?;
            Ok::<_, TransformError>((Arc::new(new), defaults))
        })?;
        if let Value::Struct(members) = &mut data.value {
            defaults.fill(members);
        }
        data.schema = Some(Arc::clone(new));
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::{apply, plain, record, row, row_schema};

    #[test]
    fn name_and_version_change_and_the_rest_stays() {
        let options = SetSchemaMetadata {
            side: Side::Value,
            schema_name: Some("n".into()),
            schema_version: Some(3),
            replace_null_with_default: true,
        };
        let got = apply(&options, record(SchemaAndValue::new(row_schema(), row(1, None))))
            .unwrap()
            .unwrap();
        let schema = got.value.schema.unwrap();
        assert_eq!(
            (schema.name.as_deref(), schema.version, schema.optional),
            (Some("n"), Some(3), true)
        );
        assert!(apply(&options, plain("{}")).is_err());
        assert!(apply(&options, record(SchemaAndValue::null())).is_ok());
    }
}
