//! What a replay leaves out, and what records say about their transaction.

use serde_json::Value;

use super::*;
use crate::envelope::Format;
use crate::filter::{Capture, Filters};
use crate::pgoutput::SpoolOptions;
use crate::row::Datum;
use crate::schema::{Column, Table, TypeCatalog, TypeInfo, TypeKind};
use crate::testkit::pgoutput::{TupleBytes, encode};

const INT4: Oid = 23;
/// Relations of the test; both have one column, their key.
const TABLES: [(Oid, &str); 2] = [(101, "t"), (102, "u")];

fn table(oid: Oid, name: &str) -> Table {
    let id = Column {
        name: "id".into(),
        type_oid: INT4,
        typmod: -1,
        identity: true,
        nullable: false,
        default: None,
        generated: false,
        identity_column: false,
        comment: None,
    };
    Table {
        oid,
        schema: "public".into(),
        name: name.into(),
        columns: vec![id],
        key: vec![0],
        ..Table::default()
    }
}

/// A translator that begins at `from` and knows the tables.
fn translator(from: Checkpoint) -> Translator {
    let format = Format {
        topic_prefix: "srv".into(),
        skipped_operations: Vec::new(),
        transaction_metadata: true,
        ..Format::default()
    };
    let everything = Capture::new(&Filters::default()).unwrap();
    let encoder = Encoder::new(Arc::new(format), Arc::new(everything), "db").unwrap();
    let spool = SpoolOptions {
        memory_bytes: 1 << 20,
        directory: None,
    };
    let mut types = TypeCatalog::default();
    types.insert(TypeInfo {
        oid: INT4,
        schema: "pg_catalog".into(),
        name: "int4".into(),
        kind: TypeKind::Base,
    });
    let plans = TABLES.map(|(oid, name)| (oid, encoder.plan(&table(oid, name), &types).unwrap()));
    let mut translator = Translator::new(Assembler::new(spool), encoder, from);
    for (oid, plan) in plans {
        translator.define(oid, plan);
    }
    translator
}

/// One message of the log.
type Frame = (Lsn, Vec<u8>);

fn begin(commit: u64, xid: u32) -> Frame {
    let message = Message::Begin {
        final_lsn: Lsn(commit),
        commit_us: 1_700_000_000_000_000,
        xid,
    };
    (Lsn(commit - 50), encode(&message, None))
}

fn commit(commit: u64) -> Frame {
    let message = Message::Commit {
        commit_lsn: Lsn(commit),
        end_lsn: Lsn(commit + 8),
        commit_us: 1_700_000_000_000_000,
    };
    (Lsn(commit + 8), encode(&message, None))
}

fn insert(lsn: u64, relation: Oid, id: u32) -> Frame {
    let id = id.to_string();
    let row = TupleBytes::new([Datum::Text(id.as_bytes())]);
    let message = Message::Insert {
        relation,
        new: row.tuple(),
    };
    (Lsn(lsn), encode(&message, None))
}

fn said(lsn: u64, transactional: bool) -> Frame {
    let message = Message::Message {
        transactional,
        lsn: Lsn(lsn),
        prefix: "p",
        content: b"c",
    };
    (Lsn(lsn), encode(&message, None))
}

fn origin(name: &str, at: u64) -> Frame {
    let message = Message::Origin { lsn: Lsn(at), name };
    (Lsn(0), encode(&message, None))
}

/// `TRUNCATE t, u` as the server sends it: a count, no option, the relations.
fn truncate(lsn: u64) -> Frame {
    let mut bytes = b"T".to_vec();
    bytes.extend(2_u32.to_be_bytes());
    bytes.push(0);
    bytes.extend(TABLES.iter().flat_map(|(oid, _)| oid.to_be_bytes()));
    (Lsn(lsn), bytes)
}

/// Topic, value and position of what one frame gives.
fn push(t: &mut Translator, (lsn, payload): &Frame) -> Vec<(String, Value)> {
    let mut out = Batch::default();
    assert!(matches!(t.push(*lsn, payload, &mut out).unwrap(), Step::Continue));
    let value = |b: Option<&[u8]>| serde_json::from_slice(b.unwrap()).unwrap();
    out.records()
        .map(|r| (r.head.topic.name.clone(), value(r.value)))
        .collect()
}

