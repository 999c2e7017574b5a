//! Encoded records through transforms and converters.
//!
//! The encoder stays the one source of values: it writes a row's records as plain JSON into a scratch batch, and from there
//! they are read by their known schemas, sent through the chain and written by the converters.

use std::sync::Arc;

use foldhash::HashMap;

use super::avro::{AvroRow, AvroRows};
use super::format::{Format, HeaderFormat};
use super::header::{NEW_KEY, OLD_KEY, POSITION_HEADER};
use super::plan::RelationPlan;
use crate::batch::Record as Encoded;
use crate::connect::{Kind, Schema};
use crate::convert::{
    Context, ConvertError, Converter, JsonConverter, JsonOptions, JsonReader, Nulls, SimpleHeaderConverter,
};
use crate::record::{Header, Record, SchemaAndValue, SchemaCache};
use crate::telemetry::RECORDS_SKIPPED;
use crate::transform::{Chain, Stuck};
use crate::types::DecimalFormat;
use crate::{Batch, Error, FailedStage, HeadRef, Topic};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens with a record on which a transform or converter fails (`errors.tolerance`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnRecordError {
    /// The pipeline stops.
    #[default]
    Fail,
    /// The record is left out, logged and counted.
    Skip,
    /// The record goes on as it came, with the reason: the sink does with it what it does with records that it cannot take.
    /// Not a word of the configuration, but what an index that leaves out bad records implies.
    #[serde(skip)]
    HandOn,
}

/// Transforms and converters of a pipeline. What is not given is JSON as the format has it.
#[derive(Clone, Debug, Default)]
pub struct Reshape {
    /// Transforms.
    pub chain: Chain,
    /// Converter of keys.
    pub key: Option<Box<dyn Converter>>,
    /// Converter of values.
    pub value: Option<Box<dyn Converter>>,
    /// Converter of headers.
    pub header: Option<Box<dyn Converter>>,
    /// What happens with a record on which one of them fails.
    pub on_error: OnRecordError,
    /// Whether a record goes on with what it was before the transforms, for a sink that may have to put that aside.
    pub keep_originals: bool,
}

impl Reshape {
    /// Whether there is nothing to do that the direct encoder does not do.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.chain.is_empty() && self.key.is_none() && self.value.is_none() && self.header.is_none()
    }
}

/// Schemas of the records of one call of the encoder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schemas<'a> {
    pub(super) key: Option<&'a Arc<Schema>>,
    pub(super) value: &'a Arc<Schema>,
}

/// Sends encoded records through chain and converters.
#[derive(Clone, Debug)]
pub(super) struct Reshaper {
    /// Records as the encoder writes them.
    pub(super) scratch: Batch,
    chain: Chain,
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
    header: Box<dyn Converter>,
    on_error: OnRecordError,
    keep_originals: bool,
    readers: SchemaCache<JsonReader>,
    text: Arc<Schema>,
    /// Topics that transforms named: one of each, as sinks expect.
    topics: HashMap<String, Arc<Topic>>,
    header_bytes: Vec<u8>,
    /// Headers that the next record has from this one, if it is its tombstone.
    shared: Vec<Header>,
    /// Tables whose rows are written without their JSON.
    avro: AvroRows,
}

/// Memory that the scratch batch keeps.
const SCRATCH_BYTES: usize = 64 << 10;

impl Reshaper {
    pub(super) fn new(format: &Format, reshape: Reshape) -> Self {
        let json = |schemas: bool| -> Box<dyn Converter> {
            Box::new(JsonConverter::new(JsonOptions {
                schemas,
                decimal_format: format.values.decimal_format,
                replace_null_with_default: format.values.replace_null_with_default,
            }))
        };
        let header = || match format.header_format {
            HeaderFormat::Simple => Box::new(SimpleHeaderConverter),
            HeaderFormat::Json => json(format.header_schemas.unwrap_or(format.value_schemas)),
        };
        Self {
            scratch: Batch::default(),
            chain: reshape.chain,
            key: reshape.key.unwrap_or_else(|| json(format.key_schemas)),
            value: reshape.value.unwrap_or_else(|| json(format.value_schemas)),
            header: reshape.header.unwrap_or_else(header),
            on_error: reshape.on_error,
            keep_originals: reshape.keep_originals,
            readers: SchemaCache::default(),
            text: Arc::new(Schema::new(Kind::String)),
            topics: HashMap::default(),
            header_bytes: Vec::new(),
            shared: Vec::new(),
            avro: AvroRows::default(),
        }
    }

