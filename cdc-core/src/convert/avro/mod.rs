//! Avro in the wire format of Confluent's serialiser: a zero byte, the schema's id, the value in Avro's binary encoding.

mod decode;
mod direct;
mod encode;
mod registry;
mod schema;
mod transcode;

use std::sync::Arc;

use foldhash::HashMap;

use self::decode::Reader;
pub use self::direct::AvroForm;
pub(crate) use self::direct::AvroMember;
pub(crate) use self::encode::varint;
pub use self::registry::{SchemaRegistry, SubjectNaming};
use self::schema::{AvroSchema, Node};
use self::transcode::transcode;
use super::{Context, ConvertError, Converter};
use crate::connect::Schema;
use crate::record::{SchemaAndValue, SchemaCache, Value};

/// Options of the converter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvroOptions {
    /// Whether it is for keys.
    pub key: bool,
    /// How subjects are named.
    pub subjects: SubjectNaming,
    /// Whether schemas are registered; else they must be there (`auto.register.schemas`).
    pub auto_register: bool,
    /// Whether the subject's latest schema is used, if it is the same one (`use.latest.version`).
    pub use_latest: bool,
}

/// Topics remembered a schema: subjects depend on them.
const TOPICS: usize = 1024;

/// The converter.
#[derive(Clone, Debug)]
pub struct AvroConverter {
    options: AvroOptions,
    registry: Arc<dyn SchemaRegistry>,
    writers: SchemaCache<Writer>,
    /// Schemas of what is read, by id.
    readers: HashMap<u32, Arc<Reader>>,
}

/// How values of one schema are written.
#[derive(Debug)]
struct Writer {
    avro: AvroSchema,
    /// Id by topic.
    ids: HashMap<String, u32>,
}

impl AvroConverter {
    /// A converter.
    #[must_use]
    pub fn new(options: AvroOptions, registry: Arc<dyn SchemaRegistry>) -> Self {
        Self {
            options,
            registry,
            writers: SchemaCache::default(),
            readers: HashMap::default(),
        }
    }

    /// Appends what stands before each value of a schema in a topic; the schema's writer.
    fn begin(
        &mut self,
        topic: &str,
        schema: &Arc<Schema>,
        out: &mut Vec<u8>,
    ) -> Result<&Writer, ConvertError> {
        let made = self.writers.try_get(schema, |schema| {
            Ok::<_, ConvertError>(Writer {
                avro: schema::convert(schema)?,
                ids: HashMap::default(),
            })
        });
        let writer = made?;
        let id = match writer.ids.get(topic) {
            Some(id) => *id,
            None => {
                let id = self.options.id(&*self.registry, topic, &writer.avro)?;
                if writer.ids.len() >= TOPICS {
                    writer.ids.clear();
                }
                writer.ids.insert(topic.to_owned(), id);
                id
            }
        };
        out.push(0);
        out.extend_from_slice(&id.to_be_bytes());
        Ok(writer)
    }
}

impl AvroOptions {
    fn subject(&self, topic: &str, schema: &AvroSchema) -> Result<String, ConvertError> {
        let record = || {
            let text =
                "this naming of subjects needs records: use subjects: topic, or leave the value a struct";
            schema.record.as_deref().ok_or_else(|| ConvertError::new(text))
        };
        Ok(match self.subjects {
            SubjectNaming::Topic if self.key => format!("{topic}-key"),
            SubjectNaming::Topic => format!("{topic}-value"),
            SubjectNaming::Record => record()?.to_owned(),
            SubjectNaming::TopicRecord => format!("{topic}-{}", record()?),
        })
    }

    fn id(
        &self,
        registry: &dyn SchemaRegistry,
        topic: &str,
        schema: &AvroSchema,
    ) -> Result<u32, ConvertError> {
        let subject = self.subject(topic, schema)?;
        if self.use_latest {
            let (id, text) = registry.latest(&subject)?;
            if !same(&text, &schema.text) {
                return Err(ConvertError::new(format!(
                    "the latest schema of subject {subject} is not the records': register theirs, or set use_latest_version to false"
                )));
            }
            return Ok(id);
        }
        match self.auto_register {
            true => registry.register(&subject, &schema.text),
            false => registry.lookup(&subject, &schema.text),
        }
    }
}

/// Whether two schema texts say the same; the order of members does not matter.
fn same(a: &str, b: &str) -> bool {
    let parse = |text| serde_json::from_str::<serde_json::Value>(text).ok();
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

impl Converter for AvroConverter {
    fn write(
        &mut self,
        context: &Context<'_>,
        data: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        // Also a null that has a schema is Kafka's null, as in Confluent's serialiser.
        if data.value.is_null() {
            return Ok(false);
        }
        let Some(schema) = &data.schema else {
            return Err(ConvertError::new("Avro needs a schema, and the value has none"));
        };
        let writer = self.begin(context.topic, schema, out)?;
        match (&writer.avro.node, &data.value) {
            // Bytes alone stand without their length.
            (Node::Bytes, Value::Bytes(bytes)) => out.extend_from_slice(bytes),
            (node, value) => encode::encode(node, value, out)?,
        }
        Ok(true)
    }

    fn transcode(
        &mut self,
        context: &Context<'_>,
        schema: &Arc<Schema>,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        let start = out.len();
        let writer = self.begin(context.topic, schema, out)?;
        let done = transcode(&writer.avro.node, payload, out);
        if !done {
            out.truncate(start);
        }
        Ok(done)
    }

    fn avro_form(&mut self, topic: &str, schema: &Arc<Schema>) -> Result<Option<AvroForm>, ConvertError> {
        let mut head = Vec::new();
        let writer = self.begin(topic, schema, &mut head)?;
        let head = head.as_slice().try_into().ok();
        Ok(head.and_then(|head| AvroForm::new(head, &writer.avro.node)))
    }

    fn read(&mut self, _: &Context<'_>, bytes: Option<&[u8]>) -> Result<SchemaAndValue, ConvertError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::null());
        };
        let Some(([0, a, b, c, d], payload)) = bytes.split_first_chunk::<5>() else {
            return Err(ConvertError::new(
                "not Avro with a schema's id: it does not begin with a zero byte and four of the id",
            ));
        };
        let id = u32::from_be_bytes([*a, *b, *c, *d]);
        let reader = match self.readers.get(&id) {
            Some(reader) => Arc::clone(reader),
            None => {
                let reader = Arc::new(Reader::new(&self.registry.schema(id)?)?);
                self.readers.insert(id, Arc::clone(&reader));
                reader
            }
        };
        reader.read(payload)
    }

    fn clone_box(&self) -> Box<dyn Converter> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests;
