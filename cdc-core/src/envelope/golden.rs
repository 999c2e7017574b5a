//! The encoder against recordings of the real Debezium: the same bytes, but for the clock and the run's id.
//!
//! Each operation takes its positions and times from the record that it should make.

use std::sync::Arc;

use serde_json::Value;

use super::*;
use crate::filter::{Capture, Filters, split_list};
use crate::row::{ColumnKind, ColumnRef, RowView};
use crate::schema::{Column, Oid, ReplicaIdentity, Table, TypeCatalog, TypeInfo, TypeKind};
use crate::{Batch, Lsn};

const INT4: Oid = 23;
const TEXT: Oid = 25;
const VARCHAR: Oid = 1043;
const NUMERIC: Oid = 1700;
const BYTEA: Oid = 17;
const JSONB: Oid = 3802;
const INT4S: Oid = 1007;
const TEXTS: Oid = 1009;

/// What one record should be.
struct Expected {
    topic: String,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, String)>,
}

struct Case {
    expected: std::vec::IntoIter<Expected>,
    encoder: Encoder,
}

fn text(v: &Value) -> Option<String> {
    v.as_str().map(str::to_owned)
}

impl Case {
    fn new(name: &str, format: impl FnOnce(&mut Format), filters: impl FnOnce(&mut Filters)) -> Self {
        let path = format!(
            "{}/../conformance/cases/{name}/expected.ndjson",
            env!("CARGO_MANIFEST_DIR")
        );
        let lines = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let expected: Vec<Expected> = lines
            .lines()
            .map(|line| {
                let v: Value = serde_json::from_str(line).unwrap();
                let headers = v["headers"].as_array().unwrap().iter();
                Expected {
                    topic: text(&v["topic"]).unwrap(),
                    key: text(&v["key"]),
                    value: text(&v["value"]),
                    headers: headers
                        .map(|h| (text(&h["key"]).unwrap(), text(&h["value"]).unwrap()))
                        .collect(),
                }
            })
            .collect();
        let mut f = Format {
            topic_prefix: "srv".into(),
            key_schemas: true,
            value_schemas: true,
            header_format: HeaderFormat::Json,
            context_headers: true,
            ..Format::default()
        };
        format(&mut f);
        let mut wanted = Filters::default();
        filters(&mut wanted);
        let capture = Capture::new(&wanted).unwrap();
        let encoder = Encoder::new(Arc::new(f), Arc::new(capture), &format!("case_{name}")).unwrap();
        Self {
            expected: expected.into_iter(),
            encoder,
        }
    }

    fn plan(&self, table: &Table) -> Arc<RelationPlan> {
        self.encoder.plan(table, &catalog()).unwrap().expect("captured")
    }

    /// The context that the next expected record shows.
    fn context(&self) -> EventContext {
        let Some(value) = self.expected.as_slice().first().and_then(|e| e.value.as_deref()) else {
            return EventContext::default();
        };
        let value: Value = serde_json::from_str(value).unwrap();
        let value = value.get("payload").unwrap_or(&value);
        let source = &value["source"];
        if source.is_null() {
            let (xid, lsn) = value["id"].as_str().unwrap().split_once(':').unwrap();
            return EventContext {
                xid: xid.parse().ok(),
                lsn: Lsn(lsn.parse().unwrap()),
                commit_us: value["ts_ms"].as_i64().unwrap() * 1000,
                ..EventContext::default()
            };
        }
        let sequence: Vec<Option<String>> =
            serde_json::from_str(source["sequence"].as_str().unwrap()).unwrap();
        let now = value["ts_ns"]
            .as_i64()
            .unwrap_or_else(|| value["ts_ms"].as_i64().unwrap() * 1_000_000);
        EventContext {
            lsn: Lsn(source["lsn"].as_u64().unwrap()),
            last_commit_lsn: sequence[0].as_ref().map(|n| Lsn(n.parse().unwrap())),
            xid: source["txId"].as_u64().map(|n| u32::try_from(n).unwrap()),
            commit_us: source["ts_us"].as_i64().unwrap(),
            now_ns: now,
            snapshot: marker(source["snapshot"].as_str().unwrap()),
            ..EventContext::default()
        }
    }

    fn play(&mut self, f: impl FnOnce(&mut Encoder, &EventContext, &mut Batch)) {
        let mut batch = Batch::default();
        let c = self.context();
        f(&mut self.encoder, &c, &mut batch);
        for record in batch.records() {
            let want = self.expected.next().expect("more records than recorded");
            let bytes = |b: Option<&[u8]>| b.map(|b| String::from_utf8(b.to_vec()).unwrap());
            assert_eq!(record.head.topic.name, want.topic);
            assert_eq!(bytes(record.key), want.key);
            assert_eq!(bytes(record.value).map(masked), want.value.map(masked));
            let headers = record
                .headers()
                .map(|(n, v)| (bytes(Some(n)).unwrap(), bytes(v).unwrap()));
            let known = |(n, _): &(String, String)| n != "__debezium.context.runId";
            let (got, want): (Vec<_>, Vec<_>) = (
                headers.filter(known).collect(),
                want.headers.into_iter().filter(known).collect(),
            );
            assert_eq!(got, want);
        }
    }

