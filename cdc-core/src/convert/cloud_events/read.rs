//! Events back to values: what the converter does in front of a sink.

use std::sync::Arc;

use crate::connect::{Field, Kind, Schema};
use crate::convert::{
    AvroConverter, Context, ConvertError, Converter, JsonConverter, JsonOptions, read_schemaless,
};
use crate::record::{SchemaAndValue, Value};

/// Attributes that every event has.
const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];

fn no_event() -> ConvertError {
    ConvertError::new("no CloudEvent: id, source, specversion or type is missing")
}

/// An event in JSON as a map, its data read by `data`.
pub(super) fn json(
    bytes: &[u8],
    data: impl FnOnce(Value) -> Result<Value, ConvertError>,
) -> Result<SchemaAndValue, ConvertError> {
    let mut event = read_schemaless(bytes)?;
    if REQUIRED.iter().any(|name| event.entry(name).is_none()) {
        return Err(no_event());
    }
    let member = event.entry("data").cloned();
    let member = member.ok_or_else(|| ConvertError::new("the CloudEvent has no data"))?;
    event.set_entry("data", data(member)?);
    Ok(SchemaAndValue::schemaless(event))
}

/// The payload of data that carry their schema.
pub(super) fn payload(data: Value) -> Result<Value, ConvertError> {
    let members = match data {
        Value::Map(members) => members,
        _ => Vec::new(),
    };
    let payload = members
        .into_iter()
        .find(|(name, _)| name.as_str() == Some("payload"));
    let none =
        || ConvertError::new("the CloudEvent's data have no member payload: set json.schemas to false");
    payload.map(|(_, value)| value).ok_or_else(none)
}

/// Data in base64 of Avro, as a map like the rest of the event.
pub(super) fn base64_avro(
    converter: &mut AvroConverter,
    context: &Context<'_>,
    data: &Value,
) -> Result<Value, ConvertError> {
    let text = data.as_str().unwrap_or_default();
    let bytes = base64_simd::STANDARD
        .decode_to_vec(text.as_bytes())
        .map_err(|_| ConvertError::new("the CloudEvent's data are not base64"))?;
    let read = converter.read(context, Some(&bytes))?;
    let mut plain = Vec::new();
    let options = JsonOptions {
        schemas: false,
        ..JsonOptions::default()
    };
    JsonConverter::new(options).write(context, &read, &mut plain)?;
    read_schemaless(&plain)
}

/// An event in Avro as a struct, with the struct of its data in their place.
pub(super) fn avro(
    converter: &mut AvroConverter,
    context: &Context<'_>,
    bytes: &[u8],
) -> Result<SchemaAndValue, ConvertError> {
    let event = converter.read(context, Some(bytes))?;
    let (Some(schema), Value::Struct(mut members)) = (event.schema, event.value) else {
        return Err(no_event());
    };
    if REQUIRED.iter().any(|name| schema.field(name).is_none()) {
        return Err(no_event());
    }
    let place = schema.field("data").map(|(index, _)| index);
    let place = place.ok_or_else(|| ConvertError::new("the CloudEvent has no data"))?;
    let data = match members.get(place) {
        Some(Value::Bytes(bytes)) => converter.read(context, Some(bytes))?,
        _ => return Err(ConvertError::new("the CloudEvent's data are no bytes")),
    };
    let mut fields: Vec<Field> = schema.fields().to_vec();
    if let (Some(field), Some(member), Some(of_data)) =
        (fields.get_mut(place), members.get_mut(place), data.schema)
    {
        field.schema = of_data;
        *member = data.value;
    }
    let whole = Schema {
        kind: Kind::Struct(fields),
        ..Schema::clone(&schema)
    };
    Ok(SchemaAndValue {
        schema: Some(Arc::new(whole)),
        value: Value::Struct(members),
    })
}
