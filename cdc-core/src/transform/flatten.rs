//! Nested structs as one.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::basics;
use super::reshape::{Side, map_mut, one_of_each};
use super::{Build, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::convert::{default_text, default_value};
use crate::record::{Record, SchemaCache, Value};

/// Joins the fields of nested structs or objects into one. Arrays stay as they are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Flatten {
    /// Which side of the record.
    pub side: Side,
    /// Between the names of a field and of what holds it.
    pub delimiter: String,
}

impl Default for Flatten {
    fn default() -> Self {
        Self {
            side: Side::Value,
            delimiter: ".".into(),
        }
    }
}

impl Build for Flatten {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        Ok(Box::new(Flat {
            options: self.clone(),
            plans: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Flat {
    options: Flatten,
    plans: SchemaCache<Plan>,
}

/// What depends on the schema alone.
#[derive(Clone, Debug)]
struct Plan {
    schema: Arc<Schema>,
    shape: Vec<Shape>,
}

/// One field of the old struct.
#[derive(Clone, Debug)]
enum Shape {
    /// It stays; null becomes its own default.
    Leaf(Option<Value>),
    /// Its fields take its place.
    Struct(Vec<Shape>),
}

impl Plan {
    fn new(schema: &Schema, delimiter: &str) -> Result<Self, TransformError> {
        let mut fields = Vec::new();
        let default = default_value(schema)?.unwrap_or_default();
        let shape = shape(schema, "", delimiter, schema.optional, &default, &mut fields)?;
        Ok(Self {
            schema: Arc::new(basics(schema, Kind::Struct(fields))),
            shape,
        })
    }
}

/// Appends the flat fields of a struct. `optional`: something around it may be null; `default`: what stands around it
/// gives as default.
fn shape(
    schema: &Schema,
    prefix: &str,
    delimiter: &str,
    optional: bool,
    default: &Value,
    fields: &mut Vec<Field>,
) -> Result<Vec<Shape>, TransformError> {
    let mut all = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let name = match prefix {
            "" => field.name.clone(),
            _ => format!("{prefix}{delimiter}{}", field.name),
        };
        let optional = optional || field.schema.optional;
        let own = default_value(&field.schema)?;
        let default = own.clone().unwrap_or_else(|| default.member(index).clone());
        match &field.schema.kind {
            Kind::Struct(_) => {
                let inner = shape(&field.schema, &name, delimiter, optional, &default, fields)?;
                all.push(Shape::Struct(inner));
            }
            Kind::Map(..) => {
                return Err(TransformError::new(format!(
                    "the field {name} is a map: leave it out before"
                )));
            }
            _ if fields.iter().any(|f| f.name == name) => {
                return Err(TransformError::new(format!("two fields would be called {name}")));
            }
            kind => {
                let mut flat = basics(&field.schema, kind.clone());
                flat.optional = optional;
                if !default.is_null() {
                    flat.default_json = Some(default_text(&field.schema, &default)?);
                }
                fields.push(Field::new(name, flat));
                all.push(Shape::Leaf(own));
            }
        }
    }
    Ok(all)
}

/// Appends a struct's values; those of a struct that is null are null.
fn flatten(shape: &[Shape], value: &mut Value, out: &mut Vec<Value>) {
    let present = matches!(value, Value::Struct(_));
    let mut members = match value {
        Value::Struct(members) => std::mem::take(members),
        _ => Vec::new(),
    }
    .into_iter();
    for shape in shape {
        let mut member = members.next().unwrap_or_default();
        match shape {
            Shape::Struct(inner) => flatten(inner, &mut member, out),
            Shape::Leaf(Some(default)) if present && member.is_null() => out.push(default.clone()),
            Shape::Leaf(_) => out.push(member),
        }
    }
}

/// Appends an object's entries.
fn flatten_map(entries: Vec<(Value, Value)>, prefix: &str, delimiter: &str, out: &mut Vec<(Value, Value)>) {
    for (key, value) in entries {
        let key = key.as_str().unwrap_or_default();
        let name = match prefix {
            "" => key.to_owned(),
            _ => format!("{prefix}{delimiter}{key}"),
        };
        match value {
            Value::Map(inner) => flatten_map(inner, &name, delimiter, out),
            other => out.push((Value::String(name.into()), other)),
        }
    }
}

impl Transform for Flat {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let Flatten { side, delimiter } = &self.options;
        let data = side.of_mut(&mut record);
        if data.value.is_null() {
            // Its schema stays too: a flat one would be required, and null is none of its values.
            return Ok(Some(record));
        }
        if let Some(schema) = &data.schema {
            if !matches!(data.value, Value::Struct(_)) {
                let text = format!(
                    "needs a struct as {}, and it is {}",
                    side.name(),
                    data.value.kind_name()
                );
                return Err(TransformError::new(text));
            }
            let plan = self
                .plans
                .try_get(schema, |schema| Plan::new(schema, delimiter))?;
            let mut out = Vec::with_capacity(plan.schema.fields().len());
            flatten(&plan.shape, &mut data.value, &mut out);
            data.value = Value::Struct(out);
            data.schema = Some(Arc::clone(&plan.schema));
        } else {
            let entries = std::mem::take(map_mut(data, side.name())?);
            let mut out = Vec::with_capacity(entries.len());
            flatten_map(entries, "", delimiter, &mut out);
            one_of_each(&out)?;
            data.value = Value::Map(out);
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, envelope, json, names, plain, row};

    #[test]
    fn structs_become_one() {
        let options = Flatten {
            side: Side::Value,
            delimiter: "_".into(),
        };
        let got = apply(&options, envelope("c", None, Some(row(1, None))))
            .unwrap()
            .unwrap();
        assert_eq!(
            json(&got),
            r#"{"before_id":null,"before_v":null,"after_id":1,"after_v":"dflt","source_db":"shop","source_table":"t","source_ts_ms":1000,"transaction_id":null,"op":"c","ts_ms":2000}"#
        );
        let schema = got.value.schema.unwrap();
        assert_eq!(names(&schema).len(), 10);
        let field = |name| Arc::clone(&schema.field(name).unwrap().1.schema);
        assert!(field("after_id").optional && !field("source_db").optional);
        assert_eq!(field("after_v").default_json.as_deref(), Some("\"dflt\""));
    }

    #[test]
    fn objects_become_one_and_tombstones_pass() {
        let got = apply(
            &Flatten::default(),
            plain(r#"{"a":{"b":{"c":1},"d":[{"e":2}]},"f":null}"#),
        )
        .unwrap()
        .unwrap();
        assert_eq!(json(&got), r#"{"a.b.c":1,"a.d":[{"e":2}],"f":null}"#);
        let clash = apply(&Flatten::default(), plain(r#"{"a":{"b":1},"a.b":2}"#)).unwrap_err();
        assert_eq!(clash.to_string(), "two fields would be called a.b");
        let none = crate::record::SchemaAndValue::null();
        assert!(apply(&Flatten::default(), crate::transform::fixture::record(none)).is_ok());
        let mut deleted = envelope("c", None, Some(row(1, None)));
        deleted.value.value = Value::Null;
        let schema = deleted.value.schema.clone();
        let got = apply(&Flatten::default(), deleted).unwrap().unwrap();
        assert_eq!(
            got.value,
            crate::record::SchemaAndValue {
                schema,
                value: Value::Null
            }
        );
    }
}
