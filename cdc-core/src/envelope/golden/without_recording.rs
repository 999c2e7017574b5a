//! What no recording of the conformance cases shows.

use proptest::prelude::*;

use super::*;

fn encoder(format: impl FnOnce(&mut Format)) -> Encoder {
    let mut f = Format {
        topic_prefix: "srv".into(),
        ..Format::default()
    };
    format(&mut f);
    Encoder::new(
        Arc::new(f),
        Arc::new(Capture::new(&Filters::default()).unwrap()),
        "db",
    )
    .unwrap()
}

/// Operation codes, keys and payloads of the records of one row.
fn records(e: &mut Encoder, table: &Table, op: RowOp<'_>) -> Vec<(Option<String>, Value)> {
    let plan = e.plan(table, &catalog()).unwrap().unwrap();
    let mut out = Batch::default();
    e.row(&plan, op, &EventContext::default(), &mut out).unwrap();
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
    let value = |b: Option<&[u8]>| b.map_or(Value::Null, |b| serde_json::from_slice(b).unwrap());
    out.records().map(|r| (r.key.map(text), value(r.value))).collect()
}

fn full<'a>(old: &'a Row, new: &'a Row) -> RowOp<'a> {
    RowOp::Update {
        old: Some(OldRow::Full(old.view())),
        new: new.view(),
    }
}

fn keyed<'a>(old: &'a Row, new: &'a Row) -> RowOp<'a> {
    RowOp::Update {
        old: Some(OldRow::Key(old.view())),
        new: new.view(),
    }
}

fn blind(new: &Row) -> RowOp<'_> {
    RowOp::Update {
        old: None,
        new: new.view(),
    }
}

const TEXTS: [(&str, Oid, i32, &str); 3] = [ID, ("a", TEXT, -1, ""), ("b", INT4, -1, "")];

#[test]
fn updates_without_change_are_left_out_when_asked() {
    let table = table("public", "f", &TEXTS, &[0]);
    let mut e = encoder(|f| f.skip_messages_without_change = true);
    assert!(records(&mut e, &table, full(row!("1" "x" "1"), row!("1" "x" "1"))).is_empty());
    assert!(
        records(&mut e, &table, full(row!("1" "x" "1"), row!("1" "~" "1"))).is_empty(),
        "not sent is not changed"
    );
    assert_eq!(
        records(&mut e, &table, full(row!("1" "x" "1"), row!("1" "y" "1"))).len(),
        1
    );
    assert_eq!(
        records(&mut e, &table, blind(row!("1" "x" "1"))).len(),
        1,
        "without an old row nothing can be compared"
    );
}

