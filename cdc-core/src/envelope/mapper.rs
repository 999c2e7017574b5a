//! Column rules: truncation, masks, digests, and the source type in the schema.

use secrecy::ExposeSecret;

use super::digest::{self, Algorithm};
use super::format::{ColumnRule, HashVersion};
use super::source_type::SourceType;
use crate::connect::{Kind, Schema};
use crate::filter::RegexList;
use crate::json;
use crate::row::Datum;
use crate::types::ColumnWriter;
use crate::{Error, ErrorKind};

/// The compiled rules, in their order.
#[derive(Debug)]
pub(super) struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    columns: RegexList,
    types: RegexList,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Truncate(usize),
    Mask(usize),
    Hash {
        algorithm: Algorithm,
        salt: Box<[u8]>,
        serialised: bool,
    },
    Propagate,
}

/// What a rule does to one column's values.
#[derive(Clone, Debug)]
pub(super) enum Mapper {
    /// The string is cut after so many UTF-16 units.
    Truncate(usize),
    /// So many bytes stay.
    TruncateBytes(usize),
    /// A constant JSON token.
    Constant(Box<[u8]>),
    /// A digest in hexadecimal.
    Hash {
        algorithm: Algorithm,
        salt: Box<[u8]>,
        serialised: bool,
        /// Digits that stay.
        limit: usize,
        /// What stands for a value that was not sent.
        placeholder: Box<str>,
    },
}

impl Rules {
    pub(super) fn new(rules: &[ColumnRule]) -> Result<Self, Error> {
        let rules = rules.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { rules })
    }

    /// Applies the first rule that matches: adds to the schema, and says what happens to the values.
    pub(super) fn apply(
        &self,
        table: &str,
        column: &str,
        source: &SourceType,
        writer: &ColumnWriter,
        schema: &mut Schema,
    ) -> Option<Mapper> {
        let name = format!("{table}.{column}");
        let kind = format!("{table}.{}", source.name);
        let rule = self
            .rules
            .iter()
            .find(|r| r.columns.is_match(&name) || r.types.is_match(&kind))?;
        match &rule.action {
            Action::Truncate(chars) => {
                // A column that cannot hold more is left alone, whatever a rule with more says.
                let longest = i64::try_from(*chars).unwrap_or(i64::MAX);
                if source.length <= longest {
                    return None;
                }
                parameter(schema, "truncateLength", chars.to_string());
                match (&schema.kind, &schema.name) {
                    (Kind::String, _) => Some(Mapper::Truncate(*chars)),
                    (Kind::Bytes, None) => Some(Mapper::TruncateBytes(*chars)),
                    _ => None,
                }
            }
            Action::Mask(chars) => {
                parameter(schema, "masked", "true".into());
                let token = format!("\"{}\"", "*".repeat(*chars));
                source
                    .character
                    .then(|| Mapper::Constant(token.into_bytes().into()))
            }
            Action::Hash {
                algorithm,
                salt,
                serialised,
            } => {
                parameter(schema, "masked", "true".into());
                source.character.then(|| Mapper::Hash {
                    algorithm: *algorithm,
                    salt: salt.clone(),
                    serialised: *serialised,
                    limit: usize::try_from(source.length).unwrap_or(usize::MAX),
                    placeholder: placeholder_of(writer),
                })
            }
            Action::Propagate => {
                let measures = [
                    ("type", source.name.clone()),
                    ("length", source.length.to_string()),
                    ("scale", source.scale.to_string()),
                    ("name", column.to_owned()),
                ];
                for (what, text) in measures {
                    parameter(schema, &format!("__debezium.source.column.{what}"), text);
                }
                None
            }
        }
    }
}

fn parameter(schema: &mut Schema, name: &str, value: String) {
    schema.parameters.push((name.to_owned(), value));
}

/// The string that the column's writer puts for a value that was not sent.
fn placeholder_of(writer: &ColumnWriter) -> Box<str> {
    let mut token = Vec::new();
    let written = writer.write(Datum::Unchanged, &mut token).is_ok();
    let text = serde_json::from_slice::<String>(&token);
    text.ok().filter(|_| written).unwrap_or_default().into()
}

fn compile(rule: &ColumnRule) -> Result<Rule, Error> {
    let size = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let (property, columns, types, action) = match rule {
        ColumnRule::Truncate { columns, chars } => {
            ("truncate", columns, None, Action::Truncate(size(*chars)))
        }
        ColumnRule::Mask { columns, chars } => ("mask", columns, None, Action::Mask(size(*chars))),
        ColumnRule::Hash {
            columns,
            algorithm,
            salt,
            version,
        } => {
            let Some(known) = Algorithm::from_name(algorithm) else {
                let text = format!(
                    "column rule hash: the digest `{algorithm}` is unknown, known are {}",
                    digest::NAMES
                );
                return Err(Error::new(ErrorKind::Config, text));
            };
            let salt = salt.expose_secret().as_bytes().into();
            let serialised = *version == HashVersion::V1;
            (
                "hash",
                columns,
                None,
                Action::Hash {
                    algorithm: known,
                    salt,
                    serialised,
                },
            )
        }
        ColumnRule::PropagateSourceType { columns, types } => {
            ("propagate_source_type", columns, Some(types), Action::Propagate)
        }
    };
    let list = |patterns: &[String]| RegexList::new(&format!("column rule {property}"), patterns);
    Ok(Rule {
        columns: list(columns)?,
        types: list(types.map_or(&[], Vec::as_slice))?,
        action,
    })
}

