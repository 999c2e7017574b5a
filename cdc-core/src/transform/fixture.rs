//! Records for the tests of transforms.

use std::sync::Arc;

use super::{Build, TransformError};
use crate::connect::{Field, Kind, Schema};
use crate::convert::{Context, Converter, JsonConverter, JsonOptions};
use crate::record::{Record, SchemaAndValue, Value};
use crate::{Lsn, Position, RecordHead, Topic};

/// A record of topic `srv.public.t` with the key `{"id":1}`.
pub(super) fn record(value: SchemaAndValue) -> Record {
    let key = Schema::new(Kind::Struct(vec![Field::new("id", Schema::new(Kind::Int32))]));
    let mut key_schema = key;
    key_schema.name = Some("srv.public.t.Key".into());
    Record {
        head: RecordHead {
            topic: Arc::new(Topic {
                name: "srv.public.t".into(),
            }),
            partition: None,
            timestamp_ms: None,
            position: Position {
                commit_lsn: Lsn(77),
                seq: 3,
            },
            version_lsn: Lsn(70),
        },
        key: SchemaAndValue::new(key_schema, Value::Struct(vec![Value::Int32(1)])),
        value,
        headers: Vec::new(),
    }
}

/// A struct's value.
pub(super) fn structure(name: &str, fields: Vec<(&str, Schema, Value)>) -> SchemaAndValue {
    let (mut all, mut values) = (Vec::new(), Vec::new());
    for (name, schema, value) in fields {
        all.push(Field::new(name, schema));
        values.push(value);
    }
    let mut schema = Schema::new(Kind::Struct(all));
    schema.name = Some(name.to_owned());
    SchemaAndValue::new(schema, Value::Struct(values))
}

/// Schema of [`row`].
pub(super) fn row_schema() -> Schema {
    let mut v = Schema::new(Kind::String).optional();
    v.default_json = Some("\"dflt\"".into());
    let fields = vec![Field::new("id", Schema::new(Kind::Int32)), Field::new("v", v)];
    let mut schema = Schema::new(Kind::Struct(fields)).optional();
    schema.name = Some("srv.public.t.Value".into());
    schema
}

/// A row of a required number and a text with a default.
pub(super) fn row(id: i32, v: Option<&str>) -> Value {
    Value::Struct(vec![
        Value::Int32(id),
        v.map_or(Value::Null, |v| Value::String(v.into())),
    ])
}

/// An event of [`row`]s.
pub(super) fn envelope(op: &str, before: Option<Value>, after: Option<Value>) -> Record {
    let text = || Schema::new(Kind::String);
    let source = vec![
        Field::new("db", text()),
        Field::new("table", text()),
        Field::new("ts_ms", Schema::new(Kind::Int64)),
    ];
    let transaction = Schema::new(Kind::Struct(vec![Field::new("id", text())])).optional();
    let origin = Value::Struct(vec![
        Value::String("shop".into()),
        Value::String("t".into()),
        Value::Int64(1000),
    ]);
    let fields = vec![
        ("before", row_schema(), before.unwrap_or_default()),
        ("after", row_schema(), after.unwrap_or_default()),
        ("source", Schema::new(Kind::Struct(source)), origin),
        ("transaction", transaction, Value::Null),
        ("op", text(), Value::String(op.into())),
        ("ts_ms", Schema::new(Kind::Int64).optional(), Value::Int64(2000)),
    ];
    record(structure("srv.public.t.Envelope", fields))
}

/// A value without a schema.
pub(super) fn plain(json: &str) -> Record {
    record(SchemaAndValue::schemaless(
        crate::convert::read_schemaless(json.as_bytes()).unwrap(),
    ))
}

/// Names of a struct's fields.
pub(super) fn names(schema: &Schema) -> Vec<&str> {
    schema.fields().iter().map(|f| f.name.as_str()).collect()
}

/// A value as JSON without its schema, nulls as they are.
pub(super) fn payload(data: &SchemaAndValue) -> String {
    let options = JsonOptions {
        schemas: false,
        replace_null_with_default: false,
        ..JsonOptions::default()
    };
    let mut out = Vec::new();
    let context = Context {
        topic: "t",
        headers: &[],
    };
    let some = JsonConverter::new(options)
        .write(&context, data, &mut out)
        .unwrap();
    if some {
        String::from_utf8(out).unwrap()
    } else {
        "none".into()
    }
}

/// A record's value as JSON.
pub(super) fn json(record: &Record) -> String {
    payload(&record.value)
}

/// Applies a transform that is made for the purpose.
pub(super) fn apply(options: &impl Build, record: Record) -> Result<Option<Record>, TransformError> {
    options.build().unwrap().apply(record)
}
