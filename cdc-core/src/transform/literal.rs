//! Values out of their text, as Connect guesses them.

use super::date_format::DateFormat;
use crate::connect::{Kind, Schema};
use crate::convert::{DAY_MS, DECIMAL};
use crate::record::{Decimal, SchemaAndValue, Value};

/// The value of a literal: a boolean, a number of the smallest type that holds it, a date, time or timestamp in ISO 8601,
/// null, else the string itself.
///
/// # Errors
/// For lists and maps, whose types Connect guesses element by element.
pub(super) fn parse(text: &str) -> Result<SchemaAndValue, String> {
    let trimmed = text.trim();
    let list = trimmed.starts_with('[') && trimmed.ends_with(']');
    if list || trimmed.starts_with('{') && trimmed.ends_with('}') {
        return Err("lists and maps are not supported: use a string, number, boolean, date or time".into());
    }
    Ok(match text {
        "null" => SchemaAndValue::null(),
        "true" => SchemaAndValue::new(Schema::new(Kind::Boolean), Value::Bool(true)),
        "false" => SchemaAndValue::new(Schema::new(Kind::Boolean), Value::Bool(false)),
        _ => temporal(trimmed)
            .or_else(|| number(trimmed))
            .unwrap_or_else(|| SchemaAndValue::string(text)),
    })
}

fn temporal(text: &str) -> Option<SchemaAndValue> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let millis = |pattern: &str| DateFormat::new(pattern).ok()?.parse(text);
    let name = |kind, what: &str| Schema::new(kind).named(format!("org.apache.kafka.connect.data.{what}"), 1);
    Some(match text.len() {
        10 => {
            let days = i32::try_from(millis("yyyy-MM-dd")?.div_euclid(DAY_MS)).ok()?;
            SchemaAndValue::new(name(Kind::Int32, "Date"), Value::Int32(days))
        }
        13 => {
            let time = i32::try_from(millis("HH:mm:ss.SSS'Z'")?).ok()?;
            SchemaAndValue::new(name(Kind::Int32, "Time"), Value::Int32(time))
        }
        24 => {
            let at = millis("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'")?;
            SchemaAndValue::new(name(Kind::Int64, "Timestamp"), Value::Int64(at))
        }
        _ => return None,
    })
}

fn number(text: &str) -> Option<SchemaAndValue> {
    let decimal = Decimal::parse(text)?;
    let plain = decimal.to_plain_string();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    if fraction.bytes().all(|b| b == b'0')
        && let Ok(n) = whole.parse::<i64>()
    {
        return Some(integer(n));
    }
    if decimal.scale != 0 {
        if let Some(v) = text.parse::<f32>().ok().filter(|v| v.is_finite()) {
            return Some(SchemaAndValue::new(Schema::new(Kind::Float32), Value::Float32(v)));
        }
        if let Some(v) = text.parse::<f64>().ok().filter(|v| v.is_finite()) {
            return Some(SchemaAndValue::new(Schema::new(Kind::Float64), Value::Float64(v)));
        }
    }
    let schema = Schema::new(Kind::Bytes)
        .named(DECIMAL, 1)
        .with_parameter("scale", decimal.scale.to_string());
    Some(SchemaAndValue::new(schema, Value::Decimal(decimal)))
}

fn integer(n: i64) -> SchemaAndValue {
    if let Ok(n) = i8::try_from(n) {
        SchemaAndValue::new(Schema::new(Kind::Int8), Value::Int8(n))
    } else if let Ok(n) = i16::try_from(n) {
        SchemaAndValue::new(Schema::new(Kind::Int16), Value::Int16(n))
    } else if let Ok(n) = i32::try_from(n) {
        SchemaAndValue::new(Schema::new(Kind::Int32), Value::Int32(n))
    } else {
        SchemaAndValue::new(Schema::new(Kind::Int64), Value::Int64(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_have_the_types_that_connect_guesses() {
        let value = |text: &str| parse(text).unwrap().value;
        assert_eq!(value("42"), Value::Int8(42));
        assert_eq!(value("1.0"), Value::Int8(1));
        assert_eq!(value("-3000000000"), Value::Int64(-3_000_000_000));
        assert_eq!(value("1.5"), Value::Float32(1.5));
        assert_eq!(value("true"), Value::Bool(true));
        assert_eq!(value("null"), Value::Null);
        assert_eq!(value("2024-01-02"), Value::Int32(19_724));
        assert_eq!(value("01:02:03.004Z"), Value::Int32(3_723_004));
        assert_eq!(value("2024-01-02T03:04:05.678Z"), Value::Int64(1_704_164_645_678));
        for text in ["x", "", " a ", "1a", "2024-xx-xx"] {
            assert_eq!(value(text), Value::String(text.into()));
        }
        assert!(matches!(value("99999999999999999999"), Value::Decimal(_)));
        assert!(parse("[1]").is_err() && parse("{\"a\":1}").is_err());
    }
}
