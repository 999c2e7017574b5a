//! The whole key or value as a field of a new struct.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reshape::Side;
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::record::{Record, SchemaCache, Value};

/// Wraps the key or value into a struct with one field.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoistField {
    /// Which side of the record.
    #[serde(default)]
    pub side: Side,
    /// Name of the field.
    pub field: String,
}

impl Build for HoistField {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        Ok(Box::new(Hoist {
            options: self.clone(),
            schemas: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Hoist {
    options: HoistField,
    schemas: SchemaCache<Arc<Schema>>,
}

impl Transform for Hoist {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let name = &self.options.field;
        let data = self.options.side.of_mut(&mut record);
        let value = std::mem::take(&mut data.value);
        if let Some(schema) = &data.schema {
            let wrap = |schema: &Arc<Schema>| {
                let field = Field::new(name.clone(), Arc::clone(schema));
                Arc::new(Schema::new(Kind::Struct(vec![field])))
            };
            data.schema = Some(Arc::clone(self.schemas.get(schema, wrap)));
            data.value = Value::Struct(vec![value]);
        } else {
            data.value = Value::Map(vec![(Value::String(name.as_str().into()), value)]);
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
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::{apply, json, record};

    #[test]
    fn any_value_is_wrapped_null_too() {
        let options = HoistField {
            side: Side::Value,
            field: "f".into(),
        };
        let text = apply(&options, record(SchemaAndValue::string("x")))
            .unwrap()
            .unwrap();
        assert_eq!(json(&text), r#"{"f":"x"}"#);
        let tombstone = apply(&options, record(SchemaAndValue::null())).unwrap().unwrap();
        assert_eq!(json(&tombstone), r#"{"f":null}"#);
    }
}
