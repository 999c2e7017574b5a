//! Values as their schema says they are meant, made into what the index can use: written from raw JSON to raw JSON.

mod texts;

use crate::config::{ConvertConfig, Decimals, Maps, Times};
use crate::connect_schema::Schema;
use crate::infer::{DECIMAL, JSON, POINT, VARIABLE_DECIMAL};
use crate::json::{self, Malformed};

/// What is done with a value, compiled from its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Copied.
    Keep,
    /// Fields of an object that change, by their raw names.
    Object(Vec<(Vec<u8>, Shape)>),
    /// Elements of a list, or values of an object.
    Each(Box<Shape>),
    /// An object, or a list of pairs, to a list of `key` and `value`.
    Entries(Box<Shape>),
    Decimal {
        scale: i32,
        text: bool,
    },
    VariableDecimal {
        text: bool,
    },
    /// A number since 1970, or since midnight, in this many units a second; days for 0.
    Instant(i64),
    TimeOfDay(i64),
    Json,
    Point,
}

impl Shape {
    /// What is done with values of a schema; none when that is nothing.
    pub(crate) fn compile(schema: &Schema, config: &ConvertConfig) -> Option<Self> {
        Some(Self::of(schema, config)).filter(|s| *s != Self::Keep)
    }

    fn of(schema: &Schema, c: &ConvertConfig) -> Self {
        let text = c.decimals == Decimals::Text;
        match schema.kind.as_str() {
            "struct" if schema.meaning() == VARIABLE_DECIMAL && c.decimals != Decimals::AsIs => {
                Self::VariableDecimal { text }
            }
            "struct" if schema.meaning() == POINT && c.geo_points => Self::Point,
            "struct" => {
                let changed = |f: &Schema| Some((raw_name(&f.field), Self::compile(f, c)?));
                let fields: Vec<_> = schema.fields.iter().filter_map(changed).collect();
                if fields.is_empty() {
                    Self::Keep
                } else {
                    Self::Object(fields)
                }
            }
            "array" => match schema.items.as_ref().and_then(|i| Self::compile(i, c)) {
                Some(shape) => Self::Each(Box::new(shape)),
                None => Self::Keep,
            },
            "map" => {
                let value = schema.values.as_ref().map_or(Self::Keep, |v| Self::of(v, c));
                if c.maps == Maps::Entries || !schema.has_text_keys() {
                    Self::Entries(Box::new(value))
                } else if value == Self::Keep {
                    Self::Keep
                } else {
                    Self::Each(Box::new(value))
                }
            }
            "bytes" if schema.meaning() == DECIMAL && c.decimals != Decimals::AsIs => Self::Decimal {
                scale: schema.scale(),
                text,
            },
            "string" if schema.meaning() == JSON && c.json => Self::Json,
            "int32" | "int64" if c.times == Times::Iso => match schema.meaning() {
                "io.debezium.time.Date" | "org.apache.kafka.connect.data.Date" => Self::Instant(0),
                "io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp" => {
                    Self::Instant(1_000)
                }
                "io.debezium.time.MicroTimestamp" => Self::Instant(1_000_000),
                "io.debezium.time.NanoTimestamp" => Self::Instant(1_000_000_000),
                "io.debezium.time.Time" | "org.apache.kafka.connect.data.Time" => Self::TimeOfDay(1_000),
                "io.debezium.time.MicroTime" => Self::TimeOfDay(1_000_000),
                "io.debezium.time.NanoTime" => Self::TimeOfDay(1_000_000_000),
                _ => Self::Keep,
            },
            _ => Self::Keep,
        }
    }

    /// Appends the converted value. What does not fit its schema is copied: the server has the last word.
    ///
    /// # Errors
    /// When the text is no JSON.
    pub(crate) fn convert(&self, value: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let start = out.len();
        if value != b"null" && self.write(value, out)? {
            return Ok(());
        }
        out.truncate(start);
        out.extend_from_slice(value);
        Ok(())
    }

