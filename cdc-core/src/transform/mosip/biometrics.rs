//! Lists of biometric captures to one summary a type.

use super::{Mode, cannot, java_map, org_json, remove};
use crate::convert::read_schemaless;
use crate::record::{Text, Value};
use crate::transform::TransformError;

/// Captures of one type.
struct Group {
    kind: Text,
    first: Value,
    scores: f64,
    attempts: f64,
    count: f64,
}

/// Makes a map of types out of the list of captures.
pub(super) fn summarise(list: &Value, mode: Mode) -> Result<Value, TransformError> {
    let Value::Array(captures) = list else {
        return Err(cannot("biometricInfo", list));
    };
    let mut groups: Vec<Group> = Vec::new();
    for capture in captures {
        let kind = match capture.entry("type") {
            Some(Value::String(kind)) => kind.clone(),
            other => return Err(cannot("the type of a capture", other.unwrap_or(&Value::Null))),
        };
        let group = match groups.iter().position(|g| g.kind == kind) {
            Some(at) => at,
            None => {
                groups.push(Group {
                    kind,
                    first: capture.clone(),
                    scores: 0.0,
                    attempts: 0.0,
                    count: 0.0,
                });
                groups.len() - 1
            }
        };
        let score = capture.entry("qualityScore").and_then(|s| number(s, mode));
        let attempts = match capture.entry("attempts") {
            Some(Value::String(text)) => text.parse::<i32>().ok().map(f64::from),
            Some(other) if mode == Mode::Strict => number(other, mode),
            _ => None,
        };
        if let (Some(score), Some(attempts), Some(group)) = (score, attempts, groups.get_mut(group)) {
            group.scores += score;
            group.attempts += attempts;
            group.count += 1.0;
        }
    }
    let mut summary = Vec::with_capacity(groups.len());
    for group in groups {
        let mut of = group.first;
        remove(&mut of, "subType");
        let mean = |sum: f64| if group.count > 0.0 { sum / group.count } else { 0.0 };
        of.set_entry("qualityScore", float(mean(group.scores)));
        of.set_entry("attempts", float(mean(group.attempts)));
        if let Some(id) = of.entry("digitalId") {
            let id = digital_id(id, mode)?;
            of.set_entry("digitalId", id);
        }
        summary.push((group.kind, of));
    }
    Ok(java_map::map(summary))
}

#[expect(clippy::cast_possible_truncation, reason = "the Java class has floats")]
fn float(n: f64) -> Value {
    Value::Float32(n as f32)
}

fn number(value: &Value, mode: Mode) -> Option<f64> {
    match value {
        Value::Int32(n) => Some(f64::from(*n)),
        Value::Decimal(d) if mode == Mode::Strict => Some(d.to_f64()),
        Value::Float64(n) if mode == Mode::Strict => Some(*n),
        other if mode == Mode::Strict => i32::try_from(other.as_i64()?).ok().map(f64::from),
        _ => None,
    }
}

/// What a device says of itself: JSON, JSON in base64, or the payload of a token. What is neither stays.
fn digital_id(id: &Value, mode: Mode) -> Result<Value, TransformError> {
    let text = match id {
        Value::Null => return Ok(Value::Null),
        Value::String(text) => text,
        Value::Map(_) if mode == Mode::Strict => return Ok(id.clone()),
        other => return Err(cannot("digitalId", other)),
    };
    let parsed = match mode {
        Mode::Compatible => org_json::object(text).ok().or_else(|| {
            let decoded = lenient_base64(text);
            org_json::object(&String::from_utf8_lossy(&decoded)).ok()
        }),
        Mode::Strict => {
            let object = |bytes: &[u8]| read_schemaless(bytes).ok().filter(|v| matches!(v, Value::Map(_)));
            // header.payload.signature
            let part = text
                .split('.')
                .nth(usize::from(text.contains('.')))
                .unwrap_or_default();
            object(text.as_bytes()).or_else(|| object(&lenient_base64(part)))
        }
    };
    let Some(mut parsed) = parsed else {
        return Ok(id.clone());
    };
    remove(&mut parsed, "dateTime");
    Ok(parsed)
}

/// Base64 of either alphabet; other characters are passed over, as by Java's commons-codec.
fn lenient_base64(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0_u32, 0);
    for c in text.bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            _ => continue,
        };
        word = (word << 6) | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((word >> bits) & 0xff).unwrap_or(0));
            word &= (1 << bits) - 1;
        }
    }
    out
}
