//! Schema defaults from the text of a column's default expression (`pg_get_expr`).
//!
//! Nothing is evaluated: a literal with casts is the default, a function call stands for the type's zero value, as in
//! Debezium, and every other expression means that the schema has no default.

use super::codec::Codec;
use super::known::{Known, Resolved};
use std::borrow::Cow;

/// What a default expression is.
#[derive(Debug, PartialEq, Eq)]
enum Expression<'e> {
    /// A literal's content.
    Literal(Cow<'e, str>),
    /// A call, or one of the keywords for the current time.
    Call,
    /// Anything else, NULL among it.
    Other,
}

/// The default as a JSON token, if the schema has one.
pub(super) fn default_json(expression: &str, t: &Resolved<'_>, codec: &Codec) -> Option<String> {
    if t.domain || t.element.is_some() {
        return None;
    }
    let text = match parse(expression.trim()) {
        Expression::Literal(text) => text,
        Expression::Call => Cow::Borrowed(zero(t, codec)?),
        Expression::Other => return None,
    };
    // Connect refuses structs as defaults.
    if !has_default(t.known) || matches!(codec, Codec::VariableDecimal) {
        return None;
    }
    if t.known == Known::Enum && !t.labels.contains(&text.clone().into_owned()) {
        return None;
    }
    let text = adapt(t.known, text);
    let mut token = Vec::new();
    codec.write(text.as_bytes(), &mut token).ok()?;
    String::from_utf8(token).ok()
}

/// Whether Debezium reads defaults of this type at all.
fn has_default(known: Known) -> bool {
    match known {
        Known::Bool
        | Known::Int2
        | Known::Int4
        | Known::Int8
        | Known::Float4
        | Known::Float8
        | Known::Numeric
        | Known::Varchar
        | Known::BpChar
        | Known::Text
        | Known::Json
        | Known::Xml
        | Known::Uuid
        | Known::Date
        | Known::Time
        | Known::Timestamp
        | Known::TimestampTz
        | Known::Interval
        | Known::Bit
        | Known::Varbit
        | Known::Enum => true,
        Known::OidType
        | Known::Money
        | Known::QuotedChar
        | Known::Name
        | Known::Plain
        | Known::Citext
        | Known::Isn
        | Known::Bytea
        | Known::TimeTz
        | Known::Tsvector
        | Known::Point
        | Known::Hstore
        | Known::Ltree
        | Known::Geometry
        | Known::Geography
        | Known::Vector
        | Known::HalfVector
        | Known::SparseVector
        | Known::Geometric
        | Known::Refcursor
        | Known::Unknown => false,
    }
}