    fn row(&mut self, plan: &RelationPlan, op: RowOp<'_>) {
        self.play(|e, c, out| e.row(plan, op, c, out).unwrap());
    }

    fn insert(&mut self, plan: &RelationPlan, new: &Row) {
        self.row(plan, RowOp::Insert(new.view()));
    }

    fn read(&mut self, plan: &RelationPlan, new: &Row) {
        self.row(plan, RowOp::Read(new.view()));
    }

    fn update(&mut self, plan: &RelationPlan, new: &Row) {
        self.row(
            plan,
            RowOp::Update {
                old: None,
                new: new.view(),
            },
        );
    }

    fn update_key(&mut self, plan: &RelationPlan, old: &Row, new: &Row) {
        self.row(
            plan,
            RowOp::Update {
                old: Some(OldRow::Key(old.view())),
                new: new.view(),
            },
        );
    }

    fn update_full(&mut self, plan: &RelationPlan, old: &Row, new: &Row) {
        self.row(
            plan,
            RowOp::Update {
                old: Some(OldRow::Full(old.view())),
                new: new.view(),
            },
        );
    }

    fn delete_key(&mut self, plan: &RelationPlan, old: &Row) {
        self.row(plan, RowOp::Delete(OldRow::Key(old.view())));
    }

    fn done(&self) {
        assert_eq!(self.expected.len(), 0, "records that were not made");
    }
}

/// The clock after `op` differs between the records of one operation.
fn masked(value: String) -> String {
    match value.find(",\"op\":\"") {
        Some(at) => {
            let (head, tail) = value.split_at(at);
            let digits = regex::Regex::new(r#"("ts_..":)\d+"#).unwrap();
            format!("{head}{}", digits.replace_all(tail, "${1}0"))
        }
        None => value,
    }
}

fn marker(name: &str) -> SnapshotMarker {
    use SnapshotMarker as M;
    let all = [
        M::None,
        M::First,
        M::FirstInDataCollection,
        M::True,
        M::LastInDataCollection,
        M::Last,
        M::Incremental,
    ];
    all.into_iter().find(|m| m.as_str() == name).unwrap()
}

fn catalog() -> TypeCatalog {
    let mut types = TypeCatalog::default();
    let mut add = |oid, name: &str, kind| {
        types.insert(TypeInfo {
            oid,
            schema: "pg_catalog".into(),
            name: name.into(),
            kind,
        });
    };
    for (oid, name) in [
        (BYTEA, "bytea"),
        (INT4, "int4"),
        (TEXT, "text"),
        (VARCHAR, "varchar"),
        (NUMERIC, "numeric"),
        (JSONB, "jsonb"),
    ] {
        add(oid, name, TypeKind::Base);
    }
    for (oid, name, element) in [(INT4S, "_int4", INT4), (TEXTS, "_text", TEXT)] {
        add(
            oid,
            name,
            TypeKind::Array {
                element,
                delimiter: b',',
            },
        );
    }
    types
}

/// A table whose columns are `name type`, `!` for NOT NULL and `*` for the replica identity.
fn table(schema: &str, name: &str, columns: &[(&str, Oid, i32, &str)], key: &[usize]) -> Table {
    let columns = columns.iter().map(|(name, type_oid, typmod, flags)| Column {
        name: (*name).into(),
        type_oid: *type_oid,
        typmod: *typmod,
        identity: flags.contains('*'),
        nullable: !flags.contains('!'),
        default: None,
        generated: false,
        identity_column: false,
        comment: None,
    });
    Table {
        oid: 1,
        schema: schema.into(),
        name: name.into(),
        replica_identity: ReplicaIdentity::Default,
        columns: columns.collect(),
        key: key.into(),
    }
}

/// A row that owns its bytes.
struct Row {
    data: Vec<u8>,
    columns: Vec<ColumnRef>,
}

impl Row {
    fn view(&self) -> RowView<'_> {
        RowView::new(&self.data, &self.columns)
    }
}

/// A row; `~` stands for a value that was not sent.
fn row<const N: usize>(values: [Option<&str>; N]) -> Row {
    let mut row = Row {
        data: Vec::new(),
        columns: Vec::new(),
    };
    for value in values {
        let start = u32::try_from(row.data.len()).unwrap();
        let (kind, bytes) = match value {
            None => (ColumnKind::Null, ""),
            Some("~") => (ColumnKind::Unchanged, ""),
            Some(text) => (ColumnKind::Text, text),
        };
        row.data.extend_from_slice(bytes.as_bytes());
        row.columns.push(ColumnRef {
            kind,
            start,
            len: u32::try_from(bytes.len()).unwrap(),
        });
    }
    row
}

macro_rules! row {
    (@ -) => { None };
    (@ $v:literal) => { Some($v) };
    ($($v:tt)*) => { &row([$(row!(@ $v)),*]) };
}

const ID: (&str, Oid, i32, &str) = ("id", INT4, -1, "!*");

// After the macro that they use.
mod avro;
mod cases;
mod without_recording;
