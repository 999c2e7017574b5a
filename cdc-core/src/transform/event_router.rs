//! The outbox pattern: rows of an outbox table as messages of their own.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::{is_envelope_schema, member};
use super::json_schema::{EmptyArrayBehavior, Inference, NullBehavior};
use super::regex_router::TopicRewrite;
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::convert::default_value;
use crate::envelope::NameAdjustment;
use crate::filter::Rewrite;
use crate::record::{Record, SchemaAndValue, SchemaInterner, Value};

/// Debezium's outbox EventRouter. Updates of the outbox table are not expected; deletes and tombstones are dropped.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventRouter {
    /// What happens with an update.
    pub table_op_invalid_behavior: InvalidOperation,
    /// Column with the event's id: it becomes the header `id`.
    pub table_field_event_id: String,
    /// Column with the message's key.
    pub table_field_event_key: String,
    /// Column with the payload.
    pub table_field_event_payload: String,
    /// Column with the message's timestamp, of a type of `timestamp`; the envelope's `ts_ms` if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_field_event_timestamp: Option<String>,
    /// Column with the version of the message's schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_field_event_schema_version: Option<String>,
    /// Further columns: `column:header`, `column:envelope` or `column:partition`, with `:name` for another name.
    pub table_fields_additional_placement: Vec<String>,
    /// What happens where the table does not have one of them.
    pub table_field_additional_missing: MissingField,
    /// Column that names the topic.
    pub route_by_field: String,
    /// Regular expression for the value of that column.
    pub route_topic_regex: String,
    /// Name of the topic; `${routedByValue}` is the column's value.
    pub route_topic_replacement: String,
    /// Whether an empty payload makes a tombstone.
    pub route_tombstone_on_empty_payload: bool,
    /// Whether a payload that is JSON text becomes a struct.
    pub table_expand_json_payload: bool,
    /// What becomes of a null in that JSON.
    pub table_json_payload_null_behavior: NullBehavior,
    /// What becomes of an empty array in that JSON.
    pub table_json_payload_empty_array_behavior: EmptyArrayBehavior,
    /// How the names of its members are made valid for Avro.
    pub field_name_adjustment_mode: NameAdjustment,
}

impl Default for EventRouter {
    fn default() -> Self {
        Self {
            table_op_invalid_behavior: InvalidOperation::default(),
            table_field_event_id: "id".into(),
            table_field_event_key: "aggregateid".into(),
            table_field_event_payload: "payload".into(),
            table_field_event_timestamp: None,
            table_field_event_schema_version: None,
            table_fields_additional_placement: Vec::new(),
            table_field_additional_missing: MissingField::default(),
            route_by_field: "aggregatetype".into(),
            route_topic_regex: "(?<routedByValue>.*)".into(),
            route_topic_replacement: "outbox.event.${routedByValue}".into(),
            route_tombstone_on_empty_payload: false,
            table_expand_json_payload: false,
            table_json_payload_null_behavior: NullBehavior::default(),
            table_json_payload_empty_array_behavior: EmptyArrayBehavior::default(),
            field_name_adjustment_mode: NameAdjustment::None,
        }
    }
}

/// What happens with an operation that an outbox table should not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvalidOperation {
    /// It is dropped with a warning.
    #[default]
    Warn,
    /// It is dropped with an error in the log.
    Error,
    /// The transform fails.
    Fatal,
}

/// What happens where the table does not have a configured column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingField {
    /// The transform fails.
    #[default]
    Error,
    /// Nothing is placed.
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Envelope,
    Partition,
}

#[derive(Clone, Debug)]
struct Placement {
    column: String,
    place: Place,
    alias: String,
}

impl Placement {
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let (column, place, alias) = match parts.as_slice() {
            [column, place] => (*column, *place, *column),
            [column, place, alias] => (*column, *place, *alias),
            _ => {
                return Err(format!(
                    "`{text}` is not of the form column:place or column:place:name"
                ));
            }
        };
        let place = match place.to_ascii_lowercase().as_str() {
            "header" => Place::Header,
            "envelope" => Place::Envelope,
            "partition" => Place::Partition,
            other => return Err(format!("`{other}` is none of header, envelope, partition")),
        };
        Ok(Self {
            column: column.to_owned(),
            place,
            alias: alias.to_owned(),
        })
    }
}

