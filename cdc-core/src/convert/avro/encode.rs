//! Avro's binary encoding.

use super::super::ConvertError;
use super::schema::{Node, Width};
use crate::record::Value;

/// Appends a value.
///
/// # Errors
/// If it is not one of the schema.
pub(super) fn encode(node: &Node, value: &Value, out: &mut Vec<u8>) -> Result<(), ConvertError> {
    match (node, value) {
        (Node::Optional { default: None, .. }, Value::Null) => long(0, out),
        (Node::Optional { inner, default: None }, value) => {
            long(1, out);
            encode(inner, value, out)?;
        }
        (
            Node::Optional {
                inner,
                default: Some(default),
            },
            value,
        ) => {
            // Confluent's converter reads a struct's member with its default.
            long(0, out);
            encode(inner, if value.is_null() { default } else { value }, out)?;
        }
        (Node::Default(inner, default), value) => {
            encode(inner, if value.is_null() { default } else { value }, out)?;
        }
        (Node::Boolean, Value::Bool(b)) => out.push(u8::from(*b)),
        (Node::Int(_) | Node::Long, value) => match value.as_i64() {
            Some(n) => long(n, out),
            None => return Err(mismatch(node, value)),
        },
        (Node::Float, Value::Float32(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (Node::Double, Value::Float64(v)) => out.extend_from_slice(&v.to_le_bytes()),
        (Node::String, Value::String(s)) => bytes(s.as_bytes(), out),
        (Node::Bytes, Value::Bytes(b)) => bytes(b, out),
        (Node::Decimal(scale), Value::Decimal(d)) => {
            if d.scale != *scale {
                return Err(ConvertError::new("a decimal has another scale than its schema"));
            }
            bytes(d.unscaled(), out);
        }
        (Node::Array(items), Value::Array(values)) => {
            block(values.len(), out);
            for value in values {
                encode(items, value, out)?;
            }
            out.push(0);
        }
        (Node::Map(values), Value::Map(entries)) => {
            block(entries.len(), out);
            for (key, value) in entries {
                encode(&Node::String, key, out)?;
                encode(values, value, out)?;
            }
            out.push(0);
        }
        (Node::Entries(keys, values), Value::Map(entries)) => {
            block(entries.len(), out);
            for (key, value) in entries {
                encode(keys, key, out)?;
                encode(values, value, out)?;
            }
            out.push(0);
        }
        (Node::Record(fields), Value::Struct(members)) => {
            let mut members = members.iter();
            for field in fields {
                encode(&field.node, members.next().unwrap_or(&Value::Null), out)?;
            }
        }
        (node, value) => return Err(mismatch(node, value)),
    }
    Ok(())
}

fn mismatch(node: &Node, value: &Value) -> ConvertError {
    let wanted = match node {
        Node::Boolean => "a boolean",
        Node::Int(Width::Eight) => "an int8",
        Node::Int(Width::Sixteen) => "an int16",
        Node::Int(Width::ThirtyTwo) => "an int32",
        Node::Long => "an int64",
        Node::Float => "a float",
        Node::Double => "a double",
        Node::String => "a string",
        Node::Bytes => "bytes",
        Node::Decimal(_) => "a decimal",
        Node::Array(_) => "an array",
        Node::Map(_) | Node::Entries(..) => "a map",
        Node::Record(_) => "a struct",
        Node::Optional { .. } | Node::Default(..) => "another value",
    };
    ConvertError::new(format!("{} where the schema has {wanted}", value.kind_name()))
}

/// Appends a number: zigzag, seven bits a byte, the lowest first.
#[inline]
pub(super) fn long(n: i64, out: &mut Vec<u8>) {
    if let n @ 0..0x40 = n {
        // As most lengths are.
        return out.push(low(n.cast_unsigned() << 1));
    }
    let (bytes, length) = varint(n);
    let end = out.len() + length;
    out.extend_from_slice(&bytes);
    out.truncate(end);
}

/// A number's bytes and how many they are.
#[inline]
pub(crate) fn varint(n: i64) -> ([u8; 16], usize) {
    let mut bytes = [0; 16];
    let mut rest = (n << 1 ^ n >> 63).cast_unsigned();
    let mut length = 0;
    for place in &mut bytes {
        length += 1;
        if rest < 0x80 {
            *place = low(rest);
            break;
        }
        *place = low(rest) | 0x80;
        rest >>= 7;
    }
    (bytes, length)
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    block_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn block_length(n: usize, out: &mut Vec<u8>) {
    long(i64::try_from(n).unwrap_or(i64::MAX), out);
}

/// Begins the one block of an array or map; an empty one has none.
fn block(n: usize, out: &mut Vec<u8>) {
    if n > 0 {
        block_length(n, out);
    }
}

/// The lowest eight bits.
fn low(n: u64) -> u8 {
    let [low, ..] = n.to_le_bytes();
    low
}
