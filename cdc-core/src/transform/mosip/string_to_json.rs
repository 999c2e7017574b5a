//! A text that holds JSON to its value.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Mode, org_json};
use crate::convert::read_schemaless;
use crate::record::{Record, Value};
use crate::transform::{Build, Side, Transform, TransformError};

/// What Debezium writes for a value that an update did not touch.
const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// MOSIP's StringToJson: a field's text becomes the JSON that it holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StringToJson {
    /// Side of the record.
    pub side: Side,
    /// Field.
    pub input_field: String,
    /// Whether the Java class's flaws are kept.
    pub mode: Mode,
}

impl Build for StringToJson {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if self.input_field.trim().is_empty() {
            return Err("input_field: names no field".into());
        }
        Ok(Box::new(Parser(Arc::new(self.clone()))))
    }
}

#[derive(Clone, Debug)]
struct Parser(Arc<StringToJson>);

impl Transform for Parser {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let options = &self.0;
        let data = options.side.of_mut(&mut record);
        if data.value.is_null() {
            return Ok(Some(record));
        }
        let field = options.input_field.as_str();
        let compatible = options.mode == Mode::Compatible;
        if let Some(schema) = &data.schema {
            // A struct's field has one schema for all rows, and JSON has none.
            if !compatible {
                let text = "the value has a schema, and JSON fits none: read the topic without schemas";
                return Err(TransformError::new(text));
            }
            let at = schema.fields().iter().position(|f| f.name == field);
            if let (Value::Struct(members), Some(at)) = (&mut data.value, at)
                && let Some(member) = members.get_mut(at)
            {
                let known = matches!(member, Value::String(_));
                let text = if known {
                    "ERROR: WITH SCHEMA: NOT READY YET"
                } else {
                    "ERROR: THIS FIELD SCHEMA WAS NOT STRING"
                };
                *member = Value::String(text.into());
            }
            return Ok(Some(record));
        }
        if !matches!(data.value, Value::Map(_)) {
            return Err(super::cannot(
                "a value without a schema that holds JSON",
                &data.value,
            ));
        }
        let parsed = match data.value.entry(field) {
            None if !compatible => return Ok(Some(record)),
            None | Some(Value::Null) => Value::Null,
            Some(Value::String(text)) if compatible => {
                org_json::object(text).map_err(|e| TransformError::new(format!("{field}: {e}")))?
            }
            Some(Value::String(text)) if text == UNAVAILABLE => return Ok(Some(record)),
            Some(Value::String(text)) => {
                let parsed = read_schemaless(text.as_bytes());
                parsed.map_err(|_| TransformError::new(format!("{field}: the text is no JSON")))?
            }
            Some(_) if compatible => Value::String("ERROR: THIS WAS NOT A STRING FIELD".into()),
            // It is JSON already.
            Some(_) => return Ok(Some(record)),
        };
        data.value.set_entry(field, parsed);
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
