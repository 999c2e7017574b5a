//! Envelopes in JSON without schemas.

use super::super::TransformError;
use super::super::dropped_fields::DroppedFields;
use super::{DELETED, Spec, route};
use crate::record::{Record, SchemaAndValue, Value};

/// Unwraps an envelope without a schema; false if the record is dropped.
pub(super) fn unwrap(
    spec: &Spec,
    dropped: &mut Option<DroppedFields>,
    record: &mut Record,
) -> Result<bool, TransformError> {
    let mode = spec.options.delete_tombstone_handling_mode;
    let mut envelope = std::mem::take(&mut record.value.value);
    for header in &spec.headers {
        record.add_header(&header.name, SchemaAndValue::schemaless(header.value(&envelope)));
    }
    let mut row = take(&mut envelope, "after");
    let deleted = row.is_null();
    if deleted {
        row = take(&mut envelope, "before");
        if row.is_null() || mode.drops() {
            return Ok(false);
        }
    }
    if let Some(field) = &spec.options.route_by_field {
        route(field, row.entry(field), record)?;
    }
    if !deleted || mode.rewrites() {
        if mode.rewrites() {
            row.set_entry(
                DELETED,
                Value::String(if deleted { "true" } else { "false" }.into()),
            );
        }
        for field in &spec.fields {
            row.set_entry(&field.name, field.value(&envelope));
        }
        record.value.value = row;
    }
    if let Some(dropped) = dropped {
        dropped.apply(record)?;
    }
    Ok(true)
}

fn take(envelope: &mut Value, name: &str) -> Value {
    match envelope {
        Value::Map(entries) => {
            let found = entries.iter_mut().find(|(key, _)| key.as_str() == Some(name));
            found.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
        }
        _ => Value::Null,
    }
}
