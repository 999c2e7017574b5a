mod limits;
mod model;
mod refused;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::pgoutput::{Relation, RelationColumn};
use crate::row::Datum;
use crate::testkit::pgoutput::{TupleBytes, encode};

fn assembler(memory_bytes: u64) -> Assembler {
    Assembler::new(SpoolOptions {
        memory_bytes,
        directory: None,
    })
}

fn insert(text: &str, xid: Option<u32>) -> Vec<u8> {
    let row = TupleBytes::new([Datum::Text(text.as_bytes())]);
    encode(
        &Message::Insert {
            relation: 1,
            new: row.tuple(),
        },
        xid,
    )
}

fn message(prefix: &str, transactional: bool, xid: Option<u32>) -> Vec<u8> {
    encode(
        &Message::Message {
            transactional,
            lsn: Lsn(1),
            prefix,
            content: b"",
        },
        xid,
    )
}

fn relation(name: &str, xid: u32) -> Vec<u8> {
    let columns = vec![RelationColumn {
        name: "c".into(),
        type_oid: 25,
        typmod: -1,
        identity: true,
    }];
    let r = Relation {
        oid: 1,
        schema: "s".into(),
        name: name.into(),
        columns,
        ..Relation::default()
    };
    encode(&Message::Relation(r), Some(xid))
}

fn begin(xid: u32) -> Vec<u8> {
    encode(
        &Message::Begin {
            final_lsn: Lsn(1),
            commit_us: 0,
            xid,
        },
        None,
    )
}

fn commit() -> Vec<u8> {
    encode(
        &Message::Commit {
            commit_lsn: Lsn(1),
            end_lsn: Lsn(2),
            commit_us: 0,
        },
        None,
    )
}

fn start(xid: u32, first: bool) -> Vec<u8> {
    encode(&Message::StreamStart { xid, first }, None)
}

fn stop() -> Vec<u8> {
    encode(&Message::StreamStop, None)
}

fn abort(xid: u32, subxid: u32) -> Vec<u8> {
    encode(
        &Message::StreamAbort {
            xid,
            subxid,
            abort: None,
        },
        None,
    )
}

fn stream_commit(xid: u32) -> Vec<u8> {
    encode(
        &Message::StreamCommit {
            xid,
            commit_lsn: Lsn(50),
            end_lsn: Lsn(60),
            commit_us: 70,
        },
        None,
    )
}

/// A short text for a message: a row's only column, a relation's or prefix's or origin's name.
fn brief(m: &Message<'_>) -> String {
    match m {
        Message::Insert { new, .. } => {
            let mut refs = Vec::new();
            let Datum::Text(text) = new.read(&mut refs).unwrap().get(0) else {
                panic!("no text");
            };
            String::from_utf8(text.to_vec()).unwrap()
        }
        Message::Relation(r) => format!("R {}", r.name),
        Message::Message { prefix, .. } => format!("M {prefix}"),
        Message::Origin { name, .. } => format!("O {name}"),
        other => other.name().to_owned(),
    }
}

/// Pushes with LSNs counted from 100; returns what comes out, replays included.
fn feed(a: &mut Assembler, frames: &[Vec<u8>]) -> Result<Vec<String>, Error> {
    let mut out = Vec::new();
    for (lsn, frame) in (100..).zip(frames) {
        let replay = match a.push(Lsn(lsn), frame)? {
            Pushed::Message(m) => {
                out.push(brief(&m));
                false
            }
            Pushed::Spooled => false,
            Pushed::Replay(c) => {
                out.push(format!("<{}", c.xid));
                true
            }
        };
        if replay {
            while let Some((_, m)) = a.next_replayed()? {
                out.push(brief(&m));
            }
            out.push(">".to_owned());
        }
    }
    Ok(out)
}

/// Budgets under which nothing, something and everything goes to files.
const BUDGETS: [u64; 3] = [u64::MAX, 600, 0];

#[test]
fn ordinary_transactions_pass_through() {
    let mut a = assembler(0);
    let frames = [
        message("now", false, None),
        begin(5),
        insert("a", None),
        message("in", true, None),
        commit(),
    ];
    assert_eq!(
        feed(&mut a, &frames).unwrap(),
        ["M now", "begin", "a", "M in", "commit"]
    );
    assert_eq!(a.spooled_bytes(), (0, 0));
}

