//! Records from Kafka through transforms, on their way to the index.

use std::collections::HashMap;
use std::sync::Arc;

use cdc_core::convert::{
    Context, ConvertError, Converter, JsonConverter, JsonOptions, SimpleHeaderConverter, StringConverter,
};
use cdc_core::envelope::{OnRecordError, Reshape};
use cdc_core::record::{Header, Record, SchemaAndValue};
use cdc_core::transform::mosip::{Search, holds_decimal};
use cdc_core::transform::{Chain, Stuck};
use cdc_core::{Batch, Error, FailedStage, Lsn, Record as Raw, Topic};
use sink_es::config::IdFrom;
use sink_es::{Floors, IndexConfig, Partitions, Remembered};

use super::lookups::Lookups;

/// Transforms with what reads and writes their records.
#[derive(Debug)]
pub struct Transformed {
    chain: Chain,
    key: Option<Box<dyn Converter>>,
    value: Option<Box<dyn Converter>>,
    with_schemas: JsonConverter,
    plain: JsonConverter,
    /// How values are written: with their schemas, if mappings are made of them.
    out: JsonConverter,
    /// Keys are their own text.
    text_keys: bool,
    on_error: OnRecordError,
    /// Whether what a record was goes on with it, for a dead letter.
    keep_originals: bool,
    /// What is remembered of each topic's partitions.
    behind: HashMap<String, Partitions<Behind>>,
    /// Topics that transforms named.
    topics: HashMap<String, Arc<Topic>>,
    spare: Batch,
}

/// What is remembered of the records before one in its partition.
#[derive(Debug, Default)]
struct Behind {
    /// Where the snapshots stand that were read.
    floors: Floors,
    /// Last version: a tombstone tells none.
    version: Lsn,
}

impl Remembered for Behind {
    fn interrupted(&mut self) {
        self.version = Lsn::ZERO;
    }
}

impl Transformed {
    /// The transforms between Kafka and the index; none if there are none. Must be called within a runtime.
    ///
    /// # Errors
    /// When lookups cannot be set up.
    pub fn new(reshape: &Reshape, index: &IndexConfig) -> Result<Option<Self>, Error> {
        if reshape.is_direct() {
            return Ok(None);
        }
        let mut chain = reshape.chain.clone();
        let search: Arc<dyn Search> = Arc::new(Lookups::new()?);
        chain.connect(&search);
        let json = |schemas: bool| {
            JsonConverter::new(JsonOptions {
                schemas,
                replace_null_with_default: false,
                ..JsonOptions::default()
            })
        };
        Ok(Some(Self {
            chain,
            key: reshape.key.clone(),
            value: reshape.value.clone(),
            with_schemas: json(true),
            plain: json(false),
            out: json(index.uses_schemas()),
            text_keys: index.id_from == IdFrom::KeyText,
            on_error: reshape.on_error,
            keep_originals: reshape.keep_originals,
            behind: HashMap::new(),
            topics: HashMap::new(),
            spare: Batch::default(),
        }))
    }

    /// Sends a batch through the transforms.
    ///
    /// # Errors
    /// A record that cannot be transformed, unless those are left out or handed on; a lookup that is not answered.
    pub fn apply(&mut self, batch: Batch) -> Result<Batch, Error> {
        let mut out = std::mem::take(&mut self.spare);
        // Lookups wait for their answers.
        tokio::task::block_in_place(|| batch.records().try_for_each(|raw| self.one(&raw, &mut out)))?;
        self.spare = batch;
        self.spare.reset(4 << 20);
        Ok(out)
    }

    fn one(&mut self, raw: &Raw<'_>, out: &mut Batch) -> Result<(), Error> {
        let Err(stuck) = self.changed(raw, out) else {
            return Ok(());
        };
        out.discard();
        match self.on_error {
            _ if stuck.is_transient() => return Err(stuck.into_error()),
            OnRecordError::Fail => {
                return Err(stuck.into_error().with_hint(
                    "correct the record or the transform, or set index.on_invalid_record to skip or a dead letter",
                ));
            }
            OnRecordError::HandOn => out.finish_failed(raw, stuck.into_failure()),
            OnRecordError::Skip => {
                metrics::counter!(cdc_core::telemetry::RECORDS_SKIPPED).increment(1);
                tracing::error!(error = %stuck.into_error().chain(), "a record is left out");
            }
        }
        Ok(())
    }

