use std::sync::{Arc, Mutex};

use super::*;
use crate::connect::{Field, Schema};
use crate::convert::{AvroOptions, SchemaRegistry, SubjectNaming};
use crate::record::Header;

/// A registry that gives each schema the next id, from 7 on.
#[derive(Debug, Default)]
struct Memory(Mutex<Vec<(String, String)>>);

impl SchemaRegistry for Memory {
    fn register(&self, subject: &str, schema: &str) -> Result<u32, ConvertError> {
        let mut all = self.0.lock().unwrap();
        all.push((subject.to_owned(), schema.to_owned()));
        Ok(u32::try_from(all.len() + 6).unwrap())
    }

    fn lookup(&self, subject: &str, _: &str) -> Result<u32, ConvertError> {
        Err(ConvertError::new(subject))
    }

    fn latest(&self, subject: &str) -> Result<(u32, String), ConvertError> {
        Err(ConvertError::new(subject))
    }

    fn schema(&self, id: u32) -> Result<String, ConvertError> {
        Ok(self.0.lock().unwrap()[usize::try_from(id).unwrap() - 7].1.clone())
    }
}

fn field(name: &str, kind: Kind) -> Field {
    Field::new(name, Schema::new(kind).optional())
}

fn source() -> (Arc<Schema>, Value) {
    let mut snapshot = Schema::new(Kind::String).optional();
    snapshot.default_json = Some("\"false\"".into());
    let schema = Schema::new(Kind::Struct(vec![
        field("connector", Kind::String),
        field("name", Kind::String),
        field("ts_ms", Kind::Int64),
        Field::new("snapshot", snapshot),
        field("db", Kind::String),
        field("sequence", Kind::String),
        field("txId", Kind::Int64),
        field("lsn", Kind::Int64),
    ]));
    let text = |s: &str| Value::String(s.into());
    let members = vec![
        text("postgresql"),
        text("srv"),
        Value::Int64(1_700_000_000_005),
        Value::Null,
        text("my-db"),
        text("[null,\"9\"]"),
        Value::Null,
        Value::Int64(9),
    ];
    (Arc::new(schema), Value::Struct(members))
}

fn event() -> SchemaAndValue {
    let row = Arc::new(Schema {
        name: Some("srv.public.t.Value".into()),
        ..Schema::new(Kind::Struct(vec![field("id", Kind::Int32)])).optional()
    });
    let (source_schema, source) = source();
    let schema = Schema {
        name: Some("srv.public.t.Envelope".into()),
        ..Schema::new(Kind::Struct(vec![
            Field::new("before", Arc::clone(&row)),
            Field::new("after", row),
            Field::new("source", source_schema),
            field("op", Kind::String),
        ]))
    };
    let members = vec![
        Value::Null,
        Value::Struct(vec![Value::Int32(1)]),
        source,
        Value::String("c".into()),
    ];
    SchemaAndValue::new(schema, Value::Struct(members))
}

fn context(headers: &[Header]) -> Context<'_> {
    Context { topic: "t", headers }
}

fn json(schemas: bool) -> JsonOptions {
    JsonOptions {
        schemas,
        ..JsonOptions::default()
    }
}

fn avro() -> (AvroData, Arc<Memory>) {
    let registry = Arc::new(Memory::default());
    let options = AvroOptions {
        key: false,
        subjects: SubjectNaming::Topic,
        auto_register: true,
        use_latest: false,
    };
    let data = AvroData {
        converter: AvroConverter::new(options, Arc::clone(&registry) as Arc<dyn SchemaRegistry>),
        registry: "http://r:8081,http://s:8081".into(),
    };
    (data, registry)
}

fn bare() -> CloudEventsOptions {
    CloudEventsOptions {
        extension_attributes: false,
        ..CloudEventsOptions::default()
    }
}

fn written(converter: &mut CloudEventsConverter, headers: &[Header], data: &SchemaAndValue) -> String {
    let mut out = Vec::new();
    assert!(converter.write(&context(headers), data, &mut out).unwrap());
    String::from_utf8(out).unwrap()
}

fn failure(converter: &mut CloudEventsConverter, headers: &[Header], data: &SchemaAndValue) -> String {
    let failed = converter.write(&context(headers), data, &mut Vec::new());
    failed.unwrap_err().to_string()
}

const ATTRIBUTES: &str = r#"{"id":"name:srv;lsn:9;txId:null;sequence:[null,\"9\"]","source":"/debezium/postgresql/srv","specversion":"1.0","type":"io.debezium.connector.postgresql.DataChangeEvent","time":"2023-11-14T22:13:20.005Z""#;

#[test]
fn the_data_are_the_last_member_of_the_attributes() {
    let mut converter = CloudEventsConverter::new(bare(), CloudEventsForm::Json(json(false)));
    let text = written(&mut converter, &[], &event());
    let want = r#","datacontenttype":"application/json","data":{"before":null,"after":{"id":1}}}"#;
    assert_eq!(text, format!("{ATTRIBUTES}{want}"));
}

#[test]
fn extensions_are_texts_and_a_null_with_a_default_is_the_default() {
    let options = CloudEventsOptions::default();
    let mut converter = CloudEventsConverter::new(options, CloudEventsForm::Json(json(false)));
    let text = written(&mut converter, &[], &event());
    let want = r#","iodebeziumop":"c","iodebeziumconnector":"postgresql","iodebeziumname":"srv","iodebeziumtsms":"1700000000005","iodebeziumsnapshot":"false","iodebeziumdb":"my-db","iodebeziumsequence":"[null,\"9\"]","iodebeziumtxId":null,"iodebeziumlsn":"9","iodebeziumtxid":null,"iodebeziumtxtotalorder":null,"iodebeziumtxdatacollectionorder":null,"data":"#;
    assert!(text.contains(want), "{text}");
}

