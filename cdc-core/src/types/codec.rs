//! The writers, one a representation, chosen once a column and matched once a value.

use super::array::ArrayCodec;
use super::binary;
use super::decimal::{self, Money};
use super::digits::copy_integer;
use super::error::{Fault, Written};
use super::geometry;
use super::hstore;
use super::interval;
use super::options::{BinaryHandling, DecimalFormat, DecimalHandling, HstoreHandling};
use super::scratch;
use super::temporal::{self, ClockForm, DateForm};
use super::vector;
use crate::append::Append;
use crate::block::Text;
use crate::json;

/// How a value's text becomes a JSON token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Codec {
    /// `t` and `f`.
    Bool,
    /// `int2`, `int4`, `int8`: digits as they are; the width is that of the binary form.
    Integer(u8),
    /// `oid`: digits as they are.
    Oid,
    /// `float4`
    Float32,
    /// `float8`
    Float64,
    /// A string as it is.
    Text,
    /// `numeric(p,s)`, exact.
    Decimal { scale: i32, format: DecimalFormat },
    /// `numeric`, exact, as scale and unscaled value.
    VariableDecimal,
    /// `numeric` as the nearest double.
    DecimalDouble,
    /// `numeric` as its digits; a default may have to be padded to the scale.
    DecimalString { scale: Option<i32> },
    /// `money`
    Money(MoneyForm),
    /// `bytea`
    Bytea(BinaryHandling),
    /// `bit(1)`, `varbit(1)` as a boolean.
    Bit,
    /// Longer bit strings.
    Bits,
    /// `date`
    Date(DateForm),
    /// `time`
    Time { form: ClockForm, whole_millis: bool },
    /// `timestamp`
    Timestamp(ClockForm),
    /// `timetz`
    ZonedTime { whole_seconds: bool },
    /// `timestamptz` with so many fraction digits.
    ZonedTimestamp { digits: u8 },
    /// `interval` in microseconds.
    IntervalMicros,
    /// `interval` in ISO 8601.
    IntervalIso,
    /// `hstore`
    Hstore(HstoreHandling),
    /// `point`
    Point,
    /// PostGIS `geometry`, `geography`.
    Ewkb,
    /// pgvector `vector` (doubles) and `halfvec` (floats).
    Vector { double: bool },
    /// pgvector `sparsevec`.
    SparseVector,
    /// The text's bytes, for types without a mapping.
    Opaque(BinaryHandling),
    /// As `Opaque`, numbers in Java's form.
    OpaqueGeometric(BinaryHandling),
    /// An array.
    Array(Box<ArrayCodec>),
    /// No value ever, as Debezium has none: the reason.
    Never(&'static str),
}

impl Codec {
    /// Appends the JSON token for `text`. On a fault `out` may hold part of it.
    pub(super) fn write(&self, text: &[u8], out: &mut Vec<u8>) -> Written {
        match self {
            Self::Bool if write_bool(Text::new(text), out) => Ok(()),
            Self::Bool => Err(Fault::Malformed("not a boolean")),
            Self::Integer(_) | Self::Oid if copy_integer(Text::new(text), out) => Ok(()),
            Self::Integer(_) | Self::Oid => Err(Fault::Malformed("not an integer")),
            Self::Float32 => decimal::parse_f32(text).map(|v| json::write_f32(out, v)),
            Self::Float64 => decimal::parse_f64(text).map(|v| json::write_f64(out, v)),
            Self::Text => {
                json::write_str(out, text);
                Ok(())
            }
            Self::Decimal { scale, format } => match format {
                DecimalFormat::Base64 => decimal::write_decimal(text, *scale, out),
                DecimalFormat::Numeric => decimal::write_number(text, *scale, out),
            },
            Self::VariableDecimal => decimal::write_variable(text, out),
            Self::DecimalDouble => decimal::write_double(text, out),
            Self::DecimalString { scale } => decimal::write_string(text, *scale, out),
            Self::Money(form) => form.write(text, out),
            Self::Bytea(form) => binary::write_bytea(*form, text, out),
            Self::Bit => binary::write_bit(text, out),
            Self::Bits => binary::write_bits(text, out),
            Self::Date(form) => temporal::write_date(text, *form, out),
            Self::Time { form, whole_millis } => temporal::write_time(text, *form, *whole_millis, out),
            Self::Timestamp(form) => temporal::write_timestamp(text, *form, out),
            Self::ZonedTime { whole_seconds } => temporal::write_zoned_time(text, *whole_seconds, out),
            Self::ZonedTimestamp { digits } => temporal::write_zoned_timestamp(text, *digits, out),
            Self::IntervalMicros => interval::write_micros(text, out),
            Self::IntervalIso => interval::write_iso(text, out),
            Self::Hstore(form) => hstore::write(text, *form, out),
            Self::Point => geometry::write_point(text, out),
            Self::Ewkb => geometry::write_ewkb(text, out),
            Self::Vector { double } => vector::write_dense(text, *double, out),
            Self::SparseVector => vector::write_sparse(text, out),
            Self::Opaque(form) => {
                binary::write_bytes(*form, text, out);
                Ok(())
            }
            Self::OpaqueGeometric(form) => scratch::with_bytes(|plain| {
                geometry::rewrite_numbers(text, plain)?;
                binary::write_bytes(*form, plain, out);
                Ok(())
            }),
            Self::Array(array) => array.write(text, out),
            Self::Never(reason) => Err(Fault::Lost(reason)),
        }
    }

