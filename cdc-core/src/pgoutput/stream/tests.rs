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

#[test]
fn memory_stays_within_the_budget_and_files_within_what_was_sent() {
    const BUDGET: u64 = 1 << 20;
    let mut a = assembler(BUDGET);
    let mut sent = 0;
    let text = "x".repeat(1000);
    for round in 0..40 {
        for xid in [7, 8, 9] {
            a.push(Lsn(1), &start(xid, round == 0)).unwrap();
            for _ in 0..100 {
                let frame = insert(&text, Some(xid));
                sent += frame.len() as u64;
                a.push(Lsn(1), &frame).unwrap();
                assert!(a.spooled_bytes().0 <= BUDGET);
            }
            a.push(Lsn(1), &stop()).unwrap();
        }
    }
    let (memory, disk) = a.spooled_bytes();
    assert!(
        disk > sent - BUDGET && memory + disk < sent + sent / 20,
        "{memory} {disk} {sent}"
    );
    for xid in [8, 7, 9] {
        a.push(Lsn(1), &stream_commit(xid)).unwrap();
        let mut rows = 0;
        while a.next_replayed().unwrap().is_some() {
            rows += 1;
            assert!(a.spooled_bytes().0 <= BUDGET + 300_000);
        }
        assert_eq!(rows, 4000);
    }
    assert_eq!(a.spooled_bytes(), (0, 0));
}

#[test]
fn a_row_larger_than_block_and_budget_survives() {
    let mut a = assembler(100_000);
    let big = "y".repeat(3 << 20);
    let frames = [
        start(7, true),
        insert("small", Some(7)),
        insert(&big, Some(7)),
        insert("last", Some(7)),
        stop(),
        stream_commit(7),
    ];
    assert_eq!(feed(&mut a, &frames).unwrap(), ["<7", "small", &big, "last", ">"]);
}

#[test]
fn many_scattered_aborts_are_forgotten_by_rewriting() {
    const ROUNDS: u32 = 40_000;
    for budget in [u64::MAX, 1 << 20] {
        let mut a = assembler(budget);
        a.push(Lsn(1), &start(1, true)).unwrap();
        let mut peak = 0;
        for i in 0..ROUNDS {
            // Every other number belongs to another session, so that no two ranges join.
            let sub = 10 + 2 * i;
            a.push(Lsn(1), &insert("dropped", Some(sub))).unwrap();
            a.push(Lsn(1), &stop()).unwrap();
            a.push(Lsn(1), &abort(1, sub)).unwrap();
            a.push(Lsn(1), &start(1, false)).unwrap();
            if i % 1000 == 0 {
                a.push(Lsn(1), &insert("kept", Some(1))).unwrap();
            }
            let (memory, disk) = a.spooled_bytes();
            peak = peak.max(memory + disk);
        }
        let (memory, disk) = a.spooled_bytes();
        assert!((memory + disk) * 2 < peak, "{memory} {disk} {peak}");
        a.push(Lsn(1), &stop()).unwrap();
        a.push(Lsn(1), &stream_commit(1)).unwrap();
        let mut kept = 0;
        while let Some((_, m)) = a.next_replayed().unwrap() {
            assert_eq!(brief(&m), "kept");
            kept += 1;
        }
        assert_eq!(kept, ROUNDS / 1000);
    }
}

