//! A snapshot beside a stream, with the reader played by the test.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::engine::incremental::{
    Chunk, ChunkOutcome, ChunkReply, ChunkRequest, ServerSnapshot, SignalOptions, Watch, Watermarks,
    window_tests,
};
use crate::engine::status::{IncrementalStatus, Status};
use crate::engine::translate::{Step, Translator};
use crate::incremental::KeyValues;
use crate::pgoutput::{Assembler, Message, OldTuple, SpoolOptions};
use crate::row::Datum;
use crate::schema::{Oid, Table};
use crate::telemetry::Meters;
use crate::testkit::pgoutput::{TupleBytes, encode};
use crate::{Batch, Checkpoint, Error, Lsn, Position};

const T: Oid = 7;
const SIG: Oid = 8;

/// A stream and the ends of the reader's channels.
struct Bed {
    translator: Translator,
    requests: mpsc::UnboundedReceiver<ChunkRequest>,
    replies: mpsc::Sender<ChunkReply>,
    status: Arc<Status>,
    lsn: u64,
    out: Batch,
}

fn sig() -> Table {
    let column = |n| window_tests::column(n, false);
    Table {
        oid: SIG,
        schema: "public".into(),
        name: "sig".into(),
        columns: vec![column("id"), column("type"), column("data")],
        key: vec![0],
        ..Table::default()
    }
}

impl Bed {
    fn new(from: Checkpoint, watermarks: Watermarks) -> Self {
        let (ask, requests) = mpsc::unbounded_channel();
        let (replies, answers) = mpsc::channel(2);
        let options = SignalOptions {
            watermarks,
            ..SignalOptions::new("public", "sig")
        };
        let status = Arc::new(Status::default());
        let watch = Watch::new(
            options,
            from.incremental.clone(),
            ask,
            answers,
            None,
            Arc::clone(&status),
            Meters::new("s"),
        );
        let spool = SpoolOptions {
            memory_bytes: 1 << 20,
            directory: None,
        };
        let encoder = window_tests::encoder();
        let mut translator = Translator::new(Assembler::new(spool), encoder.clone(), from)
            .watching(watch)
            .unwrap();
        for table in [sig(), window_tests::table()] {
            let plan = encoder.plan(&table, &window_tests::types()).unwrap();
            translator.define(table.oid, plan);
            translator.describe(&table).unwrap();
        }
        Self {
            translator,
            requests,
            replies,
            status,
            lsn: 1000,
            out: Batch::default(),
        }
    }

    fn push(&mut self, message: &Message<'_>) -> Step {
        let bytes = encode(message, None);
        let step = self
            .translator
            .push(Lsn(self.lsn), &bytes, &mut self.out)
            .unwrap();
        while self.translator.is_replaying() {
            // A small limit: the rows come one at a time.
            let limit = self.out.bytes_len() + 1;
            self.translator.replay(&mut self.out, limit).unwrap();
        }
        step
    }

    /// A transaction of its own around a message; its commit.
    fn transaction(&mut self, xid: u32, message: &Message<'_>) -> (Lsn, Step) {
        self.lsn += 100;
        let commit = Lsn(self.lsn + 50);
        self.push(&Message::Begin {
            final_lsn: commit,
            commit_us: 1,
            xid,
        });
        let step = self.push(message);
        self.push(&Message::Commit {
            commit_lsn: commit,
            end_lsn: Lsn(commit.0 + 8),
            commit_us: 1,
        });
        (commit, step)
    }

    fn insert(&mut self, relation: Oid, values: &[&str]) -> (Lsn, Step) {
        let row = TupleBytes::new(values.iter().map(|v| Datum::Text(v.as_bytes())));
        let message = Message::Insert {
            relation,
            new: row.tuple(),
        };
        self.transaction(5, &message)
    }

    fn execute(&mut self, captured: &[Table]) {
        let data = r#"{"data-collections": ["public.t"]}"#;
        match self.insert(SIG, &["one", "execute-snapshot", data]) {
            (_, Step::Execute(execute)) => self.translator.execute(&execute, captured).unwrap(),
            (_, other) => panic!("{other:?}"),
        }
    }

    fn request(&mut self) -> Option<ChunkRequest> {
        self.requests.try_recv().ok()
    }

    fn reply(&self, window: &str, chunk: Box<Chunk>) {
        let reply = ChunkReply {
            window: window.to_owned(),
            outcome: ChunkOutcome::Rows(chunk),
        };
        self.replies.try_send(reply).unwrap();
    }

    fn mark(&mut self, window: &str, what: &str) -> Lsn {
        let kind = format!("snapshot-window-{what}");
        self.insert(SIG, &[&format!("{window}-{what}"), &kind, "{}"]).0
    }

