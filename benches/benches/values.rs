//! Cost of one row's values: ten columns of the usual types, without schema and envelope.
#![allow(clippy::unwrap_used, missing_docs, reason = "a bench fails by panicking")]

use cdc_core::row::Datum;
use cdc_core::schema::{Column, TypeCatalog};
use cdc_core::types::{ColumnWriter, ValueOptions};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// Type, modifier and text of each column.
const ROW: [(&str, u32, i32, &[u8]); 10] = [
    ("int8", 20, -1, b"9223372036854775"),
    ("int4", 23, -1, b"123456"),
    ("int2", 21, -1, b"7"),
    ("bool", 16, -1, b"t"),
    ("text", 25, -1, b"a customer's name"),
    ("varchar", 1043, 44, b"somebody@example.org"),
    ("numeric_12_2", 1700, (12 << 16 | 2) + 4, b"12345.67"),
    ("timestamp", 1114, -1, b"2024-02-29 12:34:56.789123"),
    ("uuid", 2950, -1, b"2c5ea4c0-4067-11e9-8bad-9b1deb4d3b7d"),
    ("date", 1082, -1, b"2024-02-29"),
];

/// Types that cost more, each by itself.
const SINGLE: [(&str, u32, i32, &[u8]); 9] = [
    ("timestamptz", 1184, -1, b"2024-02-29 12:34:56.789123+00"),
    ("float8", 701, -1, b"12345.678"),
    ("numeric", 1700, -1, b"12345.6700"),
    ("numeric_38", 1700, (38 << 16 | 10) + 4, b"1234567890123456789012345678.0123456789"),
    ("interval", 1186, -1, b"1 year 2 mons 3 days 04:05:06.789"),
    ("jsonb", 3802, -1, br#"{"a": 1, "b": "text", "c": [1, 2, 3]}"#),
    ("int4_array", 1007, -1, b"{1,2,3,4,5,6,7,8,9,10}"),
    ("bytea_64", 17, -1, br"\x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
    ("inet", 869, -1, b"192.168.1.5/24"),
];

fn writer(name: &str, type_oid: u32, typmod: i32) -> ColumnWriter {
    let column = Column {
        name: name.to_owned(),
        type_oid,
        typmod,
        identity: false,
        nullable: true,
        default: None,
        generated: false,
        identity_column: false,
        comment: None,
    };
    ColumnWriter::compile(&column, &TypeCatalog::default(), &ValueOptions::default())
        .unwrap()
        .unwrap()
}

fn values(c: &mut Criterion) {
    let row: Vec<_> = ROW
        .iter()
        .map(|(name, oid, typmod, text)| (writer(name, *oid, *typmod), *text))
        .collect();
    let mut out = Vec::with_capacity(1024);
    let mut group = c.benchmark_group("values");
    group.throughput(Throughput::Elements(1));
    group.bench_function("row_of_ten", |b| {
        b.iter(|| {
            out.clear();
            for (writer, text) in &row {
                writer.write(Datum::Text(black_box(*text)), &mut out).unwrap();
            }
            black_box(&out);
        });
    });
    for (name, oid, typmod, text) in ROW.iter().chain(&SINGLE) {
        let writer = writer(name, *oid, *typmod);
        group.bench_function(*name, |b| {
            b.iter(|| {
                out.clear();
                writer.write(Datum::Text(black_box(*text)), &mut out).unwrap();
                black_box(&out);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, values);
criterion_main!(benches);