impl Build for EventRouter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let rewrite = Rewrite::new(
            "route_topic_regex",
            &self.route_topic_regex,
            &self.route_topic_replacement,
        )?;
        let placements = self
            .table_fields_additional_placement
            .iter()
            .map(|p| Placement::parse(p));
        let placements = placements.collect::<Result<Vec<_>, _>>();
        Ok(Box::new(Router {
            placements: placements.map_err(|e| format!("table_fields_additional_placement: {e}"))?,
            topics: TopicRewrite::new(rewrite),
            inference: Inference {
                nulls: self.table_json_payload_null_behavior,
                empty_arrays: self.table_json_payload_empty_array_behavior,
                names: self.field_name_adjustment_mode,
            },
            options: self.clone(),
            expanded: SchemaInterner::default(),
            messages: Arc::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Router {
    options: EventRouter,
    placements: Vec<Placement>,
    topics: TopicRewrite,
    inference: Inference,
    expanded: SchemaInterner,
    /// Schemas of messages with further columns, by their version or else by the payload's schema. As in Debezium the name
    /// of such a schema is that of the first message that had it, whatever route a later one takes; snapshot and stream
    /// have them in common.
    messages: Messages,
}

/// Schemas by what they are found by, shared by all clones.
type Messages = Arc<Mutex<Vec<(MessageKey, Arc<Schema>)>>>;

/// What a message's schema is found by.
#[derive(Clone, Debug, PartialEq)]
enum MessageKey {
    /// Of the column that has it, null being one too.
    Version(Option<i32>),
    Payload(Arc<Schema>),
}

/// Schemas of messages remembered.
const MESSAGES: usize = 10_000;

/// The row of the outbox table.
struct Row<'a> {
    schema: &'a Arc<Schema>,
    value: &'a Value,
}

impl<'a> Row<'a> {
    /// A column's schema and value; a null that has a default is that.
    fn get(&self, column: &str) -> Result<(&'a Arc<Schema>, Value), TransformError> {
        let missing = || TransformError::new(format!("the outbox table has no column {column}"));
        let (index, field) = self.schema.field(column).ok_or_else(missing)?;
        let value = self.value.member(index);
        let value = match value.is_null() {
            true => default_value(&field.schema)?.unwrap_or_default(),
            false => value.clone(),
        };
        Ok((&field.schema, value))
    }
}

impl Transform for Router {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        if record.value.value.is_null() {
            return Ok(None);
        }
        if !record.value.schema.as_deref().is_some_and(is_envelope_schema) {
            return Ok(Some(record));
        }
        match member(&record.value, "op").and_then(Value::as_str) {
            Some("d") => return Ok(None),
            Some("u") => return self.unexpected(),
            _ => {}
        }
        let envelope = std::mem::take(&mut record.value);
        self.route(&envelope, &mut record)?;
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

impl Router {
    fn unexpected(&self) -> Result<Option<Record>, TransformError> {
        match self.options.table_op_invalid_behavior {
            InvalidOperation::Warn => tracing::warn!("an update of the outbox table is ignored"),
            InvalidOperation::Error => tracing::error!("an update of the outbox table is ignored"),
            InvalidOperation::Fatal => return Err(TransformError::new("an update of the outbox table")),
        }
        Ok(None)
    }

    fn route(&mut self, envelope: &SchemaAndValue, record: &mut Record) -> Result<(), TransformError> {
        let none = || TransformError::new("the event has no row after the change");
        let (_, after) = envelope
            .schema
            .as_deref()
            .and_then(|s| s.field("after"))
            .ok_or_else(none)?;
        let row = Row {
            schema: &after.schema,
            value: member(envelope, "after")
                .filter(|v| !v.is_null())
                .ok_or_else(none)?,
        };
        let options = &self.options;
        record.head.timestamp_ms = self.timestamp(envelope, &row)?;
        let (id_schema, id) = row.get(&options.table_field_event_id)?;
        record.add_header("id", SchemaAndValue::new(Arc::clone(id_schema), id));
        let (schema, value) = row.get(&options.table_field_event_payload)?;
        let mut payload = SchemaAndValue::new(Arc::clone(schema), value);
        if options.table_expand_json_payload {
            self.expand(&mut payload);
        }
        let (_, route) = row.get(&self.options.route_by_field)?;
        let route = match &route {
            Value::String(route) => route.as_str(),
            other => {
                let text = format!(
                    "route_by_field: the column is {}, not a string",
                    other.kind_name()
                );
                return Err(TransformError::new(text));
            }
        };
        let empty = match &payload.value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            _ => false,
        };
        let wraps = self.placements.iter().any(|p| p.place == Place::Envelope);
        let message = wraps
            .then(|| self.message_schema(&payload, &row, route))
            .transpose()?;
        let further = self.place(&row, record)?;
        record.value = match message {
            _ if empty && self.options.route_tombstone_on_empty_payload => SchemaAndValue::null(),
            None => payload,
            Some(schema) => {
                let mut members = vec![payload.value];
                members.extend(further);
                SchemaAndValue::new(schema, Value::Struct(members))
            }
        };
        let (key_schema, key) = row.get(&self.options.table_field_event_key)?;
        record.key = SchemaAndValue::new(Arc::clone(key_schema), key);
        match self.topics.of(route) {
            Some(topic) => record.head.topic = topic,
            None => record.set_topic(route),
        }
        Ok(())
    }

    /// Replaces a payload of JSON text by what it says; one that is none stays, with a warning.
    fn expand(&mut self, payload: &mut SchemaAndValue) {
        let Value::String(text) = &payload.value else {
            return;
        };
        match self
            .inference
            .expand(Some(&self.options.table_field_event_payload), text)
        {
            Ok(SchemaAndValue {
                schema: Some(schema),
                value,
            }) => {
                let schema = Arc::unwrap_or_clone(schema);
                *payload = SchemaAndValue::new(self.expanded.intern(schema), value);
            }
            Ok(_) => {}
            Err(reason) => tracing::warn!(reason, "a payload cannot be expanded and stays text"),
        }
    }

    fn timestamp(&self, envelope: &SchemaAndValue, row: &Row<'_>) -> Result<Option<i64>, TransformError> {
        let processed = member(envelope, "ts_ms").and_then(Value::as_i64);
        let Some(column) = &self.options.table_field_event_timestamp else {
            return Ok(processed);
        };
        let (schema, value) = row.get(column)?;
        let wrong = || {
            let kind = schema.name.as_deref().unwrap_or(schema.kind.name());
            let text =
                format!("table_field_event_timestamp: {column} is {kind}, which is no timestamp in UTC");
            TransformError::new(text)
        };
        if schema.kind != Kind::Int64 {
            return Err(wrong());
        }
        let Some(at) = value.as_i64() else {
            return Ok(processed);
        };
        Ok(Some(match schema.name.as_deref() {
            Some("io.debezium.time.Timestamp") => at,
            Some("io.debezium.time.MicroTimestamp") => at / 1000,
            Some("io.debezium.time.NanoTimestamp") => at / 1_000_000,
            _ => return Err(wrong()),
        }))
    }

    /// Puts further columns into headers and partition; gives the values for the message itself.
    fn place(&self, row: &Row<'_>, record: &mut Record) -> Result<Vec<Value>, TransformError> {
        let ignore = self.options.table_field_additional_missing == MissingField::Ignore;
        let mut further = Vec::new();
        record.head.partition = None;
        for placement in &self.placements {
            if ignore && row.schema.field(&placement.column).is_none() {
                continue;
            }
            let (schema, value) = row.get(&placement.column)?;
            match placement.place {
                Place::Envelope => further.push(value),
                Place::Header => {
                    record.add_header(&placement.alias, SchemaAndValue::new(Arc::clone(schema), value));
                }
                Place::Partition => match value {
                    Value::Int32(n) => record.head.partition = Some(n),
                    Value::Null => {}
                    other => {
                        let text = format!("the partition is {}, not an int32", other.kind_name());
                        return Err(TransformError::new(text));
                    }
                },
            }
        }
        Ok(further)
    }

    fn message_schema(
        &self,
        payload: &SchemaAndValue,
        row: &Row<'_>,
        route: &str,
    ) -> Result<Arc<Schema>, TransformError> {
        let payload_schema = payload
            .schema
            .as_ref()
            .ok_or_else(|| TransformError::new("the payload has no schema"))?;
        let (key, version) = match &self.options.table_field_event_schema_version {
            None => (MessageKey::Payload(Arc::clone(payload_schema)), None),
            Some(column) => match row.get(column)?.1 {
                Value::Int32(version) => (MessageKey::Version(Some(version)), Some(version)),
                Value::Null => (MessageKey::Version(None), None),
                other => {
                    let text = format!(
                        "table_field_event_schema_version: {column} is {}, not an int32",
                        other.kind_name()
                    );
                    return Err(TransformError::new(text));
                }
            },
        };
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = messages.iter().find(|(k, _)| *k == key) {
            let known_payload = known.field("payload");
            if !known_payload.is_some_and(|(_, field)| fits(&field.schema, payload)) {
                return Err(TransformError::new(
                    "the payload is not of the schema of the first message of this version",
                ));
            }
            return Ok(Arc::clone(known));
        }
        let mut fields = vec![Field::new("payload", Arc::clone(payload_schema))];
        for placement in self.placements.iter().filter(|p| p.place == Place::Envelope) {
            match row.schema.field(&placement.column) {
                Some((_, field)) => {
                    fields.push(Field::new(placement.alias.clone(), Arc::clone(&field.schema)))
                }
                None if self.options.table_field_additional_missing == MissingField::Ignore => {}
                None => {
                    let text = format!("the outbox table has no column {}", placement.column);
                    return Err(TransformError::new(text));
                }
            }
        }
        let mut schema = Schema::new(Kind::Struct(fields));
        schema.name = Some(
            match row
                .schema
                .name
                .as_deref()
                .map(|name| (name, name.rsplit_once('.')))
            {
                Some((_, Some((left, last)))) => format!("{left}.{route}.{last}"),
                Some((name, None)) => format!("{route}.{name}"),
                None => route.to_owned(),
            },
        );
        schema.version = version;
        let schema = Arc::new(schema);
        if messages.len() >= MESSAGES {
            messages.clear();
        }
        messages.push((key, Arc::clone(&schema)));
        Ok(schema)
    }
}

/// Whether a payload may stand where a schema is expected: structs need the very same one.
fn fits(expected: &Schema, payload: &SchemaAndValue) -> bool {
    match (&payload.value, &payload.schema) {
        (Value::Null, _) => expected.optional,
        (Value::Struct(_), Some(schema)) => **schema == *expected,
        (_, Some(schema)) => schema.kind == expected.kind,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests;