impl Mapper {
    /// Writes the changed value. `datum`: none if the row does not have it. Returns whether it was written; if not
    /// the value stays what the column's writer makes of it.
    pub(super) fn write(&self, datum: Option<Datum<'_>>, nullable: bool, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Truncate(_) | Self::TruncateBytes(_) => false,
            Self::Constant(token) => {
                out.extend_from_slice(token);
                true
            }
            Self::Hash {
                algorithm,
                salt,
                serialised,
                limit,
                placeholder,
            } => {
                let text: &[u8] = match datum {
                    Some(Datum::Text(text)) => text,
                    Some(Datum::Unchanged) => placeholder.as_bytes(),
                    Some(Datum::Binary(_)) => return false,
                    // The filler of a required string is the empty one, and it is hashed like a value.
                    Some(Datum::Null) | None if nullable => return false,
                    Some(Datum::Null) | None => b"",
                };
                out.push(b'"');
                digest::write_hex(*algorithm, salt, text, *serialised, *limit, out);
                out.push(b'"');
                true
            }
        }
    }

    /// Changes the token that the column's writer appended at `start`.
    pub(super) fn finish(&self, start: usize, out: &mut Vec<u8>) {
        match self {
            Self::Truncate(chars) => truncate_token(start, *chars, out),
            Self::TruncateBytes(bytes) => truncate_base64(start, *bytes, out),
            Self::Constant(_) | Self::Hash { .. } => {}
        }
    }
}

/// Cuts a JSON string after so many UTF-16 units, never between the two of one character.
fn truncate_token(start: usize, chars: usize, out: &mut Vec<u8>) {
    let Some([b'"', body @ .., b'"']) = out.get(start..) else {
        return;
    };
    let mut left = chars;
    let mut rest = body;
    while !rest.is_empty() {
        let (bytes, units) = next_character(rest);
        if units > left {
            break;
        }
        left -= units;
        rest = rest.get(bytes..).unwrap_or_default();
    }
    if !rest.is_empty() {
        let keep = out.len().saturating_sub(rest.len().saturating_add(1));
        out.truncate(keep);
        out.push(b'"');
    }
}

/// Cuts a string of base64 after so many of the bytes that it stands for.
fn truncate_base64(start: usize, bytes: usize, out: &mut Vec<u8>) {
    let Some([b'"', body @ .., b'"']) = out.get(start..) else {
        return;
    };
    let keep = bytes.div_ceil(3).saturating_mul(4);
    let Some(head) = body
        .get(..keep)
        .filter(|_| body.len() > keep || !bytes.is_multiple_of(3))
    else {
        return;
    };
    let Ok(plain) = base64_simd::STANDARD.decode_to_vec(head) else {
        return;
    };
    out.truncate(start);
    json::write_base64(out, plain.get(..bytes).unwrap_or(&plain));
}

/// Bytes and UTF-16 units of the first character of a JSON string's inside.
fn next_character(text: &[u8]) -> (usize, usize) {
    match text {
        [
            b'\\',
            b'u',
            b'D' | b'd',
            b'8' | b'9' | b'A' | b'B' | b'a' | b'b',
            ..,
        ] => (12, 2),
        [b'\\', b'u', ..] => (6, 1),
        [b'\\', ..] => (2, 1),
        [0xf0..=0xff, ..] => (4, 2),
        [0xe0..=0xef, ..] => (3, 1),
        [0xc0..=0xdf, ..] => (2, 1),
        _ => (1, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(token: &str, chars: usize) -> String {
        let mut out = b"x".to_vec();
        out.extend_from_slice(token.as_bytes());
        truncate_token(1, chars, &mut out);
        String::from_utf8(out.split_off(1)).unwrap()
    }

    #[test]
    fn bytes_are_cut_under_their_base64() {
        let cut = |token: &str, bytes| {
            let mut out = token.as_bytes().to_vec();
            truncate_base64(0, bytes, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(cut("\"J2EnICYgJ2In\"", 3), "\"J2En\"");
        assert_eq!(cut("\"J2EnICYgJ2In\"", 4), "\"J2EnIA==\"");
        assert_eq!(cut("\"J2En\"", 3), "\"J2En\"");
        assert_eq!(cut("\"J2E=\"", 2), "\"J2E=\"");
        assert_eq!(cut("\"J2E=\"", 9), "\"J2E=\"");
        assert_eq!(cut("\"\"", 0), "\"\"");
    }

    #[test]
    fn strings_are_cut_by_characters() {
        assert_eq!(cut("\"hello\"", 2), "\"he\"");
        assert_eq!(cut("\"he\"", 2), "\"he\"");
        assert_eq!(cut("\"\"", 2), "\"\"");
        assert_eq!(cut("null", 2), "null");
        assert_eq!(cut(r#""{\"a\":1}""#, 2), r#""{\"""#);
        assert_eq!(cut(r#""\u0001bc""#, 2), r#""\u0001b""#);
        assert_eq!(cut("\"Größe\"", 3), "\"Grö\"");
        assert_eq!(cut(r#""a\uD83D\uDE00b""#, 2), r#""a""#);
        assert_eq!(cut(r#""a\uD83D\uDE00b""#, 3), r#""a\uD83D\uDE00""#);
        assert_eq!(cut("\"hello\"", 0), "\"\"");
    }

    #[test]
    fn unknown_digests_and_bad_expressions_are_refused() {
        let hash = |algorithm: &str, column: &str| {
            Rules::new(&[ColumnRule::Hash {
                columns: vec![column.into()],
                algorithm: algorithm.into(),
                salt: "s".into(),
                version: HashVersion::V2,
            }])
        };
        assert!(hash("SHA-256", "a.b.c").is_ok());
        assert!(
            hash("ROT13", "a.b.c")
                .unwrap_err()
                .to_string()
                .contains("`ROT13`")
        );
        assert!(
            hash("MD5", "a.(b")
                .unwrap_err()
                .to_string()
                .contains("column rule hash")
        );
    }
}
