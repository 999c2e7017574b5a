//! Values as text, as Java and Connect's `Values` print them.

use crate::civil;
use crate::connect::{Kind, Schema};
use crate::json;
use crate::record::Value;

/// Connect's logical types of time; their values are the numbers that they are encoded as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logical {
    /// Days since 1970-01-01.
    Date,
    /// Milliseconds since midnight.
    Time,
    /// Milliseconds since 1970-01-01 UTC.
    Timestamp,
}

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

impl Logical {
    /// The logical type of a schema; none if it has none of these.
    pub(crate) fn of(schema: &Schema) -> Option<Self> {
        let name = schema
            .name
            .as_deref()?
            .strip_prefix("org.apache.kafka.connect.data.")?;
        Some(match (name, &schema.kind) {
            ("Date", Kind::Int32) => Self::Date,
            ("Time", Kind::Int32) => Self::Time,
            ("Timestamp", Kind::Int64) => Self::Timestamp,
            _ => return None,
        })
    }

    /// The instant that a value stands for: milliseconds since 1970-01-01 UTC.
    pub(crate) fn to_millis(self, value: i64) -> i64 {
        match self {
            Self::Date => value.saturating_mul(DAY_MS),
            Self::Time | Self::Timestamp => value,
        }
    }
}

/// The text of an instant as Connect prints it: a time on the first day, a date at midnight, else both.
pub(crate) fn instant_text(millis: i64) -> String {
    let text = timestamp_text(millis);
    match text.split_once('T') {
        Some((_, clock)) if millis < DAY_MS => clock.to_owned(),
        Some((date, _)) if millis.rem_euclid(DAY_MS) == 0 => date.to_owned(),
        _ => text,
    }
}

/// The text of an instant as RFC 3339 has it, in UTC with milliseconds.
pub(crate) fn timestamp_text(millis: i64) -> String {
    let (days, time) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
    let (year, month, day) = civil::date_of_days(days);
    let seconds = time / 1000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        time % 1000
    )
}

/// A value's text by `Values.convertToString`: what a header converter writes and a cast to a string gives. None for null.
pub(crate) fn connect_text(schema: Option<&Schema>, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let mut out = Vec::new();
    append(schema, value, false, &mut out);
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn append(schema: Option<&Schema>, value: &Value, embedded: bool, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::String(s) if embedded => quoted(s, out),
        Value::String(s) => out.extend_from_slice(s.as_bytes()),
        Value::Bytes(bytes) if embedded => json::write_base64(out, bytes),
        Value::Bytes(bytes) => json::append_base64(out, bytes),
        Value::Array(items) => {
            let inner = match schema.map(|s| &s.kind) {
                Some(Kind::Array(items)) => Some(&**items),
                _ => None,
            };
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                append(inner, item, true, out);
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            let (keys, values) = match schema.map(|s| &s.kind) {
                Some(Kind::Map(keys, values)) => (Some(&**keys), Some(&**values)),
                _ => (None, None),
            };
            out.push(b'{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                append(keys, key, true, out);
                out.push(b':');
                append(values, value, true, out);
            }
            out.push(b'}');
        }
        Value::Struct(members) => {
            out.push(b'{');
            let fields = schema.map(Schema::fields).unwrap_or_default();
            for (i, (field, member)) in fields.iter().zip(members).enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                quoted(&field.name, out);
                out.push(b':');
                append(Some(&field.schema), member, true, out);
            }
            out.push(b'}');
        }
        simple => out.extend_from_slice(simple_text(schema, simple).as_bytes()),
    }
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Java's `toString` of a number or boolean; of a time Connect's text.
fn simple_text(schema: Option<&Schema>, value: &Value) -> String {
    if let (Some(logical), Some(n)) = (schema.and_then(Logical::of), value.as_i64()) {
        return instant_text(logical.to_millis(n));
    }
    match value {
        Value::Bool(b) => b.to_string(),
        Value::Float32(n) => bare(|out| json::write_f32(out, *n)),
        Value::Float64(n) => bare(|out| json::write_f64(out, *n)),
        Value::Decimal(d) => d.to_java_string(),
        Value::String(s) => s.to_string(),
        other => other.as_i64().map(|n| n.to_string()).unwrap_or_default(),
    }
}

