//! Debezium's envelope, as transforms see it: with a schema or, in JSON without schemas, as a map.

use std::sync::Arc;

use crate::connect::{Kind, Schema};
use crate::record::{Record, SchemaAndValue, Value};

/// What Debezium's schemas of envelopes end in.
const SUFFIX: &str = ".Envelope";

/// Whether a schema is an envelope's.
pub(crate) fn is_envelope_schema(schema: &Schema) -> bool {
    schema.name.as_deref().is_some_and(|name| name.ends_with(SUFFIX))
}

/// Whether a record's value is an envelope. Without a schema, where Debezium cannot tell, it is an object with `op` and
/// `source`, and `before` or `after`.
pub(super) fn is_envelope(data: &SchemaAndValue) -> bool {
    match &data.schema {
        Some(schema) => is_envelope_schema(schema),
        None => is_envelope_map(&data.value),
    }
}

fn is_envelope_map(value: &Value) -> bool {
    let has = |name| value.entry(name).is_some();
    value.entry("op").is_some_and(|op| op.as_str().is_some())
        && value.entry("source").is_some_and(|s| matches!(s, Value::Map(_)))
        && (has("before") || has("after"))
}

/// A member of the value of a record, whatever form that has.
pub(super) fn member<'a>(data: &'a SchemaAndValue, name: &str) -> Option<&'a Value> {
    match &data.schema {
        Some(schema) => schema.field(name).map(|(index, _)| data.value.member(index)),
        None => data.value.entry(name),
    }
}

/// The operation of an envelope.
pub(super) fn operation(record: &Record) -> Option<&str> {
    member(&record.value, "op").and_then(Value::as_str)
}

/// A schema with another's name, version, documentation and parameters, but not its default, and required: Connect's
/// `copySchemaBasics`.
pub(super) fn basics(of: &Schema, kind: Kind) -> Schema {
    Schema {
        kind,
        optional: false,
        name: of.name.clone(),
        version: of.version,
        doc: of.doc.clone(),
        parameters: of.parameters.clone(),
        default_json: None,
    }
}

/// The schema, allowing null and without a default.
pub(super) fn optional_basics(of: &Schema) -> Arc<Schema> {
    Arc::new(basics(of, of.kind.clone()).optional())
}
