//! Debezium's `CloudEventsConverter`: change events as CloudEvents 1.0, in the structured mode of its Kafka binding.
//!
//! What is no change event (a tombstone, a heartbeat, a transaction boundary, a logical message) becomes Kafka's null, as in
//! Debezium. The attributes are a struct of their own; in JSON the data follow it as its last member, in Avro as bytes.

mod metadata;
mod plan;
mod read;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::metadata::Metadata;
pub use self::metadata::{HeaderOr, MetadataOptions, MetadataSource};
use self::plan::Plan;
use super::{AvroConverter, Context, ConvertError, Converter, JsonConverter, JsonOptions};
use crate::connect::Kind;
use crate::envelope::NameAdjustment;
use crate::json;
use crate::record::{SchemaAndValue, SchemaCache, SchemaInterner, Value};
use crate::transform::is_envelope_schema;

/// What Debezium appends to the topic for the data's subject, so that data and event have subjects of their own.
const DATA_SUFFIX: &str = "-data";

/// Options of the converter, apart from the forms of event and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEventsOptions {
    /// Name of the event's schema (`schema.cloudevents.name`); `<server>.<database>.CloudEvents.Envelope` if not given.
    pub schema_name: Option<String>,
    /// How that name is made valid for Avro (`schema.name.adjustment.mode`).
    pub name_adjustment: NameAdjustment,
    /// Whether the members of `source` and `transaction` become attributes (`extension.attributes.enable`).
    pub extension_attributes: bool,
    /// Whether the header `traceparent` becomes an attribute (`opentelemetry.tracing.attributes.enable`).
    pub tracing_attributes: bool,
    /// Where an event's metadata come from.
    pub metadata: MetadataOptions,
}

impl Default for CloudEventsOptions {
    fn default() -> Self {
        Self {
            schema_name: None,
            name_adjustment: NameAdjustment::Avro,
            extension_attributes: true,
            tracing_attributes: false,
            metadata: MetadataOptions::default(),
        }
    }
}

/// A form of events or of their data (`serializer.type`, `data.serializer.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloudEventsFormat {
    /// JSON.
    #[default]
    Json,
    /// Avro with a schema registry.
    Avro,
}

/// How events and their data are written. There are no Avro events with JSON data, as in Debezium.
#[derive(Clone, Debug)]
pub enum CloudEventsForm {
    /// Both as JSON; the data carry their schema if the options say so, the event never does.
    Json(JsonOptions),
    /// JSON events with Avro data, in base64.
    JsonWithAvroData(JsonOptions, AvroData),
    /// Both as Avro.
    Avro(AvroData),
}

/// How data are written as Avro.
#[derive(Clone, Debug)]
pub struct AvroData {
    /// The converter, one for values.
    pub converter: AvroConverter,
    /// Addresses of its registry, separated by commas: the attribute `dataschema` begins with them.
    pub registry: String,
}

/// The converter.
#[derive(Clone, Debug)]
pub struct CloudEventsConverter {
    options: CloudEventsOptions,
    form: Form,
    /// Plans by the schema of the value.
    plans: SchemaCache<Plan>,
    schemas: SchemaInterner,
    /// Topic of the data's subject.
    data_topic: String,
    /// Data in Avro.
    encoded: Vec<u8>,
}

/// The form with its converters.
#[derive(Clone, Debug)]
enum Form {
    Json {
        attributes: JsonConverter,
        data: JsonConverter,
        schemas: bool,
    },
    JsonWithAvroData {
        attributes: JsonConverter,
        data: AvroData,
    },
    Avro(AvroData),
}

impl CloudEventsConverter {
    /// A converter.
    #[must_use]
    pub fn new(options: CloudEventsOptions, form: CloudEventsForm) -> Self {
        let bare = |json: JsonOptions| {
            JsonConverter::new(JsonOptions {
                schemas: false,
                ..json
            })
        };
        let form = match form {
            CloudEventsForm::Json(json) => Form::Json {
                attributes: bare(json),
                data: JsonConverter::new(json),
                schemas: json.schemas,
            },
            CloudEventsForm::JsonWithAvroData(json, data) => Form::JsonWithAvroData {
                attributes: bare(json),
                data,
            },
            CloudEventsForm::Avro(data) => Form::Avro(data),
        };
        Self {
            options,
            form,
            plans: SchemaCache::default(),
            schemas: SchemaInterner::default(),
            data_topic: String::new(),
            encoded: Vec::new(),
        }
    }

