//! Rows as Avro without JSON in between, against the way through their JSON.

use proptest::option::of;
use proptest::prelude::*;

use super::*;
use crate::convert::{AvroConverter, AvroOptions, ConvertError, Converter, SchemaRegistry, SubjectNaming};

/// A registry that knows every schema by the same number.
#[derive(Debug)]
struct One;

impl SchemaRegistry for One {
    fn register(&self, _: &str, _: &str) -> Result<u32, ConvertError> {
        Ok(7)
    }

    fn lookup(&self, _: &str, _: &str) -> Result<u32, ConvertError> {
        Ok(7)
    }

    fn latest(&self, _: &str) -> Result<(u32, String), ConvertError> {
        Err(ConvertError::new("not asked"))
    }

    fn schema(&self, _: u32) -> Result<String, ConvertError> {
        Err(ConvertError::new("not asked"))
    }
}

/// An encoder to Avro; keeping originals sends it through JSON.
fn encoder(through_json: bool, change: fn(&mut Format)) -> Encoder {
    let mut format = Format {
        topic_prefix: "srv".into(),
        ..Format::default()
    };
    change(&mut format);
    let converter = |key| -> Option<Box<dyn Converter>> {
        let options = AvroOptions {
            key,
            subjects: SubjectNaming::Topic,
            auto_register: true,
            use_latest: false,
        };
        Some(Box::new(AvroConverter::new(options, Arc::new(One))))
    };
    let reshape = Reshape {
        key: converter(true),
        value: converter(false),
        keep_originals: through_json,
        ..Reshape::default()
    };
    let capture = Arc::new(Capture::new(&Filters::default()).unwrap());
    Encoder::with_reshape(&Arc::new(format), capture, "db", reshape).unwrap()
}

type Bytes = Option<Vec<u8>>;

/// A record's key, value and headers.
#[derive(Debug, PartialEq)]
struct Written(Bytes, Bytes, Vec<(Vec<u8>, Bytes)>);