    /// Appends the JSON token for a value in the type's binary send form, which only the plainest types have here.
    pub(super) fn write_binary(&self, bytes: &[u8], out: &mut Vec<u8>) -> Written {
        const LENGTH: Fault = Fault::Malformed("a binary value of the wrong length");
        const NO_BINARY: Fault =
            Fault::Malformed("no reader for the binary form: turn the option binary off");
        match self {
            Self::Bool => match bytes {
                [0] => out.extend_from_slice(b"false"),
                [1] => out.extend_from_slice(b"true"),
                _ => return Err(LENGTH),
            },
            Self::Integer(width) if usize::from(*width) != bytes.len() => return Err(LENGTH),
            Self::Integer(_) => match *bytes {
                [a, b] => json::write_i64(out, i64::from(i16::from_be_bytes([a, b]))),
                [a, b, c, d] => json::write_i64(out, i64::from(i32::from_be_bytes([a, b, c, d]))),
                _ => json::write_i64(out, i64::from_be_bytes(bytes.try_into().map_err(|_| LENGTH)?)),
            },
            Self::Float32 => json::write_f32(out, f32::from_be_bytes(bytes.try_into().map_err(|_| LENGTH)?)),
            Self::Float64 => json::write_f64(out, f64::from_be_bytes(bytes.try_into().map_err(|_| LENGTH)?)),
            Self::Bytea(form) => binary::write_bytes(*form, bytes, out),
            _ => return Err(NO_BINARY),
        }
        Ok(())
    }
}

/// Appends a boolean; false, with nothing appended, if it is not one.
#[inline(always)]
pub(super) fn write_bool<O: Append>(text: Text<'_>, out: &mut O) -> bool {
    let (word, len) = match text.as_bytes() {
        b"t" => (b"true    ", 4),
        b"f" => (b"false   ", 5),
        _ => return false,
    };
    out.head(word, len);
    true
}

/// How `money` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MoneyForm {
    pub(super) handling: DecimalHandling,
    pub(super) format: DecimalFormat,
    /// Digits after the point in precise handling.
    pub(super) digits: u8,
}

impl MoneyForm {
    fn write(self, text: &[u8], out: &mut Vec<u8>) -> Written {
        let money = Money::parse(text)?;
        let scale = i32::from(self.digits);
        match (self.handling, self.format) {
            (DecimalHandling::String, _) => decimal::write_string(money.as_bytes(), None, out),
            (DecimalHandling::Double, _) => decimal::write_double(money.as_bytes(), out),
            (DecimalHandling::Precise, DecimalFormat::Base64) => {
                decimal::write_decimal(money.rounded(self.digits)?.as_bytes(), scale, out)
            }
            (DecimalHandling::Precise, DecimalFormat::Numeric) => {
                decimal::write_number(money.rounded(self.digits)?.as_bytes(), scale, out)
            }
        }
    }
}
