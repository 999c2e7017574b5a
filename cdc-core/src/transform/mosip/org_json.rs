//! JSON as Java's org.json reads it: single quotes, words without quotes, text behind the closing brace.

use super::java_map;
use crate::record::{Decimal, Value};

/// Deepest nesting that is read.
const DEEPEST: usize = 512;

/// Reads an object; what follows it is ignored.
///
/// # Errors
/// Why it is none.
pub(super) fn object(text: &str) -> Result<Value, &'static str> {
    let mut tokens = Tokens {
        chars: text.chars().collect(),
        at: 0,
    };
    tokens.object(0)
}

struct Tokens {
    chars: Vec<char>,
    at: usize,
}

impl Tokens {
    fn next(&mut self) -> Option<char> {
        let c = self.chars.get(self.at).copied();
        self.at = self.at.saturating_add(1);
        c.filter(|c| *c != '\0')
    }

    fn back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// The next character that is no white space.
    fn clean(&mut self) -> Option<char> {
        loop {
            match self.next() {
                Some(c) if c <= ' ' => {}
                other => return other,
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, &'static str> {
        if depth > DEEPEST {
            return Err("the text nests too deep");
        }
        if self.clean() != Some('{') {
            return Err("a JSON object must begin with a brace");
        }
        let mut entries: Vec<(Value, Value)> = Vec::new();
        loop {
            match self.clean() {
                None => return Err("a JSON object must end with a brace"),
                Some('}') => break,
                Some(_) => self.back(),
            }
            let key = Value::String(plain(&self.value(depth)?).into());
            if self.clean() != Some(':') {
                return Err("a colon is missing behind a name");
            }
            if entries.iter().any(|(k, _)| *k == key) {
                return Err("a name is there twice");
            }
            let value = self.value(depth)?;
            entries.push((key, value));
            match self.clean() {
                Some(',' | ';') => match self.clean() {
                    Some('}') => break,
                    _ => self.back(),
                },
                Some('}') => break,
                _ => return Err("a comma or brace is missing"),
            }
        }
        // Once as the parsed object's map, once as the map that is made of it.
        java_map::sort(&mut entries, None);
        java_map::sort(&mut entries, None);
        Ok(Value::Map(entries))
    }

    fn array(&mut self, depth: usize) -> Result<Value, &'static str> {
        const OPEN: &str = "a JSON array must end with a bracket";
        self.clean();
        let mut all = Vec::new();
        match self.clean() {
            None => return Err(OPEN),
            Some(']') => return Ok(Value::Array(all)),
            Some(_) => self.back(),
        }
        loop {
            if self.clean() == Some(',') {
                self.back();
                all.push(Value::Null);
            } else {
                self.back();
                all.push(self.value(depth)?);
            }
            match self.clean() {
                None => return Err(OPEN),
                Some(',') => match self.clean() {
                    None => return Err(OPEN),
                    Some(']') => return Ok(Value::Array(all)),
                    Some(_) => self.back(),
                },
                Some(']') => return Ok(Value::Array(all)),
                Some(_) => return Err("a comma or bracket is missing"),
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        match self.clean() {
            Some(quote @ ('"' | '\'')) => return self.string(quote).map(|s| Value::String(s.into())),
            Some('{') => {
                self.back();
                return self.object(depth.saturating_add(1));
            }
            Some('[') if depth > DEEPEST => return Err("the text nests too deep"),
            Some('[') => {
                self.back();
                return self.array(depth.saturating_add(1));
            }
            _ => self.back(),
        }
        let mut word = String::new();
        loop {
            match self.next() {
                Some(c) if c >= ' ' && !",:]}/\\\"[{;=#".contains(c) => word.push(c),
                _ => break,
            }
        }
        self.back();
        let word = word.trim();
        if word.is_empty() {
            Err("a value is missing")
        } else {
            Ok(of_word(word))
        }
    }

    fn string(&mut self, quote: char) -> Result<String, &'static str> {
        let mut out = String::new();
        let mut units: Vec<u16> = Vec::new();
        loop {
            let c = match self.next() {
                None | Some('\n' | '\r') => return Err("a string does not end"),
                Some('\\') => match self.next() {
                    Some('b') => '\u{8}',
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some('f') => '\u{c}',
                    Some('r') => '\r',
                    Some('u') => {
                        let hex: String = (0..4).filter_map(|_| self.next()).collect();
                        units.push(u16::from_str_radix(&hex, 16).map_err(|_| "an escape is none")?);
                        continue;
                    }
                    Some(c @ ('"' | '\'' | '\\' | '/')) => c,
                    _ => return Err("an escape is none"),
                },
                Some(c) if c == quote => {
                    out.push_str(&String::from_utf16_lossy(&units));
                    return Ok(out);
                }
                Some(c) => c,
            };
            out.push_str(&String::from_utf16_lossy(&units));
            units.clear();
            out.push(c);
        }
    }
}

/// A word without quotes: true, false, null, a number, else itself.
fn of_word(word: &str) -> Value {
    match word.to_ascii_lowercase().as_str() {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        "null" => return Value::Null,
        _ => {}
    }
    let text = || Value::String(word.into());
    let digits = word.strip_prefix('-').unwrap_or(word);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) && !word.starts_with('-') {
        return text();
    }
    if word.contains(['.', 'e', 'E']) || word == "-0" {
        // Java takes a suffix for the type.
        let double = word.strip_suffix(['d', 'D', 'f', 'F']);
        return match (word, double) {
            ("-0", _) => Value::Float64(-0.0),
            (_, Some(double)) => match double.parse::<f64>() {
                Ok(n) if n.is_finite() => Value::Float64(n),
                _ => text(),
            },
            _ => Decimal::parse(word).map_or_else(text, Value::Decimal),
        };
    }
    let leading_zero = digits.len() > 1
        && digits.starts_with('0')
        && digits.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
    if leading_zero || digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return text();
    }
    if let Ok(n) = word.parse::<i32>() {
        Value::Int32(n)
    } else if let Ok(n) = word.parse::<i64>() {
        Value::Int64(n)
    } else {
        Decimal::parse(word).map_or_else(text, Value::Decimal)
    }
}

