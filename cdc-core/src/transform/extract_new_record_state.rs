//! The row instead of its envelope.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::added_field::AddedField;
use super::dropped_fields::DroppedFields;
use super::envelope::is_envelope;
use super::reshape::{Defaults, extended};
use super::{Build, HeaderUse, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::record::{Record, SchemaAndValue, SchemaCache, Value};

/// Field that says whether a row was deleted, in the modes that rewrite.
const DELETED: &str = "__deleted";

/// Debezium's ExtractNewRecordState: an event's value becomes the row after the change.
///
/// Records that are no envelopes pass. An envelope in JSON without schemas is unwrapped too; Debezium passes it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractNewRecordState {
    /// What becomes of a delete and of its tombstone.
    pub delete_tombstone_handling_mode: DeleteTombstoneHandling,
    /// Fields of the envelope added to the row: `op`, `source.lsn`, `table:new_name`.
    pub add_fields: Vec<String>,
    /// What the names of added fields begin with.
    pub add_fields_prefix: String,
    /// Fields of the envelope added as headers.
    pub add_headers: Vec<String>,
    /// What the names of added headers begin with.
    pub add_headers_prefix: String,
    /// Column whose value names the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_by_field: Option<String>,
    /// Header that holds a list of fields to drop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_fields_header_name: Option<String>,
    /// Whether these fields are dropped from the key too.
    pub drop_fields_from_key: bool,
    /// Whether only fields are dropped that may be null.
    pub drop_fields_keep_schema_compatible: bool,
    /// Whether null becomes the column's default in the modes that rewrite.
    pub replace_null_with_default: bool,
}

impl Default for ExtractNewRecordState {
    fn default() -> Self {
        Self {
            delete_tombstone_handling_mode: DeleteTombstoneHandling::default(),
            add_fields: Vec::new(),
            add_fields_prefix: "__".into(),
            add_headers: Vec::new(),
            add_headers_prefix: "__".into(),
            route_by_field: None,
            drop_fields_header_name: None,
            drop_fields_from_key: false,
            drop_fields_keep_schema_compatible: true,
            replace_null_with_default: true,
        }
    }
}

/// What becomes of a delete and of its tombstone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteTombstoneHandling {
    /// Both are dropped.
    Drop,
    /// The delete's value becomes null, of the row's schema; its tombstone is dropped.
    #[default]
    Tombstone,
    /// The delete becomes the old row; its tombstone is dropped. Each row says in `__deleted` whether it was deleted.
    Rewrite,
    /// As `rewrite`, and the tombstone stays.
    RewriteWithTombstone,
    /// The delete becomes a tombstone; its own tombstone is dropped.
    DeleteToTombstone,
    /// The delete is dropped; its tombstone stays. Debezium 1 does so with `delete.handling.mode=drop` and
    /// `drop.tombstones=false`.
    DropDelete,
}

impl DeleteTombstoneHandling {
    fn rewrites(self) -> bool {
        matches!(self, Self::Rewrite | Self::RewriteWithTombstone)
    }

    fn drops(self) -> bool {
        matches!(self, Self::Drop | Self::DropDelete)
    }

    fn keeps_tombstones(self) -> bool {
        matches!(self, Self::RewriteWithTombstone | Self::DropDelete)
    }
}

impl Build for ExtractNewRecordState {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let fields = |option: &str, prefix: &str, all: &[String]| {
            let parse = |f: &String| AddedField::parse(prefix, f).map_err(|e| format!("{option}: {e}"));
            all.iter().map(parse).collect::<Result<Vec<_>, _>>()
        };
        Ok(Box::new(Unwrap {
            dropped: self.drop_fields_header_name.as_ref().map(|header| {
                DroppedFields::new(
                    header,
                    self.drop_fields_from_key,
                    self.drop_fields_keep_schema_compatible,
                )
            }),
            spec: Arc::new(Spec {
                fields: fields("add_fields", &self.add_fields_prefix, &self.add_fields)?,
                headers: fields("add_headers", &self.add_headers_prefix, &self.add_headers)?,
                options: self.clone(),
            }),
            plans: SchemaCache::default(),
        }))
    }
}

/// The options, parsed.
#[derive(Debug)]
struct Spec {
    options: ExtractNewRecordState,
    fields: Vec<AddedField>,
    headers: Vec<AddedField>,
}

#[derive(Clone, Debug)]
struct Unwrap {
    spec: Arc<Spec>,
    dropped: Option<DroppedFields>,
    plans: SchemaCache<Plan>,
}

/// What depends on an envelope's schema alone.
#[derive(Clone, Debug)]
struct Plan {
    before: usize,
    after: usize,
    /// Schema of `after` as it stands in the envelope.
    row: Arc<Schema>,
    /// Schema of the row with what is added.
    result: Arc<Schema>,
    defaults: Defaults,
    /// Added fields: struct if any, and member.
    fields: Vec<(Option<usize>, usize)>,
    headers: Vec<AddedHeader>,
}

#[derive(Clone, Debug)]
struct AddedHeader {
    name: String,
    schema: Arc<Schema>,
    at: (Option<usize>, usize),
}

