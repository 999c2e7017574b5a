//! The order in which Java's HashMap lists its entries: texts made from maps depend on it.

use crate::record::{Text, Value};

/// Size of a table when none is asked for.
const DEFAULT: usize = 16;

/// Puts entries into the order of a HashMap into which they were put in the present one. `sized` is the number of entries it
/// was made for, if any.
pub(super) fn sort(entries: &mut [(Value, Value)], sized: Option<usize>) {
    let mut table = sized.map_or(DEFAULT, |n| n.max(1).next_power_of_two());
    // It doubles when more than three quarters are full.
    while entries.len() > table / 4 * 3 + table % 4 * 3 / 4 {
        table *= 2;
    }
    let mask = table - 1;
    // Within a bucket the order is that of insertion, which doubling keeps.
    entries.sort_by_key(|(key, _)| spread(key.as_str().unwrap_or_default()) & mask);
}

/// `String.hashCode`, with its upper half mixed into the lower.
fn spread(text: &str) -> usize {
    let hash = text
        .encode_utf16()
        .fold(0_u32, |h, unit| h.wrapping_mul(31).wrapping_add(u32::from(unit)));
    usize::try_from(hash ^ (hash >> 16)).unwrap_or(0)
}

/// The text that org.json makes of a map: entries of null left out.
pub(super) fn text_of_map(entries: &[(Value, Value)], out: &mut String) {
    let mut entries: Vec<(Value, Value)> = entries.to_vec();
    let count = entries.len();
    entries.retain(|(_, v)| !v.is_null());
    sort(&mut entries, Some(count));
    out.push('{');
    for (i, (key, value)) in entries.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        quote(key.as_str().unwrap_or_default(), out);
        out.push(':');
        text_of(value, out);
    }
    out.push('}');
}

fn text_of(value: &Value, out: &mut String) {
    match value {
        Value::Map(entries) => text_of_map(entries, out),
        Value::Array(all) => {
            out.push('[');
            for (i, value) in all.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                text_of(value, out);
            }
            out.push(']');
        }
        Value::String(text) => quote(text, out),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Decimal(d) => number(&d.to_java_string(), out),
        Value::Float32(n) => number(&n.to_string(), out),
        Value::Float64(n) => number(&n.to_string(), out),
        other => match other.as_i64() {
            Some(n) => out.push_str(&n.to_string()),
            None => out.push_str("null"),
        },
    }
}

/// Without zeros at the end of the decimals.
fn number(text: &str, out: &mut String) {
    if text.contains('.') && !text.contains(['e', 'E']) {
        out.push_str(text.trim_end_matches('0').trim_end_matches('.'));
    } else {
        out.push_str(text);
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    let mut last = '\0';
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '/' if last == '<' => out.push_str("\\/"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..=' ' if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            '\u{80}'..='\u{9f}' | '\u{2000}'..='\u{20ff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => out.push(c),
        }
        last = c;
    }
    out.push('"');
}

/// A map of texts to values.
pub(super) fn map(entries: Vec<(Text, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(k, v)| (Value::String(k), v)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_javas_order() {
        let keys = [
            "yearOfBirth",
            "gender",
            "location",
            "preferredLanguage",
            "channel",
            "exceptions",
            "verified",
            "biometricInfo",
            "documents",
        ];
        let mut entries: Vec<_> = keys
            .iter()
            .map(|k| (Value::String((*k).into()), Value::Null))
            .collect();
        sort(&mut entries, None);
        let sorted: Vec<_> = entries.iter().map(|(k, _)| k.as_str().unwrap()).collect();
        // As recorded from the Java class.
        assert_eq!(
            sorted,
            [
                "preferredLanguage",
                "biometricInfo",
                "gender",
                "documents",
                "channel",
                "verified",
                "location",
                "exceptions",
                "yearOfBirth"
            ]
        );
    }

    #[test]
    fn texts_are_org_jsons() {
        let entries = vec![
            (Value::String("a".into()), Value::String("x\"</b>\u{1}\n".into())),
            (Value::String("b".into()), Value::Null),
            (
                Value::String("c".into()),
                Value::Array(vec![Value::Null, Value::Int32(1), Value::Bool(true)]),
            ),
        ];
        let mut text = String::new();
        text_of_map(&entries, &mut text);
        assert_eq!(text, "{\"a\":\"x\\\"<\\/b>\\u0001\\n\",\"c\":[null,1,true]}");
    }
}