#[test]
fn values_that_were_not_sent_come_from_the_old_row() {
    let table = table("public", "f", &TEXTS, &[0]);
    let mut e = encoder(|_| ());
    let got = records(&mut e, &table, full(row!("1" "big" "1"), row!("1" "~" "2")));
    assert_eq!(got[0].1["after"]["a"], "big");
    let got = records(&mut e, &table, blind(row!("1" "~" "2")));
    assert_eq!(got[0].1["after"]["a"], "__debezium_unavailable_value");
    let out_of_line_key = super::table("public", "k", &[("k", TEXT, -1, "!*"), ("b", INT4, -1, "")], &[0]);
    let got = records(&mut e, &out_of_line_key, keyed(row!("long" -), row!("~" "2")));
    assert_eq!(
        (got.len(), got[0].0.as_deref()),
        (1, Some(r#"{"k":"long"}"#)),
        "the key did not change"
    );
}

#[test]
fn skipping_deletes_leaves_the_create_of_a_changed_key() {
    let table = table("public", "d", &TEXTS, &[0]);
    let moved = |op: Operation| {
        let mut e = encoder(|f| f.skipped_operations = vec![op]);
        let got = records(&mut e, &table, keyed(row!("1" - -), row!("3" "x" "1")));
        got.iter()
            .map(|(_, v)| v["op"].as_str().unwrap_or("tombstone").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(moved(Operation::Delete), ["c"]);
    assert_eq!(moved(Operation::Create), ["d", "tombstone"]);
    assert_eq!(moved(Operation::Truncate), ["d", "tombstone", "c"]);
    assert!(moved(Operation::Update).is_empty());
}

#[test]
fn simple_headers_and_positions() {
    let mut e = encoder(|f| (f.context_headers, f.position_header) = (true, true));
    let plan = e
        .plan(&table("public", "d", &TEXTS, &[0]), &catalog())
        .unwrap()
        .unwrap();
    let (old, new) = (
        row([Some("1"), None, None]),
        row([Some("3"), Some("x"), Some("1")]),
    );
    let position = crate::Position {
        commit_lsn: Lsn(4096),
        seq: 7,
    };
    let mut out = Batch::default();
    e.row(
        &plan,
        keyed(&old, &new),
        &EventContext {
            position,
            ..EventContext::default()
        },
        &mut out,
    )
    .unwrap();
    let headers: Vec<Vec<(String, String)>> = out
        .records()
        .map(|r| {
            let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
            r.headers().map(|(n, v)| (text(n), text(v.unwrap()))).collect()
        })
        .collect();
    let [delete, tombstone, create] = headers.as_slice() else {
        panic!("{headers:?}")
    };
    assert_eq!(delete, tombstone);
    assert_eq!(delete[0], ("__debezium.newkey".into(), r#"{"id":3}"#.into()));
    assert_eq!(
        delete[1],
        ("__debezium.context.connectorLogicalName".into(), "srv".into())
    );
    assert_eq!(delete[5], (POSITION_HEADER.into(), "4096:7:0".into()));
    assert_eq!(create[0], ("__debezium.oldkey".into(), r#"{"id":1}"#.into()));
    assert_eq!(create[5], (POSITION_HEADER.into(), "4096:7:1".into()));
}

#[test]
fn heartbeats_go_to_partition_zero() {
    let mut e = encoder(|f| (f.key_schemas, f.value_schemas) = (true, true));
    let mut out = Batch::default();
    e.heartbeat(
        &EventContext {
            now_ns: 1_795_542_329_343_000_000,
            ..EventContext::default()
        },
        &mut out,
    )
    .unwrap();
    let record = out.records().next().unwrap();
    assert_eq!(
        (record.head.topic.name.as_str(), record.head.partition),
        ("__debezium-heartbeat.srv", Some(0))
    );
    assert_eq!(record.key.unwrap(), br#"{"schema":{"type":"struct","fields":[{"type":"string","optional":false,"field":"serverName"}],"optional":false,"name":"io.debezium.connector.common.ServerNameKey","version":1},"payload":{"serverName":"srv"}}"#);
    assert_eq!(record.value.unwrap(), br#"{"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.Heartbeat","version":1},"payload":{"ts_ms":1795542329343}}"#);
    assert!(!record.has_headers());
}

#[test]
fn tables_that_share_a_topic_keep_their_keys_apart() {
    let regex = TopicRegex {
        regex: "(.*)shard_(.*)".into(),
        replacement: "$1all".into(),
    };
    let mut e = encoder(|f| f.topic_naming = TopicNaming::SchemaRegex(regex));
    let got = records(
        &mut e,
        &table("public", "shard_1", &[ID], &[0]),
        RowOp::Read(row!("1").view()),
    );
    assert_eq!(
        got[0].0.as_deref(),
        Some(r#"{"id":1,"__dbz__physicalTableIdentifier":"srv.public.shard_1"}"#)
    );
    let got = records(
        &mut e,
        &table("public", "shard_1", &[("v", INT4, -1, "")], &[]),
        RowOp::Read(row!("1").view()),
    );
    assert_eq!(
        got[0].0.as_deref(),
        Some(r#"{"__dbz__physicalTableIdentifier":"srv.public.shard_1"}"#)
    );
}

#[test]
fn names_that_collide_after_adjustment_are_refused() {
    let e = encoder(|f| {
        f.field_name_adjustment = NameAdjustment::Avro;
        f.schema_name_adjustment = NameAdjustment::Avro;
    });
    let columns = [("a b", INT4, -1, ""), ("a.b", INT4, -1, "")];
    let fields = e
        .plan(&table("public", "t", &columns, &[]), &catalog())
        .unwrap_err();
    assert!(fields.to_string().contains("field a_b"), "{fields}");
    e.plan(&table("public", "t-1", &[ID], &[0]), &catalog()).unwrap();
    e.plan(&table("public", "t-1", &[ID], &[0]), &catalog())
        .expect("a new plan for the same table");
    let schemas = e.plan(&table("public", "t_1", &[ID], &[0]), &catalog());
    assert!(schemas.unwrap_err().to_string().contains("srv.public.t_1"));
    let cased = [("A", INT4, -1, ""), ("a", INT4, -1, "")];
    assert!(
        e.plan(&table("public", "cased", &cased, &[]), &catalog()).is_ok(),
        "only case differs"
    );
}

#[test]
fn masks_and_digests_follow_debezium() {
    let all = || vec!["public.m.*".to_owned()];
    let columns = [
        ID,
        ("i", INT4, -1, ""),
        ("t", TEXT, -1, "!"),
        ("v3", VARCHAR, 7, ""),
    ];
    let m = table("public", "m", &columns, &[0]);
    let after = |rule: ColumnRule, new: &Row| {
        let mut e = encoder(|f| f.column_rules = vec![rule]);
        records(&mut e, &m, RowOp::Insert(new.view()))[0].1["after"].to_string()
    };
    let hash = || ColumnRule::Hash {
        columns: all(),
        algorithm: "SHA-1".into(),
        salt: "CzQMA0cB5K".into(),
        version: HashVersion::V1,
    };
    let mask = || ColumnRule::Mask {
        columns: all(),
        chars: 3,
    };
    let cut = || ColumnRule::Truncate {
        columns: all(),
        chars: 2,
    };
    assert_eq!(
        after(mask(), row!("1" "5" "hello" -)),
        r#"{"id":1,"i":5,"t":"***","v3":"***"}"#
    );
    assert_eq!(
        after(cut(), row!("1" "5" "hello" "abc")),
        r#"{"id":1,"i":5,"t":"he","v3":"ab"}"#
    );
    assert_eq!(
        after(cut(), row!("1" - "~" -)),
        r#"{"id":1,"i":null,"t":"__","v3":null}"#
    );
    assert_eq!(
        after(hash(), row!("1" "5" "hello" "abc")),
        r#"{"id":1,"i":5,"t":"6abcc90a699effb7bbb4df7d260ded7bce06f1ea","v3":"d73"}"#
    );
    assert_eq!(
        after(hash(), row!("1" - "~" -)),
        r#"{"id":1,"i":null,"t":"e56dc2c9cdb5b4f265622435d0866db23bb72d5d","v3":null}"#,
        "a value that was not sent is hashed as its placeholder"
    );
    let mut e = encoder(|f| f.column_rules = vec![hash()]);
    let got = records(&mut e, &m, RowOp::Delete(OldRow::Key(row!("1" - - -).view())));
    assert_eq!(
        got[0].1["before"]["t"], "2a0fa587cfb47275dcbc4ded2782866c85155069",
        "the filler is hashed"
    );
}

#[test]
fn a_value_that_cannot_be_represented_leaves_no_half_record() {
    let m = table("public", "m", &[ID, ("i", INT4, -1, "")], &[0]);
    let run = |mode, new: &Row| {
        let mut e = encoder(|f| f.on_value_error = mode);
        let plan = e.plan(&m, &catalog()).unwrap().unwrap();
        let mut out = Batch::default();
        let done = e.row(
            &plan,
            RowOp::Insert(new.view()),
            &EventContext::default(),
            &mut out,
        );
        let value = out
            .records()
            .next()
            .map(|r| String::from_utf8(r.value.unwrap().to_vec()).unwrap());
        assert_eq!(out.bytes_len() == 0, value.is_none());
        (done, value, e.value_failures())
    };
    let (done, value, count) = run(OnValueError::Warn, row!("1" "boom"));
    assert!(done.is_ok() && value.unwrap().contains(r#""after":{"id":1,"i":null}"#));
    assert_eq!(count, 1);
    let (done, value, _) = run(OnValueError::Fail, row!("1" "boom"));
    let text = done.unwrap_err().to_string();
    assert!(
        value.is_none() && text.contains("column i of table public.m") && !text.contains("boom"),
        "{text}"
    );
    assert!(
        run(OnValueError::Skip, row!("boom" "1")).0.is_err(),
        "a key is never null"
    );
}

#[test]
fn a_row_that_cannot_be_represented_is_left_out_when_asked() {
    let m = table("public", "m", &[ID, ("i", INT4, -1, "")], &[0]);
    for (mode, stops) in [
        (OnEventError::Fail, true),
        (OnEventError::Warn, false),
        (OnEventError::Skip, false),
    ] {
        let mut e = encoder(|f| f.on_event_error = mode);
        let plan = e.plan(&m, &catalog()).unwrap().unwrap();
        let mut out = Batch::default();
        let mut insert = |row: &Row| {
            e.row(
                &plan,
                RowOp::Insert(row.view()),
                &EventContext::default(),
                &mut out,
            )
        };
        insert(row!("1" "1")).unwrap();
        assert_eq!(insert(row!("boom" "2")).is_err(), stops, "a key is never null");
        insert(row!("3" "3")).unwrap();
        let keys: Vec<_> = out.records().map(|r| r.key.unwrap().to_vec()).collect();
        assert_eq!(keys, [br#"{"id":1}"#, br#"{"id":3}"#]);
    }
}

#[test]
fn each_operation_can_be_skipped() {
    let table = table("public", "s", &TEXTS, &[0]);
    let all = [
        (Operation::Create, "c"),
        (Operation::Update, "u"),
        (Operation::Delete, "d"),
        (Operation::Truncate, "t"),
        (Operation::Read, "r"),
    ];
    // Every set of operations.
    for set in 0_u32..32 {
        let skipped = |i: usize| set & (1 << i) != 0;
        let mut e = encoder(|f| {
            let chosen = all.iter().enumerate().filter(|(i, _)| skipped(*i));
            f.skipped_operations = chosen.map(|(_, (op, _))| *op).collect();
        });
        let (row, old) = (row!("1" "x" "1"), row!("1" - -));
        let ops = [
            RowOp::Insert(row.view()),
            blind(row),
            RowOp::Delete(OldRow::Key(old.view())),
            RowOp::Truncate,
            RowOp::Read(row.view()),
        ];
        for (i, op) in ops.into_iter().enumerate() {
            let letter = all[i].1;
            let got = records(&mut e, &table, op);
            let events: Vec<&str> = got.iter().filter_map(|(_, v)| v["op"].as_str()).collect();
            let want: &[&str] = if skipped(i) { &[] } else { &[letter] };
            assert_eq!(events, want, "{letter} in {set:05b}");
            assert_eq!(got.len(), want.len() * if letter == "d" { 2 } else { 1 });
        }
    }
}

#[test]
fn an_incremental_row_has_no_position() {
    let table = table("public", "i", &TEXTS, &[0]);
    let mut e = encoder(|_| ());
    let plan = e.plan(&table, &catalog()).unwrap().unwrap();
    let context = EventContext {
        lsn: Lsn(77),
        xid: None,
        snapshot: SnapshotMarker::Incremental,
        ..EventContext::default()
    };
    let mut out = Batch::default();
    let row = row!("1" "x" "1");
    e.row(&plan, RowOp::Read(row.view()), &context, &mut out).unwrap();
    let record = out.records().next().unwrap();
    let value: Value = serde_json::from_slice(record.value.unwrap()).unwrap();
    let source = &value["source"];
    assert_eq!(
        (value["op"].as_str(), source["snapshot"].as_str()),
        (Some("r"), Some("incremental"))
    );
    for member in ["lsn", "txId", "xmin"] {
        assert!(source[member].is_null(), "{member}: {source}");
    }
}

/// Texts of any length, many of whose bytes are escaped in some.
fn texts() -> impl Strategy<Value = Vec<Option<String>>> {
    let text = prop_oneof![".*", "[\u{1}\"\\\\ é😀a]{0,40}", "[\u{1}\"a]{2000,3000}"];
    proptest::collection::vec(proptest::option::of(text), 4)
}

proptest! {
    /// Whatever the texts: the value is JSON, its members are in the order of the specification, the texts come back.
    #[test]
    fn values_parse_and_keep_their_order(texts in texts(), schemas: bool, updated: bool) {
        let columns = [ID, ("a", TEXT, -1, ""), ("ü \"b\"", TEXT, -1, ""), ("c", TEXT, -1, ""), ("d", TEXT, -1, "")];
        let texts: Vec<Option<String>> = texts.into_iter().map(|t| t.map(|t| t.replace('~', "-"))).collect();
        let cells = [Some("7"), texts[0].as_deref(), texts[1].as_deref(), texts[2].as_deref(), texts[3].as_deref()];
        let new = row(cells);
        let mut e = encoder(|f| (f.key_schemas, f.value_schemas) = (schemas, schemas));
        let op = if updated { full(&new, &new) } else { RowOp::Insert(new.view()) };
        let got = records(&mut e, &table("s", "t", &columns, &[0]), op);
        let value = if schemas { &got[0].1["payload"] } else { &got[0].1 };
        let members: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        prop_assert_eq!(members, ["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"]);
        let after = value["after"].as_object().unwrap();
        let names: Vec<&str> = after.keys().map(String::as_str).collect();
        prop_assert_eq!(names, ["id", "a", "ü \"b\"", "c", "d"]);
        if updated {
            prop_assert_eq!(&value["before"], &value["after"]);
        }
        for (text, (_, json)) in texts.iter().zip(after.iter().skip(1)) {
            prop_assert_eq!(json.as_str(), text.as_deref());
        }
        if schemas {
            let fields = got[0].1["schema"]["fields"].as_array().unwrap();
            let names: Vec<&str> = fields.iter().map(|f| f["field"].as_str().unwrap()).collect();
            prop_assert_eq!(names, ["before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"]);
        }
    }
}
