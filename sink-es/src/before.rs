//! What the row before a delete tells.

use crate::template::Row;
use crate::{json, unavailable};

/// The row before a delete, as far as it tells something.
///
/// Without REPLICA IDENTITY FULL a delete has the fields of its key only; the others are null or, where the column may not be,
/// a stand-in such as 0. So a row in which only fields of the key say anything counts as one without the others.
pub(crate) fn row<'a>(before: &'a [u8], key: Option<&[u8]>) -> Row<'a> {
    let key: Vec<&[u8]> = json::members(key.unwrap_or_default())
        .map_while(Result::ok)
        .map(|m| m.key)
        .collect();
    let says_something = json::members(before)
        .map_while(Result::ok)
        .any(|m| !key.contains(&m.key) && !is_stand_in(m.value));
    if says_something {
        Row::Whole(before)
    } else {
        Row::Key(before, key.iter().filter_map(|k| unavailable::text(k)).collect())
    }
}

/// Whether a value may stand for one that is not known. Those of decimals, points and times are not the same everywhere.
fn is_stand_in(value: &[u8]) -> bool {
    const TEXTS: [&[u8]; 7] = [
        b"",
        b"{}",
        b"AA==",
        b"1970-01-01Z",
        b"1970-01-01T00:00:00Z",
        b"00:00:00Z",
        b"P0Y0M0DT0H0M0S",
    ];
    match value.first() {
        Some(b'"') => json::string_contents(value).is_some_and(|text| {
            let zero = !text.is_empty() && text.iter().all(|b| matches!(b, b'0' | b'.'));
            TEXTS.contains(&text) || zero
        }),
        Some(b'{') => json::members(value)
            .map_while(Result::ok)
            .all(|m| m.key == b"wkb" || is_stand_in(m.value)),
        Some(b'[') => value == b"[]",
        _ => matches!(value, b"null" | b"false") || value.iter().all(|b| matches!(b, b'0' | b'.')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_stand_ins_is_none() {
        let whole = |before: &str| matches!(row(before.as_bytes(), Some(br#"{"id":1}"#)), Row::Whole(_));
        for before in [
            r#"{"id":1,"a":null,"b":0,"c":"","d":false,"e":0.0,"f":[],"g":{},"h":"0.00","i":"AA==","j":{"x":0.0,"y":0.0,"wkb":"AQ=="}}"#,
            r#"{"id":1}"#,
        ] {
            assert!(!whole(before), "{before}");
        }
        for value in ["1", "\"a\"", "true", "[0]", "{\"x\":1}", "\"A\""] {
            assert!(whole(&format!(r#"{{"id":1,"a":null,"b":{value}}}"#)), "{value}");
        }
    }
}
