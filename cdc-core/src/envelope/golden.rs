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

#[test]
fn snapshot_markers() {
    let mut case = Case::new("snapshot_markers", schemaless, |_| ());
    let [a, b, d] = ["a", "b", "d"].map(|name| case.plan(&table("public", name, &[ID], &[0])));
    for (plan, id) in [(&a, "1"), (&a, "2"), (&a, "3"), (&b, "1"), (&d, "1"), (&d, "2")] {
        case.read(plan, &row([Some(id)]));
    }
    case.done();
}

fn schemaless(f: &mut Format) {
    (f.key_schemas, f.value_schemas) = (false, false);
}

#[test]
fn replica_identity() {
    let mut case = Case::new("replica_identity", |_| (), |_| ());
    let (a, b) = (("a", TEXT, -1, ""), ("b", INT4, -1, ""));
    let d = case.plan(&table("public", "d", &[ID, a, b], &[0]));
    case.insert(&d, row!("2" "b" "2"));
    case.update(&d, row!("1" "c" "1"));
    case.update_key(&d, row!("1" - -), row!("5" "c" "1"));
    case.delete_key(&d, row!("5" - -));

    let f = case.plan(&table("public", "f", &[ID, a, b], &[0]));
    case.insert(&f, row!("2" "b" "2"));
    case.update_full(&f, row!("1" "a" "1"), row!("1" "c" "1"));
    case.update_full(&f, row!("1" "c" "1"), row!("5" "c" "1"));
    case.row(&f, RowOp::Delete(OldRow::Full(row!("5" "c" "1").view())));
    case.update_full(&f, row!("2" "b" "2"), row!("2" "b" -));

    let x = case.plan(&table(
        "public",
        "x",
        &[("id", INT4, -1, "!"), ("k", INT4, -1, "!*"), a],
        &[0],
    ));
    case.insert(&x, row!("2" "20" "b"));
    case.update(&x, row!("1" "10" "c"));
    case.update_key(&x, row!(- "10" -), row!("1" "11" "c"));
    case.update(&x, row!("9" "11" "c"));
    case.delete_key(&x, row!(- "11" -));

    let n = case.plan(&table("public", "n", &[a, b], &[]));
    case.insert(&n, row!("b" "2"));
    let nf = case.plan(&table("public", "nf", &[a, b], &[]));
    case.insert(&nf, row!("b" "2"));
    case.update_full(&nf, row!("a" "1"), row!("a" "3"));
    case.row(&nf, RowOp::Delete(OldRow::Full(row!("a" "3").view())));

    let columns = [("a", INT4, -1, "!*"), ("b", TEXT, -1, "!*"), ("v", TEXT, -1, "")];
    let c = case.plan(&table("public", "c", &columns, &[1, 0]));
    case.insert(&c, row!("2" "k2" "v2"));
    case.update(&c, row!("1" "k" "w"));
    case.update_key(&c, row!("1" "k" -), row!("1" "k3" "w"));
    case.delete_key(&c, row!("1" "k3" -));
    case.done();
}

