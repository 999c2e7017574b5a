//! A record's key to a document's `_id`.

use sha2::{Digest as _, Sha256};

use crate::json;

/// The key is no scalar and no object of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadKey;

impl BadKey {
    /// One clause for errors and dead letters.
    pub(crate) fn text(self) -> &'static str {
        "the key is no JSON scalar and no JSON object"
    }
}

/// Longest `_id` that the servers take, in bytes.
const LONGEST: usize = 512;

/// Writes the `_id` for a key into `out` (cleared first). False when there is no key, or one without fields.
///
/// One field: its text. Several: their texts joined by `separator`; a backslash goes before each separator and backslash
/// within a part, so different keys never meet. Text that is empty or longer than 512 bytes: its SHA-256 in hexadecimal.
/// A key that is no JSON (a plain string) is its own text.
///
/// # Errors
/// When the key begins as JSON does and cannot be read, or is no UTF-8.
pub(crate) fn id(key: Option<&[u8]>, separator: char, out: &mut Vec<u8>) -> Result<bool, BadKey> {
    out.clear();
    let Some(key) = key else {
        return Ok(false);
    };
    let key = match json::only_value(key) {
        Ok(value) => value,
        Err(_) if matches!(key.first(), Some(b'{' | b'[' | b'"')) => return Err(BadKey),
        Err(_) => {
            std::str::from_utf8(key).map_err(|_| BadKey)?;
            out.extend_from_slice(key);
            return Ok(finish(out));
        }
    };
    let fields = payload(key)?;
    if fields == b"null" {
        return Ok(false);
    }
    if !fields.starts_with(b"{") {
        text(fields, out)?;
        return Ok(finish(out));
    }
    let mut members = json::members(fields);
    let Some(first) = members.next() else {
        return Ok(false);
    };
    text(first.map_err(|_| BadKey)?.value, out)?;
    let mut composite = false;
    for member in members {
        if !composite {
            protect(out, 0, separator);
            composite = true;
        }
        out.extend_from_slice(separator.encode_utf8(&mut [0; 4]).as_bytes());
        let start = out.len();
        text(member.map_err(|_| BadKey)?.value, out)?;
        protect(out, start, separator);
    }
    Ok(finish(out))
}

/// Writes the key's bytes as they are, as text, into `out` (cleared first). False when there is no key.
///
/// # Errors
/// When the key is no UTF-8.
pub(crate) fn whole(key: Option<&[u8]>, out: &mut Vec<u8>) -> Result<bool, BadKey> {
    out.clear();
    let Some(key) = key else { return Ok(false) };
    std::str::from_utf8(key).map_err(|_| BadKey)?;
    out.extend_from_slice(key);
    Ok(finish(out))
}

/// The key itself, or its `payload` when it has exactly a `schema` beside it.
pub(crate) fn payload(key: &[u8]) -> Result<&[u8], BadKey> {
    if !key.starts_with(b"{") {
        return Ok(key);
    }
    let (mut schema, mut payload) = (false, None);
    for member in json::members(key).take(3) {
        let member = member.map_err(|_| BadKey)?;
        match member.key {
            b"schema" => schema = true,
            b"payload" => payload = Some(member.value),
            _ => return Ok(key),
        }
    }
    Ok(payload.filter(|_| schema).unwrap_or(key))
}

/// Appends a value's text: a string without quotes and escapes, anything else as it is written.
pub(crate) fn text(value: &[u8], out: &mut Vec<u8>) -> Result<(), BadKey> {
    let Some(raw) = json::string_contents(value) else {
        std::str::from_utf8(value).map_err(|_| BadKey)?;
        out.extend_from_slice(value);
        return Ok(());
    };
    if memchr::memchr(b'\\', raw).is_none() {
        std::str::from_utf8(raw).map_err(|_| BadKey)?;
        out.extend_from_slice(raw);
    } else {
        let plain: String = serde_json::from_slice(value).map_err(|_| BadKey)?;
        out.extend_from_slice(plain.as_bytes());
    }
    Ok(())
}

/// Puts a backslash before each separator and backslash from `start` on.
fn protect(out: &mut Vec<u8>, start: usize, separator: char) {
    let part = out
        .get(start..)
        .and_then(|p| std::str::from_utf8(p).ok())
        .unwrap_or_default();
    if !part.contains([separator, '\\']) {
        return;
    }
    let mut safe = String::with_capacity(part.len() + 8);
    for c in part.chars() {
        if c == separator || c == '\\' {
            safe.push('\\');
        }
        safe.push(c);
    }
    out.truncate(start);
    out.extend_from_slice(safe.as_bytes());
}

/// Replaces text that is empty or longer than the servers take by its hash.
pub(crate) fn finish(out: &mut Vec<u8>) -> bool {
    if out.is_empty() || out.len() > LONGEST {
        let digest = Sha256::digest(&*out);
        out.clear();
        for byte in digest {
            out.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: &str) -> Option<String> {
        let mut out = Vec::new();
        let some = id(Some(key.as_bytes()), '|', &mut out).unwrap();
        some.then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn one_field_is_its_text() {
        for (key, want) in [
            (r#"{"id":42}"#, "42"),
            (r#"{"id":"a|b\\"}"#, "a|b\\"),
            (r#"{"id":"\u00e9\""}"#, "é\""),
            (r#"{"schema":{"type":"struct"},"payload":{"id":-7}}"#, "-7"),
            (r#"{"schema":{"type":"int32"},"payload":5}"#, "5"),
            ("17", "17"),
            (r#""x""#, "x"),
            ("plain text", "plain text"),
            (
                r#"{"d":{"scale":2,"value":"AQ=="}}"#,
                r#"{"scale":2,"value":"AQ=="}"#,
            ),
            (r#"{"payload":3}"#, "3"),
        ] {
            assert_eq!(of(key).as_deref(), Some(want), "{key}");
        }
    }

    #[test]
    fn several_fields_are_joined_so_that_no_two_keys_meet() {
        assert_eq!(of(r#"{"a":1,"b":"x"}"#).unwrap(), "1|x");
        let keys = [
            r#"{"a":"x|","b":"y"}"#,
            r#"{"a":"x","b":"|y"}"#,
            r#"{"a":"x\\","b":"|y"}"#,
            r#"{"a":"x\\|","b":"y"}"#,
            r#"{"a":"x","b":"","c":"y"}"#,
        ];
        let ids: std::collections::HashSet<_> = keys.iter().map(|k| of(k).unwrap()).collect();
        assert_eq!(ids.len(), keys.len(), "{ids:?}");
    }

    #[test]
    fn long_and_empty_text_is_hashed() {
        let at_limit = "é".repeat(256);
        assert_eq!(of(&format!("\"{at_limit}\"")), Some(at_limit));
        let long = of(&format!("\"{}\"", "x".repeat(513))).unwrap();
        assert_eq!(long.len(), 64);
        assert_eq!(
            of("\"\"").unwrap(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn no_key_is_told_from_a_bad_one() {
        let mut out = Vec::new();
        assert_eq!(id(None, '|', &mut out), Ok(false));
        assert_eq!(of("null"), None);
        assert_eq!(of("{}"), None);
        assert_eq!(of(r#"{"schema":null,"payload":null}"#), None);
        for bad in [
            &b"{\"a\":"[..],
            b"\"x",
            b"\xff",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":\"\\x\"}",
        ] {
            assert_eq!(id(Some(bad), '|', &mut out), Err(BadKey));
        }
    }
}
