//! pgvector's types.

use super::decimal::{parse_f32, parse_f64};
use super::error::{Fault, Written};
use super::scratch::{self, Entry};
use crate::json;

const BAD: Fault = Fault::Malformed("not the text of a vector");

/// Appends `[1,2.5]` as an array of floats (`double` false) or doubles.
pub(super) fn write_dense(text: &[u8], double: bool, out: &mut Vec<u8>) -> Written {
    let inside = text
        .strip_prefix(b"[")
        .and_then(|t| t.strip_suffix(b"]"))
        .ok_or(BAD)?;
    out.push(b'[');
    for (i, number) in inside.split(|b| *b == b',').enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if double {
            json::write_f64(out, parse_f64(number)?);
        } else {
            json::write_f32(out, parse_f32(number)?);
        }
    }
    out.push(b']');
    Ok(())
}

/// Appends `{1:1.5,3:2}/5` as dimensions and a map, which JsonConverter writes as pairs since its keys are numbers.
pub(super) fn write_sparse(text: &[u8], out: &mut Vec<u8>) -> Written {
    let slash = memchr::memrchr(b'/', text).ok_or(BAD)?;
    let (body, dimensions) = text.split_at_checked(slash).ok_or(BAD)?;
    let inside = body
        .strip_prefix(b"{")
        .and_then(|t| t.strip_suffix(b"}"))
        .ok_or(BAD)?;
    let dimensions = index(dimensions.get(1..).unwrap_or_default())?;
    out.extend_from_slice(b"{\"dimensions\":");
    json::write_i64(out, dimensions);
    out.extend_from_slice(b",\"vector\":[");
    scratch::with_entries(|entries| {
        parse_entries(inside, entries)?;
        let table = entries.len().next_power_of_two();
        scratch::order_as_java(entries, table);
        for (i, entry) in entries.iter().enumerate() {
            out.extend_from_slice(if i > 0 { b",[" } else { b"[" });
            out.extend_from_slice(inside.get(entry.key.0..entry.key.1).unwrap_or_default());
            out.push(b',');
            let (start, end) = entry.value.unwrap_or_default();
            json::write_f64(out, parse_f64(inside.get(start..end).unwrap_or_default())?);
            out.push(b']');
        }
        Ok(())
    })?;
    out.extend_from_slice(b"]}");
    Ok(())
}

fn parse_entries(inside: &[u8], entries: &mut Vec<Entry>) -> Written {
    let mut at = 0;
    while at < inside.len() {
        let rest = inside.get(at..).unwrap_or_default();
        let end = at + memchr::memchr(b',', rest).unwrap_or(rest.len());
        let colon = at + memchr::memchr(b':', rest).ok_or(BAD)?;
        if colon > end {
            return Err(BAD);
        }
        let key = index(inside.get(at..colon).unwrap_or_default())?;
        entries.push(Entry {
            hash: u32::try_from(key).unwrap_or(0),
            key: (at, colon),
            value: Some((colon + 1, end)),
        });
        at = end + 1;
    }
    Ok(())
}

/// Reads an index or a dimension, which the schema limits to 16 bits.
fn index(text: &[u8]) -> Result<i64, Fault> {
    const WIDE: Fault = Fault::Lost("the sparse vector has more than 32767 dimensions");
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    let number = std::str::from_utf8(text).ok().and_then(|t| t.parse::<i16>().ok());
    number.map(i64::from).ok_or(WIDE)
}
