//! `hstore`: `"k"=>"v", "n"=>NULL` to a JSON object, inside a string or as a map.

use super::error::{Fault, Written};
use super::options::HstoreHandling;
use super::scratch::{self, Entry};
use crate::json;

const BAD: Fault = Fault::Malformed("not the text of an hstore");

/// Appends an hstore. Members come in the order of Java's `HashMap`, which is what Debezium iterates.
pub(super) fn write(text: &[u8], form: HstoreHandling, out: &mut Vec<u8>) -> Written {
    /// Buckets of an empty `HashMap`.
    const TABLE: usize = 16;
    scratch::with_entries(|entries| {
        parse(text, entries)?;
        scratch::order_as_java(entries, TABLE);
        match form {
            HstoreHandling::Json => write_json_in_string(text, entries, out),
            HstoreHandling::Map => write_map(text, entries, out),
        }
        Ok(())
    })
}

fn parse(text: &[u8], entries: &mut Vec<Entry>) -> Result<(), Fault> {
    let mut at = 0;
    while at < text.len() {
        if !entries.is_empty() {
            at = expect(text, at, b", ")?;
        }
        let key = quoted(text, at)?;
        at = expect(text, key.1 + 1, b"=>")?;
        let value = if text.get(at..).is_some_and(|rest| rest.starts_with(b"NULL")) {
            at += 4;
            None
        } else {
            let value = quoted(text, at)?;
            at = value.1 + 1;
            Some(value)
        };
        let hash = java_hash(text.get(key.0..key.1).unwrap_or_default());
        entries.push(Entry { hash, key, value });
    }
    Ok(())
}

fn expect(text: &[u8], at: usize, token: &[u8]) -> Result<usize, Fault> {
    let found = text.get(at..).is_some_and(|rest| rest.starts_with(token));
    if found { Ok(at + token.len()) } else { Err(BAD) }
}

/// Bounds of what is between the quotes that open at `at`.
fn quoted(text: &[u8], at: usize) -> Result<(usize, usize), Fault> {
    let start = expect(text, at, b"\"")?;
    let mut end = start;
    loop {
        match text.get(end) {
            Some(b'"') => return Ok((start, end)),
            Some(b'\\') => end += 2,
            Some(_) => end += 1,
            None => return Err(BAD),
        }
    }
}

/// Bytes of a quoted text without its backslashes.
fn unescaped(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut bytes = text.iter().copied();
    std::iter::from_fn(move || match bytes.next()? {
        b'\\' => bytes.next(),
        b => Some(b),
    })
}

/// `String.hashCode` spread as `HashMap` does: over UTF-16 units.
fn java_hash(text: &[u8]) -> u32 {
    let mut hash = 0_u32;
    let mut add = |unit: u32| hash = hash.wrapping_mul(31).wrapping_add(unit);
    let mut bytes = unescaped(text);
    while let Some(lead) = bytes.next() {
        let more = match lead {
            0..0xc0 => 0,
            0xc0..0xe0 => 1,
            0xe0..0xf0 => 2,
            _ => 3,
        };
        let bits = if more == 0 { lead } else { lead & (0x3f >> more) };
        let code = (0..more).fold(u32::from(bits), |code, _| {
            code << 6 | u32::from(bytes.next().unwrap_or(0) & 0x3f)
        });
        match code.checked_sub(0x1_0000) {
            None => add(code),
            Some(above) => {
                add(0xd800 + (above >> 10));
                add(0xdc00 + (above & 0x3ff));
            }
        }
    }
    hash ^ hash >> 16
}

fn slice(text: &[u8], bounds: (usize, usize)) -> &[u8] {
    text.get(bounds.0..bounds.1).unwrap_or_default()
}

/// Writes the entries between commas, each text by `write`.
fn write_entries(text: &[u8], entries: &[Entry], out: &mut Vec<u8>, write: fn(&[u8], &mut Vec<u8>)) {
    for (i, entry) in entries.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(slice(text, entry.key), out);
        out.push(b':');
        match entry.value {
            Some(value) => write(slice(text, value), out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

fn write_map(text: &[u8], entries: &[Entry], out: &mut Vec<u8>) {
    out.push(b'{');
    write_entries(text, entries, out, write_plain);
    out.push(b'}');
}

fn write_plain(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    each_run(text, |run| json::write_escaped(out, run));
    out.push(b'"');
}

/// Calls `f` with the parts of a quoted text between its backslashes.
fn each_run(mut text: &[u8], mut f: impl FnMut(&[u8])) {
    while let Some(i) = memchr::memchr(b'\\', text) {
        let (run, rest) = text.split_at_checked(i).unwrap_or((text, &[]));
        f(run);
        let (escaped, rest) = rest
            .get(1..)
            .unwrap_or_default()
            .split_at_checked(1)
            .unwrap_or_default();
        f(escaped);
        text = rest;
    }
    f(text);
}

fn write_json_in_string(text: &[u8], entries: &[Entry], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"{");
    write_entries(text, entries, out, write_twice);
    out.extend_from_slice(b"}\"");
}

/// Writes a JSON string as part of another JSON string.
fn write_twice(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\\\"");
    each_run(text, |mut run| {
        while let Some(i) = run.iter().position(|b| *b < 0x20 || matches!(b, b'"' | b'\\')) {
            let (plain, rest) = run.split_at_checked(i).unwrap_or((run, &[]));
            json::write_escaped(out, plain);
            let (special, rest) = rest.split_at_checked(1).unwrap_or_default();
            let start = out.len();
            json::write_escaped(out, special);
            // The inner escape is backslashes, quotes and letters; each of the first two gets a backslash more.
            double_escapes(out, start);
            run = rest;
        }
        json::write_escaped(out, run);
    });
    out.extend_from_slice(b"\\\"");
}

fn double_escapes(out: &mut Vec<u8>, start: usize) {
    let mut at = start;
    while let Some(b) = out.get(at) {
        if matches!(b, b'"' | b'\\') {
            out.insert(at, b'\\');
            at += 1;
        }
        at += 1;
    }
}
