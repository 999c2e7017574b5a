//! Values to JSON payloads, by a plan compiled once a schema.

use std::sync::Arc;

use super::super::ConvertError;
use super::JsonOptions;
use super::read::{JsonReader, Nulls};
use crate::connect::{Field, Kind, Schema};
use crate::json;
use crate::record::{Decimal, Value};
use crate::types::DecimalFormat;

/// How values of one schema are written.
#[derive(Debug)]
pub struct JsonWriter {
    /// What stands before the payload: the schema, if that is wanted.
    open: Box<[u8]>,
    close: &'static [u8],
    root: Node,
    decimal: DecimalFormat,
}

/// How one value is written.
#[derive(Debug)]
struct Node {
    form: Form,
    /// Text for null; none if null is not allowed.
    null: Option<Box<[u8]>>,
}

#[derive(Debug)]
enum Form {
    /// A value that shows by itself what it is.
    Plain,
    Array(Box<Node>),
    Object(Box<Node>),
    Pairs(Box<Node>, Box<Node>),
    /// Before each member `{"name":` or `,"name":`.
    Struct(Vec<(Box<[u8]>, Node)>),
}

impl JsonWriter {
    /// Compiles the plan of a schema.
    ///
    /// # Errors
    /// If a default of the schema is not one of its values.
    pub fn new(schema: &Schema, options: &JsonOptions) -> Result<Self, ConvertError> {
        let adjusted;
        let schema = match options.decimal_format {
            DecimalFormat::Base64 => schema,
            DecimalFormat::Numeric => {
                adjusted = numeric_defaults(schema)?;
                &adjusted
            }
        };
        let (mut open, mut close) = (Vec::new(), &b""[..]);
        if options.schemas {
            open.extend_from_slice(b"{\"schema\":");
            schema.render(None, &mut open);
            open.extend_from_slice(b",\"payload\":");
            close = b"}";
        }
        Ok(Self {
            open: open.into(),
            close,
            root: node(schema, options.replace_null_with_default),
            decimal: options.decimal_format,
        })
    }

    /// Appends schema, if wanted, and payload.
    ///
    /// # Errors
    /// If the value is not one of the schema. What was appended by then stays.
    pub fn write(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        out.extend_from_slice(&self.open);
        self.root.write(value, self.decimal, out)?;
        out.extend_from_slice(self.close);
        Ok(())
    }
}

/// The schema with the defaults of decimals as numbers.
fn numeric_defaults(schema: &Schema) -> Result<Schema, ConvertError> {
    let inner = |s: &Arc<Schema>| numeric_defaults(s).map(Arc::new);
    let mut out = schema.clone();
    out.kind = match &schema.kind {
        Kind::Array(items) => Kind::Array(inner(items)?),
        Kind::Map(keys, values) => Kind::Map(inner(keys)?, inner(values)?),
        Kind::Struct(fields) => {
            let field = |f: &Field| Ok(Field::new(f.name.clone(), inner(&f.schema)?));
            Kind::Struct(fields.iter().map(field).collect::<Result<_, ConvertError>>()?)
        }
        simple => simple.clone(),
    };
    if let Some(default) = &schema.default_json {
        let value = JsonReader::new(schema, Nulls::Keep)?.read(default.as_bytes())?;
        let mut text = Vec::new();
        node(schema, false).write(&value, DecimalFormat::Numeric, &mut text)?;
        out.default_json = Some(String::from_utf8_lossy(&text).into_owned());
    }
    Ok(out)
}

fn node(schema: &Schema, defaults: bool) -> Node {
    let inner = |s: &Arc<Schema>| Box::new(node(s, defaults));
    let form = match &schema.kind {
        Kind::Array(items) => Form::Array(inner(items)),
        Kind::Map(keys, values) if keys.kind == Kind::String => Form::Object(inner(values)),
        Kind::Map(keys, values) => Form::Pairs(inner(keys), inner(values)),
        Kind::Struct(fields) => {
            let member = |(i, f): (usize, &Field)| {
                let mut token = vec![if i == 0 { b'{' } else { b',' }];
                json::write_str(&mut token, f.name.as_bytes());
                token.push(b':');
                (token.into(), node(&f.schema, defaults))
            };
            Form::Struct(fields.iter().enumerate().map(member).collect())
        }
        _ => Form::Plain,
    };
    let default = schema.default_json.as_deref();
    let null = match default.filter(|_| defaults) {
        Some(default) => Some(default.as_bytes().into()),
        // A default stands in for a value that is required; without one there is nothing to write.
        None => (schema.optional || default.is_some()).then(|| b"null"[..].into()),
    };
    Node { form, null }
}

