//! Vectors of pgvector as JSON texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::basics;
use super::reshape::take_struct;
use super::{Build, HeaderUse, Transform, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::json;
use crate::record::{Record, SchemaCache, Value};

/// Debezium's VectorToJsonConverter: vectors in the value become texts of the logical type Json.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VectorToJson {}

impl Build for VectorToJson {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        Ok(Box::new(Vectors {
            plans: SchemaCache::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Vectors {
    plans: SchemaCache<(Arc<Schema>, Vec<Shape>)>,
}

/// How a field is changed.
#[derive(Clone, Debug)]
enum Shape {
    Keep,
    Dense,
    Sparse,
    Struct(Vec<Shape>),
}

/// The new schema of a struct: required and without a default, as Connect copies it.
fn plan(schema: &Schema) -> (Schema, Vec<Shape>) {
    let (mut fields, mut shapes) = (Vec::new(), Vec::new());
    for field in schema.fields() {
        let json = || Schema {
            optional: field.schema.optional,
            ..Schema::new(Kind::String).named("io.debezium.data.Json", 1)
        };
        let (new, shape) = match (field.schema.name.as_deref(), &field.schema.kind) {
            (Some("io.debezium.data.DoubleVector" | "io.debezium.data.FloatVector"), _) => {
                (json().into(), Shape::Dense)
            }
            (Some("io.debezium.data.SparseDoubleVector"), _) => (json().into(), Shape::Sparse),
            (_, Kind::Struct(_)) => {
                let (new, inner) = plan(&field.schema);
                (Arc::new(new), Shape::Struct(inner))
            }
            _ => (Arc::clone(&field.schema), Shape::Keep),
        };
        fields.push(Field::new(field.name.clone(), new));
        shapes.push(shape);
    }
    (basics(schema, Kind::Struct(fields)), shapes)
}

fn convert(shapes: &[Shape], members: &mut [Value]) {
    for (shape, member) in shapes.iter().zip(members) {
        match (shape, &mut *member) {
            (Shape::Keep, _) | (_, Value::Null) => {}
            (Shape::Dense, Value::Array(items)) => *member = dense(items),
            (Shape::Sparse, Value::Struct(parts)) => *member = sparse(parts),
            (Shape::Struct(inner), Value::Struct(members)) => convert(inner, members),
            _ => {}
        }
    }
}

fn dense(items: &[Value]) -> Value {
    let mut out = b"{ \"values\": [".to_vec();
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        number(item, &mut out);
    }
    out.extend_from_slice(b"] }");
    text(&out)
}

fn sparse(parts: &[Value]) -> Value {
    let dimensions = parts.first().and_then(Value::as_i64).unwrap_or_default();
    let mut sorted = BTreeMap::new();
    if let Some(Value::Map(entries)) = parts.get(1) {
        sorted.extend(
            entries
                .iter()
                .filter_map(|(key, value)| Some((key.as_i64()?, value))),
        );
    }
    let mut out = format!("{{ \"dimensions\": {dimensions}, \"vector\": {{ ").into_bytes();
    for (i, (key, value)) in sorted.into_iter().enumerate() {
        out.extend_from_slice(if i > 0 { b", \"" } else { b"\"" });
        json::write_i64(&mut out, key);
        out.extend_from_slice(b"\": ");
        number(value, &mut out);
    }
    out.extend_from_slice(b" } }");
    text(&out)
}

fn number(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Float32(v) => json::write_f32(out, *v),
        Value::Float64(v) => json::write_f64(out, *v),
        _ => out.extend_from_slice(b"null"),
    }
}

fn text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).as_ref().into())
}

impl Transform for Vectors {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let data = &mut record.value;
        let (false, Some(schema)) = (data.value.is_null(), &data.schema) else {
            return Ok(Some(record));
        };
        let (new, shapes) = self.plans.get(schema, |schema| {
            let (new, shapes) = plan(schema);
            (Arc::new(new), shapes)
        });
        let new = Arc::clone(new);
        let mut members = take_struct(data, "value")?;
        convert(shapes, &mut members);
        data.value = Value::Struct(members);
        data.schema = Some(new);
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::Adds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::fixture::{apply, json, record, structure};

    #[test]
    fn vectors_become_texts() {
        let dense = Schema::new(Kind::Array(Schema::new(Kind::Float64).into()))
            .named("io.debezium.data.DoubleVector", 1);
        let map = Kind::Map(Schema::new(Kind::Int16).into(), Schema::new(Kind::Float64).into());
        let parts = vec![
            Field::new("dimensions", Schema::new(Kind::Int16)),
            Field::new("vector", Schema::new(map)),
        ];
        let sparse = Schema::new(Kind::Struct(parts)).named("io.debezium.data.SparseDoubleVector", 1);
        let entries = vec![
            (Value::Int16(9), Value::Float64(2.5)),
            (Value::Int16(1), Value::Float64(1.0)),
        ];
        let row = structure(
            "row",
            vec![
                (
                    "d",
                    dense.clone(),
                    Value::Array(vec![Value::Float64(1.0), Value::Float64(1e10)]),
                ),
                (
                    "s",
                    sparse,
                    Value::Struct(vec![Value::Int16(25), Value::Map(entries)]),
                ),
                ("n", dense.optional(), Value::Null),
            ],
        );
        let inner = Arc::unwrap_or_clone(row.schema.unwrap());
        let got = apply(
            &VectorToJson {},
            record(structure("e", vec![("after", inner, row.value)])),
        )
        .unwrap()
        .unwrap();
        assert_eq!(
            json(&got),
            r#"{"after":{"d":"{ \"values\": [1.0, 1.0E10] }","s":"{ \"dimensions\": 25, \"vector\": { \"1\": 1.0, \"9\": 2.5 } }","n":null}}"#
        );
    }
}