#[test]
fn what_is_no_event_becomes_null() {
    let mut converter = CloudEventsConverter::new(bare(), CloudEventsForm::Json(json(true)));
    let other = SchemaAndValue::new(Schema::new(Kind::Struct(vec![])), Value::Struct(vec![]));
    let tombstone = SchemaAndValue {
        value: Value::Null,
        ..event()
    };
    for data in [
        SchemaAndValue::null(),
        SchemaAndValue::string("x"),
        other,
        tombstone,
    ] {
        assert!(!converter.write(&context(&[]), &data, &mut Vec::new()).unwrap());
    }
}

#[test]
fn metadata_come_from_headers() {
    let options = CloudEventsOptions {
        tracing_attributes: true,
        metadata: MetadataOptions {
            source: MetadataSource::Header,
            data_schema_name: HeaderOr::Header,
            ..MetadataOptions::default()
        },
        ..bare()
    };
    let mut converter = CloudEventsConverter::new(options, CloudEventsForm::Json(json(true)));
    let row = SchemaAndValue::new(
        Schema::new(Kind::Struct(vec![field("id", Kind::Int32)])),
        Value::Struct(vec![Value::Int32(1)]),
    );
    let header = |name: &str, data| Header {
        name: name.into(),
        data,
    };
    let text = |name: &str| header(name, SchemaAndValue::string(&format!("a {name}")));
    let (schema, value) = source();
    let mut headers = vec![header("source", SchemaAndValue::new(schema, value))];
    let null = converter.write(&context(&headers), &row, &mut Vec::new());
    assert!(!null.unwrap(), "without op it is no event");
    headers.push(text("op"));
    assert!(failure(&mut converter, &headers, &row).contains("header id"));
    headers.extend(["id", "type", "dataSchemaName"].map(text));
    assert!(failure(&mut converter, &headers, &row).contains("header traceparent"));
    headers.push(text("traceparent"));
    assert_eq!(
        written(&mut converter, &headers, &row),
        r#"{"id":"a id","source":"/debezium/postgresql/srv","specversion":"1.0","type":"a type","time":"2023-11-14T22:13:20.005Z","datacontenttype":"application/json","traceparent":"a traceparent","data":{"schema":{"type":"struct","fields":[{"type":"int32","optional":true,"field":"id"}],"optional":false,"name":"a dataSchemaName"},"payload":{"id":1}}}"#
    );
    headers.push(header("dataSchemaName", SchemaAndValue::string("other")));
    assert!(
        written(&mut converter, &headers, &row).contains(r#""name":"other""#),
        "the last header counts"
    );
    assert!(failure(&mut converter, &headers, &SchemaAndValue::string("x")).contains("type is string"));
}

#[test]
fn avro_data_have_a_subject_and_an_address_of_their_own() {
    let (data, registry) = avro();
    let mut converter =
        CloudEventsConverter::new(bare(), CloudEventsForm::JsonWithAvroData(json(true), data));
    let text = written(&mut converter, &[], &event());
    let want = r#","datacontenttype":"application/avro","dataschema":"http://r:8081,http://s:8081/schemas/ids/7","data":"AAAAAAcAAgIC"}"#;
    assert_eq!(text, format!("{ATTRIBUTES}{want}"));
    assert_eq!(registry.0.lock().unwrap()[0].0, "t-value");

    let (data, registry) = avro();
    let mut converter = CloudEventsConverter::new(bare(), CloudEventsForm::Avro(data));
    let mut out = Vec::new();
    assert!(converter.write(&context(&[]), &event(), &mut out).unwrap());
    assert_eq!(out[..5], [0, 0, 0, 0, 8]);
    let known = registry.0.lock().unwrap().clone();
    let subjects: Vec<&str> = known.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["t-data-value", "t-value"]);
    assert!(
        known[1]
            .1
            .contains(r#""connect.name":"srv.my_db.CloudEvents.Envelope""#),
        "{}",
        known[1].1
    );
}

#[test]
fn every_form_is_read_back() {
    let (in_json, _) = avro();
    let (in_avro, _) = avro();
    let forms = [
        CloudEventsForm::Json(json(true)),
        CloudEventsForm::Json(json(false)),
        CloudEventsForm::JsonWithAvroData(json(true), in_json),
        CloudEventsForm::Avro(in_avro),
    ];
    for form in forms {
        let mut converter = CloudEventsConverter::new(CloudEventsOptions::default(), form);
        let mut out = Vec::new();
        converter.write(&context(&[]), &event(), &mut out).unwrap();
        let read = converter.read(&context(&[]), Some(&out)).unwrap();
        let mut plain = Vec::new();
        JsonConverter::new(json(false))
            .write(&context(&[]), &read, &mut plain)
            .unwrap();
        let plain = String::from_utf8(plain).unwrap();
        assert!(
            plain.ends_with(r#""data":{"before":null,"after":{"id":1}}}"#),
            "{plain}"
        );
        assert!(converter.read(&context(&[]), None).unwrap().value.is_null());
        assert!(converter.read(&context(&[]), Some(b"{\"id\":\"1\"}")).is_err());
    }
}

#[test]
fn a_given_name_of_the_schema_stands_for_all_databases() {
    let (data, registry) = avro();
    let options = CloudEventsOptions {
        schema_name: Some("my.Event".into()),
        ..CloudEventsOptions::default()
    };
    let mut converter = CloudEventsConverter::new(options, CloudEventsForm::Avro(data));
    converter.write(&context(&[]), &event(), &mut Vec::new()).unwrap();
    let known = registry.0.lock().unwrap();
    assert!(
        known[1]
            .1
            .starts_with(r#"{"type":"record","name":"Event","namespace":"my","#)
    );
}
