//! Logical decoding messages whose content is JSON, as events.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::basics;
use super::json_schema::{EmptyArrayBehavior, Inference, NullBehavior};
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::envelope::NameAdjustment;
use crate::record::{Record, SchemaAndValue, SchemaCache, SchemaInterner, Value};

/// Name of the schema of a logical decoding message.
const MESSAGE: &str = "io.debezium.connector.postgresql.MessageValue";

/// Debezium's DecodeLogicalDecodingMessageContent: a logical decoding message with JSON as its content becomes an insert with that
/// as row, which EventRouter can route.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecodeMessageContent {
    /// Whether members that are null stay, as optional bytes.
    pub fields_null_include: bool,
}

impl Build for DecodeMessageContent {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let nulls = match self.fields_null_include {
            true => NullBehavior::OptionalBytes,
            false => NullBehavior::Ignore,
        };
        Ok(Box::new(Decode {
            inference: Inference {
                nulls,
                empty_arrays: EmptyArrayBehavior::Ignore,
                names: NameAdjustment::None,
            },
            contents: SchemaInterner::default(),
            events: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Decode {
    inference: Inference,
    contents: SchemaInterner,
    /// Schemas of events by that of their content.
    events: SchemaCache<Arc<Schema>>,
}

impl Transform for Decode {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let Some(schema) = record.value.schema.clone().filter(|s| s.is_named(MESSAGE)) else {
            return Ok(Some(record));
        };
        let no_content = || {
            TransformError::new("the message's content is not binary: leave binary.handling.mode as it is")
        };
        let (at, message) = schema.field("message").ok_or_else(no_content)?;
        let (inner, _) = message.schema.field("content").ok_or_else(no_content)?;
        let Value::Bytes(content) = record.value.value.member(at).member(inner) else {
            return Err(no_content());
        };
        let text = String::from_utf8_lossy(content);
        let content = self.inference.expand(None, &text);
        let content = content.map_err(|e| TransformError::new(format!("the content: {e}")))?;
        let (Some(content_schema), row @ Value::Struct(_)) = (content.schema, content.value) else {
            return Err(TransformError::new("the content is no JSON object"));
        };
        let content_schema = self.contents.intern(Arc::unwrap_or_clone(content_schema));
        let event = self.events.get(&content_schema, |content| {
            Arc::new(event_schema(&schema, content))
        });
        let Value::Struct(members) = std::mem::take(&mut record.value.value) else {
            return Err(no_content());
        };
        let mut values = Vec::with_capacity(members.len());
        for (field, value) in schema.fields().iter().zip(members) {
            match field.name.as_str() {
                "message" => {}
                "op" => values.push(Value::String("c".into())),
                _ => values.push(value),
            }
        }
        values.push(row);
        record.value = SchemaAndValue::new(Arc::clone(event), Value::Struct(values));
        record.key = SchemaAndValue::null();
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

/// The message's schema with the content as `after` in the place of the message. Its name makes it an envelope.
fn event_schema(message: &Schema, content: &Arc<Schema>) -> Schema {
    let kept = message.fields().iter().filter(|f| f.name != "message").cloned();
    let after = Field::new("after", Arc::clone(content));
    let mut schema = basics(message, Kind::Struct(kept.chain([after]).collect()));
    schema.name = Some(format!("{MESSAGE}.Envelope"));
    (schema.version, schema.doc) = (None, None);
    schema.parameters.clear();
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, json, plain, record, structure};

    fn message(content: &str) -> Record {
        let fields = vec![
            Field::new("prefix", Schema::new(Kind::String).optional()),
            Field::new("content", Schema::new(Kind::Bytes).optional()),
        ];
        let inner = Value::Struct(vec![
            Value::String("p".into()),
            Value::Bytes(content.as_bytes().into()),
        ]);
        let fields = vec![
            ("op", Schema::new(Kind::String), Value::String("m".into())),
            ("ts_ms", Schema::new(Kind::Int64).optional(), Value::Int64(1)),
            ("message", Schema::new(Kind::Struct(fields)), inner),
        ];
        record(structure(MESSAGE, fields))
    }

    #[test]
    fn content_becomes_a_row() {
        let got = apply(&DecodeMessageContent::default(), message(r#"{"id":1,"n":null}"#))
            .unwrap()
            .unwrap();
        assert_eq!(json(&got), r#"{"op":"c","ts_ms":1,"after":{"id":1}}"#);
        assert_eq!(got.key, SchemaAndValue::null());
        assert!(super::super::envelope::is_envelope(&got.value));
        let nulls = DecodeMessageContent {
            fields_null_include: true,
        };
        let got = apply(&nulls, message(r#"{"n":null}"#)).unwrap().unwrap();
        assert_eq!(json(&got), r#"{"op":"c","ts_ms":1,"after":{"n":null}}"#);
        assert!(apply(&nulls, message("")).is_err() && apply(&nulls, message("[1]")).is_err());
        assert!(apply(&nulls, plain("{}")).is_ok());
    }
}
