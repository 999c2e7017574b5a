//! Tables that share a topic.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::is_envelope;
use super::regex_router::TopicRewrite;
use super::{Build, HeaderUse, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::envelope::NameAdjustment;
use crate::filter::Rewrite;
use crate::record::{Record, SchemaAndValue, SchemaCache, Value};

/// Debezium's ByLogicalTableRouter and ToLogicalTopicRouter: events of several tables go to one topic, under schemas named after
/// that, and their keys say which table they come from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogicalTopicRouter {
    /// Regular expression for the whole name of a topic.
    pub topic_regex: String,
    /// Name of the new topic; `$1` is a group.
    pub topic_replacement: String,
    /// Whether a field is added to keys that says which topic they came from.
    #[serde(default = "super::header_from::on")]
    pub key_enforce_uniqueness: bool,
    /// Name of that field.
    #[serde(default = "key_field")]
    pub key_field_name: String,
    /// Regular expression for the old topic, to make the field's value of; the topic itself if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_field_regex: Option<String>,
    /// The field's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_field_replacement: Option<String>,
    /// How the names of the new schemas are made valid for Avro.
    #[serde(default)]
    pub schema_name_adjustment_mode: NameAdjustment,
}

fn key_field() -> String {
    "__dbz__physicalTableIdentifier".into()
}