    /// The format in which the encoder writes what is read here: payloads alone, values as they are.
    pub(super) fn inner_format(format: &Format) -> Format {
        let mut inner = format.clone();
        (inner.key_schemas, inner.value_schemas) = (false, false);
        (inner.header_format, inner.header_schemas) = (HeaderFormat::Json, Some(false));
        inner.values.decimal_format = DecimalFormat::Base64;
        inner.values.replace_null_with_default = false;
        inner
    }

    /// How rows of a table are written as Avro without JSON in between; none if that cannot be: transforms, another
    /// converter, originals to keep, or a registry that fails, about which the other way has more to say.
    pub(super) fn avro_row(&mut self, plan: &RelationPlan) -> Option<&mut AvroRow> {
        if !self.chain.is_empty() || self.keep_originals {
            return None;
        }
        let (key, value) = (&mut *self.key, &mut *self.value);
        self.avro.of(plan, key, value)
    }

    /// Empties the scratch batch into `out`.
    pub(super) fn drain(&mut self, schemas: Schemas<'_>, out: &mut Batch) -> Result<(), Error> {
        self.shared.clear();
        let scratch = std::mem::take(&mut self.scratch);
        let mut records = scratch.records().peekable();
        let mut drained = Ok(());
        while let Some(encoded) = records.next() {
            let has_tombstone = records.peek().is_some_and(|next| next.value.is_none());
            drained = self.one(&encoded, has_tombstone, schemas, out);
            if drained.is_err() {
                break;
            }
        }
        drop(records);
        self.scratch = scratch;
        self.scratch.reset(SCRATCH_BYTES);
        drained
    }

    fn one(
        &mut self,
        encoded: &Encoded<'_>,
        has_tombstone: bool,
        schemas: Schemas<'_>,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let done = self.reshape(encoded, has_tombstone, schemas, out);
        let Err(stuck) = done else { return Ok(()) };
        out.discard();
        match self.on_error {
            _ if stuck.is_transient() => return Err(stuck.into_error()),
            OnRecordError::Fail => return Err(stuck.into_error()),
            OnRecordError::HandOn => out.finish_failed(encoded, stuck.into_failure()),
            OnRecordError::Skip => {
                metrics::counter!(RECORDS_SKIPPED).increment(1);
                tracing::error!(error = %stuck.into_error().chain(), "a record is left out");
            }
        }
        Ok(())
    }

    fn reshape(
        &mut self,
        encoded: &Encoded<'_>,
        has_tombstone: bool,
        schemas: Schemas<'_>,
        out: &mut Batch,
    ) -> Result<(), Stuck> {
        let unreadable = |e: ConvertError| {
            let what = "an encoded record cannot be read";
            Stuck::at_converter(FailedStage::ValueConverter, what, encoded.head, &e)
        };
        if self.chain.is_empty() {
            let content = Content {
                head: encoded.head,
                headers: &self.headers(encoded, schemas).map_err(unreadable)?,
                key: Side::Encoded(encoded.key, schemas.key),
                value: Side::Encoded(encoded.value, Some(schemas.value)),
            };
            if self.keep_originals {
                out.keep_original(encoded);
            }
            return self.write(&content, encoded, out);
        }
        let mut record = self.read(encoded, schemas).map_err(unreadable)?;
        if encoded.value.is_none() {
            record.headers.append(&mut self.shared);
        }
        let shared = has_tombstone.then_some(&mut self.shared);
        let changed = self.chain.apply_sharing(record, shared);
        let Some(mut record) = changed.map_err(|e| Stuck::at_step(&e))? else {
            return Ok(());
        };
        if !Arc::ptr_eq(&record.head.topic, encoded.head.topic) {
            self.one_of_each(&mut record);
        }
        if self.keep_originals {
            out.keep_original(encoded);
        }
        let content = Content {
            head: HeadRef::from(&record.head),
            headers: &record.headers,
            key: Side::Read(&record.key),
            value: Side::Read(&record.value),
        };
        self.write(&content, encoded, out)
    }

