//! Avro's binary encoding.

use super::super::ConvertError;
use super::schema::{Node, Width};
use crate::append::Few;
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

/// Appends a number.
#[inline]
pub(super) fn long(n: i64, out: &mut Vec<u8>) {
    varint(n).append(out);
}

/// A number's bytes: zigzag, seven bits a byte, the lowest first, each but the last one with the highest bit.
#[inline]
pub(crate) fn varint(n: i64) -> Few {
    const MORE: u128 = u128::MAX / 255 * 0x80;
    if let 0..0x40 = n {
        // As most lengths are.
        return Few::new(u128::from(n.cast_unsigned() << 1), 1);
    }
    let zigzag = (n << 1 ^ n >> 63).cast_unsigned();
    let (low, high) = (zigzag & u64::MAX >> 8, zigzag >> 56);
    let bytes = u128::from(sevens(low)) | u128::from(high & 0x7f | high >> 7 << 8) << 64;
    let len = (70 - (zigzag | 1).leading_zeros() as usize) / 7;
    Few::new(bytes | MORE & !(u128::MAX << (8 * (len - 1))), len)
}

/// The same of a number of at most seven bytes, the first one the lowest, and how many they are.
#[inline(always)]
pub(super) fn short_varint(n: i64) -> Option<(u64, usize)> {
    const MORE: u64 = u64::MAX / 255 * 0x80;
    let zigzag = (n << 1 ^ n >> 63).cast_unsigned();
    match zigzag {
        // As most lengths are.
        0..0x80 => Some((zigzag, 1)),
        0x80..0x2_0000_0000_0000 => {
            let len = (70 - zigzag.leading_zeros() as usize) / 7;
            Some((sevens(zigzag) | MORE & !(u64::MAX << (8 * (len - 1))), len))
        }
        _ => None,
    }
}

/// Puts the 56 lowest bits of a number into eight bytes, seven each.
#[inline]
fn sevens(n: u64) -> u64 {
    let halves = n & 0x0fff_ffff | n << 4 & 0x0fff_ffff << 32;
    let quarters = halves & 0x3fff_0000_3fff | halves << 2 & 0x3fff_0000_3fff << 16;
    quarters & 0x7f_007f_007f_007f | quarters << 1 & 0x7f_007f_007f_007f << 8
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_take_seven_bits_a_byte(n in any::<i64>(), bits in 0_u32..64) {
            let n = n >> bits;
            let mut rest = (n << 1 ^ n >> 63).cast_unsigned();
            let mut expected = Vec::new();
            while rest >= 0x80 {
                expected.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            expected.push(rest.to_le_bytes()[0]);
            let written = varint(n);
            prop_assert_eq!(written.as_bytes(), &expected[..]);
            let short = super::short_varint(n);
            prop_assert_eq!(short.is_some(), expected.len() <= 7);
            if let Some((word, len)) = short {
                prop_assert_eq!(&word.to_le_bytes()[..len], expected);
            }
        }
    }
}