#[test]
fn interleaved_transactions_come_whole_and_in_commit_order() {
    for budget in BUDGETS {
        let mut a = assembler(budget);
        let frames = [
            start(7, true),
            relation("t", 7),
            insert("7a", Some(7)),
            stop(),
            start(8, true),
            insert("8a", Some(8)),
            stop(),
            begin(9),
            insert("9", None),
            commit(),
            message("now", false, None),
            start(7, false),
            insert("7b", Some(7)),
            message("m", true, Some(7)),
            stop(),
            start(8, false),
            insert("8b", Some(8)),
            stop(),
            stream_commit(8),
            begin(10),
            insert("10", None),
            commit(),
            stream_commit(7),
        ];
        let want = [
            "begin", "9", "commit", "M now", "<8", "8a", "8b", ">", "begin", "10", "commit", "<7", "R t",
            "7a", "7b", "M m", ">",
        ];
        assert_eq!(feed(&mut a, &frames).unwrap(), want, "budget {budget}");
        assert_eq!((a.spooled_bytes(), a.streamed_transactions()), ((0, 0), 0));
    }
}

#[test]
fn abort_of_subtransaction_drops_only_its_changes() {
    for budget in BUDGETS {
        let mut a = assembler(budget);
        let frames = [
            start(7, true),
            relation("t", 7),
            insert("kept", Some(7)),
            message("kept", true, Some(7)),
            relation("altered", 8),
            insert("dropped", Some(8)),
            message("dropped", true, Some(7)),
            stop(),
            start(7, false),
            insert("nested", Some(9)),
            stop(),
            abort(7, 9),
            abort(7, 8),
            start(7, false),
            message("after", true, Some(7)),
            relation("again", 10),
            insert("sub", Some(10)),
            stop(),
            stream_commit(7),
        ];
        let want = ["<7", "R t", "kept", "M kept", "M after", "R again", "sub", ">"];
        assert_eq!(feed(&mut a, &frames).unwrap(), want, "budget {budget}");
    }
}

#[test]
fn abort_of_the_whole_transaction_gives_everything_back() {
    for budget in BUDGETS {
        let mut a = assembler(budget);
        let frames = [
            start(7, true),
            insert("7", Some(7)),
            stop(),
            start(8, true),
            insert("8", Some(8)),
            stop(),
            abort(7, 7),
        ];
        assert!(feed(&mut a, &frames).unwrap().is_empty());
        assert_eq!(a.streamed_transactions(), 1);
        assert_eq!(feed(&mut a, &[stream_commit(8)]).unwrap(), ["<8", "8", ">"]);
        assert_eq!(a.spooled_bytes(), (0, 0));
        // The number is free again, and an abort of what is not held changes nothing.
        assert!(
            feed(&mut a, &[abort(7, 7), abort(7, 9), start(7, true), stop()])
                .unwrap()
                .is_empty()
        );
    }
}

#[test]
fn the_lsn_of_each_frame_and_the_commit_come_back() {
    for budget in BUDGETS {
        let mut a = assembler(budget);
        feed(
            &mut a,
            &[start(7, true), insert("a", Some(7)), insert("b", Some(7)), stop()],
        )
        .unwrap();
        let frame = stream_commit(7);
        let Pushed::Replay(c) = a.push(Lsn(200), &frame).unwrap() else {
            panic!("no replay");
        };
        let want = StreamedCommit {
            xid: 7,
            commit_lsn: Lsn(50),
            end_lsn: Lsn(60),
            commit_us: 70,
        };
        assert_eq!(c, want);
        let mut lsns = Vec::new();
        while let Some((lsn, _)) = a.next_replayed().unwrap() {
            lsns.push(lsn.0);
        }
        assert_eq!(lsns, [101, 102]);
    }
}

#[test]
fn origin_in_the_first_chunk_is_replayed() {
    let mut a = assembler(0);
    let origin = encode(
        &Message::Origin {
            lsn: Lsn(0),
            name: "up",
        },
        Some(7),
    );
    let frames = [
        start(7, true),
        origin,
        insert("a", Some(7)),
        stop(),
        stream_commit(7),
    ];
    assert_eq!(feed(&mut a, &frames).unwrap(), ["<7", "O up", "a", ">"]);
}