impl Build for LogicalTopicRouter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let topics = Rewrite::new("topic_regex", &self.topic_regex, &self.topic_replacement)?;
        let regex = self
            .key_field_regex
            .as_deref()
            .map(str::trim)
            .filter(|r| !r.is_empty());
        let identifiers = match (regex, self.key_field_replacement.as_deref().map(str::trim)) {
            (None, _) => None,
            (Some(_), None | Some("")) => {
                return Err("key_field_replacement: is missing: key_field_regex needs it".into());
            }
            (Some(regex), Some(replacement)) => Some(Rewrite::new("key_field_regex", regex, replacement)?),
        };
        Ok(Box::new(Router {
            topics: TopicRewrite::new(topics),
            identifiers: identifiers.map(TopicRewrite::new),
            key_field: self.key_enforce_uniqueness.then(|| self.key_field_name.clone()),
            names: self.schema_name_adjustment_mode,
            keys: SchemaCache::default(),
            envelopes: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Router {
    topics: TopicRewrite,
    identifiers: Option<TopicRewrite>,
    key_field: Option<String>,
    names: NameAdjustment,
    keys: SchemaCache<Arc<Schema>>,
    envelopes: SchemaCache<Arc<Schema>>,
}

impl Transform for Router {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let Some(topic) = self.topics.of(record.topic()) else {
            return Ok(Some(record));
        };
        if topic.name.is_empty() {
            tracing::warn!(
                topic = record.topic(),
                "the expression gives an empty topic, and the record stays in its own"
            );
            return Ok(Some(record));
        }
        let old = std::mem::replace(&mut record.head.topic, topic);
        let topic = &record.head.topic.name;
        if record.key.value.is_null() {
            record.key = SchemaAndValue::null();
        } else {
            let identifier = self.identifiers.as_mut().and_then(|i| i.of(&old.name));
            let identifier = identifier.as_deref().unwrap_or(&old);
            let (Some(schema), Value::Struct(members)) = (&record.key.schema, &mut record.key.value) else {
                return Err(TransformError::new("needs a struct with a schema as key"));
            };
            let (names, field) = (self.names, &self.key_field);
            let new = self.keys.try_get(schema, |schema| {
                key_schema(schema, topic, names, field.as_deref())
            })?;
            if field.is_some() {
                members.push(Value::String(identifier.name.as_str().into()));
            }
            record.key.schema = Some(Arc::clone(new));
        }
        if record.value.value.is_null() || !is_envelope(&record.value) {
            return Ok(Some(record));
        }
        if let Some(schema) = &record.value.schema {
            let names = self.names;
            let new = self
                .envelopes
                .try_get(schema, |schema| envelope_schema(schema, topic, names))?;
            record.value.schema = Some(Arc::clone(new));
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::CopiesIfRouted
    }
}

/// The schema under a new name; no default goes with it.
fn renamed(schema: &Schema, kind: Kind, name: String) -> Schema {
    Schema {
        kind,
        name: Some(name),
        default_json: None,
        ..schema.clone()
    }
}

fn key_schema(
    schema: &Schema,
    topic: &str,
    names: NameAdjustment,
    field: Option<&str>,
) -> Result<Arc<Schema>, TransformError> {
    let mut fields = schema.fields().to_vec();
    if let Some(field) = field {
        if schema.field(field).is_some() {
            return Err(TransformError::new(format!(
                "the key has a field {field} of its own: choose another key_field_name"
            )));
        }
        fields.push(Field::new(field, Schema::new(Kind::String)));
    }
    let name = names.schema(&format!("{topic}.Key"));
    Ok(Arc::new(renamed(schema, Kind::Struct(fields), name)))
}

fn envelope_schema(
    schema: &Schema,
    topic: &str,
    names: NameAdjustment,
) -> Result<Arc<Schema>, TransformError> {
    let missing = || TransformError::new("the envelope has no field before");
    let (_, before) = schema.field("before").ok_or_else(missing)?;
    let name = names.schema(&format!("{topic}.Value"));
    let row = Arc::new(renamed(&before.schema, before.schema.kind.clone(), name));
    let field = |f: &Field| match f.name.as_str() {
        "before" | "after" => Field::new(f.name.clone(), Arc::clone(&row)),
        _ => f.clone(),
    };
    let fields = schema.fields().iter().map(field).collect();
    let name = names.schema(&format!("{topic}.Envelope"));
    Ok(Arc::new(renamed(schema, Kind::Struct(fields), name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, envelope, payload, record, row, structure};

    fn options() -> LogicalTopicRouter {
        LogicalTopicRouter {
            topic_regex: r"srv\.public\.(.)".into(),
            topic_replacement: "all-$1".into(),
            key_enforce_uniqueness: true,
            key_field_name: key_field(),
            key_field_regex: None,
            key_field_replacement: None,
            schema_name_adjustment_mode: NameAdjustment::Avro,
        }
    }

    #[test]
    fn topic_schemas_and_key_are_renamed() {
        let got = apply(&options(), envelope("c", None, Some(row(1, None))))
            .unwrap()
            .unwrap();
        assert_eq!(got.topic(), "all-t");
        assert_eq!(
            payload(&got.key),
            r#"{"id":1,"__dbz__physicalTableIdentifier":"srv.public.t"}"#
        );
        assert_eq!(got.key.schema.unwrap().name.as_deref(), Some("all_t.Key"));
        let value = got.value.schema.unwrap();
        assert_eq!(value.name.as_deref(), Some("all_t.Envelope"));
        let row = &value.field("after").unwrap().1.schema;
        assert!(row.is_named("all_t.Value") && row.optional);
        let short = LogicalTopicRouter {
            key_field_regex: Some(r".*\.(.)".into()),
            key_field_replacement: Some("$1".into()),
            ..options()
        };
        let tombstone = apply(&short, record(SchemaAndValue::null())).unwrap().unwrap();
        assert_eq!(
            payload(&tombstone.key),
            r#"{"id":1,"__dbz__physicalTableIdentifier":"t"}"#
        );
        let half = LogicalTopicRouter {
            key_field_regex: Some("x".into()),
            ..options()
        };
        assert!(half.build().unwrap_err().starts_with("key_field_replacement"));
    }

    #[test]
    fn a_key_that_is_null_loses_its_schema_and_rows_must_be_there() {
        let mut keyless = envelope("c", None, Some(row(1, None)));
        keyless.key.value = Value::Null;
        let got = apply(&options(), keyless).unwrap().unwrap();
        assert_eq!(got.key, SchemaAndValue::null());
        let op = vec![("op", Schema::new(Kind::String), Value::String("c".into()))];
        let bare = record(structure("srv.public.t.Envelope", op));
        assert!(apply(&options(), bare).is_err());
    }
}