impl Node {
    fn write(&self, value: &Value, decimal: DecimalFormat, out: &mut Vec<u8>) -> Result<(), ConvertError> {
        match (&self.form, value) {
            (_, Value::Null) => match &self.null {
                Some(text) => out.extend_from_slice(text),
                None => return Err(ConvertError::new("null where the schema requires a value")),
            },
            (Form::Struct(members), Value::Struct(values)) => {
                if members.is_empty() {
                    out.push(b'{');
                }
                let mut values = values.iter();
                for (token, member) in members {
                    out.extend_from_slice(token);
                    member.write(values.next().unwrap_or(&Value::Null), decimal, out)?;
                }
                out.push(b'}');
            }
            (Form::Array(items), Value::Array(values)) => {
                out.push(b'[');
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    items.write(value, decimal, out)?;
                }
                out.push(b']');
            }
            (Form::Object(node), Value::Map(entries)) => {
                object(entries, out, |value, out| node.write(value, decimal, out))?;
            }
            (Form::Pairs(keys, values), Value::Map(entries)) => {
                pairs(entries, out, |key, value, out| {
                    keys.write(key, decimal, out)?;
                    out.push(b',');
                    values.write(value, decimal, out)
                })?;
            }
            (Form::Plain, Value::Array(_) | Value::Map(_) | Value::Struct(_)) => {
                return Err(mismatch(value, "a simple value"));
            }
            (Form::Plain, simple) => write_simple(simple, decimal, out),
            (Form::Struct(_), other) => return Err(mismatch(other, "a struct")),
            (Form::Array(_), other) => return Err(mismatch(other, "an array")),
            (Form::Object(_) | Form::Pairs(..), other) => return Err(mismatch(other, "a map")),
        }
        Ok(())
    }
}

fn mismatch(value: &Value, wanted: &str) -> ConvertError {
    ConvertError::new(format!("{} where the schema has {wanted}", value.kind_name()))
}

fn object(
    entries: &[(Value, Value)],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&Value, &mut Vec<u8>) -> Result<(), ConvertError>,
) -> Result<(), ConvertError> {
    out.push(b'{');
    for (i, (key, value)) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let key = key.as_str().ok_or_else(|| mismatch(key, "a string"))?;
        json::write_str(out, key.as_bytes());
        out.push(b':');
        write(value, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn pairs(
    entries: &[(Value, Value)],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&Value, &Value, &mut Vec<u8>) -> Result<(), ConvertError>,
) -> Result<(), ConvertError> {
    out.push(b'[');
    for (i, (key, value)) in entries.iter().enumerate() {
        out.extend_from_slice(if i > 0 { b",[" } else { b"[" });
        write(key, value, out)?;
        out.push(b']');
    }
    out.push(b']');
    Ok(())
}

/// Appends a value that has no schema.
///
/// # Errors
/// If it holds a struct, which has no names without a schema.
pub fn write_schemaless(
    value: &Value,
    decimal: DecimalFormat,
    out: &mut Vec<u8>,
) -> Result<(), ConvertError> {
    match value {
        Value::Array(values) => {
            out.push(b'[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_schemaless(value, decimal, out)?;
            }
            out.push(b']');
            Ok(())
        }
        Value::Map(entries) if entries.iter().all(|(key, _)| key.as_str().is_some()) => {
            object(entries, out, |value, out| write_schemaless(value, decimal, out))
        }
        Value::Map(entries) => pairs(entries, out, |key, value, out| {
            write_schemaless(key, decimal, out)?;
            out.push(b',');
            write_schemaless(value, decimal, out)
        }),
        Value::Struct(_) => Err(ConvertError::new("a struct without a schema")),
        // A number that only did not fit into 64 bits.
        Value::Decimal(d) if d.scale == 0 => {
            write_decimal(d, DecimalFormat::Numeric, out);
            Ok(())
        }
        simple => {
            write_simple(simple, decimal, out);
            Ok(())
        }
    }
}

/// Appends a value that is neither array, map nor struct.
fn write_simple(value: &Value, decimal: DecimalFormat, out: &mut Vec<u8>) {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int8(n) => json::write_i64(out, i64::from(*n)),
        Value::Int16(n) => json::write_i64(out, i64::from(*n)),
        Value::Int32(n) => json::write_i64(out, i64::from(*n)),
        Value::Int64(n) => json::write_i64(out, *n),
        Value::Float32(n) => json::write_f32(out, *n),
        Value::Float64(n) => json::write_f64(out, *n),
        Value::String(s) => json::write_str(out, s.as_bytes()),
        Value::Bytes(bytes) => json::write_base64(out, bytes),
        Value::Decimal(d) => write_decimal(d, decimal, out),
        Value::Null | Value::Array(_) | Value::Map(_) | Value::Struct(_) => out.extend_from_slice(b"null"),
    }
}

fn write_decimal(d: &Decimal, format: DecimalFormat, out: &mut Vec<u8>) {
    match format {
        DecimalFormat::Base64 => json::write_base64(out, d.unscaled()),
        DecimalFormat::Numeric => out.extend_from_slice(d.to_java_string().as_bytes()),
    }
}
