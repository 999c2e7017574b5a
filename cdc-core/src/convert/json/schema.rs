//! Schemas out of the text that the converter writes beside a payload.

use std::sync::Arc;

use super::super::ConvertError;
use super::cursor::{Cursor, malformed};
use crate::connect::{Field, Kind, Schema};

/// A schema's members as they come.
#[derive(Default)]
struct Parts {
    kind: String,
    items: Option<Schema>,
    keys: Option<Schema>,
    values: Option<Schema>,
    fields: Option<Vec<Field>>,
    optional: bool,
    name: Option<String>,
    version: Option<i32>,
    doc: Option<String>,
    parameters: Vec<(String, String)>,
    default_json: Option<String>,
    field: Option<String>,
}

/// Reads a schema.
///
/// # Errors
/// If the text is none.
pub(super) fn read(c: &mut Cursor<'_>) -> Result<Schema, ConvertError> {
    build(&mut parts(c)?)
}

fn parts(c: &mut Cursor<'_>) -> Result<Parts, ConvertError> {
    let mut p = Parts::default();
    let mut more = c.open(b'{', b'}')?;
    while more {
        let name = c.string()?;
        c.expect(b':')?;
        if c.take_null() {
            more = c.more(b'}')?;
            continue;
        }
        match name.as_str() {
            "type" => p.kind = c.string()?.into(),
            "items" => p.items = Some(read(c)?),
            "keys" => p.keys = Some(read(c)?),
            "values" => p.values = Some(read(c)?),
            "fields" => p.fields = Some(fields(c)?),
            "optional" => p.optional = c.boolean()?,
            "name" => p.name = Some(c.string()?.into()),
            "version" => p.version = i32::try_from(c.integer()?).ok(),
            "doc" => p.doc = Some(c.string()?.into()),
            "parameters" => p.parameters = parameters(c)?,
            "default" => p.default_json = Some(String::from_utf8_lossy(c.skip()?).into_owned()),
            "field" => p.field = Some(c.string()?.into()),
            _ => drop(c.skip()?),
        }
        more = c.more(b'}')?;
    }
    Ok(p)
}

fn fields(c: &mut Cursor<'_>) -> Result<Vec<Field>, ConvertError> {
    let mut all = Vec::new();
    let mut more = c.open(b'[', b']')?;
    while more {
        let mut p = parts(c)?;
        let name = p
            .field
            .take()
            .ok_or_else(|| malformed("a struct's field has no name"))?;
        all.push(Field::new(name, build(&mut p)?));
        more = c.more(b']')?;
    }
    Ok(all)
}

fn parameters(c: &mut Cursor<'_>) -> Result<Vec<(String, String)>, ConvertError> {
    let mut all = Vec::new();
    let mut more = c.open(b'{', b'}')?;
    while more {
        let name = c.string()?;
        c.expect(b':')?;
        all.push((name.into(), c.string()?.into()));
        more = c.more(b'}')?;
    }
    Ok(all)
}

fn build(p: &mut Parts) -> Result<Schema, ConvertError> {
    let inner = |schema: Option<Schema>, what: &str| {
        let missing = || malformed(&format!("a schema has no member {what}"));
        schema.map(Arc::new).ok_or_else(missing)
    };
    let kind = match p.kind.as_str() {
        "boolean" => Kind::Boolean,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "array" => Kind::Array(inner(p.items.take(), "items")?),
        "map" => Kind::Map(inner(p.keys.take(), "keys")?, inner(p.values.take(), "values")?),
        "struct" => Kind::Struct(
            p.fields
                .take()
                .ok_or_else(|| malformed("a struct's schema has no member fields"))?,
        ),
        _ => return Err(malformed("a schema's type is unknown")),
    };
    Ok(Schema {
        kind,
        optional: p.optional,
        name: p.name.take(),
        version: p.version,
        doc: p.doc.take(),
        parameters: std::mem::take(&mut p.parameters),
        default_json: p.default_json.take(),
    })
}
