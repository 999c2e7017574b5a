//! Texts with placeholders, for `_id` and routing.

use std::io::Write as _;

use crate::json;
use crate::key;

/// A text with placeholders, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Topic,
    Partition,
    Offset,
    Key,
    KeyField(Vec<String>),
    ValueField(Vec<String>),
}

/// What placeholders stand for.
#[derive(Debug, Clone)]
pub(crate) struct Pieces<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: Option<i32>,
    /// Offset in the partition, or number of the row in its transaction.
    pub(crate) offset: u64,
    /// The key without its schema.
    pub(crate) key: Option<&'a [u8]>,
    /// The row: the document, or for a delete the one before.
    pub(crate) row: Row<'a>,
}

/// What is known of a row.
#[derive(Debug, Clone)]
pub(crate) enum Row<'a> {
    /// Nothing.
    None,
    /// The fields of its key, which are named.
    Key(&'a [u8], Vec<String>),
    /// All.
    Whole(&'a [u8]),
}

/// Why a template cannot be filled from a delete.
pub(crate) const NO_ROW: &str =
    "a template needs a field of the row, and a delete has none without REPLICA IDENTITY FULL";

impl Template {
    /// Whether it needs the row.
    pub(crate) fn needs_row(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::ValueField(_)))
    }

    /// Parses the text.
    ///
    /// # Errors
    /// When a placeholder is not known or not closed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                parts.push(Part::Literal(before.to_owned()));
            }
            let Some((name, tail)) = after.split_once('}') else {
                return Err(format!("`{{{after}` is not closed by a brace"));
            };
            parts.push(Part::parse(name)?);
            rest = tail;
        }
        if rest.contains('}') {
            return Err("a closing brace has no opening one".into());
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if parts.is_empty() {
            return Err("must not be empty".into());
        }
        Ok(Self { parts })
    }

    /// Writes the text into `out`, cleared first.
    ///
    /// # Errors
    /// When a placeholder stands for nothing.
    pub(crate) fn render(&self, pieces: &Pieces<'_>, out: &mut Vec<u8>) -> Result<(), &'static str> {
        const NO_KEY: &str = "a template needs the key, and the record has none";
        out.clear();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Topic => out.extend_from_slice(pieces.topic.as_bytes()),
                Part::Partition => {
                    let partition = pieces
                        .partition
                        .ok_or("a template needs the partition, and the record has none")?;
                    write!(out, "{partition}").map_err(|_| "the text cannot be written")?;
                }
                Part::Offset => out.extend_from_slice(itoa::Buffer::new().format(pieces.offset).as_bytes()),
                Part::Key => key::text(pieces.key.ok_or(NO_KEY)?, out).map_err(|e| e.text())?,
                Part::KeyField(path) => {
                    let value = find(pieces.key.ok_or(NO_KEY)?, path)
                        .ok_or("a template needs a field that the key does not have")?;
                    key::text(value, out).map_err(|e| e.text())?;
                }
                Part::ValueField(path) => {
                    let row = match &pieces.row {
                        Row::Whole(row) => *row,
                        Row::Key(row, fields) if path.first().is_some_and(|p| fields.contains(p)) => *row,
                        _ => return Err(NO_ROW),
                    };
                    let value =
                        find(row, path).ok_or("a template needs a field that the row does not have")?;
                    key::text(value, out).map_err(|e| e.text())?;
                }
            }
        }
        Ok(())
    }
}

impl Part {
    fn parse(name: &str) -> Result<Self, String> {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        Ok(match name {
            "topic" => Self::Topic,
            "partition" => Self::Partition,
            "offset" => Self::Offset,
            "key" => Self::Key,
            _ => match name.split_once('.') {
                Some(("key", field)) if !field.is_empty() => Self::KeyField(path(field)),
                Some(("value", field)) if !field.is_empty() => Self::ValueField(path(field)),
                _ => {
                    return Err(format!(
                        "`{{{name}}}` is none of {{topic}}, {{partition}}, {{offset}}, {{key}}, {{key.FIELD}}, {{value.FIELD}}"
                    ));
                }
            },
        })
    }
}

/// The raw value at a path of fields; none when it is not there or null.
pub(crate) fn find<'a>(object: &'a [u8], path: &[String]) -> Option<&'a [u8]> {
    let mut at = object;
    for name in path {
        if !at.starts_with(b"{") {
            return None;
        }
        at = json::members(at)
            .map_while(Result::ok)
            .find(|m| m.key == name.as_bytes())?
            .value;
    }
    (at != b"null").then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(text: &str, key: Option<&str>, row: Option<&str>) -> Result<String, String> {
        let mut out = Vec::new();
        let pieces = Pieces {
            topic: "t",
            partition: Some(3),
            offset: 7,
            key: key.map(str::as_bytes),
            row: row.map_or(Row::None, |r| Row::Whole(r.as_bytes())),
        };
        Template::parse(text)?.render(&pieces, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn placeholders_are_filled() {
        let key = Some(r#"{"id":5,"n":"a\"b"}"#);
        let row = Some(r#"{"x":{"y":"z"},"e":null}"#);
        assert_eq!(
            render("{topic}-{key.id}/{value.x.y}+{partition}+{offset}", key, row).unwrap(),
            "t-5/z+3+7"
        );
        assert_eq!(render("{key.n}", key, row).unwrap(), "a\"b");
        assert_eq!(render("{key}", Some("\"k\""), None).unwrap(), "k");
        for (text, why) in [
            ("{key.no}", "key does not have"),
            ("{value.e}", "row does not have"),
            ("{value.x.y.z}", "row does not have"),
            ("{id}", "none of"),
            ("{key", "not closed"),
            ("a}", "no opening"),
            ("", "empty"),
        ] {
            let error = render(text, key, row).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(
            render("{value.x}", key, None)
                .unwrap_err()
                .contains("REPLICA IDENTITY")
        );
        assert!(render("{key.id}", None, row).unwrap_err().contains("none"));
    }
}
