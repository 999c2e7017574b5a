use std::sync::Mutex;

use super::super::{JsonOptions, JsonWriter};
use super::*;
use crate::connect::{Field, Kind, Schema};
use crate::record::Decimal;

const CONTEXT: Context<'_> = Context {
    topic: "t",
    headers: &[],
};

/// A registry in memory that notes what it is asked.
#[derive(Debug, Default)]
struct Memory(Mutex<(Vec<String>, Vec<String>)>);

impl SchemaRegistry for Memory {
    fn register(&self, subject: &str, schema: &str) -> Result<u32, ConvertError> {
        let mut all = self.0.lock().unwrap();
        all.1.push(format!("register {subject}"));
        let at = all.0.iter().position(|s| s == schema).unwrap_or_else(|| {
            all.0.push(schema.to_owned());
            all.0.len() - 1
        });
        Ok(u32::try_from(at + 1).unwrap())
    }

    fn lookup(&self, subject: &str, schema: &str) -> Result<u32, ConvertError> {
        let all = self.0.lock().unwrap();
        let at = all.0.iter().position(|s| s == schema);
        at.map(|at| u32::try_from(at + 1).unwrap())
            .ok_or_else(|| ConvertError::new(format!("{subject}: not found")))
    }

    fn latest(&self, subject: &str) -> Result<(u32, String), ConvertError> {
        let all = self.0.lock().unwrap();
        let last = all
            .0
            .last()
            .cloned()
            .ok_or_else(|| ConvertError::new(format!("{subject}: not found")))?;
        Ok((u32::try_from(all.0.len()).unwrap(), last))
    }

    fn schema(&self, id: u32) -> Result<String, ConvertError> {
        let all = self.0.lock().unwrap();
        Ok(all.0[usize::try_from(id).unwrap() - 1].clone())
    }
}

fn options() -> AvroOptions {
    AvroOptions {
        key: false,
        subjects: SubjectNaming::Topic,
        auto_register: true,
        use_latest: false,
    }
}

/// A row of every type, twice in an envelope.
fn event() -> SchemaAndValue {
    let mut status = Schema::new(Kind::String)
        .optional()
        .named("io.debezium.data.Enum", 1)
        .with_parameter("allowed", "a,b");
    status.default_json = Some("\"a\"".into());
    let mut n = Schema::new(Kind::Bytes)
        .named("org.apache.kafka.connect.data.Decimal", 1)
        .with_parameter("scale", "2")
        .with_parameter("connect.decimal.precision", "5");
    n.default_json = Some("\"AJY=\"".into());
    let tags = Kind::Map(
        Schema::new(Kind::String).into(),
        Schema::new(Kind::String).optional().into(),
    );
    let pairs = Kind::Map(Schema::new(Kind::Int16).into(), Schema::new(Kind::Float64).into());
    let list = Kind::Array(Schema::new(Kind::Int64).optional().into());
    let fields = vec![
        ("id", Schema::new(Kind::Int32), Value::Int32(-3)),
        ("small", Schema::new(Kind::Int16).optional(), Value::Int16(-300)),
        ("status", status, Value::Null),
        ("n", n, Value::Decimal(Decimal::from_i128(-1250, 2))),
        (
            "tags",
            Schema::new(tags).optional(),
            Value::Map(vec![(Value::String("k".into()), Value::Null)]),
        ),
        (
            "pairs",
            Schema::new(pairs),
            Value::Map(vec![(Value::Int16(7), Value::Float64(0.5))]),
        ),
        (
            "list",
            Schema::new(list),
            Value::Array(vec![Value::Int64(1 << 40), Value::Null]),
        ),
        ("f", Schema::new(Kind::Float32), Value::Float32(1.5)),
        ("ok", Schema::new(Kind::Boolean), Value::Bool(true)),
        (
            "raw",
            Schema::new(Kind::Bytes).optional(),
            Value::Bytes([0, 255].into()),
        ),
        (
            "day",
            Schema::new(Kind::Int32).named("org.apache.kafka.connect.data.Date", 1),
            Value::Int32(19_724),
        ),
    ];
    let (mut schemas, mut values) = (Vec::new(), Vec::new());
    for (name, schema, value) in fields {
        schemas.push(Field::new(name, schema));
        values.push(value);
    }
    let mut row = Schema::new(Kind::Struct(schemas)).optional();
    row.name = Some("srv.public.t.Value".into());
    let row = Arc::new(row);
    let parts = vec![Field::new("before", Arc::clone(&row)), Field::new("after", row)];
    let envelope = Schema::new(Kind::Struct(parts)).named("srv.public.t.Envelope", 2);
    SchemaAndValue::new(envelope, Value::Struct(vec![Value::Null, Value::Struct(values)]))
}

