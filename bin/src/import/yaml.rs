//! Writes the tree of a configuration as YAML in block style.

use serde_json::{Map, Value};

/// The tree as YAML. A string that is one `${NAME…}` reference stays plain, so that it is expanded when it is read.
pub(crate) fn write(root: &Map<String, Value>) -> String {
    let mut out = String::new();
    members(root, 0, &mut out);
    out
}

fn members(map: &Map<String, Value>, depth: usize, out: &mut String) {
    for (i, (key, value)) in map.iter().enumerate() {
        if i > 0 || depth == 0 {
            indent(depth, out);
        }
        scalar_text(key, out);
        out.push(':');
        child(value, depth, out);
    }
}

fn child(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            indent(depth.saturating_add(1), out);
            members(map, depth.saturating_add(1), out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                indent(depth.saturating_add(1), out);
                out.push('-');
                match item {
                    Value::Object(map) if !map.is_empty() => {
                        out.push(' ');
                        members(map, depth.saturating_add(2), out);
                    }
                    other => child(other, depth.saturating_add(1), out),
                }
            }
        }
        leaf => {
            out.push(' ');
            match leaf {
                Value::String(s) => scalar_text(s, out),
                other => out.push_str(&other.to_string()),
            }
            out.push('\n');
        }
    }
}

fn indent(depth: usize, out: &mut String) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar_text(text: &str, out: &mut String) {
    if is_plain(text) || is_reference(text) {
        out.push_str(text);
    } else {
        // A JSON string is a YAML double-quoted scalar.
        out.push_str(&Value::String(text.to_owned()).to_string());
    }
}

/// Whether the text is the same string when it stands unquoted: a name that YAML takes for nothing else.
fn is_plain(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/');
    let starts = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'/'));
    let lower = text.to_ascii_lowercase();
    let special = matches!(
        lower.as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    starts && text.bytes().all(word) && !special
}

/// Whether the text is one `${NAME}`, `${NAME:-default}` or `${NAME:?message}`.
pub(crate) fn is_reference(text: &str) -> bool {
    let Some(inner) = text.strip_prefix("${").and_then(|t| t.strip_suffix('}')) else {
        return false;
    };
    let name = inner.split(':').next().unwrap_or_default();
    let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    !name.is_empty() && named && !inner.contains(['{', '}', '#', '\n']) && !inner.contains(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let tree = serde_json::json!({
            "name": "x-1",
            "port": 5432,
            "yes": true,
            "odd": ["true", "a: b", "- c", "12", "", "é\n", "${A}b", "#", "1e3", "0x1f", "~", "a.b|c\\.d"],
            "rules": [{"truncate": {"chars": 5, "columns": ["a"]}}, {"mask": {}}],
            "empty": {}, "none": []
        });
        let text = write(tree.as_object().unwrap());
        let back: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, tree, "{text}");
    }

    #[test]
    fn references_stay_plain() {
        let tree = serde_json::json!({"password": "${PW:?set it to the password}", "x": "${A"});
        let text = write(tree.as_object().unwrap());
        assert_eq!(text, "password: ${PW:?set it to the password}\nx: \"${A\"\n");
    }
}