#[test]
fn messages_out_of_place_are_errors() {
    let prepared = |tag: u8| {
        let p = crate::pgoutput::Prepared {
            prepare_lsn: Lsn(1),
            end_lsn: Lsn(2),
            prepare_us: 0,
            xid: 3,
            gid: "g",
        };
        encode(
            &if tag == b'P' {
                Message::Prepare(p)
            } else {
                Message::StreamPrepare(p)
            },
            None,
        )
    };
    let row = || insert("x", None);
    let cases: [(&[Vec<u8>], &str); 14] = [
        (&[row()], "insert at byte 0: not expected outside a transaction"),
        (
            &[commit()],
            "commit at byte 0: not expected outside a transaction",
        ),
        (
            &[stop()],
            "stream stop at byte 0: not expected outside a transaction",
        ),
        (
            &[message("m", true, None)],
            "message at byte 0: not expected outside a transaction",
        ),
        (
            &[begin(1), begin(2)],
            "begin at byte 0: not expected inside a transaction",
        ),
        (
            &[begin(1), start(2, true)],
            "stream start at byte 0: not expected inside a transaction",
        ),
        (
            &[begin(1), stream_commit(2)],
            "stream commit at byte 0: not expected inside a transaction",
        ),
        (
            &[start(1, true), begin(2)],
            "begin at byte 0: not expected inside a chunk",
        ),
        (
            &[start(1, true), start(2, true)],
            "stream start at byte 0: not expected inside a chunk",
        ),
        (
            &[start(1, false)],
            "stream start at byte 1: the first chunk of transaction 1 never came",
        ),
        (
            &[stream_commit(1)],
            "stream commit at byte 1: the first chunk of transaction 1 never came",
        ),
        (
            &[start(1, true), stop(), start(1, true)],
            "stream start at byte 0: not expected as the first chunk of a transaction that has chunks already",
        ),
        (
            &[prepared(b'P')],
            "prepare at byte 0: two_phase is not requested, yet the slot has it: use one created without two_phase",
        ),
        (
            &[prepared(b'p')],
            "stream prepare at byte 0: two_phase is not requested, yet the slot has it: use one created without two_phase",
        ),
    ];
    for (frames, want) in cases {
        let e = feed(&mut assembler(0), frames).unwrap_err();
        assert_eq!((e.to_string().as_str(), e.kind()), (want, ErrorKind::Protocol));
    }
}

#[test]
fn a_replay_must_be_finished_first() {
    let mut a = assembler(0);
    feed(&mut a, &[start(7, true), insert("a", Some(7)), stop()]).unwrap();
    a.push(Lsn(1), &stream_commit(7)).unwrap();
    assert!(a.push(Lsn(1), &begin(8)).is_err());
    assert!(a.next_replayed().unwrap().is_some());
    assert!(a.next_replayed().unwrap().is_none());
    assert!(a.push(Lsn(1), &begin(8)).is_ok());
    assert!(a.next_replayed().unwrap().is_none());
}

#[test]
fn a_malformed_change_in_a_chunk_is_found_at_the_latest_when_replayed() {
    let mut a = assembler(0);
    let mut long = insert("a", Some(7));
    long.push(0);
    feed(&mut a, &[start(7, true), long, stop()]).unwrap();
    a.push(Lsn(1), &stream_commit(7)).unwrap();
    let e = a.next_replayed().unwrap_err();
    assert_eq!(
        e.to_string(),
        "insert at byte 18: 1 byte left after the last field"
    );
    let e = feed(&mut assembler(0), &[start(7, true), b"I\0".to_vec()]).unwrap_err();
    assert_eq!(
        e.to_string(),
        "insert at byte 1: transaction id needs 4 bytes, 1 left"
    );
}

#[test]
fn a_spool_directory_that_is_not_there_is_named() {
    let directory = Some("/nonexistent/spool".into());
    let mut a = Assembler::new(SpoolOptions {
        memory_bytes: 0,
        directory,
    });
    let e = feed(&mut a, &[start(7, true), insert("a", Some(7))]).unwrap_err();
    assert_eq!(e.to_string(), "cannot create a spool file in /nonexistent/spool");
}