#[test]
fn schemas_are_confluents() {
    let text = schema::convert(event().schema.as_deref().unwrap()).unwrap().text;
    assert_eq!(
        text,
        concat!(
            r#"{"type":"record","name":"Envelope","namespace":"srv.public.t","fields":["#,
            r#"{"name":"before","type":["null",{"type":"record","name":"Value","fields":["#,
            r#"{"name":"id","type":"int"},"#,
            r#"{"name":"small","type":["null",{"type":"int","connect.type":"int16"}],"default":null},"#,
            r#"{"name":"status","type":[{"type":"string","connect.version":1,"connect.parameters":{"allowed":"a,b"},"connect.default":"a","connect.name":"io.debezium.data.Enum"},"null"],"default":"a"},"#,
            r#"{"name":"n","type":{"type":"bytes","scale":2,"precision":5,"connect.version":1,"connect.parameters":{"scale":"2","connect.decimal.precision":"5"},"connect.default":"\u0000\u0096","connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"},"default":"\u0000\u0096"},"#,
            r#"{"name":"tags","type":["null",{"type":"map","values":["null","string"]}],"default":null},"#,
            r#"{"name":"pairs","type":{"type":"array","items":{"type":"record","name":"MapEntry","namespace":"io.confluent.connect.avro","fields":[{"name":"key","type":{"type":"int","connect.type":"int16"}},{"name":"value","type":"double"}]}}},"#,
            r#"{"name":"list","type":{"type":"array","items":["null","long"]}},"#,
            r#"{"name":"f","type":"float"},{"name":"ok","type":"boolean"},"#,
            r#"{"name":"raw","type":["null","bytes"],"default":null},"#,
            r#"{"name":"day","type":{"type":"int","connect.version":1,"connect.name":"org.apache.kafka.connect.data.Date","logicalType":"date"}}"#,
            r#"],"connect.name":"srv.public.t.Value"}],"default":null},"#,
            r#"{"name":"after","type":["null","Value"],"default":null}"#,
            r#"],"connect.version":2,"connect.name":"srv.public.t.Envelope"}"#
        )
        .replace(r"\u0096", "\u{96}")
    );
}

/// What the real converter (7.0.16) makes of documentation, decimals beyond Avro's range, names used twice and simple types.
#[test]
fn odd_schemas_are_confluents_too() {
    let text = |schema: &Schema| schema::convert(schema).unwrap().text;
    let decimal = |scale: &str| {
        Schema::new(Kind::Bytes)
            .named("org.apache.kafka.connect.data.Decimal", 1)
            .with_parameter("scale", scale)
    };
    let fields = vec![
        Field::new("x", decimal("2").with_doc("a doc").optional()),
        Field::new("y", decimal("-2")),
    ];
    assert_eq!(
        text(&Schema::new(Kind::Struct(fields))),
        r#"{"type":"record","name":"ConnectDefault","namespace":"io.confluent.connect.avro","fields":[{"name":"x","type":["null",{"type":"bytes","scale":2,"precision":64,"connect.doc":"a doc","connect.version":1,"connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}],"default":null},{"name":"y","type":{"type":"bytes","scale":-2,"precision":64,"connect.version":1,"connect.parameters":{"scale":"-2"},"connect.name":"org.apache.kafka.connect.data.Decimal","logicalType":"decimal"}}]}"#
    );
    let point = Schema::new(Kind::Struct(vec![Field::new("x", Schema::new(Kind::Float64))]))
        .named("io.debezium.data.geometry.Point", 1)
        .with_doc("Geometry (POINT)");
    let mut row = Schema::new(Kind::Struct(vec![
        Field::new("p", point.clone().optional()),
        Field::new("q", point),
    ]));
    row.name = Some("srv.t.Value".into());
    assert_eq!(
        text(&row),
        r#"{"type":"record","name":"Value","namespace":"srv.t","fields":[{"name":"p","type":["null",{"type":"record","name":"Point","namespace":"io.debezium.data.geometry","fields":[{"name":"x","type":"double"}],"connect.doc":"Geometry (POINT)","connect.version":1,"connect.name":"io.debezium.data.geometry.Point"}],"default":null},{"name":"q","type":"io.debezium.data.geometry.Point"}],"connect.name":"srv.t.Value"}"#
    );
    assert_eq!(text(&Schema::new(Kind::Int32)), "\"int\"");
    assert_eq!(
        text(&Schema::new(Kind::String).optional()),
        r#"["null","string"]"#
    );
}