fn all(t: &mut Translator, frames: &[Frame]) -> Vec<(String, Value)> {
    frames.iter().flat_map(|f| push(t, f)).collect()
}

/// Two transactions that were open at the same time, with rows that share a position in the log, messages of both kinds,
/// a truncate of two tables, and one that holds nothing of ours.
fn log() -> Vec<Frame> {
    let mut frames = vec![begin(1000, 7)];
    // One COPY record holds many rows: one position.
    frames.extend((1..=20).map(|id| insert(900, 101, id)));
    frames.extend([said(910, true), insert(920, 102, 1), commit(1000)]);
    // The LSN of a message is the end of its record, where the next commit record may begin.
    frames.push(said(1100, false));
    frames.extend([begin(1100, 6), insert(905, 101, 21), insert(1050, 101, 22)]);
    frames.extend([truncate(1060), commit(1100), begin(1200, 8), commit(1200)]);
    frames.extend([
        begin(1300, 9),
        insert(1250, 101, 23),
        insert(1250, 101, 24),
        commit(1300),
    ]);
    frames
}

#[test]
fn a_replay_gives_what_was_not_yet_delivered_and_nothing_twice() {
    let frames = log();
    let whole = all(&mut translator(Checkpoint::default()), &frames);
    assert_eq!(whole.len(), 37);
    for cut in 0..=frames.len() {
        let mut first = translator(Checkpoint::default());
        let mut got = all(&mut first, &frames[..cut]);
        let from = first.checkpoint().clone();
        // The server begins again at the first transaction whose end lies beyond the acknowledged position.
        let ends = |(at, payload): &Frame| payload[0] == b'C' && *at <= from.resume_lsn;
        let start = frames.iter().rposition(ends).map_or(0, |i| i + 1);
        let mut second = translator(from);
        let again = all(&mut second, &frames[start..]);
        // A transaction's BEGIN is no row: it may come again when nothing of the transaction was delivered.
        let begun = |(topic, v): &(String, Value)| topic == "srv.transaction" && v["status"] == "BEGIN";
        // So may a message behind the last row that was.
        let told = |(_, v): &(String, Value)| v["op"] == "m";
        for repeats in [begun as fn(&(String, Value)) -> bool, told] {
            if got.last().is_some_and(repeats) && again.first().is_some_and(repeats) {
                got.pop();
            }
        }
        got.extend(again);
        assert_eq!(strip(&got), strip(&whole), "cut after {cut} messages");
        assert_eq!(second.checkpoint().resume_lsn, Lsn(1308));
    }
}

/// Without what depends on where this process began to read.
fn strip(records: &[(String, Value)]) -> Vec<(String, Value)> {
    let mut records = records.to_vec();
    for (_, value) in &mut records {
        if let Some(source) = value.get_mut("source") {
            source["sequence"] = Value::Null;
        }
    }
    records
}

#[test]
fn counters_of_a_transaction_go_on_after_a_restart_within_it() {
    let frames = log();
    let mut first = translator(Checkpoint::default());
    let before = all(&mut first, &frames[..11]);
    assert_eq!(before.last().unwrap().1["transaction"]["total_order"], 10);
    let after = all(&mut translator(first.checkpoint().clone()), &frames[..25]);
    assert_eq!(after[0].1["after"]["id"], 11);
    assert_eq!(after[0].1["transaction"]["total_order"], 11);
    assert_eq!(after[0].1["transaction"]["data_collection_order"], 11);
    let end = after.iter().find(|(_, v)| v["status"] == "END").unwrap();
    assert_eq!(end.1["event_count"], 22);
}

#[test]
fn tables_truncated_together_share_position_and_transaction() {
    let records = all(&mut translator(Checkpoint::default()), &log());
    let truncated: Vec<_> = records.iter().filter(|(_, v)| v["op"] == "t").collect();
    let [(t, first), (u, second)] = truncated.as_slice() else {
        panic!("{truncated:?}")
    };
    assert_eq!((t.as_str(), u.as_str()), ("srv.public.t", "srv.public.u"));
    for member in ["lsn", "txId", "ts_ms", "sequence"] {
        assert_eq!(first["source"][member], second["source"][member], "{member}");
    }
    assert_eq!(first["source"]["lsn"], 1060);
    let order = |v: &Value| v["transaction"]["total_order"].as_u64().unwrap();
    assert_eq!(order(second), order(first) + 1);
}