    /// Whether a value is a change event, told by where its metadata are to be.
    fn is_event(&self, context: &Context<'_>, data: &SchemaAndValue) -> bool {
        let Some(schema) = &data.schema else { return false };
        let header = |name| context.headers.iter().any(|h| h.name == name);
        !data.value.is_null()
            && match self.options.metadata.source {
                MetadataSource::Value => is_envelope_schema(schema),
                MetadataSource::Header => header("source") && header("op"),
            }
    }
}

impl Converter for CloudEventsConverter {
    fn write(
        &mut self,
        context: &Context<'_>,
        data: &SchemaAndValue,
        out: &mut Vec<u8>,
    ) -> Result<bool, ConvertError> {
        let Some(schema) = data.schema.as_ref().filter(|_| self.is_event(context, data)) else {
            return Ok(false);
        };
        if !matches!(schema.kind, Kind::Struct(_)) {
            let text = format!(
                "a CloudEvent's data are a struct, and the value's type is {}",
                schema.kind.name()
            );
            return Err(ConvertError::new(text));
        }
        let options = &self.options;
        let metadata = Metadata::of(options, context, data)?;
        let avro_event = matches!(self.form, Form::Avro(_));
        let avro_data = !matches!(self.form, Form::Json { .. });
        let interner = &mut self.schemas;
        let plan = self.plans.try_get(schema, |schema| {
            Plan::new(options, schema, &metadata, avro_data, avro_event, interner)
        })?;
        if !plan.fits(&metadata) {
            *plan = Plan::new(options, schema, &metadata, avro_data, avro_event, interner)?;
        }
        let payload = plan.data(data);
        match &mut self.form {
            Form::Json {
                attributes,
                data: converter,
                ..
            } => {
                let event = plan.attributes(&metadata, "application/json", None)?;
                attributes.write(context, &event, out)?;
                open_data(out);
                converter.write(context, &payload, out)?;
                out.push(b'}');
            }
            Form::JsonWithAvroData { attributes, data } => {
                let uri = encode(data, context, &payload, &mut self.encoded)?;
                let event = plan.attributes(&metadata, "application/avro", Some(uri))?;
                attributes.write(context, &event, out)?;
                open_data(out);
                json::write_base64(out, &self.encoded);
                out.push(b'}');
            }
            Form::Avro(avro) => {
                self.data_topic.clear();
                self.data_topic.push_str(context.topic);
                self.data_topic.push_str(DATA_SUFFIX);
                let inner = Context {
                    topic: &self.data_topic,
                    ..*context
                };
                let uri = encode(avro, &inner, &payload, &mut self.encoded)?;
                let mut event = plan.attributes(&metadata, "application/avro", Some(uri))?;
                if let Value::Struct(members) = &mut event.value {
                    members.push(Value::Bytes(self.encoded.as_slice().into()));
                }
                avro.converter.write(context, &event, out)?;
            }
        }
        Ok(true)
    }

    fn read(&mut self, context: &Context<'_>, bytes: Option<&[u8]>) -> Result<SchemaAndValue, ConvertError> {
        let Some(bytes) = bytes else {
            return Ok(SchemaAndValue::null());
        };
        match &mut self.form {
            Form::Json { schemas: true, .. } => read::json(bytes, read::payload),
            Form::Json { .. } => read::json(bytes, Ok),
            Form::JsonWithAvroData { data, .. } => read::json(bytes, |data_member| {
                read::base64_avro(&mut data.converter, context, &data_member)
            }),
            Form::Avro(avro) => read::avro(&mut avro.converter, context, bytes),
        }
    }

    fn clone_box(&self) -> Box<dyn Converter> {
        Box::new(self.clone())
    }
}

/// Replaces the end of the attributes' object by the beginning of its last member.
fn open_data(out: &mut Vec<u8>) {
    out.pop();
    out.extend_from_slice(b",\"data\":");
}

/// Writes data as Avro; gives the address of their schema.
fn encode(
    avro: &mut AvroData,
    context: &Context<'_>,
    data: &SchemaAndValue,
    out: &mut Vec<u8>,
) -> Result<String, ConvertError> {
    out.clear();
    avro.converter.write(context, data, out)?;
    // As Debezium reads it: a number with a sign.
    let id = out
        .get(1..)
        .and_then(<[u8]>::first_chunk)
        .copied()
        .map_or(0, i32::from_be_bytes);
    Ok(format!("{}/schemas/ids/{id}", avro.registry))
}

#[cfg(test)]
mod tests;
