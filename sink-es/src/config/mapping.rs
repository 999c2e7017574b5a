//! What is known of the fields of documents: mappings made from schemas, and conversions that make values fit them.

use schemars::JsonSchema;
use serde::Deserialize;

/// Mappings made from the schemas that come with the records (`format.value_schemas`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MappingConfig {
    /// Makes mappings from schemas: for a new index, and for new fields of one that is there. A field that is already
    /// mapped, by `index.mappings`, a template or by hand, stays as it is.
    pub infer: bool,
    /// Adds new fields when a record comes with another schema. Otherwise only an index without any fields gets a mapping.
    pub update: bool,
    /// What happens when a field is already mapped in a way that cannot hold the column's values.
    pub on_conflict: OnConflict,
    /// Mapping of strings without a meaning of their own.
    pub strings: StringMapping,
    /// Mapping of `json` columns, whose values are strings unless `convert.json` makes them objects.
    pub json: JsonMapping,
    /// Conversions of values, by the schemas. They also apply when `infer` is off. Records without a schema pass as they are.
    pub convert: ConvertConfig,
}

impl Default for MappingConfig {
    fn default() -> Self {
        Self {
            infer: false,
            update: true,
            on_conflict: OnConflict::Fail,
            strings: StringMapping::TextWithKeyword,
            json: JsonMapping::Text,
            convert: ConvertConfig::default(),
        }
    }
}

/// Conversions of values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConvertConfig {
    /// Decimals, which Kafka Connect's JSON carries as base64 text.
    pub decimals: Decimals,
    /// Dates and times, which Debezium carries as numbers since 1970.
    pub times: Times,
    /// Maps.
    pub maps: Maps,
    /// `json` columns: strings to the values that they hold. A string that is no JSON stays.
    pub json: bool,
    /// Points: to geographical points, x as longitude and y as latitude.
    pub geo_points: bool,
}

/// Decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decimals {
    /// As they come; mapped as `keyword`.
    #[default]
    AsIs,
    /// As numbers; mapped as `double`.
    Double,
    /// As numbers; mapped as `scaled_float` of the column's scale.
    ScaledFloat,
    /// As text; mapped as `keyword`.
    Text,
}

/// Dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Times {
    /// As they come; those in milliseconds are mapped as `date`, the others as numbers.
    #[default]
    AsIs,
    /// As ISO 8601 text; mapped as `date`, times of day as `keyword`.
    Iso,
}

/// Maps with text keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Maps {
    /// As objects.
    #[default]
    Object,
    /// As lists of objects with `key` and `value`.
    Entries,
}

/// When a field is already mapped in a way that cannot hold the column's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// Stop; the error names index, field and both types.
    #[default]
    Fail,
    /// Say so in the log and go on: documents that the server refuses go by `on_bad_document`.
    Continue,
}

/// Mapping of strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StringMapping {
    /// `text` with a `keyword` below it, as the servers' own guess.
    #[default]
    TextWithKeyword,
    /// `text`.
    Text,
    /// `keyword`.
    Keyword,
}

/// Mapping of `json` columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JsonMapping {
    /// As other strings.
    #[default]
    Text,
    /// `object`: the server maps what comes.
    Object,
    /// `flattened` in Elasticsearch, `flat_object` in OpenSearch.
    Flattened,
}

/// An index template, so that indexes made by rollover or by others have the same settings and mappings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateConfig {
    /// Name of the template.
    pub name: String,
    /// Patterns of the names of indexes that it is for, such as `shop.*`.
    pub patterns: Vec<String>,
    /// Of templates that match, the one with the highest priority is used.
    #[serde(default = "priority")]
    pub priority: u32,
    /// For data streams.
    #[serde(default)]
    pub data_stream: bool,
}

const fn priority() -> u32 {
    200
}
