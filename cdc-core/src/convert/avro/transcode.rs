//! The encoder's JSON to Avro without values in between: the way of records that no transform touches.
//!
//! Only JSON in the one form that the encoder writes goes this way: members in the schema's order, nothing left out,
//! decimals in base64. Anything else, faults included, is left to the way through values, which words the errors.

use super::super::json::{Cursor, unescape_into};
use super::encode::{encode, long};
use super::schema::{Node, Width};
use crate::record::Value;

/// Appends the Avro of a payload; false, with nothing appended, if it must go through values.
pub(super) fn transcode(node: &Node, payload: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut cursor = Cursor::new(payload);
    // Null alone is Kafka's null, and bytes alone stand without their length.
    let alone = payload == b"null" || matches!(node, Node::Bytes);
    if !alone && value(node, &mut cursor, out).is_some() && cursor.end().is_ok() {
        return true;
    }
    out.truncate(start);
    false
}

/// Appends the Avro of one JSON token; false, with nothing appended, if it is not as expected.
pub(super) fn token(node: &Node, token: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let mut cursor = Cursor::new(token);
    if value(node, &mut cursor, out).is_some() && cursor.end().is_ok() {
        return true;
    }
    out.truncate(start);
    false
}

/// Appends one value; none if it is not as expected.
pub(super) fn value(node: &Node, c: &mut Cursor<'_>, out: &mut Vec<u8>) -> Option<()> {
    match node {
        Node::Optional { .. } | Node::Default(..) if c.take_null() => {
            return encode(node, &Value::Null, out).ok();
        }
        Node::Optional { inner, default } => {
            out.push(if default.is_some() { 0 } else { 2 });
            value(inner, c, out)?;
        }
        Node::Default(inner, _) => value(inner, c, out)?,
        Node::Boolean => out.push(u8::from(c.boolean().ok()?)),
        Node::Int(width) => {
            let n = c.integer().ok()?;
            let fits = match width {
                Width::Eight => i8::try_from(n).is_ok(),
                Width::Sixteen => i16::try_from(n).is_ok(),
                Width::ThirtyTwo => i32::try_from(n).is_ok(),
            };
            fits.then(|| long(n, out))?;
        }
        Node::Long => long(c.integer().ok()?, out),
        Node::Float => out.extend_from_slice(&c.float32().ok()?.to_le_bytes()),
        Node::Double => out.extend_from_slice(&c.float().ok()?.to_le_bytes()),
        Node::String => string(c, out)?,
        Node::Bytes | Node::Decimal(_) => base64(c, out)?,
        Node::Array(items) => {
            let (start, mut count) = (out.len(), 0);
            let mut more = c.open(b'[', b']').ok()?;
            while more {
                value(items, c, out)?;
                count += 1;
                more = c.more(b']').ok()?;
            }
            block(start, count, out);
        }
        Node::Map(values) => {
            let (start, mut count) = (out.len(), 0);
            let mut more = c.open(b'{', b'}').ok()?;
            while more {
                string(c, out)?;
                c.expect(b':').ok()?;
                value(values, c, out)?;
                count += 1;
                more = c.more(b'}').ok()?;
            }
            block(start, count, out);
        }
        Node::Entries(keys, values) => {
            let (start, mut count) = (out.len(), 0);
            let mut more = c.open(b'[', b']').ok()?;
            while more {
                c.expect(b'[').ok()?;
                value(keys, c, out)?;
                c.expect(b',').ok()?;
                value(values, c, out)?;
                c.expect(b']').ok()?;
                count += 1;
                more = c.more(b']').ok()?;
            }
            block(start, count, out);
        }
        Node::Record(members) => {
            for member in members {
                c.take(&member.token).then_some(())?;
                value(&member.node, c, out)?;
            }
            let end: &[u8] = if members.is_empty() { b"{}" } else { b"}" };
            c.take(end).then_some(())?;
        }
    }
    Some(())
}

/// Appends a string with its length.
fn string(c: &mut Cursor<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (inside, escaped) = c.raw_string().ok()?;
    if escaped {
        let start = out.len();
        unescape_into(inside, out).ok()?;
        std::str::from_utf8(out.get(start..)?).ok()?;
        before(start, i64::try_from(out.len() - start).ok()?, out);
    } else {
        std::str::from_utf8(inside).ok()?;
        long(i64::try_from(inside.len()).ok()?, out);
        out.extend_from_slice(inside);
    }
    Some(())
}

/// Appends the bytes of a base64 string with their length.
fn base64(c: &mut Cursor<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (inside, false) = c.raw_string().ok()? else {
        return None;
    };
    let length = base64_simd::STANDARD.decoded_length(inside).ok()?;
    long(i64::try_from(length).ok()?, out);
    base64_simd::STANDARD.decode_append(inside, out).ok()
}

/// Puts the count of the items that were appended before them, and ends the blocks.
fn block(start: usize, count: i64, out: &mut Vec<u8>) {
    if count > 0 {
        before(start, count, out);
    }
    out.push(0);
}

/// Puts a number before what was appended since `start`.
fn before(start: usize, n: i64, out: &mut Vec<u8>) {
    let end = out.len();
    long(n, out);
    let head = out.len() - end;
    if let Some(appended) = out.get_mut(start..) {
        appended.rotate_right(head);
    }
}
