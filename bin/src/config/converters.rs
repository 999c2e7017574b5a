//! Forms of keys, values and headers other than the format's JSON.

use cdc_core::convert::{
    ByteArrayConverter, Converter, JsonConverter, JsonOptions, SimpleHeaderConverter, StringConverter,
};
use cdc_core::envelope::{Format, OnRecordError, Reshape};
use cdc_core::transform::{ChainConfig, PredicateConfig, StepConfig};
use cdc_core::types::DecimalFormat;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

use super::Problem;

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

impl ConverterConfig {
    fn build(&self, schemas: bool, format: &Format) -> Box<dyn Converter> {
        match self {
            Self::Json(json) => Box::new(JsonConverter::new(JsonOptions {
                schemas: json.schemas.unwrap_or(schemas),
                decimal_format: json.decimal_format.unwrap_or(format.values.decimal_format),
                replace_null_with_default: json
                    .replace_null_with_default
                    .unwrap_or(format.values.replace_null_with_default),
            })),
            Self::String => Box::new(StringConverter),
            Self::Bytes => Box::new(ByteArrayConverter),
            Self::Simple => Box::new(SimpleHeaderConverter),
        }
    }
}

/// What the sections make of records on their way.
pub(super) fn reshape(
    transforms: Vec<StepConfig>,
    predicates: BTreeMap<String, PredicateConfig>,
    converters: &ConvertersConfig,
    on_error: OnRecordError,
    format: &Format,
) -> Result<Reshape, Problem> {
    let chain = ChainConfig {
        transforms,
        predicates,
    };
    let chain = chain
        .build()
        .map_err(|fault| Problem::new(fault.path, fault.reason))?;
    for (side, converter) in [("key", &converters.key), ("value", &converters.value)] {
        if matches!(converter, Some(ConverterConfig::Simple)) {
            let path = format!("converters.{side}.type");
            return Err(Problem::new(path, "`simple` is for headers: use `string`"));
        }
    }
    let side = |config: &Option<ConverterConfig>, schemas| config.as_ref().map(|c| c.build(schemas, format));
    Ok(Reshape {
        chain,
        key: side(&converters.key, format.key_schemas),
        value: side(&converters.value, format.value_schemas),
        header: side(
            &converters.header,
            format.header_schemas.unwrap_or(format.value_schemas),
        ),
        on_error,
    })
}
