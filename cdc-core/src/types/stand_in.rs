//! What stands for a value that is not there: fillers and placeholders, rendered once a column.

use super::binary;
use super::codec::{Codec, MoneyForm};
use super::geometry;
use super::hstore;
use super::known::Known;
use super::options::{BinaryHandling, DecimalHandling, HstoreHandling};
use super::temporal::ClockForm;
use super::temporal::DateForm;
use crate::json;
use md5::{Digest as _, Md5};
use std::borrow::Cow;

/// Debezium's filler for an absent value of a column that is NOT NULL and has no default.
pub(super) fn filler(codec: &Codec) -> Vec<u8> {
    let text: &[u8] = match codec {
        Codec::Bool | Codec::Bit => b"false",
        Codec::Integer(_) | Codec::Oid | Codec::IntervalMicros => b"0",
        Codec::Float32 | Codec::Float64 | Codec::DecimalDouble => b"0.0",
        Codec::Date(DateForm::Days { .. })
        | Codec::Timestamp(ClockForm::Millis | ClockForm::Micros | ClockForm::Nanos) => b"0",
        Codec::Time { form, .. } if *form != ClockForm::Iso => b"0",
        Codec::Date(DateForm::Iso) => b"\"1970-01-01Z\"",
        Codec::Timestamp(ClockForm::Iso) | Codec::ZonedTimestamp { .. } => b"\"1970-01-01T00:00:00Z\"",
        Codec::Time { .. } | Codec::ZonedTime { .. } => b"\"00:00:00Z\"",
        Codec::IntervalIso => b"\"P0Y0M0DT0H0M0S\"",
        Codec::Text | Codec::Bytea(_) | Codec::Bits | Codec::Opaque(_) | Codec::OpaqueGeometric(_) => b"\"\"",
        Codec::Array(_) | Codec::Vector { .. } => b"[]",
        Codec::Hstore(HstoreHandling::Json) => b"\"{}\"",
        Codec::Hstore(HstoreHandling::Map) => b"{}",
        Codec::Money(MoneyForm {
            handling: DecimalHandling::String,
            digits,
            ..
        }) => return zero_amount(*digits),
        Codec::Money(_) => return written(codec, b"0"),
        Codec::Decimal { .. } | Codec::VariableDecimal | Codec::DecimalString { .. } => {
            return written(codec, b"0");
        }
        Codec::Point => return written(codec, b"(0,0)"),
        Codec::Ewkb => return written(codec, geometry::EMPTY_COLLECTION),
        Codec::SparseVector | Codec::Never(_) => b"null",
    };
    text.to_vec()
}

fn written(codec: &Codec, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match codec.write(text, &mut out) {
        Ok(()) => out,
        Err(_) => b"null".to_vec(),
    }
}

fn zero_amount(digits: u8) -> Vec<u8> {
    let mut out = b"\"0".to_vec();
    if digits > 0 {
        out.push(b'.');
        out.extend(std::iter::repeat_n(b'0', usize::from(digits)));
    }
    out.push(b'"');
    out
}

/// The placeholder for an out-of-line value that was not sent.
#[derive(Debug)]
pub(super) struct Placeholder<'o> {
    bytes: Cow<'o, [u8]>,
}

impl<'o> Placeholder<'o> {
    /// Reads the option: text, or bytes in hexadecimal behind `hex:`.
    pub(super) fn parse(option: &'o str) -> Option<Self> {
        let bytes = match option.strip_prefix("hex:") {
            None => Cow::Borrowed(option.as_bytes()),
            Some(digits) => {
                let bytes = binary::decode_hex(digits.as_bytes()).ok()?;
                Cow::Owned(bytes.collect::<Result<Vec<u8>, _>>().ok()?)
            }
        };
        Some(Self { bytes })
    }

    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }

    /// The JSON token for a column, given its array's element type if it is one; none where Debezium has no
    /// placeholder and writes null.
    pub(super) fn token(&self, element: Option<Known>, codec: &Codec) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match codec {
            Codec::Text | Codec::DecimalString { .. } => json::write_str(&mut out, self.text().as_bytes()),
            Codec::Bytea(form) | Codec::Opaque(form) | Codec::OpaqueGeometric(form) => match form {
                // Debezium gives the text here, hexadecimal or not.
                BinaryHandling::Hex => json::write_str(&mut out, self.text().as_bytes()),
                form => binary::write_bytes(*form, &self.bytes, &mut out),
            },
            Codec::Hstore(form) => {
                let quoted = self.text().replace('\\', "\\\\").replace('"', "\\\"");
                let pair = format!("\"{quoted}\"=>\"{quoted}\"");
                hstore::write(pair.as_bytes(), *form, &mut out).ok()?;
            }
            Codec::Array(array) => {
                out.push(b'[');
                self.elements(element?, &array.element, &mut out)?;
                out.push(b']');
            }
            _ => return None,
        }
        Some(out)
    }

    fn elements(&self, known: Known, codec: &Codec, out: &mut Vec<u8>) -> Option<()> {
        match (known, codec) {
            (Known::Text | Known::Varchar | Known::BpChar | Known::Json, _) => {
                json::write_str(out, self.text().as_bytes());
            }
            (Known::Uuid, _) => json::write_str(out, name_based_uuid(&self.bytes).as_bytes()),
            (Known::Bytea, Codec::Bytea(BinaryHandling::Bytes)) => json::write_base64(out, &self.bytes),
            (Known::Int4 | Known::Int8, _)
            | (Known::Date, Codec::Date(DateForm::Days { connect: false })) => {
                for (i, byte) in self.bytes.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    json::write_i64(out, i64::from(byte.cast_signed()));
                }
            }
            _ => return None,
        }
        Some(())
    }
}

/// Every JSON token that the placeholder of `option` has in some column: by them a consumer tells values that were not
/// sent. None when the option is broken.
#[must_use]
pub fn unavailable_tokens(option: &str) -> Option<Vec<Vec<u8>>> {
    let placeholder = Placeholder::parse(option)?;
    let mut tokens = Vec::new();
    let mut text = Vec::new();
    json::write_str(&mut text, placeholder.text().as_bytes());
    let mut bytes = Vec::new();
    json::write_base64(&mut bytes, &placeholder.bytes);
    let mut uuid = Vec::new();
    json::write_str(&mut uuid, name_based_uuid(&placeholder.bytes).as_bytes());
    for element in [&text, &bytes, &uuid] {
        tokens.push([b"[", element.as_slice(), b"]"].concat());
    }
    let mut numbers = vec![b'['];
    for (i, byte) in placeholder.bytes.iter().enumerate() {
        if i > 0 {
            numbers.push(b',');
        }
        json::write_i64(&mut numbers, i64::from(byte.cast_signed()));
    }
    numbers.push(b']');
    tokens.push(numbers);
    for form in [HstoreHandling::Json, HstoreHandling::Map] {
        tokens.extend(placeholder.token(None, &Codec::Hstore(form)));
    }
    tokens.extend([text, bytes]);
    Some(tokens)
}

/// Java's `UUID.nameUUIDFromBytes`: version 3 without a name space.
fn name_based_uuid(bytes: &[u8]) -> String {
    let digest: [u8; 16] = Md5::digest(bytes).into();
    uuid::Builder::from_md5_bytes(digest).into_uuid().to_string()
}
