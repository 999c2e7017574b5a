//! Forms of keys, values and headers other than the format's JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_core::convert::{
    AvroConverter, AvroOptions, ByteArrayConverter, Converter, JsonConverter, JsonOptions,
    SimpleHeaderConverter, StringConverter, SubjectNaming,
};
use cdc_core::envelope::{Format, Reshape};
use cdc_core::transform::{ChainConfig, PredicateConfig, StepConfig};
use cdc_core::types::DecimalFormat;
use cdc_kafka::{Registry, RegistryConfig};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Problem;
use super::cloud_events::CloudEventsConfig;

/// How each side of a record is written. A side that is not given is JSON as `format` has it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConvertersConfig {
    /// Keys.
    pub key: Option<ConverterConfig>,
    /// Values.
    pub value: Option<ConverterConfig>,
    /// Headers.
    pub header: Option<ConverterConfig>,
}

/// A converter of one side.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ConverterConfig {
    /// JSON, as Connect's JsonConverter.
    Json(JsonConfig),
    /// Avro with a schema registry, as Confluent's AvroConverter.
    Avro(AvroConfig),
    /// CloudEvents, as Debezium's CloudEventsConverter; for values. What is no change event becomes null.
    CloudEvents(Box<CloudEventsConfig>),
    /// The text of a value.
    String,
    /// Bytes as they are; nothing else.
    Bytes,
    /// Text, as Connect's SimpleHeaderConverter; for headers.
    Simple,
}

/// Options of the JSON converter; what is not given is as `format` has it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JsonConfig {
    /// Whether values carry their schema.
    pub schemas: Option<bool>,
    /// How decimals are written.
    pub decimal_format: Option<DecimalFormat>,
    /// Whether null becomes the schema's default.
    pub replace_null_with_default: Option<bool>,
}

/// Options of the Avro converter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AvroConfig {
    /// The registry.
    pub registry: RegistryConfig,
    /// How subjects are named.
    #[serde(default)]
    pub subjects: SubjectNaming,
    /// Whether schemas are registered; else they must be there.
    #[serde(default = "on")]
    pub auto_register: bool,
    /// Whether the subject's latest schema is used, which must be the same one.
    #[serde(default)]
    pub use_latest_version: bool,
}

fn on() -> bool {
    true
}

impl AvroConfig {
    /// The converter of a side.
    pub(super) fn converter(&self, key: bool) -> Result<AvroConverter, cdc_core::Error> {
        let options = AvroOptions {
            key,
            subjects: self.subjects,
            auto_register: self.auto_register,
            use_latest: self.use_latest_version,
        };
        Ok(AvroConverter::new(
            options,
            Arc::new(Registry::new(&self.registry)?),
        ))
    }
}

impl ConverterConfig {
    /// Builds the converter of a side; `schemas` says whether that side's JSON carries schemas if nothing else does.
    fn build(&self, side: &str, schemas: bool, format: &Format) -> Result<Box<dyn Converter>, Problem> {
        let json = |json: &JsonConfig| JsonOptions {
            schemas: json.schemas.unwrap_or(schemas),
            decimal_format: json.decimal_format.unwrap_or(format.values.decimal_format),
            replace_null_with_default: json
                .replace_null_with_default
                .unwrap_or(format.values.replace_null_with_default),
        };
        let wrong = |key: &str, text: &str| Err(Problem::new(format!("converters.{side}{key}"), text));
        Ok(match (self, side) {
            (Self::Avro(_), "header") => {
                return wrong(
                    ".type",
                    "headers have no subject in a registry: use `json` or `simple`",
                );
            }
            (Self::Simple, "key" | "value") => {
                return wrong(".type", "`simple` is for headers: use `string`");
            }
            (Self::CloudEvents(_), "key" | "header") => {
                return wrong(".type", "only a value is a change event: use `json`");
            }
            (Self::Avro(avro), _) => match avro.converter(side == "key") {
                Ok(converter) => Box::new(converter),
                Err(e) => return wrong("", &e.chain()),
            },
            (Self::CloudEvents(events), _) => match events.build(json) {
                Ok(converter) => Box::new(converter),
                Err((key, text)) => return wrong(&format!(".{key}"), &text),
            },
            (Self::Json(options), _) => Box::new(JsonConverter::new(json(options))),
            (Self::String, _) => Box::new(StringConverter),
            (Self::Bytes, _) => Box::new(ByteArrayConverter),
            (Self::Simple, _) => Box::new(SimpleHeaderConverter),
        })
    }
}

impl ConvertersConfig {
    /// What the index stage cannot read back, in a pipeline that writes to Kafka and indexes from there.
    pub(super) fn not_for_index(&self) -> Vec<Problem> {
        let wrong = |side: &str, what: &str| {
            let text = format!("the index stage makes no documents of {what}: use `json` or `avro`");
            Problem::new(format!("converters.{side}.type"), text)
        };
        let value = match &self.value {
            Some(ConverterConfig::CloudEvents(_)) => Some(wrong("value", "CloudEvents")),
            Some(ConverterConfig::String) => Some(wrong("value", "the text of a value")),
            Some(ConverterConfig::Bytes) => Some(wrong("value", "bytes")),
            _ => None,
        };
        let key = match &self.key {
            Some(ConverterConfig::Bytes) => Some(wrong("key", "bytes as keys")),
            _ => None,
        };
        key.into_iter().chain(value).collect()
    }

    /// Without what reads JSON, for an index stage without transforms: documents are cut out of JSON as it is, with or without
    /// schemas.
    pub(super) fn without_json(&self) -> Self {
        let other =
            |side: &Option<ConverterConfig>| side.clone().filter(|c| !matches!(c, ConverterConfig::Json(_)));
        Self {
            key: other(&self.key),
            value: other(&self.value),
            header: other(&self.header),
        }
    }
}

/// What the sections make of records on their way.
pub(super) fn reshape(
    transforms: Vec<StepConfig>,
    predicates: BTreeMap<String, PredicateConfig>,
    converters: &ConvertersConfig,
    format: &Format,
) -> Result<Reshape, Problem> {
    let chain = ChainConfig {
        transforms,
        predicates,
    };
    let chain = chain
        .build()
        .map_err(|fault| Problem::new(fault.path, fault.reason))?;
    let headers = format.header_schemas.unwrap_or(format.value_schemas);
    let build = |side: &str, config: &Option<ConverterConfig>, schemas| {
        config
            .as_ref()
            .map(|c| c.build(side, schemas, format))
            .transpose()
    };
    Ok(Reshape {
        chain,
        key: build("key", &converters.key, format.key_schemas)?,
        value: build("value", &converters.value, format.value_schemas)?,
        header: build("header", &converters.header, headers)?,
        ..Reshape::default()
    })
}
