//! Converters: values of the record model to and from the bytes of keys, values and headers.

mod avro;
mod cloud_events;
mod json;
mod simple;
mod text;

use std::fmt;
use std::sync::Arc;

pub use self::avro::{AvroConverter, AvroForm, AvroOptions, SchemaRegistry, SubjectNaming};
pub(crate) use self::avro::{AvroMember, varint};
pub use self::cloud_events::{
    AvroData, CloudEventsConverter, CloudEventsForm, CloudEventsFormat, CloudEventsOptions, HeaderOr,
    MetadataOptions, MetadataSource,
};
pub(crate) use self::json::{DECIMAL, is_decimal, scale};
pub use self::json::{
    JsonConverter, JsonOptions, JsonReader, JsonWriter, Nulls, default_text, default_value, read_schemaless,
    write_schemaless,
};
pub use self::simple::{ByteArrayConverter, SimpleHeaderConverter, StringConverter};
pub(crate) use self::text::{DAY_MS, Logical, connect_text};
use crate::connect::Schema;
use crate::record::{Header, SchemaAndValue};

/// Why a value could not be written or read. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvertError {
    reason: String,
    transient: bool,
}

impl ConvertError {
    /// A failure that repeats: `reason` is one clause without a full stop.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            transient: false,
        }
    }

    /// A failure that may pass, such as a registry that does not answer.
    pub fn transient(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            transient: true,
        }
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConvertError {}

/// What a converter knows besides the value.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Topic of the record.
    pub topic: &'a str,
    /// Headers of the record.
    pub headers: &'a [Header],
}

/// Writes and reads one side of records: keys, values or headers.
pub trait Converter: Send + Sync + fmt::Debug {
    /// Appends the bytes of a value; false if the result is Kafka's null, and nothing was appended.
    ///
    /// # Errors
    /// If the value has no form in this converter. What was appended by then stays.
    fn write(
        &mut self,
        context: &Context<'_>,
        data: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError>;

    /// Appends the bytes of a value that the encoder has written as JSON without its schema, decimals in base64, and
    /// that nothing has changed since. False, with nothing appended, if it must be read and go through
    /// [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn transcode(
        &mut self,
        _context: &Context<'_>,
        _schema: &Arc<Schema>,
        _payload: &[u8],
        _out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        Ok(false)
    }

    /// How the values of a schema are written in a topic, if it is as Avro, for one who does that alone.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[doc(hidden)]
    fn avro_form(&mut self, _topic: &str, _schema: &Arc<Schema>) -> Result<Option<AvroForm>, ConvertError> {
        Ok(None)
    }

    /// The value of some bytes, or of Kafka's null.
    ///
    /// # Errors
    /// If the bytes are not what this converter writes.
    fn read(&mut self, context: &Context<'_>, bytes: Option<&[u8]>) -> Result<SchemaAndValue, ConvertError>;

    /// Another converter with the same configuration.
    fn clone_box(&self) -> Box<dyn Converter>;
}

impl Clone for Box<dyn Converter> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}
