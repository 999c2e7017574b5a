use super::*;
use crate::transform::fixture::{json, payload, record, structure};

/// An event of an outbox table.
fn event(op: &str, route: &str, text: Option<&str>) -> Record {
    let string = || Schema::new(Kind::String);
    let row = structure(
        "srv.public.outbox.Value",
        vec![
            ("id", string(), Value::String("e-1".into())),
            ("aggregatetype", string(), Value::String(route.into())),
            ("aggregateid", string(), Value::String("k".into())),
            ("type", string(), Value::String("created".into())),
            (
                "payload",
                string().optional(),
                text.map_or(Value::Null, |t| Value::String(t.into())),
            ),
            ("tenant", string().optional(), Value::String("acme".into())),
            ("part", Schema::new(Kind::Int32).optional(), Value::Int32(4)),
            (
                "at",
                Schema::new(Kind::Int64).named("io.debezium.time.MicroTimestamp", 1),
                Value::Int64(5_000_001),
            ),
        ],
    );
    let schema = Arc::unwrap_or_clone(row.schema.unwrap()).optional();
    let fields = vec![
        ("before", schema.clone(), Value::Null),
        ("after", schema, row.value),
        ("op", string(), Value::String(op.into())),
        ("ts_ms", Schema::new(Kind::Int64), Value::Int64(77)),
    ];
    record(structure("srv.public.outbox.Envelope", fields))
}

fn router(change: impl FnOnce(&mut EventRouter)) -> Box<dyn Transform> {
    let mut options = EventRouter::default();
    change(&mut options);
    options.build().unwrap()
}

#[test]
fn the_payload_goes_where_the_row_says() {
    let got = router(|_| {})
        .apply(event("c", "order", Some("{}")))
        .unwrap()
        .unwrap();
    assert_eq!(got.topic(), "outbox.event.order");
    assert_eq!((payload(&got.key), json(&got)), ("\"k\"".into(), "\"{}\"".into()));
    assert_eq!(got.header("id").unwrap().data.value, Value::String("e-1".into()));
    assert_eq!((got.head.timestamp_ms, got.head.partition), (Some(77), None));
}

#[test]
fn further_columns_are_placed_and_the_first_route_names_the_schema() {
    let mut router = router(|o| {
        let places = ["type:header:eventType", "tenant:envelope", "part:partition"];
        o.table_fields_additional_placement = places.map(str::to_owned).into();
        o.table_field_event_timestamp = Some("at".into());
    });
    let got = router.apply(event("c", "order", Some("x"))).unwrap().unwrap();
    assert_eq!(json(&got), r#"{"payload":"x","tenant":"acme"}"#);
    assert_eq!(
        got.header("eventType").unwrap().data.value,
        Value::String("created".into())
    );
    assert_eq!((got.head.timestamp_ms, got.head.partition), (Some(5000), Some(4)));
    let second = router.apply(event("r", "customer", None)).unwrap().unwrap();
    assert_eq!(second.topic(), "outbox.event.customer");
    assert_eq!(
        second.value.schema.unwrap().name.as_deref(),
        Some("srv.public.outbox.order.Value")
    );
}

#[test]
fn only_inserts_are_routed() {
    let mut plain = router(|_| {});
    assert!(plain.apply(event("d", "x", None)).unwrap().is_none());
    assert!(plain.apply(event("u", "x", None)).unwrap().is_none());
    assert!(plain.apply(record(SchemaAndValue::null())).unwrap().is_none());
    assert!(
        plain
            .apply(record(SchemaAndValue::string("x")))
            .unwrap()
            .is_some()
    );
    let mut fatal = router(|o| o.table_op_invalid_behavior = InvalidOperation::Fatal);
    assert!(fatal.apply(event("u", "x", None)).is_err());
    let mut missing = router(|o| o.table_field_event_payload = "nothing".into());
    assert!(
        missing
            .apply(event("c", "x", None))
            .unwrap_err()
            .to_string()
            .contains("nothing")
    );
}

#[test]
fn empty_payloads_and_json() {
    let null = router(|_| {}).apply(event("c", "x", None)).unwrap().unwrap();
    assert!(null.value.value.is_null() && null.value.schema.is_some());
    let tombstone = router(|o| o.route_tombstone_on_empty_payload = true).apply(event("c", "x", Some(" ")));
    assert_eq!(tombstone.unwrap().unwrap().value, SchemaAndValue::null());
    let mut expand = router(|o| o.table_expand_json_payload = true);
    let one = expand
        .apply(event("c", "x", Some(r#"{"a":1}"#)))
        .unwrap()
        .unwrap();
    let two = expand
        .apply(event("c", "x", Some(r#"{"a":2}"#)))
        .unwrap()
        .unwrap();
    assert_eq!(json(&one), r#"{"a":1}"#);
    assert!(Arc::ptr_eq(
        &one.value.schema.unwrap(),
        &two.value.schema.unwrap()
    ));
    let text = expand.apply(event("c", "x", Some("no json"))).unwrap().unwrap();
    assert_eq!(json(&text), "\"no json\"");
    assert!(Placement::parse("a").is_err() && Placement::parse("a:x").is_err());
}

#[test]
fn a_version_stands_for_the_schema_of_its_first_message() {
    let mut router = router(|o| {
        o.table_fields_additional_placement = vec!["tenant:envelope".into()];
        o.table_field_event_schema_version = Some("part".into());
        o.table_expand_json_payload = true;
    });
    let mut expand = |text| router.apply(event("c", "x", text));
    let first = expand(Some(r#"{"a":1}"#)).unwrap().unwrap();
    assert_eq!(json(&first), r#"{"payload":{"a":1},"tenant":"acme"}"#);
    // Of the same types, but not of the same names.
    assert!(expand(Some(r#"{"b":1}"#)).is_err());
    assert!(expand(Some("text")).is_err());
    let null = expand(None).unwrap().unwrap();
    assert_eq!(json(&null), r#"{"payload":null,"tenant":"acme"}"#);
}