impl Plan {
    fn new(envelope: &Schema, spec: &Spec) -> Result<Self, TransformError> {
        let part = |name: &str| {
            let missing = || TransformError::new(format!("the envelope has no field {name}"));
            envelope.field(name).ok_or_else(missing)
        };
        let (before, _) = part("before")?;
        let (after, field) = part("after")?;
        let row = Arc::clone(&field.schema);
        let rewrites = spec.options.delete_tombstone_handling_mode.rewrites();
        let mut added: Vec<Field> = Vec::new();
        if rewrites {
            added.push(Field::new(DELETED, Schema::new(Kind::String).optional()));
        }
        let mut fields = Vec::new();
        for field in &spec.fields {
            if let Some((at, schema)) = field.resolve(envelope)? {
                added.push(Field::new(field.name.clone(), schema));
                fields.push(at);
            }
        }
        let mut headers = Vec::new();
        for header in &spec.headers {
            if let Some((at, schema)) = header.resolve(envelope)? {
                let name = header.name.clone();
                headers.push(AddedHeader { name, schema, at });
            }
        }
        let defaults = rewrites && spec.options.replace_null_with_default;
        Ok(Self {
            before,
            after,
            result: extended(&row, added)?,
            defaults: Defaults::of(&row, defaults)?,
            row,
            fields,
            headers,
        })
    }
}

/// Member of a value or of one of its structs.
fn at(value: &Value, (parent, index): (Option<usize>, usize)) -> &Value {
    match parent {
        Some(parent) => value.member(parent).member(index),
        None => value.member(index),
    }
}

impl Transform for Unwrap {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let mode = self.spec.options.delete_tombstone_handling_mode;
        if record.value.value.is_null() {
            for header in self.spec.headers.iter().filter(|h| h.is_operation()) {
                record.add_header(&header.name, SchemaAndValue::string("d"));
            }
            return Ok(mode.keeps_tombstones().then_some(record));
        }
        if !is_envelope(&record.value) {
            return Ok(Some(record));
        }
        let (spec, dropped) = (&*self.spec, &mut self.dropped);
        let kept = match record.value.schema.clone() {
            Some(schema) => {
                let plan = self.plans.try_get(&schema, |schema| Plan::new(schema, spec))?;
                unwrap(plan, spec, dropped, &mut record)?
            }
            None => schemaless::unwrap(spec, dropped, &mut record)?,
        };
        Ok(kept.then_some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::AddsThenCopies
    }
}

/// Unwraps an envelope with a schema; false if the record is dropped.
fn unwrap(
    plan: &Plan,
    spec: &Spec,
    dropped: &mut Option<DroppedFields>,
    record: &mut Record,
) -> Result<bool, TransformError> {
    use DeleteTombstoneHandling as Mode;
    let mode = spec.options.delete_tombstone_handling_mode;
    let mut envelope = std::mem::take(&mut record.value.value);
    for header in &plan.headers {
        let value = at(&envelope, header.at).clone();
        record.add_header(
            &header.name,
            SchemaAndValue::new(Arc::clone(&header.schema), value),
        );
    }
    let deleted = envelope.member(plan.after).is_null();
    if deleted && (envelope.member(plan.before).is_null() || mode.drops()) {
        return Ok(false);
    }
    if let Some(field) = &spec.options.route_by_field {
        let row = envelope.member(if deleted { plan.before } else { plan.after });
        let column = plan.row.field(field);
        if let Some((_, column)) = column
            && column.schema.kind != Kind::String
        {
            let kind = column.schema.kind.name();
            let text = format!("route_by_field: the column {field} is {kind}, not a string");
            return Err(TransformError::new(text));
        }
        let topic = column.map(|(index, _)| row.member(index));
        route(field, topic, record)?;
    }
    if deleted && !mode.rewrites() {
        record.value.schema = (mode == Mode::Tombstone).then(|| Arc::clone(&plan.row));
        if let Some(dropped) = dropped {
            dropped.apply(record)?;
        }
        return Ok(true);
    }
    let row = if deleted { plan.before } else { plan.after };
    let Value::Struct(mut members) = take(&mut envelope, row) else {
        return Err(TransformError::new("the envelope's row is no struct"));
    };
    plan.defaults.fill(&mut members);
    members.reserve(plan.fields.len() + 1);
    if mode.rewrites() {
        members.push(Value::String(if deleted { "true" } else { "false" }.into()));
    }
    members.extend(plan.fields.iter().map(|place| at(&envelope, *place).clone()));
    record.value.schema = Some(Arc::clone(&plan.result));
    record.value.value = Value::Struct(members);
    if let Some(dropped) = dropped {
        dropped.apply(record)?;
    }
    Ok(true)
}

/// Takes a member of a struct out of it.
fn take(value: &mut Value, index: usize) -> Value {
    match value {
        Value::Struct(members) => members.get_mut(index).map(std::mem::take).unwrap_or_default(),
        _ => Value::Null,
    }
}

/// Sends the record to the topic that a column names; to its own if the column is null or blank.
fn route(field: &str, topic: Option<&Value>, record: &mut Record) -> Result<(), TransformError> {
    match topic {
        Some(Value::String(topic)) if topic.trim().is_empty() => {}
        Some(Value::String(topic)) => record.set_topic(topic),
        Some(Value::Null) => {}
        Some(other) => {
            let kind = other.kind_name();
            return Err(TransformError::new(format!(
                "route_by_field: the column {field} is {kind}, not a string"
            )));
        }
        None => {
            return Err(TransformError::new(format!(
                "route_by_field: the row has no column {field}"
            )));
        }
    }
    Ok(())
}

mod schemaless;
#[cfg(test)]
mod tests;