    /// Topic's table, key, and `pgcdc.pos` of what was written since the last time.
    fn take(&mut self) -> Vec<(String, String, String)> {
        let records = self.out.records().map(|r| {
            let key: serde_json::Value = serde_json::from_slice(r.key.unwrap()).unwrap();
            let key = key
                .as_object()
                .unwrap()
                .values()
                .next()
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned();
            let at = r
                .headers()
                .find(|(name, _)| *name == b"pgcdc.pos")
                .unwrap()
                .1
                .unwrap();
            let topic = r.head.topic.name.trim_start_matches("srv.public.").to_owned();
            (topic, key, String::from_utf8(at.to_vec()).unwrap())
        });
        let records = records.collect();
        self.out.reset(1 << 16);
        records
    }

    fn checkpoint(&self) -> &Checkpoint {
        self.translator.checkpoint()
    }
}

/// The chunk with these keys, read by somebody who saw everything.
fn chunk(keys: &[&str]) -> Box<Chunk> {
    let mut chunk = window_tests::chunk(keys);
    chunk.snapshot = ServerSnapshot::parse("90:100:").unwrap();
    chunk
}

fn told(table: &str, key: &str, at: String) -> (String, String, String) {
    (table.into(), key.into(), at)
}

#[test]
fn rows_stand_before_the_closing_mark_and_take_no_numbers() {
    let mut bed = Bed::new(Checkpoint::default(), Watermarks::InsertInsert);
    bed.execute(&[window_tests::table(), sig()]);
    let window = bed.request().unwrap().window;
    assert!(bed.request().is_none(), "one at a time");
    bed.insert(T, &["c", "before the mark"]);
    bed.mark(&window, "open");
    bed.reply(&window, chunk(&["a", "b", "c"]));
    bed.insert(T, &["b", "between"]);
    bed.take();
    let before = bed.checkpoint().clone();
    assert_eq!(before.incremental.as_ref().unwrap().last, None);
    let close = bed.mark(&window, "close");
    let want = [
        told("t", "a", format!("{}:0:2", close.0)),
        told("t", "c", format!("{}:0:3", close.0)),
        told("sig", &format!("{window}-close"), format!("{}:1:0", close.0)),
    ];
    assert_eq!(bed.take(), want);
    // The commit has taken the number behind the mark's, as it does without a snapshot.
    let after = bed.checkpoint();
    let position = Position {
        commit_lsn: close,
        seq: 2,
    };
    assert_eq!(after.position, position);
    let progress = after.incremental.as_ref().unwrap();
    assert_eq!(progress.last, Some(KeyValues(vec![Some("c".into())])));
    let now = IncrementalStatus {
        signal: "one".into(),
        table: "public.t".into(),
        tables: 1,
        paused: false,
    };
    assert_eq!(bed.status.incremental(), Some(now));
    assert_eq!(bed.status.incremental_rows(), 2);
    let next = bed.request().unwrap();
    assert_eq!(
        (next.after, next.maximum),
        (progress_last("c"), progress_last("z"))
    );
}

fn progress_last(key: &str) -> Option<KeyValues> {
    Some(KeyValues(vec![Some(key.into())]))
}

#[test]
fn a_row_of_the_chunk_is_newer_than_what_it_shows_and_older_than_what_follows() {
    let mut bed = Bed::new(Checkpoint::default(), Watermarks::InsertInsert);
    bed.execute(&[window_tests::table()]);
    let window = bed.request().unwrap().window;
    let mut versions = Vec::new();
    let mut note = |bed: &mut Bed| {
        let of = bed.out.records().filter(|r| r.head.topic.name == "srv.public.t");
        versions.extend(of.map(|r| (r.head.version_lsn, r.head.position)));
        bed.out.reset(1 << 16);
    };
    bed.insert(T, &["a", "shown"]);
    note(&mut bed);
    let open = bed.mark(&window, "open");
    bed.reply(&window, chunk(&["a"]));
    bed.mark(&window, "close");
    note(&mut bed);
    bed.insert(T, &["a", "after"]);
    note(&mut bed);
    assert!(versions.is_sorted() && versions.len() == 3, "{versions:?}");
    assert_eq!(
        versions[1].0,
        Lsn(open.0 + 8),
        "the end of the last commit before the mark's"
    );
    assert!(versions[1].0 < versions[2].0);
}