    /// False when the value does not fit.
    fn write(&self, value: &[u8], out: &mut Vec<u8>) -> Result<bool, Malformed> {
        match self {
            Self::Keep => return Ok(false),
            Self::Object(fields) => return object(fields, value, out),
            Self::Each(shape) => return each(shape, value, out),
            Self::Entries(shape) => return entries(shape, value, out),
            Self::Json => {
                let Ok(text) = serde_json::from_slice::<String>(value) else {
                    return Ok(false);
                };
                if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_err() {
                    return Ok(false);
                }
                out.extend_from_slice(text.as_bytes());
                return Ok(true);
            }
            _ => {}
        }
        Ok(self.scalar(value, out).is_some())
    }

    fn scalar(&self, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
        let number = |v: &[u8]| std::str::from_utf8(v).ok()?.parse::<i64>().ok();
        match *self {
            Self::Decimal { scale, text } => {
                let unscaled = texts::base64(json::string_contents(value)?)?;
                quoted(text, out, |out| texts::decimal(&unscaled, scale, out))
            }
            Self::VariableDecimal { text } => {
                let member = |name: &[u8]| json::members(value).map_while(Result::ok).find(|m| m.key == name);
                let scale = i32::try_from(number(member(b"scale")?.value)?).ok()?;
                let unscaled = texts::base64(json::string_contents(member(b"value")?.value)?)?;
                quoted(text, out, |out| texts::decimal(&unscaled, scale, out))
            }
            Self::Instant(units) => {
                let n = number(value)?;
                quoted(true, out, |out| texts::instant(n, units, out))
            }
            Self::TimeOfDay(units) => {
                let n = number(value)?;
                quoted(true, out, |out| texts::time_of_day(n, units, out))
            }
            Self::Point => {
                let member = |name: &[u8]| json::members(value).map_while(Result::ok).find(|m| m.key == name);
                let (x, y) = (member(b"x")?.value, member(b"y")?.value);
                out.extend_from_slice(b"{\"lat\":");
                out.extend_from_slice(y);
                out.extend_from_slice(b",\"lon\":");
                out.extend_from_slice(x);
                out.push(b'}');
                Some(())
            }
            _ => None,
        }
    }
}

fn quoted(quotes: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<()> {
    if quotes {
        out.push(b'"');
    }
    write(out)?;
    if quotes {
        out.push(b'"');
    }
    Some(())
}

/// A name as it stands in JSON.
fn raw_name(name: &str) -> Vec<u8> {
    let mut raw = Vec::with_capacity(name.len());
    json::escape(name, &mut raw);
    raw
}

fn object(fields: &[(Vec<u8>, Shape)], value: &[u8], out: &mut Vec<u8>) -> Result<bool, Malformed> {
    if !value.starts_with(b"{") {
        return Ok(false);
    }
    let mut copied = 0;
    for member in json::members(value) {
        let member = member?;
        if let Some((_, shape)) = fields.iter().find(|(name, _)| name == member.key) {
            out.extend_from_slice(value.get(copied..member.value_at).unwrap_or_default());
            shape.convert(member.value, out)?;
            copied = member.value_at.saturating_add(member.value.len());
        }
    }
    out.extend_from_slice(value.get(copied..).unwrap_or_default());
    Ok(true)
}

fn each(shape: &Shape, value: &[u8], out: &mut Vec<u8>) -> Result<bool, Malformed> {
    if value.starts_with(b"{") {
        let mut copied = 0;
        for member in json::members(value) {
            let member = member?;
            out.extend_from_slice(value.get(copied..member.value_at).unwrap_or_default());
            shape.convert(member.value, out)?;
            copied = member.value_at.saturating_add(member.value.len());
        }
        out.extend_from_slice(value.get(copied..).unwrap_or_default());
        return Ok(true);
    }
    if !value.starts_with(b"[") {
        return Ok(false);
    }
    out.push(b'[');
    for (i, element) in json::elements(value)?.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        shape.convert(element, out)?;
    }
    out.push(b']');
    Ok(true)
}

