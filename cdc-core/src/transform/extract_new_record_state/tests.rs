use super::*;
use crate::transform::fixture::{envelope, json, names, record, row};

#[expect(clippy::needless_pass_by_value, reason = "options are made for one call")]
fn unwrapped(options: ExtractNewRecordState, record: Record) -> Option<Record> {
    options.build().unwrap().apply(record).unwrap()
}

fn mode(mode: DeleteTombstoneHandling) -> ExtractNewRecordState {
    ExtractNewRecordState {
        delete_tombstone_handling_mode: mode,
        ..ExtractNewRecordState::default()
    }
}

#[test]
fn the_row_takes_the_envelope_s_place() {
    let options = ExtractNewRecordState {
        add_fields: vec![
            "op".into(),
            "source.table".into(),
            "transaction.id:tx".into(),
            "nothing".into(),
        ],
        add_headers: vec!["db".into()],
        ..ExtractNewRecordState::default()
    };
    let got = unwrapped(options, envelope("u", None, Some(row(7, Some("x"))))).unwrap();
    let schema = got.value.schema.as_deref().unwrap();
    assert!(!schema.optional && schema.is_named("srv.public.t.Value"));
    assert_eq!(names(schema), ["id", "v", "__op", "__source_table", "__tx"]);
    assert!(schema.field("__op").unwrap().1.schema.optional);
    assert_eq!(
        json(&got),
        r#"{"id":7,"v":"x","__op":"u","__source_table":"t","__tx":null}"#
    );
    assert_eq!(
        got.header("__db").unwrap().data.value,
        Value::String("shop".into())
    );
}

#[test]
fn deletes_and_tombstones_follow_the_mode() {
    use DeleteTombstoneHandling as Mode;
    let delete = || envelope("d", Some(row(1, None)), None);
    let tombstone = || record(SchemaAndValue::null());
    assert!(unwrapped(mode(Mode::Drop), delete()).is_none());
    let kept = unwrapped(mode(Mode::Tombstone), delete()).unwrap();
    assert!(kept.value.value.is_null() && kept.value.schema.as_deref().unwrap().optional);
    let real = unwrapped(mode(Mode::DeleteToTombstone), delete()).unwrap();
    assert_eq!(real.value, SchemaAndValue::null());
    for m in [Mode::Rewrite, Mode::RewriteWithTombstone] {
        let old = unwrapped(mode(m), delete()).unwrap();
        assert_eq!(json(&old), r#"{"id":1,"v":"dflt","__deleted":"true"}"#);
        let new = unwrapped(mode(m), envelope("c", None, Some(row(2, Some("n"))))).unwrap();
        assert_eq!(json(&new), r#"{"id":2,"v":"n","__deleted":"false"}"#);
        assert_eq!(
            unwrapped(mode(m), tombstone()).is_some(),
            m == Mode::RewriteWithTombstone
        );
    }
    assert!(unwrapped(mode(Mode::Tombstone), tombstone()).is_none());
    assert!(
        unwrapped(mode(Mode::Rewrite), envelope("t", None, None)).is_none(),
        "truncates are dropped"
    );
}

#[test]
fn a_column_may_name_the_topic_and_a_header_the_fields_to_drop() {
    let options = ExtractNewRecordState {
        route_by_field: Some("v".into()),
        drop_fields_header_name: Some("gone".into()),
        ..ExtractNewRecordState::default()
    };
    let mut r = envelope("c", None, Some(row(2, Some("other"))));
    let list = Value::Array(vec![Value::String("v".into()), Value::String("id".into())]);
    r.add_header("gone", SchemaAndValue::schemaless(list));
    let got = unwrapped(options.clone(), r.clone()).unwrap();
    assert_eq!(
        (got.topic(), json(&got).as_str()),
        ("other", r#"{"id":2}"#),
        "id is required and stays"
    );
    let options = ExtractNewRecordState {
        drop_fields_keep_schema_compatible: false,
        ..options
    };
    assert_eq!(json(&unwrapped(options.clone(), r).unwrap()), "{}");
    let wrong = ExtractNewRecordState {
        route_by_field: Some("id".into()),
        ..options
    };
    let error = wrong
        .build()
        .unwrap()
        .apply(envelope("c", None, Some(row(2, None))))
        .unwrap_err();
    assert!(error.to_string().contains("id is int32"), "{error}");
}

#[test]
fn envelopes_without_schemas_and_other_records() {
    let text = r#"{"before":{"id":1},"after":null,"source":{"lsn":5,"table":"t"},"op":"d","ts_ms":9}"#;
    let value = crate::convert::read_schemaless(text.as_bytes()).unwrap();
    let options = ExtractNewRecordState {
        add_fields: vec!["lsn".into(), "ts_ms".into()],
        ..mode(DeleteTombstoneHandling::Rewrite)
    };
    let got = unwrapped(options, record(SchemaAndValue::schemaless(value))).unwrap();
    assert_eq!(json(&got), r#"{"id":1,"__deleted":"true","__lsn":5,"__ts_ms":9}"#);
    let other = record(SchemaAndValue::string("x"));
    let got = unwrapped(ExtractNewRecordState::default(), other).unwrap();
    assert_eq!(got.value.value, Value::String("x".into()));
}