#[test]
fn a_chunk_that_was_sent_in_part_or_whole_goes_on_rightly_after_a_crash() {
    let mut bed = Bed::new(Checkpoint::default(), Watermarks::InsertInsert);
    bed.execute(&[window_tests::table()]);
    let window = bed.request().unwrap().window;
    bed.mark(&window, "open");
    bed.reply(&window, chunk(&["a", "b"]));
    // The closing mark's transaction, stopped after each step.
    let row = TupleBytes::new(
        [format!("{window}-close").as_str(), "snapshot-window-close", "{}"]
            .map(|v| Datum::Text(v.as_bytes())),
    );
    let insert = encode(
        &Message::Insert {
            relation: SIG,
            new: row.tuple(),
        },
        None,
    );
    let begin = Message::Begin {
        final_lsn: Lsn(5000),
        commit_us: 1,
        xid: 9,
    };
    bed.push(&begin);
    bed.out.reset(1 << 16);
    bed.translator.push(Lsn(4990), &insert, &mut bed.out).unwrap();
    assert!(bed.out.is_empty() && bed.translator.is_replaying());
    bed.translator.replay(&mut bed.out, 1).unwrap();
    assert_eq!(bed.out.len(), 1, "one row of two");
    let part = bed.checkpoint().clone();
    assert!(
        part.position
            < Position {
                commit_lsn: Lsn(5000),
                seq: 1
            }
    );
    assert_eq!(part.incremental.as_ref().unwrap().last, None);
    bed.translator.replay(&mut bed.out, usize::MAX).unwrap();
    assert_eq!(bed.out.len(), 3);
    let whole = bed.checkpoint().clone();
    assert_eq!(
        whole.position,
        Position {
            commit_lsn: Lsn(5000),
            seq: 1
        }
    );
    for (from, after, comes) in [(part, None, true), (whole, progress_last("b"), false)] {
        let mut again = Bed::new(from, Watermarks::InsertInsert);
        let request = again.request().unwrap();
        assert_eq!(request.after, after);
        again.push(&begin);
        again.lsn = 4990;
        let step = again.translator.push(Lsn(4990), &insert, &mut again.out).unwrap();
        assert!(matches!(step, Step::Continue) && !again.translator.is_replaying());
        assert_eq!(again.out.len(), usize::from(comes), "the old mark alone");
    }
}

#[test]
fn deletes_and_moved_keys_and_truncates_are_seen() {
    let old = TupleBytes::new([Datum::Text(b"a"), Datum::Null]);
    let moved_from = TupleBytes::new([Datum::Text(b"b"), Datum::Null]);
    let moved_to = TupleBytes::new([Datum::Text(b"x"), Datum::Text(b"v")]);
    let changes = [
        (
            Message::Delete {
                relation: T,
                old: OldTuple::Key(old.tuple()),
            },
            vec!["b", "c", "x"],
        ),
        (
            Message::Update {
                relation: T,
                old: Some(OldTuple::Key(moved_from.tuple())),
                new: moved_to.tuple(),
            },
            vec!["a", "c"],
        ),
        (
            Message::Truncate {
                relations: crate::pgoutput::Oids::new(&[0, 0, 0, 7]),
                cascade: false,
                restart_identity: false,
            },
            vec![],
        ),
    ];
    for (change, want) in changes {
        let mut bed = Bed::new(Checkpoint::default(), Watermarks::InsertDelete);
        bed.execute(&[window_tests::table()]);
        let window = bed.request().unwrap().window;
        bed.mark(&window, "open");
        bed.transaction(6, &change);
        bed.reply(&window, chunk(&["a", "b", "c", "x"]));
        bed.out.reset(1 << 16);
        let id = format!("{window}-open");
        let mark = TupleBytes::new([Datum::Text(id.as_bytes()), Datum::Null, Datum::Null]);
        bed.transaction(
            7,
            &Message::Delete {
                relation: SIG,
                old: OldTuple::Key(mark.tuple()),
            },
        );
        let rows: Vec<String> = bed
            .take()
            .into_iter()
            .filter(|r| r.0 == "t")
            .map(|r| r.1)
            .collect();
        assert_eq!(rows, want, "{change:?}");
    }
}

#[test]
fn a_table_that_is_left_out_and_a_reader_that_fails() {
    let mut bed = Bed::new(Checkpoint::default(), Watermarks::InsertInsert);
    let mut other = window_tests::table();
    (other.oid, other.name) = (9, "t2".into());
    let data = r#"{"data-collections": ["public.t.*"]}"#;
    let (_, step) = bed.insert(SIG, &["one", "execute-snapshot", data]);
    let Step::Execute(execute) = step else {
        panic!("{step:?}")
    };
    bed.translator
        .execute(&execute, &[window_tests::table(), other])
        .unwrap();
    let error = || Error::new(crate::ErrorKind::Query, "no");
    let reply = |window: String, outcome| ChunkReply { window, outcome };
    let first = bed.request().unwrap();
    bed.translator
        .take(reply(first.window, ChunkOutcome::Skipped(error())))
        .unwrap();
    let second = bed.request().unwrap();
    assert_eq!(second.table.name, "t2");
    assert!(
        bed.translator
            .take(reply("of old".into(), ChunkOutcome::Finished))
            .is_ok()
    );
    assert!(
        Arc::clone(bed.checkpoint().incremental.as_ref().unwrap())
            .tables
            .len()
            == 1
    );
    bed.translator
        .take(reply(second.window.clone(), ChunkOutcome::Refused(error())))
        .unwrap();
    assert_eq!(bed.checkpoint().incremental, None);
    assert!(
        bed.translator
            .take(reply(second.window, ChunkOutcome::Failed(error())))
            .is_err()
    );
}