    /// Takes the one topic of a name.
    fn one_of_each(&mut self, record: &mut Record) {
        if let Some(known) = self.topics.get(record.topic()) {
            record.head.topic = Arc::clone(known);
        } else {
            let topic = Arc::clone(&record.head.topic);
            self.topics.insert(topic.name.clone(), topic);
        }
    }

    fn read(&mut self, encoded: &Encoded<'_>, schemas: Schemas<'_>) -> Result<Record, ConvertError> {
        Ok(Record {
            head: encoded.head.to_head(),
            key: read(&mut self.readers, encoded.key, schemas.key)?,
            value: read(&mut self.readers, encoded.value, Some(schemas.value))?,
            headers: self.headers(encoded, schemas)?,
        })
    }

    fn headers(&mut self, encoded: &Encoded<'_>, schemas: Schemas<'_>) -> Result<Vec<Header>, ConvertError> {
        let mut headers = Vec::new();
        for (name, value) in encoded
            .headers()
            .filter(|(name, _)| *name != POSITION_HEADER.as_bytes())
        {
            let schema = match schemas.key {
                Some(key) if name == NEW_KEY || name == OLD_KEY => key,
                _ => &self.text,
            };
            headers.push(Header {
                name: String::from_utf8_lossy(name).as_ref().into(),
                data: read(&mut self.readers, value, Some(schema))?,
            });
        }
        Ok(headers)
    }

    fn write(&mut self, content: &Content<'_>, encoded: &Encoded<'_>, out: &mut Batch) -> Result<(), Stuck> {
        let context = Context {
            topic: &content.head.topic.name,
            headers: content.headers,
        };
        let stuck = |stage, what: &str, e: &ConvertError| Stuck::at_converter(stage, what, encoded.head, e);
        if content
            .key
            .write(&mut *self.key, &mut self.readers, &context, out.buf())
            .map_err(|e| stuck(FailedStage::KeyConverter, "the key cannot be written", &e))?
        {
            out.mark_key();
        }
        for header in content.headers {
            self.header_bytes.clear();
            let some = self.header.write(&context, &header.data, &mut self.header_bytes);
            let some = some.map_err(|e| {
                let what = format!("the header {} cannot be written", header.name);
                stuck(FailedStage::HeaderConverter, &what, &e)
            })?;
            out.header(
                header.name.as_bytes(),
                some.then_some(self.header_bytes.as_slice()),
            );
        }
        // Not a part of the event: it says where the record stands, whatever became of it.
        for (name, value) in encoded
            .headers()
            .filter(|(name, _)| *name == POSITION_HEADER.as_bytes())
        {
            out.header(name, value);
        }
        if content
            .value
            .write(&mut *self.value, &mut self.readers, &context, out.buf())
            .map_err(|e| stuck(FailedStage::ValueConverter, "the value cannot be written", &e))?
        {
            out.mark_value();
        }
        out.finish(content.head);
        Ok(())
    }
}

/// A record on its way to the converters.
struct Content<'a> {
    head: HeadRef<'a>,
    headers: &'a [Header],
    key: Side<'a>,
    value: Side<'a>,
}

/// Its key or value.
enum Side<'a> {
    /// As the encoder wrote it.
    Encoded(Option<&'a [u8]>, Option<&'a Arc<Schema>>),
    /// As transforms left it.
    Read(&'a SchemaAndValue),
}

impl Side<'_> {
    fn write(
        &self,
        converter: &mut dyn Converter,
        readers: &mut SchemaCache<JsonReader>,
        context: &Context<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        match *self {
            Self::Read(data) => converter.write(context, data, out),
            Self::Encoded(payload, schema) => {
                if let (Some(payload), Some(schema)) = (payload, schema)
                    && converter.transcode(context, schema, payload, out)?
                {
                    return Ok(true);
                }
                converter.write(context, &read(readers, payload, schema)?, out)
            }
        }
    }
}

fn read(
    readers: &mut SchemaCache<JsonReader>,
    payload: Option<&[u8]>,
    schema: Option<&Arc<Schema>>,
) -> Result<SchemaAndValue, ConvertError> {
    let (Some(payload), Some(schema)) = (payload, schema) else {
        return Ok(SchemaAndValue::null());
    };
    let reader = readers.try_get(schema, |schema| JsonReader::new(schema, Nulls::Keep))?;
    Ok(SchemaAndValue {
        value: reader.read(payload)?,
        schema: Some(Arc::clone(schema)),
    })
}
