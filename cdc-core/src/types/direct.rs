//! The commonest representations, with a writer for each that is compiled into the loop over a row's columns, for JSON and
//! for Avro. What is not as nearly all values of a representation are is left to its [`Codec`].

use super::calendar;
use super::codec::{self, Codec};
use super::decimal;
use super::digits::{copy_integer, integer, unscaled};
use super::options::DecimalFormat;
use super::temporal::{DateForm, UtcMicros};
use crate::append::{Append, SHORT, Short};
use crate::block::Text;
use crate::convert::AvroMember;
use crate::json;

/// A representation that is written directly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direct {
    /// A string as it is.
    Text,
    /// Digits as they are.
    Integer,
    /// A boolean.
    Bool,
    /// A decimal of at most fifteen digits, so many of them after the point.
    Decimal(usize),
    /// Days since 1970-01-01.
    Days,
    /// A timestamp in UTC with six fraction digits.
    UtcMicros,
    /// None of these.
    Not,
}

impl Direct {
    pub(super) fn of(codec: &Codec) -> Self {
        match codec {
            Codec::Text => Self::Text,
            Codec::Integer(_) | Codec::Oid => Self::Integer,
            Codec::Bool => Self::Bool,
            Codec::Decimal {
                scale,
                format: DecimalFormat::Base64,
            } => usize::try_from(*scale).map_or(Self::Not, Self::Decimal),
            Codec::Date(DateForm::Days { .. }) => Self::Days,
            Codec::ZonedTimestamp { digits: 6 } => Self::UtcMicros,
            _ => Self::Not,
        }
    }

    /// Writes the JSON token of a value that is short: how many bytes; none if it must be written otherwise, as texts must.
    #[inline(always)]
    pub(crate) fn write_short(self, text: Text<'_>, place: &mut [u8; SHORT]) -> Option<usize> {
        Short::fill(place, |out| match self {
            Self::Integer => copy_integer(text, out),
            Self::Bool => codec::write_bool(text, out),
            Self::Decimal(scale) => {
                let value = unscaled(text, scale);
                value.map(|value| decimal::write_word(value, out)).is_some()
            }
            Self::Days => {
                let days = calendar::four_digit_days(text);
                days.map(|days| json::append_i64(out, days)).is_some()
            }
            Self::UtcMicros => {
                let micros = UtcMicros::of(text);
                micros.map(|micros| micros.append_quoted(out)).is_some()
            }
            Self::Text | Self::Not => false,
        })
    }

    /// Appends the Avro of a value; false, with something of it appended where it is no UTF-8, if it must be written otherwise.
    #[inline(always)]
    pub(crate) fn write_avro<O: Append>(self, text: Text<'_>, member: &AvroMember, out: &mut O) -> bool {
        match self {
            Self::Text => member.string(text, out),
            Self::Integer => integer(text).is_some_and(|n| member.integer(n, out)),
            Self::Bool => match text.as_bytes() {
                b"t" => member.boolean(true, out),
                b"f" => member.boolean(false, out),
                _ => false,
            },
            Self::Decimal(scale) => unscaled(text, scale).is_some_and(|n| member.decimal(n, out)),
            Self::Days => calendar::four_digit_days(text).is_some_and(|days| member.integer(days, out)),
            Self::UtcMicros => UtcMicros::of(text).is_some_and(|micros| {
                let begun = member.begin_string(UtcMicros::LEN, out);
                if begun {
                    micros.append(out);
                }
                begun
            }),
            Self::Not => false,
        }
    }
}