/// The text of the value that stands for what a function would return.
fn zero(t: &Resolved<'_>, codec: &Codec) -> Option<&'static str> {
    Some(match t.known {
        Known::Bool => "f",
        Known::Int2 | Known::Int4 | Known::Int8 => "0",
        Known::Float4 | Known::Float8 | Known::Numeric => "0.0",
        Known::Varchar | Known::BpChar | Known::Text | Known::Xml => "",
        Known::Json => "{}",
        Known::Uuid => "00000000-0000-0000-0000-000000000000",
        Known::Date => "1970-01-01",
        Known::Time | Known::Interval => "00:00:00",
        Known::Timestamp | Known::TimestampTz => "1970-01-01 00:00:00",
        Known::Bit | Known::Varbit if *codec == Codec::Bit => "0",
        Known::Bit => "00",
        Known::Varbit => "0",
        _ => return None,
    })
}

/// Brings a literal into the form of the type's output.
fn adapt(known: Known, text: Cow<'_, str>) -> Cow<'_, str> {
    match (known, &*text) {
        (Known::Bool, "true") => Cow::Borrowed("t"),
        (Known::Bool, "false") => Cow::Borrowed("f"),
        // The cast of a date to a timestamp: midnight.
        (Known::Timestamp | Known::TimestampTz, date) if date.len() == 10 => {
            Cow::Owned(format!("{date} 00:00:00"))
        }
        _ => text,
    }
}

fn parse(expression: &str) -> Expression<'_> {
    const NOW: [&str; 5] = [
        "current_timestamp",
        "current_time",
        "current_date",
        "localtime",
        "localtimestamp",
    ];
    if NOW.iter().any(|word| expression.eq_ignore_ascii_case(word)) || is_call(expression) {
        return Expression::Call;
    }
    match literal(expression, 0) {
        Some((text, "")) => Expression::Literal(text),
        _ => Expression::Other,
    }
}

/// Whether the text begins with a function's name and its arguments, inside parentheses or not.
fn is_call(expression: &str) -> bool {
    let text = expression.strip_prefix('(').unwrap_or(expression);
    let name = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
        .unwrap_or(0);
    name > 0
        && text
            .get(name..)
            .is_some_and(|rest| rest.starts_with('(') && rest.contains(')'))
}

/// Reads a literal in parentheses and with casts; returns its content and what follows.
fn literal(text: &str, depth: usize) -> Option<(Cow<'_, str>, &str)> {
    /// Deeper nesting than any server prints.
    const MAX_DEPTH: usize = 32;
    if depth > MAX_DEPTH {
        return None;
    }
    let (content, mut rest) = match text.strip_prefix('(') {
        Some(inside) => {
            let (content, rest) = literal(inside, depth + 1)?;
            (content, rest.strip_prefix(')')?)
        }
        None => bare_literal(text)?,
    };
    while let Some(cast) = rest.strip_prefix("::") {
        rest = skip_type(cast)?;
    }
    Some((content, rest))
}

fn bare_literal(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (escapes, quoted) = match text.as_bytes() {
        [b'E', b'\'', ..] => (true, text.get(2..)?),
        [b'B' | b'X', b'\'', ..] => (false, text.get(2..)?),
        [b'\'', ..] => (false, text.get(1..)?),
        _ => return word_literal(text),
    };
    let mut content = String::new();
    let mut chars = quoted.char_indices();
    while let Some((i, c)) = chars.next() {
        let tail = quoted.get(i + 1..).unwrap_or_default();
        match c {
            '\'' if tail.starts_with('\'') => {
                chars.next();
                content.push('\'');
            }
            '\'' => return Some((Cow::Owned(content), tail)),
            // The server prints no escapes but of backslashes.
            '\\' if escapes => content.push(chars.next()?.1),
            c => content.push(c),
        }
    }
    None
}

/// Numbers, `true` and `false`. NULL is no literal here.
fn word_literal(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+')));
    let (word, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
    let number = word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.'))
        && word.parse::<f64>().is_ok();
    (number || word == "true" || word == "false").then_some((Cow::Borrowed(word), rest))
}

/// Skips a type's name: words, quoted words, dots, a modifier in parentheses, brackets.
fn skip_type(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let next = match rest.chars().next() {
            Some('"') => {
                let inside = rest.get(1..)?;
                inside.get(inside.find('"')? + 1..)?
            }
            Some('(') => rest.get(rest.find(')')? + 1..)?,
            Some('[') => rest.strip_prefix("[]")?,
            Some(c) if c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | '$') => {
                rest.get(c.len_utf8()..).unwrap_or_default()
            }
            _ => return (rest.len() < text.len()).then_some(rest),
        };
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_found_under_casts_and_parentheses() {
        let cases = [
            ("5", "5"),
            ("1.50", "1.50"),
            ("true", "true"),
            ("'it''s'::text", "it's"),
            ("'-1'::integer", "-1"),
            ("('-1'::integer)::numeric", "-1"),
            ("(-1)", "-1"),
            ("'vc'::character varying(10)", "vc"),
            (
                "'2020-01-01 01:02:03'::timestamp(3) without time zone",
                "2020-01-01 01:02:03",
            ),
            ("B'1010'::\"bit\"", "1010"),
            ("'ok'::public.\"Mood\"", "ok"),
            ("E'a\\\\b'::text", "a\\b"),
            ("'{1,2}'::integer[]", "{1,2}"),
        ];
        for (expression, content) in cases {
            assert_eq!(
                parse(expression),
                Expression::Literal(content.into()),
                "{expression}"
            );
        }
    }

    #[test]
    fn calls_and_other_expressions_are_told_apart() {
        for call in [
            "now()",
            "nextval('t_id_seq'::regclass)",
            "CURRENT_TIMESTAMP",
            "(now() + '1 day'::interval)",
            "timezone('utc'::text, now())",
            "pg_catalog.gen_random_uuid()",
        ] {
            assert_eq!(parse(call), Expression::Call, "{call}");
        }
        for other in [
            "(1 + 2)",
            "NULL::integer",
            "NULL",
            "CURRENT_USER",
            "('a'::text || 'b'::text)",
            "ARRAY[1]",
            "'open",
            "",
            "''::",
            "((((",
        ] {
            assert_eq!(parse(other), Expression::Other, "{other}");
        }
    }
}
