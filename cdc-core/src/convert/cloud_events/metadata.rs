//! Where an event's metadata come from: its value, its headers, or made of its source.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CloudEventsOptions;
use crate::connect::Schema;
use crate::convert::{Context, ConvertError};
use crate::record::{SchemaAndValue, Text, Value};

/// Sources of an event's metadata (`metadata.source`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataOptions {
    /// Where `source`, `op` and `transaction` are.
    pub source: MetadataSource,
    /// Where the attribute `id` comes from; not given: the headers if `source` is `header`, else made.
    pub id: Option<HeaderOr>,
    /// Where the attribute `type` comes from; not given: as `id`.
    #[serde(rename = "type")]
    pub event_type: Option<HeaderOr>,
    /// Where the name of the data's schema comes from; not given: made.
    pub data_schema_name: HeaderOr,
}

/// Where the members of an envelope are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MetadataSource {
    /// In the value, which is an envelope; its data are `before` and `after`.
    #[default]
    Value,
    /// In headers, as `HeaderFrom` puts them there; the whole value is the data.
    Header,
}

/// Where a text comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeaderOr {
    /// It is made of the event's source.
    #[default]
    Generate,
    /// It is in the header of the same name: `id`, `type`, `dataSchemaName`.
    Header,
}

impl MetadataOptions {
    fn or_source(self, given: Option<HeaderOr>) -> HeaderOr {
        given.unwrap_or(match self.source {
            MetadataSource::Value => HeaderOr::Generate,
            MetadataSource::Header => HeaderOr::Header,
        })
    }
}

/// The metadata of one event. Texts are none where they are made of the source.
#[derive(Debug)]
pub(super) struct Metadata<'a> {
    pub(super) source_schema: &'a Arc<Schema>,
    pub(super) source: &'a Value,
    pub(super) operation: &'a Value,
    pub(super) transaction: &'a Value,
    pub(super) id: Option<&'a Text>,
    pub(super) event_type: Option<&'a Text>,
    pub(super) trace_parent: Option<&'a Text>,
    pub(super) data_schema_name: Option<&'a Text>,
}

impl<'a> Metadata<'a> {
    /// Finds the metadata of a value whose schema is a struct.
    ///
    /// # Errors
    /// If what the options name is not there.
    pub(super) fn of(
        options: &CloudEventsOptions,
        context: &Context<'a>,
        data: &'a SchemaAndValue,
    ) -> Result<Self, ConvertError> {
        let routes = options.metadata;
        let text = |from: HeaderOr, name| match from {
            HeaderOr::Generate => Ok(None),
            HeaderOr::Header => header_text(context, name).map(Some),
        };
        let member = |name| match routes.source {
            MetadataSource::Value => member(data, name),
            MetadataSource::Header => header(context, name).map(|d| (d.schema.as_ref(), &d.value)),
        };
        let absent = |name: &str| match routes.source {
            MetadataSource::Value => ConvertError::new(format!("the envelope has no member {name}")),
            MetadataSource::Header => ConvertError::new(format!("the header {name} holds no struct")),
        };
        let Some((Some(source_schema), source @ Value::Struct(_))) = member("source") else {
            return Err(absent("source"));
        };
        let (_, operation) = member("op").ok_or_else(|| absent("op"))?;
        Ok(Self {
            source_schema,
            source,
            operation,
            transaction: member("transaction").map_or(&Value::Null, |(_, value)| value),
            id: text(routes.or_source(routes.id), "id")?,
            event_type: text(routes.or_source(routes.event_type), "type")?,
            trace_parent: match options.tracing_attributes {
                true => Some(header_text(context, "traceparent")?),
                false => None,
            },
            data_schema_name: text(routes.data_schema_name, "dataSchemaName")?,
        })
    }
}

fn member<'a>(data: &'a SchemaAndValue, name: &str) -> Option<(Option<&'a Arc<Schema>>, &'a Value)> {
    let (index, field) = data.schema.as_ref()?.field(name)?;
    Some((Some(&field.schema), data.value.member(index)))
}

/// The last header of a name.
fn header<'a>(context: &Context<'a>, name: &str) -> Option<&'a SchemaAndValue> {
    context
        .headers
        .iter()
        .rev()
        .find(|h| h.name == name)
        .map(|h| &h.data)
}

fn header_text<'a>(context: &Context<'a>, name: &str) -> Result<&'a Text, ConvertError> {
    match header(context, name).map(|h| &h.value) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(ConvertError::new(format!(
            "the header {name}, which the CloudEvent is to have, is missing: add it with a transform"
        ))),
        Some(other) => Err(ConvertError::new(format!(
            "the header {name} of a CloudEvent must be text and is {}",
            other.kind_name()
        ))),
    }
}