#[test]
fn naming() {
    let format = |f: &mut Format| {
        f.schema_name_adjustment = NameAdjustment::Avro;
        f.field_name_adjustment = NameAdjustment::Avro;
        f.topic_delimiter = "_".into();
        let key = |table: &str, columns: &[&str]| MessageKey {
            table: table.into(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
        };
        f.message_keys = vec![key("public.keyless", &["a"]), key("(.*).k2", &["code", "id"])];
    };
    let mut case = Case::new("naming", format, |_| ());
    let int = |name| (name, INT4, -1, "");
    let columns = [
        ("Id Col", INT4, -1, "!*"),
        ("naïve", TEXT, -1, ""),
        int("1st"),
        ("a.b", TEXT, -1, ""),
        int("select"),
    ];
    let strange = case.plan(&table("My Schema", "Strange-Table.1", &columns, &[0]));
    let k2 = case.plan(&table(
        "public",
        "k2",
        &[ID, ("code", TEXT, -1, "!"), int("Größe")],
        &[0],
    ));
    let keyless = case.plan(&table("public", "keyless", &[int("a"), ("b", TEXT, -1, "")], &[]));
    case.read(&strange, row!("1" "x" "2" "y" "3"));
    case.read(&k2, row!("1" "c" "3"));
    case.read(&keyless, row!("1" "k"));
    case.update(&strange, row!("1" "x" "5" "y" "3"));
    case.insert(&keyless, row!("2" -));
    case.update(&k2, row!("1" "c" "4"));
    case.delete_key(&k2, row!("1" - -));
    case.done();
}

#[test]
fn filters() {
    let columns = |list: &str| split_list(list);
    let format = |f: &mut Format| {
        f.column_rules = vec![
            ColumnRule::Truncate {
                columns: columns("inv.orders.note"),
                chars: 5,
            },
            ColumnRule::Mask {
                columns: columns("inv.orders.card"),
                chars: 6,
            },
            ColumnRule::PropagateSourceType {
                columns: columns(r"inv\.customers\..*"),
                types: Vec::new(),
            },
            ColumnRule::Hash {
                columns: columns("inv.customers.email"),
                algorithm: "SHA-256".into(),
                salt: "CzQMA0cB5K".into(),
                version: HashVersion::V1,
            },
        ];
    };
    let mut case = Case::new("filters", format, |f| {
        f.schemas.include = columns("inv");
        f.tables.include = columns("inv.orders,inv.cust.*");
        f.columns.exclude = columns(r"inv\.orders\.secret");
    });
    let text = |name| (name, TEXT, -1, "");
    let card = ("card", VARCHAR, 24, "");
    let amount = ("amt", NUMERIC, ((8 << 16) | 2) + 4, "");
    let orders = case.plan(&table(
        "inv",
        "orders",
        &[ID, text("secret"), card, text("note"), amount],
        &[0],
    ));
    let customers = case.plan(&table(
        "inv",
        "customers",
        &[ID, text("email"), text("name")],
        &[0],
    ));
    let other = table("other", "t", &[ID], &[0]);
    assert!(case.encoder.plan(&other, &catalog()).unwrap().is_none());
    case.read(
        &orders,
        row!("1" "s" "4111111111111111" "a long note here" "1.50"),
    );
    case.read(&customers, row!("1" "a@b.c" "Ann"));
    case.insert(&orders, row!("2" "s2" "4222" "short" -));
    case.update(
        &orders,
        row!("1" "changed" "4111111111111111" "a long note here" "1.50"),
    );
    case.update(&orders, row!("1" "changed" - "abcdefgh" "1.50"));
    case.insert(&customers, row!("2" - "Bob"));
    case.delete_key(&customers, row!("1" - -));
    case.done();
}

#[test]
fn logical_messages() {
    let mut case = Case::new("logical_messages", |_| (), |_| ());
    messages(&mut case);
    case.done();
}

#[test]
fn logical_messages_filter() {
    let mut case = Case::new("logical_messages_filter", schemaless, |f| {
        f.message_prefixes.include = split_list("pfx")
    });
    messages(&mut case);
    case.done();
}

fn messages(case: &mut Case) {
    let a = case.plan(&table("public", "a", &[ID], &[0]));
    let message = |case: &mut Case, prefix: &str, content: &[u8], transactional| {
        case.play(|e, c, out| e.message(prefix, content, transactional, c, out).unwrap());
    };
    case.insert(&a, row!("1"));
    message(case, "pfx", b"transactional body", true);
    case.insert(&a, row!("2"));
    message(case, "pfx", b"loose body", false);
    message(case, "other.prefix", b"\x00\xff\x10", false);
    case.insert(&a, row!("3"));
}

#[test]
fn transaction_metadata() {
    let mut case = Case::new("transaction_metadata", |f| f.transaction_metadata = true, |_| ());
    let v = ("v", TEXT, -1, "");
    let a = case.plan(&table("public", "a", &[ID, v], &[0]));
    let b = case.plan(&table("public", "b", &[ID, v], &[0]));
    let c = case.plan(&table("s2", "c", &[ID], &[0]));
    let begin = |case: &mut Case| case.play(|e, c, out| e.begin(c, out).unwrap());
    let commit = |case: &mut Case| case.play(|e, c, out| e.commit(c, out).unwrap());
    case.read(&a, row!("0" "s"));
    begin(&mut case);
    case.insert(&a, row!("1" "x"));
    case.insert(&b, row!("1" "y"));
    case.update(&a, row!("1" "z"));
    case.insert(&c, row!("1"));
    case.delete_key(&b, row!("1" -));
    commit(&mut case);
    for new in [row!("2" "x"), row!("4" "kept")] {
        begin(&mut case);
        case.insert(&a, new);
        commit(&mut case);
    }
    case.done();
}

#[test]
fn skipped_operations() {
    let format = |f: &mut Format| {
        schemaless(f);
        f.skipped_operations = vec![Operation::Update, Operation::Delete];
        f.tombstones_on_delete = false;
    };
    let mut case = Case::new("skipped_operations", format, |_| ());
    let a = case.plan(&table("public", "a", &[ID, ("v", TEXT, -1, "")], &[0]));
    case.read(&a, row!("1" "x"));
    case.insert(&a, row!("2" "y"));
    case.update(&a, row!("1" "z"));
    case.delete_key(&a, row!("1" -));
    case.update_key(&a, row!("2" -), row!("3" "y"));
    case.row(&a, RowOp::Truncate);
    case.done();
}

#[test]
fn truncate() {
    let mut case = Case::new("truncate", |f| f.skipped_operations.clear(), |_| ());
    let a = case.plan(&table("public", "a", &[ID], &[0]));
    let b = case.plan(&table("public", "b", &[ID, ("a", INT4, -1, "")], &[0]));
    case.read(&a, row!("1"));
    case.read(&b, row!("1" "1"));
    case.row(&a, RowOp::Truncate);
    case.row(&b, RowOp::Truncate);
    case.insert(&a, row!("2"));
    case.row(&a, RowOp::Truncate);
    case.row(&b, RowOp::Truncate);
    case.done();
}

#[test]
fn toast() {
    let mut case = Case::new("toast", |_| (), |_| ());
    let column = |name, oid| (name, oid, -1, "");
    let common = [
        column("small", TEXT),
        column("big", TEXT),
        column("bb", BYTEA),
        column("bj", JSONB),
        column("ba", TEXTS),
    ];
    let mut columns = vec![ID];
    columns.extend(common);
    let tf = case.plan(&table("public", "tf", &columns, &[0]));
    columns.extend([column("bi", INT4S), column("bn", NUMERIC)]);
    let td = case.plan(&table("public", "td", &columns, &[0]));
    let (big, bytes) = ("t".repeat(3000), format!("\\x{}", "ab".repeat(3000)));
    let (json, texts) = (
        format!("{{\"k\": \"{}\"}}", "j".repeat(3000)),
        format!("{{{}}}", "a".repeat(3000)),
    );
    let numbers = (1..=1500)
        .map(|n: u32| n.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let numbers = format!("{{{numbers}}}");
    let full = |small| {
        row([
            Some("1"),
            Some(small),
            Some(&big),
            Some(&bytes),
            Some(&json),
            Some(&texts),
        ])
    };
    let all = [
        Some("1"),
        Some("s"),
        Some(&big),
        Some(&bytes),
        Some(&json),
        Some(&texts),
        Some(&numbers),
        Some("1"),
    ];
    case.insert(&td, &row(all));
    case.insert(&tf, &full("s"));
    case.update(&td, row!("1" "u" "~" "~" "~" "~" "~" "1"));
    let sparse = row([Some("1"), Some("u"), Some("~"), Some("~"), Some(&json), Some("~")]);
    case.update_full(&tf, &full("s"), &sparse);
    case.update(&td, row!("1" "u" "now small" "~" "~" "~" "~" "1"));
    case.update_key(
        &td,
        row!("1" - - - - - - -),
        row!("2" "u" "now small" "~" "~" "~" "~" "1"),
    );
    case.delete_key(&td, row!("2" - - - - - - -));
    case.row(&tf, RowOp::Delete(OldRow::Full(full("u").view())));
    case.done();
}

mod without_recording;