/// The records of some changes.
fn records(e: &mut Encoder, table: &Table, changes: &[(RowOp<'_>, EventContext)]) -> Vec<Written> {
    let plan = e.plan(table, &catalog()).unwrap().unwrap();
    let mut out = Batch::default();
    for (op, c) in changes {
        e.row(&plan, *op, c, &mut out).unwrap();
    }
    let owned = |b: Option<&[u8]>| b.map(<[u8]>::to_vec);
    let headers = |r: &crate::Record<'_>| r.headers().map(|(n, v)| (n.to_vec(), owned(v))).collect();
    out.records()
        .map(|r| Written(owned(r.key), owned(r.value), headers(&r)))
        .collect()
}

const COLUMNS: [(&str, Oid, i32, &str); 8] = [
    ID,
    ("t", TEXT, -1, ""),
    ("required", TEXT, -1, "!"),
    ("n", INT4, -1, ""),
    ("d", NUMERIC, ((12 << 16) | 2) + 4, ""),
    ("free", NUMERIC, -1, ""),
    ("bytes", BYTEA, -1, ""),
    ("list", INT4S, -1, ""),
];

fn cells() -> impl Strategy<Value = [Option<String>; 8]> {
    let text = || {
        prop_oneof![
            Just("~".to_owned()),
            "[a-z\"\\\\é😀\n]{0,40}",
            Just(String::new())
        ]
    };
    let number = || any::<i32>().prop_map(|n| n.to_string());
    let hundredths = any::<i32>().prop_map(|n| {
        format!(
            "{}{}.{:02}",
            if n < 0 { "-" } else { "" },
            (n / 100).abs(),
            (n % 100).abs()
        )
    });
    let free = prop_oneof![
        Just("NaN".to_owned()),
        number(),
        Just("12345678901234567890.5".to_owned())
    ];
    let bytes = prop_oneof![Just("\\x00ff".to_owned()), Just("~".to_owned())];
    let list = prop_oneof![Just("{}".to_owned()), Just("{1,NULL,-3}".to_owned())];
    let required = prop_oneof![number(), "[a-z]{1,3}"];
    (
        number(),
        of(text()),
        required,
        of(number()),
        of(hundredths),
        of(free),
        of(bytes),
        of(list),
    )
        .prop_map(|(id, t, r, n, d, f, b, l)| [Some(id), t, Some(r), n, d, f, b, l])
}

fn contexts() -> impl Strategy<Value = EventContext> {
    let lsn = prop_oneof![0..300_u64, 1_u64 << 20..1 << 50];
    let snapshot = prop_oneof![
        Just(SnapshotMarker::None),
        Just(SnapshotMarker::True),
        Just(SnapshotMarker::Incremental)
    ];
    (lsn, 0..3_i64, 0..2_u32, snapshot, any::<bool>()).prop_map(|(lsn, at, xid, snapshot, origin)| {
        EventContext {
            lsn: Lsn(lsn),
            xid: (xid > 0).then_some(xid),
            last_commit_lsn: (xid > 0).then_some(Lsn(lsn / 2)),
            commit_us: at,
            now_ns: at,
            snapshot,
            origin: origin.then(|| (Arc::from("o"), Lsn(3))),
            ..EventContext::default()
        }
    })
}

fn op<'a>(kind: u8, old: &'a Row, new: &'a Row) -> RowOp<'a> {
    match kind {
        0 => RowOp::Read(new.view()),
        1 => RowOp::Insert(new.view()),
        2 => RowOp::Update {
            old: None,
            new: new.view(),
        },
        3 => RowOp::Update {
            old: Some(OldRow::Full(old.view())),
            new: new.view(),
        },
        4 => RowOp::Update {
            old: Some(OldRow::Key(old.view())),
            new: new.view(),
        },
        5 => RowOp::Delete(OldRow::Full(old.view())),
        6 => RowOp::Delete(OldRow::Key(old.view())),
        _ => RowOp::Truncate,
    }
}

proptest! {
    #[test]
    fn both_ways_write_the_same(
        rows in proptest::collection::vec((cells(), cells(), any::<bool>(), 0..8_u8, contexts()), 1..6),
    ) {
        let formats: [fn(&mut Format); 4] = [
            |_| (),
            |f| f.position_header = true,
            |f| (f.tombstones_on_delete, f.skipped_operations) = (false, vec![Operation::Update]),
            |f| f.transaction_metadata = true,
        ];
        let rows: Vec<_> = rows
            .iter()
            .map(|(old, new, same_key, kind, c)| {
                let mut new = new.clone();
                if *same_key {
                    new[0].clone_from(&old[0]);
                }
                let view = |cells: &[Option<String>; 8]| row(std::array::from_fn::<_, 8, _>(|i| cells[i].as_deref()));
                (view(old), view(&new), *kind, c.clone())
            })
            .collect();
        let changes: Vec<_> = rows.iter().map(|(old, new, kind, c)| (op(*kind, old, new), c.clone())).collect();
        for key in [&[0][..], &[0, 2], &[]] {
            let table = table("public", "t", &COLUMNS, key);
            for format in formats {
                let direct = records(&mut encoder(false, format), &table, &changes);
                prop_assert_eq!(direct, records(&mut encoder(true, format), &table, &changes));
            }
        }
    }
}

/// The comparison means nothing if both go the same way.
#[test]
fn rows_go_directly() {
    let table = table("public", "t", &COLUMNS, &[0]);
    let mut e = encoder(false, |_| ());
    let mut reshaper = e.take_reshaper().unwrap();
    let plan = e.plan(&table, &catalog()).unwrap().unwrap();
    let (old, new) = (
        row!("1" "a" "b" "2" "3.45" - "\\x00" "{1}"),
        row!("1" "\"" "b" - "-3.40" "7" "~" "{}"),
    );
    let mut out = Batch::default();
    for kind in 0..7 {
        let c = EventContext::default();
        let direct = e
            .row_as_avro(&mut reshaper, &plan, op(kind, old, new), &c, &mut out)
            .unwrap();
        assert!(direct, "operation {kind}");
    }
    assert_eq!(out.len(), 9, "two of them with tombstones");
}
