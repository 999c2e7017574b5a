//! Connect's JsonConverter: values as JSON, with or without their schema.

mod cursor;
mod read;
mod schema;
mod write;

use std::sync::Arc;

use foldhash::HashMap;

use self::cursor::malformed;
pub(super) use self::cursor::{Cursor, unescape_into};
pub(crate) use self::read::{DECIMAL, is_decimal, scale};
pub use self::read::{JsonReader, Nulls, read_schemaless};
pub use self::write::{JsonWriter, write_schemaless};
use super::{Context, ConvertError, Converter};
use crate::connect::Schema;
use crate::record::{SchemaAndValue, SchemaCache, Value};
use crate::types::DecimalFormat;

/// Options of the converter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonOptions {
    /// Whether each value carries its schema: `{"schema":…,"payload":…}` (`schemas.enable`).
    pub schemas: bool,
    /// How decimals are written (`decimal.format`).
    pub decimal_format: DecimalFormat,
    /// Whether null becomes the schema's default where it has one (`replace.null.with.default`).
    pub replace_null_with_default: bool,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            schemas: true,
            decimal_format: DecimalFormat::Base64,
            replace_null_with_default: true,
        }
    }
}

/// Schema texts remembered when reading; as for schemas themselves, more mean that each record has one of its own.
const TEXTS: usize = 1024;

/// The converter.
#[derive(Clone, Debug, Default)]
pub struct JsonConverter {
    options: JsonOptions,
    writers: SchemaCache<JsonWriter>,
    /// Schemas by the text beside a payload.
    known: HashMap<Box<[u8]>, Arc<Known>>,
}

/// A schema that came with a payload, and how its payloads are read.
#[derive(Debug)]
struct Known {
    schema: Arc<Schema>,
    reader: JsonReader,
}

impl JsonConverter {
    /// A converter.
    #[must_use]
    pub fn new(options: JsonOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    fn known(&mut self, text: &[u8]) -> Result<Arc<Known>, ConvertError> {
        if let Some(known) = self.known.get(text) {
            return Ok(Arc::clone(known));
        }
        let schema = schema::read(&mut Cursor::new(text))?;
        let nulls = if self.options.replace_null_with_default {
            Nulls::Default
        } else {
            Nulls::Keep
        };
        let known = Arc::new(Known {
            reader: JsonReader::new(&schema, nulls)?,
            schema: Arc::new(schema),
        });
        if self.known.len() >= TEXTS {
            self.known.clear();
        }
        self.known.insert(text.into(), Arc::clone(&known));
        Ok(known)
    }
}

impl Converter for JsonConverter {
    fn write(
        &mut self,
        _: &Context<'_>,
        data: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        let Some(schema) = &data.schema else {
            if data.value.is_null() {
                return Ok(false);
            }
            let (open, close) = match self.options.schemas {
                true => (&b"{\"schema\":null,\"payload\":"[..], &b"}"[..]),
                false => (&b""[..], &b""[..]),
            };
            out.extend_from_slice(open);
            write_schemaless(&data.value, self.options.decimal_format, out)?;
            out.extend_from_slice(close);
            return Ok(true);
        };
        let options = &self.options;
        let writer = self
            .writers
            .try_get(schema, |schema| JsonWriter::new(schema, options))?;
        writer.write(&data.value, out)?;
        Ok(true)
    }

    fn read(&mut self, _: &Context<'_>, bytes: Option<&[u8]>) -> Result<SchemaAndValue, ConvertError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::null());
        };
        if !self.options.schemas {
            return Ok(SchemaAndValue::schemaless(read_schemaless(bytes)?));
        }
        let (schema, payload) = split(bytes)?;
        if schema == b"null" {
            return Ok(SchemaAndValue::schemaless(read_schemaless(payload)?));
        }
        let known = self.known(schema)?;
        Ok(SchemaAndValue {
            value: known.reader.read(payload)?,
            schema: Some(Arc::clone(&known.schema)),
        })
    }

    fn clone_box(&self) -> Box<dyn Converter> {
        Box::new(self.clone())
    }
}

/// Texts of schema and payload of a value that carries its schema.
fn split(text: &[u8]) -> Result<(&[u8], &[u8]), ConvertError> {
    let wanted = || {
        malformed("an object of exactly the members schema and payload; for plain JSON set schemas to false")
    };
    let mut c = Cursor::new(text);
    let (mut schema, mut payload) = (None, None);
    if c.peek() != Some(b'{') {
        return Err(wanted());
    }
    let mut more = c.open(b'{', b'}')?;
    while more {
        let name = c.string()?;
        c.expect(b':')?;
        let text = c.skip()?;
        match name.as_str() {
            "schema" => schema = Some(text),
            "payload" => payload = Some(text),
            _ => return Err(wanted()),
        }
        more = c.more(b'}')?;
    }
    c.end()?;
    schema.zip(payload).ok_or_else(wanted)
}

/// A schema's default as a value; none if it has none.
///
/// # Errors
/// If the default is not one of the schema's values.
pub fn default_value(schema: &Schema) -> Result<Option<Value>, ConvertError> {
    let Some(text) = &schema.default_json else {
        return Ok(None);
    };
    JsonReader::new(schema, Nulls::Keep)?
        .read(text.as_bytes())
        .map(Some)
}

/// Text of a default of `schema`, in the form that [`Schema::default_json`] has.
///
/// # Errors
/// If the value is not one of the schema.
pub fn default_text(schema: &Schema, value: &Value) -> Result<String, ConvertError> {
    let options = JsonOptions {
        schemas: false,
        ..JsonOptions::default()
    };
    let mut out = Vec::new();
    JsonWriter::new(schema, &options)?.write(value, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests;