#[test]
fn an_origin_belongs_to_its_transaction_alone() {
    let frames = [
        begin(100, 1),
        insert(90, 101, 1),
        commit(100),
        begin(200, 2),
        origin("elsewhere", 0xabcd),
        insert(190, 101, 2),
        insert(191, 101, 3),
        commit(200),
        begin(300, 3),
        insert(290, 101, 4),
        commit(300),
        begin(400, 4),
        origin("third", 0),
        insert(390, 101, 5),
        commit(400),
    ];
    let expected = [
        (Value::Null, Value::Null),
        ("elsewhere".into(), 0xabcd.into()),
        ("elsewhere".into(), 0xabcd.into()),
        (Value::Null, Value::Null),
        ("third".into(), 0.into()),
    ];
    let origins = |records: &[(String, Value)]| -> Vec<(Value, Value)> {
        let rows = records.iter().filter(|(_, v)| v["op"] == "c");
        rows.map(|(_, v)| (v["source"]["origin"].clone(), v["source"]["origin_lsn"].clone()))
            .collect()
    };
    let mut whole = translator(Checkpoint::default());
    assert_eq!(origins(&all(&mut whole, &frames)), expected);
    // In the middle of the second transaction the replay begins with its BEGIN, and so with its origin.
    let mut first = translator(Checkpoint::default());
    all(&mut first, &frames[..6]);
    let replayed = all(&mut translator(first.checkpoint().clone()), &frames[3..]);
    assert_eq!(origins(&replayed), expected[2..]);
}

#[test]
fn sequences_rise_and_differ_within_a_transaction() {
    let frames = [
        begin(100, 1),
        insert(90, 101, 1),
        insert(92, 101, 2),
        commit(100),
        begin(200, 2),
        insert(80, 101, 3),
        insert(190, 101, 4),
        commit(200),
    ];
    let records = all(&mut translator(Checkpoint::default()), &frames);
    let rows = records.iter().filter(|(_, v)| v["op"] == "c");
    let sequences: Vec<&str> = rows
        .map(|(_, v)| v["source"]["sequence"].as_str().unwrap())
        .collect();
    assert_eq!(
        sequences,
        [
            r#"[null,"90"]"#,
            r#"[null,"92"]"#,
            r#"["108","80"]"#,
            r#"["108","190"]"#
        ]
    );
}

#[test]
fn messages_stand_in_their_transaction_or_alone() {
    let records = all(&mut translator(Checkpoint::default()), &log());
    let messages: Vec<&Value> = records
        .iter()
        .filter(|(_, v)| v["op"] == "m")
        .map(|(_, v)| v)
        .collect();
    let [inside, alone] = messages.as_slice() else {
        panic!("{messages:?}")
    };
    assert_eq!(inside["source"]["txId"], 7);
    assert_eq!(inside["transaction"]["total_order"], 21);
    assert!(alone["source"]["txId"].is_null() && alone["transaction"].is_null());
    assert_eq!(alone["source"]["lsn"], 1100);
}

#[test]
fn a_message_that_only_one_replay_has_shifts_no_row() {
    let with = log();
    let without: Vec<Frame> = with
        .iter()
        .filter(|(_, payload)| payload[0] != b'M')
        .cloned()
        .collect();
    let rows = |records: Vec<(String, Value)>| -> Vec<Value> {
        let rows = records.into_iter().filter(|(_, v)| v["op"] == "c");
        rows.map(|(_, v)| v["after"]["id"].clone()).collect()
    };
    let whole = rows(all(&mut translator(Checkpoint::default()), &with));
    for (before, after) in [(&with, &without), (&without, &with)] {
        for cut in 1..24 {
            let mut first = translator(Checkpoint::default());
            let mut got = rows(all(&mut first, &before[..cut]));
            got.extend(rows(all(&mut translator(first.checkpoint().clone()), after)));
            assert_eq!(got, whole, "cut after {cut} messages");
        }
    }
}
