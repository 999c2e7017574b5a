//! The CloudEvents converter.

use cdc_core::convert::{
    AvroData, CloudEventsConverter, CloudEventsForm, CloudEventsFormat, CloudEventsOptions, JsonOptions,
    MetadataOptions,
};
use cdc_core::envelope::NameAdjustment;
use schemars::JsonSchema;
use serde::Deserialize;

use super::converters::{AvroConfig, JsonConfig};

/// Options of the CloudEvents converter, for values.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CloudEventsConfig {
    /// Form of the events.
    pub event: CloudEventsFormat,
    /// Form of their data; that of the events if not given. Avro events have Avro data.
    pub data: Option<CloudEventsFormat>,
    /// Name of the events' schema; `<topic_prefix>.<database>.CloudEvents.Envelope` if not given.
    pub schema_name: Option<String>,
    /// How that name is made valid for Avro.
    pub schema_name_adjustment: NameAdjustment,
    /// Whether `op` and the members of `source` and `transaction` become attributes, named `iodebezium…`.
    pub extension_attributes: bool,
    /// Whether the header `traceparent` becomes an attribute; every event must have it then.
    pub tracing_attributes: bool,
    /// Where an event's metadata come from.
    pub metadata: MetadataOptions,
    /// Options of JSON. `schemas` is for the data: the event itself never carries a schema.
    pub json: Option<JsonConfig>,
    /// Options of Avro.
    pub avro: Option<AvroConfig>,
}

impl Default for CloudEventsConfig {
    fn default() -> Self {
        let options = CloudEventsOptions::default();
        Self {
            event: CloudEventsFormat::Json,
            data: None,
            schema_name: options.schema_name,
            schema_name_adjustment: options.name_adjustment,
            extension_attributes: options.extension_attributes,
            tracing_attributes: options.tracing_attributes,
            metadata: options.metadata,
            json: None,
            avro: None,
        }
    }
}

/// A key of the section and what is wrong with it.
pub(super) type Fault = (&'static str, String);

fn fault<T>(key: &'static str, text: &str) -> Result<T, Fault> {
    Err((key, text.to_owned()))
}

impl CloudEventsConfig {
    /// Builds the converter; `json` makes the options of JSON.
    pub(super) fn build(
        &self,
        json: impl Fn(&JsonConfig) -> JsonOptions,
    ) -> Result<CloudEventsConverter, Fault> {
        let data = self.data.unwrap_or(self.event);
        let json = || json(&self.json.clone().unwrap_or_default());
        let avro = || match &self.avro {
            None => fault("avro", "is missing: say which registry has the schemas"),
            Some(avro) => Ok(AvroData {
                converter: avro.converter(false).map_err(|e| ("avro", e.chain()))?,
                registry: avro.registry.urls.join(","),
            }),
        };
        let form = match (self.event, data) {
            (CloudEventsFormat::Json, CloudEventsFormat::Json) if self.avro.is_some() => {
                return fault(
                    "avro",
                    "neither events nor data are Avro: remove it, or set `data: avro`",
                );
            }
            (CloudEventsFormat::Json, CloudEventsFormat::Json) => CloudEventsForm::Json(json()),
            (CloudEventsFormat::Json, CloudEventsFormat::Avro) => {
                CloudEventsForm::JsonWithAvroData(json(), avro()?)
            }
            (CloudEventsFormat::Avro, CloudEventsFormat::Json) => {
                return fault("data", "Avro events have no JSON data: set `avro`");
            }
            (CloudEventsFormat::Avro, _) if self.json.is_some() => {
                return fault("json", "events and data are Avro: remove it");
            }
            (CloudEventsFormat::Avro, CloudEventsFormat::Avro) => CloudEventsForm::Avro(avro()?),
        };
        let options = CloudEventsOptions {
            schema_name: self.schema_name.clone(),
            name_adjustment: self.schema_name_adjustment,
            extension_attributes: self.extension_attributes,
            tracing_attributes: self.tracing_attributes,
            metadata: self.metadata,
        };
        Ok(CloudEventsConverter::new(options, form))
    }
}
