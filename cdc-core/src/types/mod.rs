//! Column values: from the server's text output to Kafka Connect values in JSON, as Debezium represents them.
//!
//! [`ColumnWriter::compile`] chooses schema and writer once a column; [`ColumnWriter::write`] then appends one JSON
//! token a value, without allocation. The input is the text output under the settings that the connections pin:
//! `datestyle` ISO, `intervalstyle` postgres, `timezone` UTC, `bytea_output` hex, `extra_float_digits` 3 and
//! `lc_monetary` C.

mod array;
mod binary;
mod calendar;
mod codec;
mod decimal;
mod default;
mod digits;
mod direct;
mod error;
mod geometry;
mod hstore;
mod interval;
mod known;
mod options;
mod scratch;
mod shape;
mod stand_in;
mod temporal;
#[cfg(test)]
mod tests;
mod vector;

pub(crate) use direct::Direct;
pub use error::ValueError;
pub use options::{
    BinaryHandling, DecimalFormat, DecimalHandling, HstoreHandling, IntervalHandling, TimePrecision,
    ValueOptions,
};
pub use stand_in::unavailable_tokens;

use crate::connect::Schema;
use crate::error::{Error, ErrorKind};
use crate::row::Datum;
use crate::schema::{Column, TypeCatalog};
use crate::telemetry::VALUES_LOST;
use codec::Codec;
use error::Fault;
use known::{Known, Resolved};
use stand_in::Placeholder;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const NULL: &[u8] = b"null";

/// Writes the values of one column.
#[derive(Debug)]
pub struct ColumnWriter {
    column: Arc<str>,
    type_name: Arc<str>,
    schema: Schema,
    codec: Codec,
    character: bool,
    nullable: bool,
    /// Token for NULL: `null` or the default.
    null: Box<[u8]>,
    /// Token for a value that did not change and was not sent.
    unchanged: Box<[u8]>,
    /// Token for an absent value.
    filler: Box<[u8]>,
    /// Whether a lost value has been logged.
    warned: AtomicBool,
}

impl ColumnWriter {
    /// Chooses schema and writer for a column; `None` if it does not appear, as in Debezium.
    ///
    /// # Errors
    /// Options that contradict themselves: a placeholder with a broken `hex:` form, too many money digits.
    pub fn compile(column: &Column, types: &TypeCatalog, o: &ValueOptions) -> Result<Option<Self>, Error> {
        /// A `money` value has 19 digits.
        const MAX_MONEY_DIGITS: u8 = 18;
        let placeholder = Placeholder::parse(&o.unavailable_value_placeholder).ok_or_else(|| {
            Error::new(
                ErrorKind::Config,
                "unavailable_value_placeholder: an even number of hexadecimal digits must follow hex:",
            )
        })?;
        if o.money_fraction_digits > MAX_MONEY_DIGITS {
            let text = format!("money_fraction_digits: at most {MAX_MONEY_DIGITS} are possible");
            return Err(Error::new(ErrorKind::Config, text));
        }
        let resolved = known::resolve(column.type_oid, column.typmod, types);
        let Some(shape::Shape { mut schema, codec }) = shape::shape(&resolved, types, o) else {
            return Ok(None);
        };
        schema.optional |= column.nullable;
        schema.default_json = default_of(column, &resolved, &codec);
        let element = element_of(&resolved, types);
        let default = schema.default_json.as_deref().map(str::as_bytes);
        let null = default.filter(|_| o.replace_null_with_default).unwrap_or(NULL);
        let unchanged = placeholder.token(element, &codec);
        let filler = match default {
            Some(default) => default.to_vec(),
            None if column.nullable => NULL.to_vec(),
            None => stand_in::filler(&codec),
        };
        Ok(Some(Self {
            column: column.name.as_str().into(),
            type_name: type_name(column, types).into(),
            character: resolved.element.is_none() && is_character(resolved.known),
            nullable: column.nullable,
            null: null.into(),
            unchanged: unchanged.unwrap_or_else(|| null.to_vec()).into(),
            filler: if column.nullable {
                null.into()
            } else {
                filler.into()
            },
            warned: AtomicBool::new(false),
            schema,
            codec,
        }))
    }

