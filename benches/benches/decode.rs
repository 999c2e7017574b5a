//! Decoding of rows: one message to column references, and a streamed transaction through memory and through its file.
#![allow(missing_docs, reason = "criterion's macros write undocumented items")]

use std::hint::black_box;

use cdc_core::Lsn;
use cdc_core::pgoutput::{Assembler, Framing, Message, OldTuple, Pushed, SpoolOptions, decode};
use cdc_core::row::{ColumnRef, Datum};
use cdc_core::testkit::pgoutput::{TupleBytes, encode};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Ten columns, about 190 bytes: numbers, texts, a time, a NULL.
fn row() -> TupleBytes {
    let text = |s: &'static str| Datum::Text(s.as_bytes());
    TupleBytes::new([
        text("1234567"),
        text("Ada Lovelace"),
        text("ada.lovelace@example.com"),
        text("12 St James's Square, London"),
        text("2026-11-24 18:00:00.123456+00"),
        text("199.90"),
        text("t"),
        Datum::Null,
        text("{\"colour\": \"green\", \"size\": [1, 2, 3]}"),
        text("0b4f5a3e-8d1c-4a57-9a53-6f1f8f3f0a11"),
    ])
}

fn insert(xid: Option<u32>) -> Vec<u8> {
    encode(
        &Message::Insert {
            relation: 16_384,
            new: row().tuple(),
        },
        xid,
    )
}

fn read(message: &Message<'_>, refs: &mut Vec<ColumnRef>) -> usize {
    let (Message::Insert { new, .. } | Message::Update { new, .. }) = message else {
        return 0;
    };
    new.read(refs).map_or(0, |row| row.len())
}

fn rows(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    let (frame, mut refs) = (insert(None), Vec::new());
    group.bench_function("insert of 10 columns", |b| {
        b.iter(|| {
            let Ok((_, message)) = decode(black_box(&frame), Framing::Plain) else {
                return 0;
            };
            read(&message, &mut refs)
        });
    });
    let row = row();
    let old = Some(OldTuple::Full(row.tuple()));
    let frame = encode(
        &Message::Update {
            relation: 16_384,
            old,
            new: row.tuple(),
        },
        None,
    );
    group.bench_function("update of 10 columns with the old row", |b| {
        b.iter(|| {
            let Ok((_, message)) = decode(black_box(&frame), Framing::Plain) else {
                return 0;
            };
            read(&message, &mut refs)
        });
    });
    group.finish();
}

/// A transaction of `n` rows in one chunk, played back; returns the columns read.
fn streamed(n: u64, memory_bytes: u64, frames: &[Vec<u8>; 4], refs: &mut Vec<ColumnRef>) -> Option<usize> {
    let [start, row, stop, commit] = frames;
    let mut assembler = Assembler::new(SpoolOptions {
        memory_bytes,
        directory: None,
    });
    assembler.push(Lsn(1), start).ok()?;
    for i in 0..n {
        assembler.push(Lsn(i), row).ok()?;
    }
    assembler.push(Lsn(1), stop).ok()?;
    let Ok(Pushed::Replay(_)) = assembler.push(Lsn(1), commit) else {
        return None;
    };
    let mut columns = 0;
    while let Some((_, message)) = assembler.next_replayed().ok()? {
        columns += read(&message, refs);
    }
    Some(columns)
}

fn assembly(c: &mut Criterion) {
    const ROWS: u64 = 100_000;
    let frames = [
        encode(&Message::StreamStart { xid: 7, first: true }, None),
        insert(Some(7)),
        encode(&Message::StreamStop, None),
        encode(
            &Message::StreamCommit {
                xid: 7,
                commit_lsn: Lsn(1),
                end_lsn: Lsn(2),
                commit_us: 0,
            },
            None,
        ),
    ];
    let mut group = c.benchmark_group("streamed transaction of 100 000 rows");
    group.throughput(Throughput::Elements(ROWS));
    group.sample_size(20);
    let mut refs = Vec::new();
    for (name, budget) in [("in memory", u64::MAX), ("through a file", 1 << 20)] {
        group.bench_function(name, |b| b.iter(|| streamed(ROWS, budget, &frames, &mut refs)));
    }
    group.finish();
}

criterion_group!(benches, rows, assembly);
criterion_main!(benches);
