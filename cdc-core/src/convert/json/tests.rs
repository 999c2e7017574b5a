use super::*;
use crate::connect::{Field, Kind};
use crate::record::Decimal;

const CONTEXT: Context<'_> = Context {
    topic: "t",
    headers: &[],
};

fn row() -> Arc<Schema> {
    let mut n = Schema::new(Kind::Bytes)
        .optional()
        .named(DECIMAL, 1)
        .with_parameter("scale", "2");
    n.default_json = Some("\"AJY=\"".into());
    let tags = Kind::Map(
        Schema::new(Kind::String).into(),
        Schema::new(Kind::Int32).optional().into(),
    );
    let pairs = Kind::Map(Schema::new(Kind::Int16).into(), Schema::new(Kind::Float64).into());
    let fields = vec![
        Field::new("id", Schema::new(Kind::Int32)),
        Field::new("n", n),
        Field::new(
            "a\"b",
            Schema::new(Kind::Array(Schema::new(Kind::String).optional().into())).optional(),
        ),
        Field::new("tags", Schema::new(tags).optional()),
        Field::new("pairs", Schema::new(pairs).optional()),
        Field::new("f", Schema::new(Kind::Float32).optional()),
        Field::new("raw", Schema::new(Kind::Bytes).optional()),
        Field::new("ok", Schema::new(Kind::Boolean).optional()),
    ];
    Arc::new(Schema::new(Kind::Struct(fields)).named("srv.t.Value", 1))
}

const PAYLOAD: &str = r#"{"id":1,"n":"AJY=","a\"b":["x\n\uD83D\uDE00",null],"tags":{"k":null,"l":-7},"pairs":[[3,1.5],[4,1.0E10]],"f":0.1,"raw":"AQI=","ok":true}"#;

fn write(options: JsonOptions, data: &SchemaAndValue) -> Result<String, ConvertError> {
    let mut out = Vec::new();
    assert!(JsonConverter::new(options).write(&CONTEXT, data, &mut out)?);
    Ok(String::from_utf8(out).unwrap())
}

fn plain() -> JsonOptions {
    JsonOptions {
        schemas: false,
        ..JsonOptions::default()
    }
}

#[test]
fn payloads_read_and_write_back() {
    let schema = row();
    let value = JsonReader::new(&schema, Nulls::Keep)
        .unwrap()
        .read(PAYLOAD.as_bytes())
        .unwrap();
    assert_eq!(value.member(1), &Value::Decimal(Decimal::from_i128(150, 2)));
    assert_eq!(value.member(5), &Value::Float32(0.1));
    let data = SchemaAndValue::new(Arc::clone(&schema), value);
    assert_eq!(write(plain(), &data).unwrap(), PAYLOAD);
    let text = write(JsonOptions::default(), &data).unwrap();
    let back = JsonConverter::new(JsonOptions::default())
        .read(&CONTEXT, Some(text.as_bytes()))
        .unwrap();
    assert_eq!(back, data);
}

#[test]
fn members_may_come_in_any_order_or_not_at_all() {
    let reader = JsonReader::new(&row(), Nulls::Default).unwrap();
    let text = r#" { "raw" : null , "id" : 5, "unknown": [{"x":[1,"}"]}], "n":null} "#;
    let Value::Struct(members) = reader.read(text.as_bytes()).unwrap() else {
        panic!()
    };
    assert_eq!(members.first(), Some(&Value::Int32(5)));
    assert_eq!(
        members.get(1),
        Some(&Value::Decimal(Decimal::from_i128(150, 2))),
        "the default"
    );
    assert!(members.iter().skip(2).all(Value::is_null) && members.len() == 8);
    assert!(
        reader
            .read(br#"{"n":null}"#)
            .unwrap_err()
            .to_string()
            .contains("member id")
    );
}

#[test]
fn null_becomes_the_default_unless_that_is_off() {
    let schema = row();
    let value = JsonReader::new(&schema, Nulls::Keep)
        .unwrap()
        .read(br#"{"id":1}"#)
        .unwrap();
    let data = SchemaAndValue::new(schema, value);
    assert!(write(plain(), &data).unwrap().contains(r#""n":"AJY=","#));
    let off = JsonOptions {
        replace_null_with_default: false,
        ..plain()
    };
    assert!(write(off, &data).unwrap().contains(r#""n":null,"#));
    let numeric = JsonOptions {
        decimal_format: DecimalFormat::Numeric,
        ..JsonOptions::default()
    };
    let text = write(numeric, &data).unwrap();
    assert!(
        text.contains(r#""default":1.50,"field":"n"}"#) && text.contains(r#""n":1.50,"#),
        "{text}"
    );
}

#[test]
fn what_is_null_and_what_is_a_tombstone() {
    let mut out = Vec::new();
    let mut converter = JsonConverter::new(plain());
    assert!(
        !converter
            .write(&CONTEXT, &SchemaAndValue::null(), &mut out)
            .unwrap()
    );
    let null = SchemaAndValue::new(Schema::new(Kind::String).optional(), Value::Null);
    assert!(converter.write(&CONTEXT, &null, &mut out).unwrap());
    assert_eq!(out, b"null");
    assert_eq!(
        write(JsonOptions::default(), &null).unwrap(),
        r#"{"schema":{"type":"string","optional":true},"payload":null}"#
    );
    let required = SchemaAndValue::new(Schema::new(Kind::String), Value::Null);
    assert!(write(plain(), &required).is_err());
    let wrong = SchemaAndValue::new(row(), Value::Int8(1));
    assert_eq!(
        write(plain(), &wrong).unwrap_err().to_string(),
        "an int8 where the schema has a struct"
    );
}

#[test]
fn json_without_schemas_keeps_order_and_digits() {
    let text = r#"{"b":1,"a":[1.5,"x",null,true,{}],"big":12345678901234567890123}"#;
    let data = JsonConverter::new(plain())
        .read(&CONTEXT, Some(text.as_bytes()))
        .unwrap();
    assert_eq!(data.schema, None);
    assert_eq!(write(plain(), &data).unwrap(), text);
    assert_eq!(
        write(JsonOptions::default(), &data).unwrap(),
        format!(r#"{{"schema":null,"payload":{text}}}"#)
    );
}

#[test]
fn broken_texts_are_refused() {
    let mut schemas = JsonConverter::new(JsonOptions::default());
    let deep = "[".repeat(100_000);
    for text in [
        "",
        "{",
        "[1,]",
        "{\"a\"}",
        "\"\\",
        "\"\\u12\"",
        "01x",
        "nul",
        "{}",
        "1 2",
        &deep,
    ] {
        assert!(
            read_schemaless(text.as_bytes()).is_err() || text == "{}",
            "{text}"
        );
        assert!(schemas.read(&CONTEXT, Some(text.as_bytes())).is_err(), "{text}");
    }
    let extra = br#"{"schema":null,"payload":1,"x":2}"#;
    assert!(schemas.read(&CONTEXT, Some(extra)).is_err());
    let odd = br#"{"schema":{"type":"struct","optional":false},"payload":{}}"#;
    assert!(schemas.read(&CONTEXT, Some(odd)).is_err());
}