    fn changed(&mut self, raw: &Raw<'_>, out: &mut Batch) -> Result<(), Stuck> {
        let cannot = |stage, what: &str, e: &ConvertError| Stuck::at_converter(stage, what, raw.head, e);
        let mut head = raw.head.to_head();
        // The transforms may take away what tells the version.
        head.version_lsn = self.version_of(raw);
        let context = Context {
            topic: &raw.head.topic.name,
            headers: &[],
        };
        let (plain, with) = (&mut self.plain, &mut self.with_schemas);
        let key = match &mut self.key {
            Some(converter) => converter.read(&context, raw.key),
            None if self.text_keys => StringConverter.read(&context, raw.key),
            None => with
                .read(&context, raw.key)
                .or_else(|_| plain.read(&context, raw.key))
                .or_else(|e| plain_text(raw.key, e)),
        };
        let value = match &mut self.value {
            Some(converter) => converter.read(&context, raw.value),
            None => with
                .read(&context, raw.value)
                .or_else(|_| plain.read(&context, raw.value)),
        };
        let mut headers = Vec::new();
        for (name, value) in raw.headers() {
            let data = SimpleHeaderConverter
                .read(&context, value)
                .map_err(|e| cannot(FailedStage::HeaderConverter, "a header cannot be read", &e))?;
            headers.push(Header {
                name: String::from_utf8_lossy(name).as_ref().into(),
                data,
            });
        }
        let record = Record {
            head,
            key: key.map_err(|e| cannot(FailedStage::KeyConverter, "the key cannot be read", &e))?,
            value: value.map_err(|e| cannot(FailedStage::ValueConverter, "the value cannot be read", &e))?,
            headers,
        };
        let changed = self.chain.apply(record).map_err(|e| Stuck::at_step(&e))?;
        let Some(record) = changed else { return Ok(()) };
        if self.keep_originals {
            out.keep_original(raw);
        }
        self.write(record, raw, out)
            .map_err(|e| cannot(FailedStage::ValueConverter, "the outcome cannot be written", &e))
    }

    /// The record's version, or that of the one before it: a tombstone has none.
    fn version_of(&mut self, raw: &Raw<'_>) -> Lsn {
        let topic = &raw.head.topic.name;
        let own = raw.head.version_lsn;
        let tells = own.is_zero() && !self.chain.is_empty();
        // However the envelope is written.
        let read = match &mut self.value {
            Some(converter) if tells => {
                let context = Context { topic, headers: &[] };
                let value = converter.read(&context, raw.value).ok();
                let mut text = Vec::new();
                let written = value.map(|value| self.plain.write(&context, &value, &mut text));
                Some(written.is_some_and(|w| w.is_ok()).then_some(text))
            }
            _ => None,
        };
        if !self.behind.contains_key(topic) {
            self.behind.insert(topic.clone(), Partitions::default());
        }
        let Some(topic) = self.behind.get_mut(topic) else {
            return own;
        };
        let behind = topic.at(raw.head);
        let found = match (tells, &read) {
            (false, _) => Some(own).filter(|own| !own.is_zero()),
            (true, Some(text)) => text.as_deref().and_then(|t| behind.floors.position_of(Some(t))),
            (true, None) => behind.floors.position_of(raw.value),
        };
        match found {
            Some(version) => behind.version = version,
            None if !tells => return own,
            None => {}
        }
        behind.version
    }

    fn write(&mut self, mut record: Record, raw: &Raw<'_>, out: &mut Batch) -> Result<(), ConvertError> {
        let name = record.topic().to_owned();
        let context = Context {
            topic: &name,
            headers: &[],
        };
        let some = if self.text_keys {
            StringConverter.write(&context, &record.key, out.buf())?
        } else {
            let key = SchemaAndValue {
                schema: record.key.schema.take(),
                value: std::mem::take(&mut record.key.value),
            };
            self.plain.write(&context, &key, out.buf())?
        };
        if some {
            out.mark_key();
        }
        let mut text = Vec::new();
        for header in &record.headers {
            text.clear();
            let some = SimpleHeaderConverter.write(&context, &header.data, &mut text)?;
            out.header(header.name.as_bytes(), some.then_some(text.as_slice()));
        }
        // What a transform made null is a tombstone, whatever its schema.
        if !record.value.value.is_null() {
            if record.value.schema.is_none() && holds_decimal(&record.value.value) {
                return Err(ConvertError::new(
                    "a decimal without a schema, which Kafka Connect's converter does not write",
                ));
            }
            if self.out.write(&context, &record.value, out.buf())? {
                out.mark_value();
            }
        }
        let mut head = record.head;
        if head.topic.name == raw.head.topic.name {
            head.topic = Arc::clone(raw.head.topic);
        } else {
            head.topic = Arc::clone(
                self.topics
                    .entry(head.topic.name.clone())
                    .or_insert_with(|| Arc::clone(&head.topic)),
            );
        }
        out.finish(&head);
        Ok(())
    }
}

/// A key that is no JSON and does not begin like it is its own text, as it is without transforms.
fn plain_text(key: Option<&[u8]>, error: ConvertError) -> Result<SchemaAndValue, ConvertError> {
    match key.and_then(|key| std::str::from_utf8(key).ok()) {
        Some(text) if !text.starts_with(['{', '[', '"']) => Ok(SchemaAndValue::string(text)),
        _ => Err(error),
    }
}