#[test]
fn values_read_back_with_their_schema() {
    let registry = Arc::new(Memory::default());
    let mut converter = AvroConverter::new(options(), Arc::clone(&registry) as _);
    let data = event();
    let mut out = Vec::new();
    assert!(converter.write(&CONTEXT, &data, &mut out).unwrap());
    assert!(converter.write(&CONTEXT, &data, &mut out).unwrap());
    assert_eq!(
        registry.0.lock().unwrap().1,
        ["register t-value"],
        "the id is cached"
    );
    let one = out.len() / 2;
    assert_eq!(out[..6], [0, 0, 0, 0, 1, 0]);
    let back = converter.read(&CONTEXT, Some(&out[..one])).unwrap();
    let (Value::Struct(want), Value::Struct(got)) = (data.value, back.value) else {
        panic!()
    };
    let after = |members: &[Value], at| members[1].member(at).clone();
    assert_eq!(
        after(&got, 2),
        Value::String("a".into()),
        "null became the default"
    );
    for at in (0..11).filter(|at| *at != 2) {
        assert_eq!(after(&got, at), after(&want, at), "{at}");
    }
    assert_eq!(
        back.schema.unwrap().name.as_deref(),
        Some("srv.public.t.Envelope")
    );
}

#[test]
fn json_of_the_encoder_becomes_the_same_bytes() {
    let mut converter = AvroConverter::new(options(), Arc::new(Memory::default()));
    let json = JsonOptions {
        schemas: false,
        replace_null_with_default: false,
        ..JsonOptions::default()
    };
    let mut data = event();
    let schema = data.schema.clone().unwrap();
    for text in [
        "plain",
        "",
        "\"quoted\", a\u{1} and \u{1d11e}",
        &"long \n".repeat(99),
    ] {
        if let Value::Struct(parts) = &mut data.value
            && let Some(Value::Struct(row)) = parts.get_mut(1)
        {
            row[2] = Value::String(text.into());
            row[4] = Value::Map(vec![(Value::String(text.into()), Value::String(text.into()))]);
        }
        let mut payload = Vec::new();
        JsonWriter::new(&schema, &json)
            .unwrap()
            .write(&data.value, &mut payload)
            .unwrap();
        let (mut want, mut got) = (Vec::new(), b"before".to_vec());
        converter.write(&CONTEXT, &data, &mut want).unwrap();
        assert!(
            converter
                .transcode(&CONTEXT, &schema, &payload, &mut got)
                .unwrap()
        );
        assert_eq!(got[6..], want, "{text}");
        payload.pop();
        assert!(
            !converter
                .transcode(&CONTEXT, &schema, &payload, &mut got)
                .unwrap()
        );
        assert_eq!(
            got.len(),
            6 + want.len(),
            "nothing is left of what cannot be read"
        );
    }
}