fn entries(shape: &Shape, value: &[u8], out: &mut Vec<u8>) -> Result<bool, Malformed> {
    let pair = |i: usize, key: &[u8], quoted: bool, v: &[u8], out: &mut Vec<u8>| {
        out.extend_from_slice(if i == 0 { b"{\"key\":" } else { b",{\"key\":" });
        let quote: &[u8] = if quoted { b"\"" } else { b"" };
        out.extend_from_slice(quote);
        out.extend_from_slice(key);
        out.extend_from_slice(quote);
        out.extend_from_slice(b",\"value\":");
        shape.convert(v, out)?;
        out.push(b'}');
        Ok(())
    };
    out.push(b'[');
    if value.starts_with(b"{") {
        for (i, member) in json::members(value).enumerate() {
            let member = member?;
            pair(i, member.key, true, member.value, out)?;
        }
    } else if value.starts_with(b"[") {
        for (i, element) in json::elements(value)?.into_iter().enumerate() {
            if !element.starts_with(b"[") {
                return Ok(false);
            }
            match json::elements(element)?.as_slice() {
                [key, v] => pair(i, key, false, v, out)?,
                _ => return Ok(false),
            }
        }
    } else {
        return Ok(false);
    }
    out.push(b']');
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn convert(schema: &Value, config: Value, value: &str) -> String {
        let schema: Schema = serde_json::from_value(schema.clone()).unwrap();
        let config: ConvertConfig = serde_json::from_value(config).unwrap();
        let mut out = Vec::new();
        Shape::compile(&schema, &config)
            .unwrap_or(Shape::Keep)
            .convert(value.as_bytes(), &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    fn field(name: &str, kind: &str, meaning: &str) -> Value {
        json!({ "field": name, "type": kind, "name": meaning })
    }

    #[test]
    fn every_conversion_and_nothing_else() {
        let decimal =
            json!({ "field": "n", "type": "bytes", "name": DECIMAL, "parameters": { "scale": "2" } });
        let schema = json!({ "type": "struct", "fields": [
            decimal, field("v", "struct", VARIABLE_DECIMAL), field("d", "int32", "io.debezium.time.Date"),
            field("t", "int64", "io.debezium.time.MicroTimestamp"), field("h", "int64", "io.debezium.time.MicroTime"),
            field("j", "string", JSON), field("p", "struct", POINT), { "field": "x", "type": "string" },
            { "field": "l", "type": "array", "items": { "type": "int32", "name": "io.debezium.time.Date" } },
            { "field": "m", "type": "map", "keys": { "type": "string" }, "values": { "type": "string" } },
        ]});
        let row = r#"{"n":"BNI=","v":{"scale":1,"value":"/w=="}, "d":18877,"t":1631531169108123,"h":33300000000,"j":"{\"a\": 1.0}","p":{"x":1.5,"y":-2,"wkb":"AA==","srid":null},"x":"BNI=","l":[0,null],"m":{"k":"v"}}"#;
        assert_eq!(convert(&schema, json!({}), row), row);
        let all = json!({ "decimals": "double", "times": "iso", "json": true, "geo_points": true, "maps": "entries" });
        assert_eq!(
            convert(&schema, all, row),
            r#"{"n":12.34,"v":-0.1, "d":"2021-09-07","t":"2021-09-13T11:06:09.108123Z","h":"09:15:00","j":{"a": 1.0},"p":{"lat":-2,"lon":1.5},"x":"BNI=","l":["1970-01-01",null],"m":[{"key":"k","value":"v"}]}"#
        );
        let text = convert(&schema, json!({ "decimals": "text" }), r#"{"n":"BNI=","v":null}"#);
        assert_eq!(text, r#"{"n":"12.34","v":null}"#);
    }

    #[test]
    fn what_does_not_fit_stays() {
        let schema = json!({ "type": "struct", "fields": [
            { "field": "n", "type": "bytes", "name": DECIMAL }, field("j", "string", JSON),
            field("d", "int32", "io.debezium.time.Date"), field("p", "struct", POINT) ]});
        let all = json!({ "decimals": "double", "times": "iso", "json": true, "geo_points": true });
        for row in [
            r#"{"n":1.5,"j":"{","d":"x","p":{"x":1}}"#,
            r#"[1]"#,
            r#"{"n":"***"}"#,
        ] {
            assert_eq!(convert(&schema, all.clone(), row), row);
        }
        let pairs = json!({ "type": "map", "keys": { "type": "int32" }, "values": { "type": "string" } });
        assert_eq!(
            convert(&pairs, json!({}), r#"[[1,"a"],[2,null]]"#),
            r#"[{"key":1,"value":"a"},{"key":2,"value":null}]"#
        );
        assert_eq!(convert(&pairs, json!({}), "[1]"), "[1]");
    }
}