/// A number's text; NaN and the infinities without the quotes that JSON needs.
fn bare(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8_lossy(&out).trim_matches('"').to_owned()
}

/// Java's `toString` of a value: what the StringConverter writes. None for null.
pub(crate) fn java_text(schema: Option<&Schema>, value: &Value) -> Option<String> {
    (!value.is_null()).then(|| java(schema, value))
}

fn java(schema: Option<&Schema>, value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Array(items) => {
            let inner = match schema.map(|s| &s.kind) {
                Some(Kind::Array(items)) => Some(&**items),
                _ => None,
            };
            let items: Vec<String> = items.iter().map(|item| java(inner, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let (keys, values) = match schema.map(|s| &s.kind) {
                Some(Kind::Map(keys, values)) => (Some(&**keys), Some(&**values)),
                _ => (None, None),
            };
            let entry = |(k, v): &(Value, Value)| format!("{}={}", java(keys, k), java(values, v));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Struct(members) => {
            let fields = schema.map(Schema::fields).unwrap_or_default();
            let member = |(f, v): (&crate::connect::Field, &Value)| {
                (!v.is_null()).then(|| format!("{}={}", f.name, java(Some(&f.schema), v)))
            };
            let members: Vec<String> = fields.iter().zip(members).filter_map(member).collect();
            format!("Struct{{{}}}", members.join(","))
        }
        // Java prints the buffer's address; the bytes say more.
        Value::Bytes(bytes) => base64_simd::STANDARD.encode_to_string(bytes),
        simple => simple_text(schema, simple),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::Field;
    use crate::record::Decimal;

    #[test]
    fn values_print_as_in_connect() {
        let list = Value::Array(vec![Value::String("a\"\\".into()), Value::Int8(1), Value::Null]);
        assert_eq!(connect_text(None, &list).unwrap(), r#"["a\"\\",1,null]"#);
        assert_eq!(java_text(None, &list).unwrap(), "[a\"\\, 1, null]");
        let fields = vec![
            Field::new("a", Schema::new(Kind::Int32)),
            Field::new("b", Schema::new(Kind::String).optional()),
        ];
        let schema = Schema::new(Kind::Struct(fields));
        let row = Value::Struct(vec![Value::Int32(1), Value::Null]);
        assert_eq!(connect_text(Some(&schema), &row).unwrap(), r#"{"a":1,"b":null}"#);
        assert_eq!(java_text(Some(&schema), &row).unwrap(), "Struct{a=1}");
        assert_eq!(connect_text(None, &Value::Float64(1e10)).unwrap(), "1.0E10");
        assert_eq!(connect_text(None, &Value::Float32(f32::NAN)).unwrap(), "NaN");
        assert_eq!(
            connect_text(None, &Value::Decimal(Decimal::from_i128(1250, 2))).unwrap(),
            "12.50"
        );
        assert_eq!(connect_text(None, &Value::Bytes([1, 2].into())).unwrap(), "AQI=");
        assert_eq!(connect_text(None, &Value::Null), None);
    }

    #[test]
    fn times_print_as_date_time_or_both() {
        assert_eq!(instant_text(1_704_164_645_678), "2024-01-02T03:04:05.678Z");
        assert_eq!(instant_text(1_704_153_600_000), "2024-01-02");
        assert_eq!(instant_text(3_723_004), "01:02:03.004Z");
        let date = Schema::new(Kind::Int32).named("org.apache.kafka.connect.data.Date", 1);
        assert_eq!(
            connect_text(Some(&date), &Value::Int32(19_724)).unwrap(),
            "2024-01-02"
        );
    }
}
