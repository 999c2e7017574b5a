//! Values that the database did not send: an update that leaves a large value as it is carries a placeholder for it. In a
//! document the placeholder would overwrite the value, so the field is taken out and filled from the state before.

use std::collections::HashMap;

use memchr::memmem::Finder;
use serde_json::value::RawValue;

use crate::json::{self, Malformed};

/// Tells placeholders from values.
#[derive(Debug)]
pub(crate) struct Unavailable {
    /// All tokens that a placeholder may be.
    tokens: Vec<Vec<u8>>,
    /// What one of them must hold: looked for first, since nearly no document has any.
    marks: Vec<Finder<'static>>,
}

impl Unavailable {
    /// For the placeholder of the source's option; none when nothing is to be told.
    pub(crate) fn new(placeholder: &str) -> Option<Self> {
        if placeholder.is_empty() {
            return None;
        }
        let tokens = cdc_core::types::unavailable_tokens(placeholder)?;
        // A list of texts holds the text, and so on: the shorter one is enough.
        let is_in_another = |token: &[u8]| {
            tokens
                .iter()
                .any(|other| other.len() < token.len() && memchr::memmem::find(token, other).is_some())
        };
        let marks = tokens.iter().filter(|t| !is_in_another(t));
        Some(Self {
            marks: marks.map(|t| Finder::new(t).into_owned()).collect(),
            tokens: tokens.clone(),
        })
    }

    /// Writes the object without its members that are placeholders, and their raw names. False when there is none; then
    /// nothing is written.
    ///
    /// # Errors
    /// When it is no JSON object.
    pub(crate) fn strip(
        &self,
        object: &[u8],
        out: &mut Vec<u8>,
        names: &mut Vec<Vec<u8>>,
    ) -> Result<bool, Malformed> {
        if !self.marks.iter().any(|mark| mark.find(object).is_some()) {
            return Ok(false);
        }
        let start = out.len();
        out.push(b'{');
        for member in json::members(object) {
            let member = member?;
            if self.tokens.iter().any(|token| token == member.value) {
                names.push(member.key.to_vec());
            } else {
                add(member.key, member.value, out);
            }
        }
        if names.is_empty() {
            out.truncate(start);
            return Ok(false);
        }
        out.push(b'}');
        Ok(true)
    }
}

/// Appends a member to an object that is not closed yet.
fn add(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key);
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
}

/// Adds the members called `names`, as far as `from` has them, to the closed object at the end of `out`.
pub(crate) fn fill(out: &mut Vec<u8>, names: &[Vec<u8>], from: &[u8]) {
    // Servers write names in other escapes than ours: the texts are compared.
    let Ok(known) = serde_json::from_slice::<HashMap<String, &RawValue>>(from) else {
        return;
    };
    if out.last() != Some(&b'}') {
        return;
    }
    out.pop();
    for raw in names {
        if let Some(value) = text(raw).and_then(|name| known.get(&name)) {
            add(raw, value.get().as_bytes(), out);
        }
    }
    out.push(b'}');
}

/// A raw name's text.
pub(crate) fn text(raw: &[u8]) -> Option<String> {
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GONE: &str = "__debezium_unavailable_value";

    fn strip(object: &str) -> Option<(String, Vec<String>)> {
        let (mut out, mut names) = (Vec::new(), Vec::new());
        let some = Unavailable::new(GONE)
            .unwrap()
            .strip(object.as_bytes(), &mut out, &mut names)
            .unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        some.then(|| (text(out), names.into_iter().map(text).collect()))
    }

    #[test]
    fn every_form_of_the_placeholder_is_taken_out_and_nothing_else() {
        let numbers: Vec<String> = GONE.bytes().map(|b| b.to_string()).collect();
        let object = format!(
            r#"{{"a":"{GONE}", "id":1,"b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","l":["{GONE}"],"n":[{}],"h":{{"{GONE}":"{GONE}"}},"t":"not {GONE}","o":{{"a":"{GONE}"}},"e":null}}"#,
            numbers.join(",")
        );
        let (kept, names) = strip(&object).unwrap();
        assert_eq!(
            kept,
            format!(r#"{{"id":1,"t":"not {GONE}","o":{{"a":"{GONE}"}},"e":null}}"#)
        );
        assert_eq!(names, ["a", "b", "l", "n", "h"]);
        for whole in [r#"{"id":1}"#.to_owned(), format!(r#"{{"t":"not {GONE}"}}"#)] {
            assert_eq!(strip(&whole), None, "{whole}");
        }
        assert!(Unavailable::new("").is_none());
    }

    #[test]
    fn what_is_known_is_filled_in_and_the_rest_is_left_out() {
        let mut out = b"{}".to_vec();
        let names = [b"a".to_vec(), "é\\\"".as_bytes().to_vec(), b"c".to_vec()];
        fill(&mut out, &names, br#"{"x":0,"\u00e9\"":[1, 2],"a":1.50}"#);
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":1.50,"é\"":[1, 2]}"#);
    }
}
