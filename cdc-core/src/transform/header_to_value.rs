//! Headers copied or moved into the value.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::basics;
use super::header_from::{Operation, same_length};
use super::{Build, HeaderUse, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::record::{Record, SchemaCache, Value};

/// Debezium's HeaderToValue: headers become fields of the value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderToValue {
    /// Names of headers.
    pub headers: Vec<String>,
    /// Fields, in the order of the headers. With dots they are fields of nested structs, such as `after.region`.
    pub fields: Vec<String>,
    /// Whether the headers stay.
    pub operation: Operation,
}

impl Build for HeaderToValue {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        same_length(&self.fields, &self.headers)?;
        if self
            .fields
            .iter()
            .any(|f| f.split('.').any(|step| step.trim().is_empty()))
        {
            return Err("fields: a field or a step of its path is empty".into());
        }
        Ok(Box::new(ToValue {
            options: self.clone(),
            schemas: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct ToValue {
    options: HeaderToValue,
    /// By the value's schema: schemas of the headers that are there, and the new schema.
    schemas: SchemaCache<Vec<Extended>>,
}

/// Schemas of the headers that are there, none where a header is not, and the value's schema with them.
type Extended = (Vec<Option<Arc<Schema>>>, Arc<Schema>);

/// Sets of headers remembered a schema.
const SETS: usize = 64;

/// A header on its way into the value.
struct Entry<'a> {
    path: Vec<&'a str>,
    schema: Option<Arc<Schema>>,
    value: Value,
}

impl Transform for ToValue {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        if record.value.value.is_null() {
            return Ok(Some(record));
        }
        let options = &self.options;
        let mut entries = Vec::new();
        for header in &record.headers {
            if let Some(at) = options.headers.iter().position(|name| header.name == *name)
                && let Some(field) = options.fields.get(at)
            {
                entries.push(Entry {
                    path: field.split('.').collect(),
                    schema: header.data.schema.clone(),
                    value: header.data.value.clone(),
                });
            }
        }
        if entries.is_empty() {
            return Ok(Some(record));
        }
        if options.operation == Operation::Move {
            record
                .headers
                .retain(|h| !options.headers.iter().any(|name| h.name == *name));
        }
        match (&record.value.schema, &mut record.value.value) {
            (Some(schema), value @ Value::Struct(_)) => {
                let sets = self.schemas.get(schema, |_| Vec::new());
                let given: Vec<_> = entries.iter().map(|e| e.schema.clone()).collect();
                let known = sets
                    .iter()
                    .find(|(set, _)| *set == given)
                    .map(|(_, new)| Arc::clone(new));
                let new = match known {
                    Some(new) => new,
                    None => {
                        if sets.len() >= SETS {
                            sets.clear();
                        }
                        let new = Arc::new(extend(schema, &entries.iter().collect::<Vec<_>>(), 0)?);
                        sets.push((given, Arc::clone(&new)));
                        new
                    }
                };
                for entry in entries {
                    place(&new, value, &entry.path, entry.value);
                }
                record.value.schema = Some(new);
            }
            (None, value @ Value::Map(_)) => {
                for entry in entries {
                    place_in_map(value, &entry.path, entry.value);
                }
            }
            (_, other) => {
                let text = format!(
                    "needs a struct or object as value, and it is {}",
                    other.kind_name()
                );
                return Err(TransformError::new(text));
            }
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        match self.options.operation {
            Operation::Copy => HeaderUse::Adds,
            Operation::Move => HeaderUse::Copies,
        }
    }
}

/// The struct's schema with the entries' fields; `depth` steps of their paths lead to this struct. As in Debezium a struct that
/// gets a field becomes required.
fn extend(schema: &Schema, entries: &[&Entry<'_>], depth: usize) -> Result<Schema, TransformError> {
    if !matches!(schema.kind, Kind::Struct(_)) {
        return Err(TransformError::new(format!(
            "a field of a path is {}, not a struct",
            schema.kind.name()
        )));
    }
    let step = |entry: &&Entry<'_>| entry.path.get(depth).map(|s| (*s).to_owned());
    let below = |name: &str| -> Vec<&Entry<'_>> {
        let inner = |e: &&&Entry<'_>| e.path.len() > depth + 1 && e.path.get(depth) == Some(&name);
        entries.iter().filter(inner).copied().collect()
    };
    let mut fields: Vec<Field> = Vec::new();
    for field in schema.fields() {
        let inner = below(&field.name);
        fields.push(match inner.is_empty() {
            true => field.clone(),
            false => Field::new(field.name.clone(), extend(&field.schema, &inner, depth + 1)?),
        });
    }
    for entry in entries {
        let Some(name) = step(entry).filter(|name| !fields.iter().any(|f| f.name == *name)) else {
            continue;
        };
        let inner = below(&name);
        let new = match entry.path.len() == depth + 1 {
            true => {
                let missing =
                    || TransformError::new(format!("the header for the field {name} has no schema"));
                entry.schema.clone().ok_or_else(missing)?
            }
            false => Arc::new(extend(&Schema::new(Kind::Struct(Vec::new())), &inner, depth + 1)?.optional()),
        };
        fields.push(Field::new(name, new));
    }
    Ok(basics(schema, Kind::Struct(fields)))
}

/// Puts a value where a path leads. Structs on the way that are null stay null, if they were there before.
fn place(schema: &Schema, value: &mut Value, path: &[&str], new: Value) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    let (Value::Struct(members), Some((index, field))) = (value, schema.field(step)) else {
        return;
    };
    // A struct that this transform has added is not there yet.
    let added = members.len() <= index;
    if added {
        members.resize(index + 1, Value::Null);
    }
    let Some(member) = members.get_mut(index) else {
        return;
    };
    if rest.is_empty() {
        *member = new;
        return;
    }
    if added {
        *member = Value::Struct(Vec::new());
    }
    place(&field.schema, member, rest, new);
}

fn place_in_map(value: &mut Value, path: &[&str], new: Value) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        value.set_entry(step, new);
        return;
    }
    if value.entry(step).is_none() {
        value.set_entry(step, Value::Map(Vec::new()));
    }
    if let Value::Map(entries) = value
        && let Some((_, member)) = entries.iter_mut().find(|(key, _)| key.as_str() == Some(step))
    {
        place_in_map(member, rest, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SchemaAndValue;
    use crate::transform::fixture::{apply, envelope, json, plain, row};

    fn options(fields: &[&str], operation: Operation) -> HeaderToValue {
        HeaderToValue {
            headers: vec!["h".into()],
            fields: fields.iter().map(|f| (*f).to_owned()).collect(),
            operation,
        }
    }

    fn with_header(mut record: Record) -> Record {
        record.add_header("h", SchemaAndValue::string("x"));
        record
    }

    #[test]
    fn headers_become_fields_at_any_depth() {
        let event = || with_header(envelope("c", None, Some(row(1, Some("v")))));
        let got = apply(&options(&["after.tag"], Operation::Move), event())
            .unwrap()
            .unwrap();
        assert!(
            json(&got).contains(r#""after":{"id":1,"v":"v","tag":"x"},"#),
            "{}",
            json(&got)
        );
        assert!(got.headers.is_empty());
        let got = apply(&options(&["meta.tag"], Operation::Copy), event())
            .unwrap()
            .unwrap();
        assert!(
            json(&got).ends_with(r#""ts_ms":2000,"meta":{"tag":"x"}}"#),
            "{}",
            json(&got)
        );
        assert_eq!(got.headers.len(), 1);
        let map = apply(
            &options(&["a.b"], Operation::Move),
            with_header(plain("{\"c\":1}")),
        )
        .unwrap()
        .unwrap();
        assert_eq!(json(&map), r#"{"c":1,"a":{"b":"x"}}"#);
        assert!(apply(&options(&["op.x"], Operation::Copy), event()).is_err());
        assert!(options(&["a", "b"], Operation::Copy).build().is_err());
    }
}
