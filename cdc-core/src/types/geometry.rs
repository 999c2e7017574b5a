//! Geometric types: `point`, PostGIS values, and the text forms of the rest.

use super::binary;
use super::decimal::parse_f64;
use super::error::{Fault, Written};
use super::options::BinaryHandling;
use crate::json;

/// Hexadecimal EWKB of an empty geometry collection.
pub(super) const EMPTY_COLLECTION: &[u8] = b"010700000000000000";

/// Appends a point given as `(x,y)`: both coordinates and the little-endian WKB.
pub(super) fn write_point(text: &[u8], out: &mut Vec<u8>) -> Written {
    const BAD: Fault = Fault::Malformed("not the text of a point");
    let inside = text
        .strip_prefix(b"(")
        .and_then(|t| t.strip_suffix(b")"))
        .ok_or(BAD)?;
    let comma = memchr::memchr(b',', inside).ok_or(BAD)?;
    let (x, y) = inside.split_at_checked(comma).ok_or(BAD)?;
    let (x, y) = (parse_f64(x)?, parse_f64(y.get(1..).ok_or(BAD)?)?);
    out.extend_from_slice(b"{\"x\":");
    json::write_f64(out, x);
    out.extend_from_slice(b",\"y\":");
    json::write_f64(out, y);
    out.extend_from_slice(b",\"wkb\":");
    let mut wkb = [0_u8; 21];
    let (head, coordinates) = wkb.split_at_mut(5);
    head.copy_from_slice(&[1, 1, 0, 0, 0]);
    let (first, second) = coordinates.split_at_mut(8);
    first.copy_from_slice(&x.to_le_bytes());
    second.copy_from_slice(&y.to_le_bytes());
    json::write_base64(out, &wkb);
    out.extend_from_slice(b",\"srid\":null}");
    Ok(())
}

/// Appends a PostGIS value given as hexadecimal EWKB: the bytes as they are, and the SRID they name, if any.
pub(super) fn write_ewkb(text: &[u8], out: &mut Vec<u8>) -> Written {
    const SHORT: Fault = Fault::Malformed("EWKB is shorter than nine bytes");
    const HAS_SRID: u32 = 0x2000_0000;
    let mut head = [0_u8; 9];
    let mut bytes = binary::decode_hex(text)?;
    for slot in &mut head {
        *slot = bytes.next().ok_or(SHORT)??;
    }
    let [order, a, b, c, d, e, f, g, h] = head;
    let word = |w: [u8; 4]| {
        if order == 0 {
            u32::from_be_bytes(w)
        } else {
            u32::from_le_bytes(w)
        }
    };
    out.extend_from_slice(b"{\"wkb\":");
    binary::write_hex(BinaryHandling::Bytes, text, out)?;
    out.extend_from_slice(b",\"srid\":");
    if word([a, b, c, d]) & HAS_SRID == 0 {
        out.extend_from_slice(b"null");
    } else {
        json::write_i64(out, i64::from(word([e, f, g, h]).cast_signed()));
    }
    out.push(b'}');
    Ok(())
}

/// Appends to `plain` the text of a geometric value with its numbers in Java's form, as Debezium's driver prints it.
pub(super) fn rewrite_numbers(text: &[u8], plain: &mut Vec<u8>) -> Written {
    let punctuation = |b: u8| matches!(b, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b',');
    let mut rest = text;
    while let [b, tail @ ..] = rest {
        if punctuation(*b) {
            plain.push(*b);
            rest = tail;
            continue;
        }
        let end = rest.iter().position(|b| punctuation(*b)).unwrap_or(rest.len());
        let (number, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let v = parse_f64(number)?;
        if v.is_finite() {
            json::write_java_f64(plain, v);
        } else {
            plain.extend_from_slice(number);
        }
        rest = tail;
    }
    Ok(())
}
