//! A row of ten columns to a record: what one event costs to encode.
#![allow(clippy::unwrap_used, reason = "a bench stops by panicking")]

use std::sync::Arc;

use cdc_core::Batch;
use cdc_core::envelope::{Encoder, EventContext, Format, OldRow, Reshape, RowOp};
use cdc_core::filter::{Capture, Filters};
use cdc_core::row::{ColumnKind, ColumnRef, RowView};
use cdc_core::schema::{Column, Table, TypeCatalog, TypeInfo, TypeKind};
use cdc_core::transform::{ChainConfig, ExtractNewRecordState, StepConfig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Name, type OID, type name, modifier, value: about 190 bytes a row.
const COLUMNS: [(&str, u32, &str, i32, &str); 10] = [
    ("id", 20, "int8", -1, "1234567"),
    ("customer_id", 23, "int4", -1, "42001"),
    ("status", 25, "text", -1, "shipped"),
    ("amount", 1700, "numeric", ((10 << 16) | 2) + 4, "1234.56"),
    ("paid", 16, "bool", -1, "t"),
    (
        "created_at",
        1184,
        "timestamptz",
        -1,
        "2024-02-29 12:34:56.789123+00",
    ),
    ("due", 1082, "date", -1, "2024-03-31"),
    (
        "reference",
        2950,
        "uuid",
        -1,
        "9f0c7f6e-3d0a-4b43-9a6f-0d7f3b0a1c55",
    ),
    (
        "address",
        1043,
        "varchar",
        204,
        "12 Long Street, Some Town, Somewhere",
    ),
    (
        "note",
        25,
        "text",
        -1,
        "a note with \"quotes\" and an é, as they come",
    ),
];

fn table() -> Table {
    let columns = COLUMNS
        .iter()
        .enumerate()
        .map(|(i, (name, type_oid, _, typmod, _))| Column {
            name: (*name).into(),
            type_oid: *type_oid,
            typmod: *typmod,
            identity: i == 0,
            nullable: i != 0,
            default: None,
            generated: false,
            identity_column: false,
            comment: None,
        });
    let columns = columns.collect();
    Table {
        schema: "public".into(),
        name: "orders".into(),
        columns,
        key: vec![0],
        ..Table::default()
    }
}

fn types() -> TypeCatalog {
    let mut types = TypeCatalog::default();
    for (_, oid, name, _, _) in COLUMNS {
        types.insert(TypeInfo {
            oid,
            schema: "pg_catalog".into(),
            name: name.into(),
            kind: TypeKind::Base,
        });
    }
    types
}

fn row() -> (Vec<u8>, Vec<ColumnRef>) {
    let (mut data, mut columns) = (Vec::new(), Vec::new());
    for (.., value) in COLUMNS {
        let (start, len) = (
            u32::try_from(data.len()).unwrap(),
            u32::try_from(value.len()).unwrap(),
        );
        columns.push(ColumnRef {
            kind: ColumnKind::Text,
            start,
            len,
        });
        data.extend_from_slice(value.as_bytes());
    }
    (data, columns)
}

fn encode(c: &mut Criterion) {
    let capture = Arc::new(Capture::new(&Filters::default()).unwrap());
    let (data, columns) = row();
    let row = RowView::new(&data, &columns);
    let context = EventContext {
        xid: Some(4711),
        commit_us: 1_795_527_662_098_465,
        now_ns: 1_795_527_662_454_910_007,
        ..EventContext::default()
    };
    let mut group = c.benchmark_group("envelope");
    group.throughput(Throughput::Elements(1));
    for (name, schemas) in [("schemas off", false), ("schemas on", true)] {
        let format = Format {
            topic_prefix: "srv".into(),
            key_schemas: schemas,
            value_schemas: schemas,
            ..Format::default()
        };
        let mut encoder = Encoder::new(Arc::new(format), Arc::clone(&capture), "shop").unwrap();
        let plan = encoder.plan(&table(), &types()).unwrap().unwrap();
        let operations = [
            ("insert", RowOp::Insert(row)),
            (
                "full update",
                RowOp::Update {
                    old: Some(OldRow::Full(row)),
                    new: row,
                },
            ),
        ];
        for (operation, op) in operations {
            let mut batch = Batch::with_capacity(1 << 20);
            group.bench_function(format!("{operation}, {name}"), |b| {
                b.iter(|| {
                    if batch.bytes_len() > 1 << 19 {
                        batch.reset(1 << 20);
                    }
                    encoder.row(&plan, op, &context, &mut batch).unwrap();
                });
            });
        }
    }
    group.finish();
}

/// The same row through ExtractNewRecordState: encoded, read, unwrapped, written.
fn unwrap(c: &mut Criterion) {
    let capture = Arc::new(Capture::new(&Filters::default()).unwrap());
    let (data, columns) = row();
    let row = RowView::new(&data, &columns);
    let context = EventContext {
        xid: Some(4711),
        commit_us: 1_795_527_662_098_465,
        now_ns: 1_795_527_662_454_910_007,
        ..EventContext::default()
    };
    let mut group = c.benchmark_group("transforms");
    group.throughput(Throughput::Elements(1));
    for (name, schemas) in [("schemas off", false), ("schemas on", true)] {
        let format = Format {
            topic_prefix: "srv".into(),
            key_schemas: schemas,
            value_schemas: schemas,
            ..Format::default()
        };
        let step = StepConfig {
            extract_new_record_state: Some(ExtractNewRecordState {
                add_fields: vec!["op".into(), "source.ts_ms".into()],
                ..ExtractNewRecordState::default()
            }),
            ..StepConfig::default()
        };
        let chain = ChainConfig {
            transforms: vec![step],
            ..ChainConfig::default()
        };
        let reshape = Reshape {
            chain: chain.build().unwrap(),
            ..Reshape::default()
        };
        let mut encoder =
            Encoder::with_reshape(&Arc::new(format), Arc::clone(&capture), "shop", reshape).unwrap();
        let plan = encoder.plan(&table(), &types()).unwrap().unwrap();
        let mut batch = Batch::with_capacity(1 << 20);
        group.bench_function(format!("extract_new_record_state, {name}"), |b| {
            b.iter(|| {
                if batch.bytes_len() > 1 << 19 {
                    batch.reset(1 << 20);
                }
                encoder
                    .row(&plan, RowOp::Insert(row), &context, &mut batch)
                    .unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode, unwrap);
criterion_main!(benches);
