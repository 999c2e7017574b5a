//! Decoding rows allocates nothing. In a binary of its own, as it replaces the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use cdc_core::Lsn;
use cdc_core::pgoutput::{Assembler, Message, Pushed, SpoolOptions};
use cdc_core::row::Datum;
use cdc_core::testkit::pgoutput::{TupleBytes, encode};

/// The system's allocator, with a count of calls on each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // Fails only while the thread ends.
    let _ = COUNT.try_with(|c| c.set(c.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(ptr, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROWS: u64 = 100_000;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

fn frames(xid: Option<u32>) -> [Vec<u8>; 3] {
    let row = TupleBytes::new([
        Datum::Text(b"42"),
        Datum::Null,
        Datum::Text(b"some text"),
        Datum::Unchanged,
    ]);
    let (relation, tuple) = (1, row.tuple());
    let old = cdc_core::pgoutput::OldTuple::Full(tuple);
    [
        encode(&Message::Insert { relation, new: tuple }, xid),
        encode(
            &Message::Update {
                relation,
                old: Some(old),
                new: tuple,
            },
            xid,
        ),
        encode(&Message::Delete { relation, old }, xid),
    ]
}

fn begin() -> Vec<u8> {
    encode(
        &Message::Begin {
            final_lsn: Lsn(1),
            commit_us: 0,
            xid: 1,
        },
        None,
    )
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1);
}

#[test]
fn decoding_rows_allocates_nothing() {
    let mut assembler = Assembler::new(SpoolOptions::default());
    assembler.push(Lsn(1), &begin()).unwrap();
    let frames = frames(None);
    let mut refs = Vec::with_capacity(4);
    let mut bytes = 0;
    let count = allocations(|| {
        for i in 0..ROWS {
            for frame in &frames {
                let Ok(Pushed::Message(message)) = assembler.push(Lsn(i), frame) else {
                    panic!("no message");
                };
                let tuple = match message {
                    Message::Insert { new, .. } | Message::Update { new, .. } => new,
                    Message::Delete { old, .. } => old.tuple(),
                    _ => panic!("no row"),
                };
                let row = tuple.read(&mut refs).unwrap();
                if let Datum::Text(text) = row.get(2) {
                    bytes += text.len();
                }
            }
        }
    });
    assert_eq!((count, bytes), (0, usize::try_from(3 * 9 * ROWS).unwrap()));
}

#[test]
fn spooling_and_replaying_allocates_by_block_and_not_by_row() {
    for memory_bytes in [1 << 20, u64::MAX] {
        let options = SpoolOptions {
            memory_bytes,
            directory: None,
        };
        let mut assembler = Assembler::new(options);
        let frames = frames(Some(7));
        let edges = [
            encode(&Message::StreamStart { xid: 7, first: true }, None),
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
        let mut rows = 0;
        let count = allocations(|| {
            assembler.push(Lsn(1), &edges[0]).unwrap();
            for i in 0..ROWS {
                for frame in &frames {
                    assembler.push(Lsn(i), frame).unwrap();
                }
            }
            assembler.push(Lsn(1), &edges[1]).unwrap();
            assembler.push(Lsn(1), &edges[2]).unwrap();
            while assembler.next_replayed().unwrap().is_some() {
                rows += 1;
            }
        });
        assert_eq!(rows, 3 * ROWS);
        assert!(count < rows / 100, "{count} allocations for {rows} rows");
    }
}