    /// The column's schema, with its default if it has one.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Whether the column's type is one of characters, to which masks and truncation apply: `text`, `varchar`,
    /// `char`, `name` and enums.
    #[must_use]
    pub fn is_character(&self) -> bool {
        self.character
    }

    /// Appends the JSON token of a value in text form; false, with nothing appended, if there is something to say about
    /// it, which [`write`](Self::write) does.
    pub(crate) fn write_text(&self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let written = self.codec.write(text, out).is_ok();
        if !written {
            out.truncate(start);
        }
        written
    }

    /// How most of the column's values are written.
    pub(crate) fn direct(&self) -> Direct {
        Direct::of(&self.codec)
    }

    /// Token for NULL: `null` or the default.
    pub(crate) fn null(&self) -> &[u8] {
        &self.null
    }

    /// Appends one JSON token: the value, or for NULL `null` or the default, or for a value that was not sent its
    /// placeholder.
    ///
    /// A value for which the representation has no form (NaN as a precise decimal) is written as NULL is, counted in
    /// [`VALUES_LOST`] and logged once a column.
    ///
    /// # Errors
    /// The value is not what the type's output function writes, or is outside the representation's range, or has no
    /// form while the column is NOT NULL. Nothing is then appended.
    pub fn write(&self, datum: Datum<'_>, out: &mut Vec<u8>) -> Result<(), ValueError> {
        let start = out.len();
        let written = match datum {
            Datum::Text(text) => self.codec.write(text, out),
            Datum::Null => {
                out.extend_from_slice(&self.null);
                Ok(())
            }
            Datum::Unchanged => {
                out.extend_from_slice(&self.unchanged);
                Ok(())
            }
            Datum::Binary(bytes) => self.codec.write_binary(bytes, out),
        };
        match written {
            Ok(()) => Ok(()),
            Err(Fault::LostElement(reason)) => {
                self.count_lost(reason);
                Ok(())
            }
            Err(fault) => {
                out.truncate(start);
                self.write_lost(fault, out)
            }
        }
    }

    #[cold]
    fn write_lost(&self, fault: Fault, out: &mut Vec<u8>) -> Result<(), ValueError> {
        let reason = match fault {
            Fault::Lost(reason) if self.nullable || *self.null != *NULL => reason,
            Fault::Lost(reason) | Fault::LostElement(reason) | Fault::Malformed(reason) => {
                return Err(ValueError::new(&self.column, &self.type_name, reason));
            }
        };
        self.count_lost(reason);
        out.extend_from_slice(&self.null);
        Ok(())
    }

    #[cold]
    fn count_lost(&self, reason: &'static str) {
        metrics::counter!(VALUES_LOST).increment(1);
        if !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                column = %self.column,
                r#type = %self.type_name,
                reason,
                "a value has no form in the chosen representation and is written as null"
            );
        }
    }

    /// Appends Debezium's filler for a column that the old tuple does not carry: `null` where that is allowed, else
    /// the default, else the type's zero value.
    pub fn write_filler(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.filler);
    }
}

fn default_of(column: &Column, resolved: &Resolved<'_>, codec: &Codec) -> Option<String> {
    let expression = column.default.as_deref()?;
    // A generated column's expression is kept where defaults are.
    if column.generated || column.identity_column {
        return None;
    }
    default::default_json(expression, resolved, codec)
}

fn element_of(resolved: &Resolved<'_>, types: &TypeCatalog) -> Option<Known> {
    let (element, _) = resolved.element?;
    let element = known::resolve(element, resolved.typmod, types);
    (!element.domain).then_some(element.known)
}

fn is_character(known: Known) -> bool {
    matches!(
        known,
        Known::Text | Known::Varchar | Known::BpChar | Known::QuotedChar | Known::Name | Known::Enum
    )
}

fn type_name(column: &Column, types: &TypeCatalog) -> String {
    match types.get(column.type_oid) {
        Some(info) => format!("{}.{}", info.schema, info.name),
        None => format!("oid {}", column.type_oid),
    }
}