#[test]
fn subjects_follow_the_naming_and_latest_must_be_the_same() {
    let registry = Arc::new(Memory::default());
    let write = |options: AvroOptions, data: &SchemaAndValue| {
        AvroConverter::new(options, Arc::clone(&registry) as _).write(&CONTEXT, data, &mut Vec::new())
    };
    let strict = AvroOptions {
        auto_register: false,
        ..options()
    };
    assert!(
        write(strict.clone(), &event())
            .unwrap_err()
            .to_string()
            .contains("not found")
    );
    write(
        AvroOptions {
            subjects: SubjectNaming::Record,
            ..options()
        },
        &event(),
    )
    .unwrap();
    write(
        AvroOptions {
            subjects: SubjectNaming::TopicRecord,
            ..options()
        },
        &event(),
    )
    .unwrap();
    write(
        AvroOptions {
            key: true,
            ..options()
        },
        &event(),
    )
    .unwrap();
    assert_eq!(
        registry.0.lock().unwrap().1,
        [
            "register srv.public.t.Envelope",
            "register t-srv.public.t.Envelope",
            "register t-key"
        ]
    );
    write(strict, &event()).unwrap();
    let latest = AvroOptions {
        use_latest: true,
        ..options()
    };
    write(latest.clone(), &event()).unwrap();
    let other = SchemaAndValue::string("x");
    assert!(
        write(latest, &other)
            .unwrap_err()
            .to_string()
            .contains("latest schema of subject t-value")
    );
    assert!(
        write(
            AvroOptions {
                subjects: SubjectNaming::Record,
                ..options()
            },
            &other
        )
        .is_err()
    );
}

#[test]
fn nulls_bytes_and_what_is_no_avro() {
    let registry = Arc::new(Memory::default());
    let mut converter = AvroConverter::new(options(), registry);
    let mut out = Vec::new();
    let null = SchemaAndValue::new(Schema::new(Kind::String).optional(), Value::Null);
    assert!(
        !converter.write(&CONTEXT, &null, &mut out).unwrap(),
        "a real tombstone"
    );
    let bytes = SchemaAndValue::new(Schema::new(Kind::Bytes), Value::Bytes([7, 8].into()));
    converter.write(&CONTEXT, &bytes, &mut out).unwrap();
    assert_eq!(out, [0, 0, 0, 0, 1, 7, 8]);
    assert_eq!(converter.read(&CONTEXT, Some(&out)).unwrap(), bytes);
    assert!(
        converter
            .write(&CONTEXT, &SchemaAndValue::schemaless(Value::Bool(true)), &mut out)
            .is_err()
    );
    let dotted = Schema::new(Kind::Struct(vec![Field::new("a.b c", Schema::new(Kind::Int8))]));
    let error = converter.write(
        &CONTEXT,
        &SchemaAndValue::new(dotted, Value::Struct(vec![Value::Int8(1)])),
        &mut out,
    );
    assert!(error.unwrap_err().to_string().contains("a.b c"));
    for broken in [&b""[..], b"{}", b"\x00\x00\x00"] {
        assert!(converter.read(&CONTEXT, Some(broken)).is_err());
    }
}

#[test]
fn foreign_schemas_are_read() {
    let text = r#"{"type":"record","name":"R","fields":[
        {"name":"e","type":{"type":"enum","name":"E","symbols":["X","Y"]}},
        {"name":"d","type":{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":4,"scale":1}},
        {"name":"again","type":["null","E"],"default":null},
        {"name":"u","type":"long","default":5}]}"#;
    let reader = Reader::new(text).unwrap();
    let got = reader.read(&[2, 0, 15, 2, 0, 3]).unwrap();
    let want = [
        Value::String("Y".into()),
        Value::Decimal(Decimal::from_i128(15, 1)),
        Value::String("X".into()),
        Value::Int64(-2),
    ];
    assert_eq!(got.value, Value::Struct(want.into()));
    assert_eq!(
        got.schema
            .unwrap()
            .field("u")
            .unwrap()
            .1
            .schema
            .default_json
            .as_deref(),
        Some("5")
    );
    assert!(reader.read(&[2, 0]).is_err() && reader.read(&[9, 0, 15, 0, 0]).is_err());
    assert!(Reader::new(r#"["int","string"]"#).is_err());
    assert!(
        Reader::new(r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#)
            .is_err()
    );
    let list = Reader::new(r#"{"type":"array","items":"int"}"#).unwrap();
    assert!(
        list.read(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 2]).is_err(),
        "a block longer than the bytes"
    );
}