/// A value's text as a name.
fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Decimal(d) => d.to_java_string(),
        Value::Float64(n) => n.to_string(),
        other => other.as_i64().map_or_else(|| "null".into(), |n| n.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_org_json_takes_is_read() {
        let read = |text: &str| object(text).map(|v| format!("{v:?}"));
        let one = |text: &str| match object(text).unwrap() {
            Value::Map(entries) => entries[0].1.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(one("{'a':x, }"), Value::String("x".into()));
        assert_eq!(one("{a:1;}rest"), Value::Int32(1));
        assert_eq!(one("{\"a\":12345678901}"), Value::Int64(12_345_678_901));
        assert_eq!(one("{\"a\":123.56778d}"), Value::Float64(123.56778));
        assert!(matches!(one("{\"a\":1.5}"), Value::Decimal(_)));
        assert!(matches!(one("{\"a\":99999999999999999999}"), Value::Decimal(_)));
        assert_eq!(one("{\"a\":007}"), Value::String("007".into()));
        assert_eq!(
            one("{\"a\":[1,,'\\u00e9\\ud83d\\ude00']}"),
            Value::Array(vec![Value::Int32(1), Value::Null, Value::String("é😀".into())])
        );
        for bad in [
            "",
            "[1]",
            "{",
            "{a}",
            "{a:}",
            "{a:1 b:2}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":\"x",
            "__debezium_unavailable_value",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(object(&"{a:".repeat(100_000)).is_err());
        assert!(object(&format!("{{a:{}", "[".repeat(100_000))).is_err());
    }
}