#[test]
fn options_refuse_unknown_keys() {
    let o: SpoolOptions = serde_json::from_str(r#"{"memory_bytes": 5}"#).unwrap();
    assert_eq!(
        o,
        SpoolOptions {
            memory_bytes: 5,
            directory: None
        }
    );
    assert!(serde_json::from_str::<SpoolOptions>(r#"{"memory": 5}"#).is_err());
}

/// A server in miniature: transactions with savepoints, sent in chunks that interleave.
#[derive(Clone, Debug)]
enum Act {
    Insert { txn: u32, size: usize },
    Savepoint { txn: u32 },
    Release { txn: u32 },
    RollbackTo { txn: u32 },
    End { txn: u32, commit: bool },
}

fn act() -> impl Strategy<Value = Act> {
    let txn = 1..4_u32;
    prop_oneof![
        6 => (txn.clone(), 0..2000_usize).prop_map(|(txn, size)| Act::Insert { txn, size }),
        2 => txn.clone().prop_map(|txn| Act::Savepoint { txn }),
        1 => txn.clone().prop_map(|txn| Act::Release { txn }),
        2 => txn.clone().prop_map(|txn| Act::RollbackTo { txn }),
        1 => (txn, any::<bool>()).prop_map(|(txn, commit)| Act::End { txn, commit }),
    ]
}

#[derive(Default)]
struct Server {
    next_xid: u32,
    /// By client: top-level number, open levels, rows as (number, text).
    open: BTreeMap<u32, Transaction>,
    frames: Vec<Vec<u8>>,
    expected: Vec<String>,
}

struct Transaction {
    xid: u32,
    /// Each open level: its number, and those released into it.
    levels: Vec<Vec<u32>>,
    rows: Vec<(u32, String)>,
}

impl Server {
    fn xid(&mut self) -> u32 {
        self.next_xid += 1;
        self.next_xid
    }

    fn transaction(&mut self, client: u32) -> &mut Transaction {
        if !self.open.contains_key(&client) {
            let xid = self.xid();
            self.frames.extend([start(xid, true), stop()]);
            self.open.insert(
                client,
                Transaction {
                    xid,
                    levels: vec![vec![xid]],
                    rows: Vec::new(),
                },
            );
        }
        self.open.get_mut(&client).unwrap()
    }

    fn act(&mut self, act: &Act) {
        match *act {
            Act::Insert { txn, size } => {
                let number = self.frames.len();
                let t = self.transaction(txn);
                let (top, sub) = (t.xid, t.levels.last().unwrap()[0]);
                let text = format!("{number} {}", "z".repeat(size));
                t.rows.push((sub, text.clone()));
                self.frames
                    .extend([start(top, false), insert(&text, Some(sub)), stop()]);
            }
            Act::Savepoint { txn } => {
                let sub = {
                    self.transaction(txn);
                    self.xid()
                };
                self.transaction(txn).levels.push(vec![sub]);
            }
            Act::Release { txn } => {
                let t = self.transaction(txn);
                if t.levels.len() > 1 {
                    let released = t.levels.pop().unwrap();
                    t.levels.last_mut().unwrap().extend(released);
                }
            }
            Act::RollbackTo { txn } => {
                let t = self.transaction(txn);
                if t.levels.len() > 1 {
                    let top = t.xid;
                    let mut gone = t.levels.pop().unwrap();
                    t.rows.retain(|(sub, _)| !gone.contains(sub));
                    // The server names the children first.
                    gone.rotate_left(1);
                    self.frames.extend(gone.into_iter().map(|sub| abort(top, sub)));
                }
            }
            Act::End { txn, commit } => {
                self.transaction(txn);
                let t = self.open.remove(&txn).unwrap();
                if commit {
                    self.frames.push(stream_commit(t.xid));
                    self.expected.push(format!("<{}", t.xid));
                    self.expected.extend(t.rows.into_iter().map(|(_, text)| text));
                    self.expected.push(">".to_owned());
                } else {
                    self.frames.push(abort(t.xid, t.xid));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn what_comes_out_is_what_was_committed(acts in vec(act(), 0..120), budget in prop_oneof![Just(0), 100..50_000_u64, Just(u64::MAX)]) {
        let mut server = Server::default();
        for a in &acts {
            server.act(a);
        }
        for client in 1..4 {
            server.act(&Act::End { txn: client, commit: client != 2 });
        }
        let mut a = assembler(budget);
        prop_assert_eq!(feed(&mut a, &server.frames).unwrap(), server.expected);
        prop_assert_eq!(a.spooled_bytes(), (0, 0));
    }
}
