//! JSON payloads to values, by a plan compiled once a schema.

use std::sync::Arc;

use super::super::ConvertError;
use super::cursor::{Cursor, malformed};
use crate::connect::{Kind, Schema};
use crate::json;
use crate::record::{Decimal, Text, Value};

/// Connect's name of the logical type Decimal.
pub(crate) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";

/// How values of one schema are read.
#[derive(Debug)]
pub struct JsonReader {
    root: Node,
}

/// How one value is read.
#[derive(Debug)]
struct Node {
    form: Form,
    /// What null becomes; none if null is not allowed.
    null: Option<Value>,
}

#[derive(Debug)]
enum Form {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    String,
    Bytes,
    Decimal(i32),
    Array(Box<Node>),
    /// A map with string keys: an object.
    Object(Box<Node>),
    /// Another map: an array of pairs.
    Pairs(Box<Node>, Box<Node>),
    Struct(Vec<Member>),
}

#[derive(Debug)]
struct Member {
    /// `"name":` as the encoder writes it.
    token: Box<[u8]>,
    name: String,
    node: Node,
}

/// What a null is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// As null, wherever it stands.
    Keep,
    /// As the schema's default if it has one; else as null where the schema allows that, as Connect's converter does.
    Default,
}

impl JsonReader {
    /// Compiles the plan of a schema.
    ///
    /// # Errors
    /// If a Decimal has no usable scale.
    pub fn new(schema: &Schema, nulls: Nulls) -> Result<Self, ConvertError> {
        Ok(Self {
            root: node(schema, nulls)?,
        })
    }

    /// Reads one value that fills the whole of `payload`.
    ///
    /// # Errors
    /// If it is not the JSON of a value of the schema.
    pub fn read(&self, payload: &[u8]) -> Result<Value, ConvertError> {
        let mut cursor = Cursor::new(payload);
        let value = self.root.read(&mut cursor)?;
        cursor.end()?;
        Ok(value)
    }
}

/// Scale of a Decimal's schema.
pub(crate) fn scale(schema: &Schema) -> Result<i32, ConvertError> {
    /// Beyond PostgreSQL's and Java's sensible range; bounds what writing a number out takes.
    const MOST: u32 = 200_000;
    let scale = schema.parameters.iter().find(|(name, _)| name == "scale");
    let scale = scale.and_then(|(_, scale)| scale.parse::<i32>().ok());
    scale
        .filter(|s| s.unsigned_abs() <= MOST)
        .ok_or_else(|| ConvertError::new("a Decimal's schema has no usable parameter scale"))
}

/// Whether values of a schema are decimals.
pub(crate) fn is_decimal(schema: &Schema) -> bool {
    schema.kind == Kind::Bytes && schema.is_named(DECIMAL)
}

fn node(schema: &Schema, nulls: Nulls) -> Result<Node, ConvertError> {
    let inner = |s: &Arc<Schema>| node(s, nulls).map(Box::new);
    let form = match &schema.kind {
        Kind::Boolean => Form::Bool,
        Kind::Int8 => Form::Int8,
        Kind::Int16 => Form::Int16,
        Kind::Int32 => Form::Int32,
        Kind::Int64 => Form::Int64,
        Kind::Float32 => Form::Float32,
        Kind::Float64 => Form::Float64,
        Kind::String => Form::String,
        Kind::Bytes if is_decimal(schema) => Form::Decimal(scale(schema)?),
        Kind::Bytes => Form::Bytes,
        Kind::Array(items) => Form::Array(inner(items)?),
        Kind::Map(keys, values) if keys.kind == Kind::String => Form::Object(inner(values)?),
        Kind::Map(keys, values) => Form::Pairs(inner(keys)?, inner(values)?),
        Kind::Struct(fields) => {
            let member = |f: &crate::connect::Field| {
                let mut token = Vec::new();
                json::write_str(&mut token, f.name.as_bytes());
                token.push(b':');
                Ok(Member {
                    token: token.into(),
                    name: f.name.clone(),
                    node: node(&f.schema, nulls)?,
                })
            };
            Form::Struct(fields.iter().map(member).collect::<Result<_, ConvertError>>()?)
        }
    };
    let null = match nulls {
        Nulls::Keep => Some(Value::Null),
        Nulls::Default => match &schema.default_json {
            Some(default) => {
                let bare = Node {
                    form,
                    null: Some(Value::Null),
                };
                let value = bare.read(&mut Cursor::new(default.as_bytes()))?;
                return Ok(Node {
                    form: bare.form,
                    null: Some(value),
                });
            }
            None => schema.optional.then_some(Value::Null),
        },
    };
    Ok(Node { form, null })
}

impl Node {
    fn read(&self, c: &mut Cursor<'_>) -> Result<Value, ConvertError> {
        if c.take_null() {
            return self
                .null
                .clone()
                .ok_or_else(|| ConvertError::new("null where the schema requires a value"));
        }
        Ok(match &self.form {
            Form::Bool => Value::Bool(c.boolean()?),
            #[expect(clippy::cast_possible_truncation, reason = "as the converter narrows")]
            Form::Int8 => Value::Int8(c.integer()? as i8),
            #[expect(clippy::cast_possible_truncation, reason = "as the converter narrows")]
            Form::Int16 => Value::Int16(c.integer()? as i16),
            #[expect(clippy::cast_possible_truncation, reason = "as the converter narrows")]
            Form::Int32 => Value::Int32(c.integer()? as i32),
            Form::Int64 => Value::Int64(c.integer()?),
            Form::Float32 => Value::Float32(c.float32()?),
            Form::Float64 => Value::Float64(c.float()?),
            Form::String => Value::String(c.string()?),
            Form::Bytes => Value::Bytes(base64(&c.string()?)?.into()),
            Form::Decimal(scale) => Value::Decimal(decimal(c, *scale)?),
            Form::Array(items) => {
                let mut all = Vec::new();
                let mut more = c.open(b'[', b']')?;
                while more {
                    all.push(items.read(c)?);
                    more = c.more(b']')?;
                }
                Value::Array(all)
            }
            Form::Object(values) => {
                let mut all = Vec::new();
                let mut more = c.open(b'{', b'}')?;
                while more {
                    let key = c.string()?;
                    c.expect(b':')?;
                    all.push((Value::String(key), values.read(c)?));
                    more = c.more(b'}')?;
                }
                Value::Map(all)
            }
            Form::Pairs(keys, values) => {
                let mut all = Vec::new();
                let mut more = c.open(b'[', b']')?;
                while more {
                    c.expect(b'[')?;
                    let key = keys.read(c)?;
                    c.expect(b',')?;
                    all.push((key, values.read(c)?));
                    c.expect(b']')?;
                    more = c.more(b']')?;
                }
                Value::Map(all)
            }
            Form::Struct(members) => structure(members, c)?,
        })
    }
}

/// Reads an object whose members mostly come in the order of the schema.
fn structure(members: &[Member], c: &mut Cursor<'_>) -> Result<Value, ConvertError> {
    let mut all = Vec::with_capacity(members.len());
    let mut more = c.open(b'{', b'}')?;
    while more {
        match members.get(all.len()) {
            Some(member) if c.take(&member.token) => {
                all.push(member.node.read(c)?);
                more = c.more(b'}')?;
            }
            _ => return unordered(members, all, c),
        }
    }
    absent(members, &mut all)?;
    Ok(Value::Struct(all))
}

/// Fills in what the object does not have.
fn absent(members: &[Member], all: &mut Vec<Value>) -> Result<(), ConvertError> {
    for member in members.get(all.len()..).unwrap_or_default() {
        all.push(member.absent()?);
    }
    Ok(())
}

impl Member {
    fn absent(&self) -> Result<Value, ConvertError> {
        self.node.null.clone().ok_or_else(|| {
            ConvertError::new(format!(
                "the member {} is missing and its schema requires it",
                self.name
            ))
        })
    }
}

/// Reads the rest of an object whose members come in another order; unknown ones are passed over, as by Connect.
fn unordered(members: &[Member], read: Vec<Value>, c: &mut Cursor<'_>) -> Result<Value, ConvertError> {
    let mut found: Vec<Option<Value>> = read.into_iter().map(Some).collect();
    found.resize(members.len(), None);
    loop {
        let name: Text = c.string()?;
        c.expect(b':')?;
        match members.iter().position(|m| m.name == name) {
            Some(at) => {
                let value = members.get(at).map(|m| m.node.read(c)).transpose()?;
                if let Some(place) = found.get_mut(at) {
                    *place = value;
                }
            }
            None => drop(c.skip()?),
        }
        if !c.more(b'}')? {
            break;
        }
    }
    let fill = |(value, member): (Option<Value>, &Member)| value.map_or_else(|| member.absent(), Ok);
    let all = found
        .into_iter()
        .zip(members)
        .map(fill)
        .collect::<Result<_, _>>()?;
    Ok(Value::Struct(all))
}

fn decimal(c: &mut Cursor<'_>, scale: i32) -> Result<Decimal, ConvertError> {
    if c.peek() == Some(b'"') {
        return Ok(Decimal::from_bytes(&base64(&c.string()?)?, scale));
    }
    Decimal::parse(c.number()?).ok_or_else(|| malformed("a number is missing"))
}

fn base64(text: &str) -> Result<Vec<u8>, ConvertError> {
    base64_simd::STANDARD
        .decode_to_vec(text.as_bytes())
        .map_err(|_| malformed("base64 is missing"))
}

/// Reads a value without a schema that fills the whole of `payload`.
///
/// # Errors
/// If it is not JSON.
pub fn read_schemaless(payload: &[u8]) -> Result<Value, ConvertError> {
    let mut cursor = Cursor::new(payload);
    let value = cursor.any()?;
    cursor.end()?;
    Ok(value)
}
