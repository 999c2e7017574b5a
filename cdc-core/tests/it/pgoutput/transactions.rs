//! What a stream amounts to: the committed transactions, whichever way they were sent.

use std::collections::HashMap;
use std::fmt::Write as _;

use cdc_core::Lsn;
use cdc_core::pgoutput::{Assembler, Message, OldTuple, Pushed, Relation, SpoolOptions, Tuple};
use cdc_core::row::Datum;

/// A committed transaction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) xid: u32,
    pub(crate) commit_lsn: Lsn,
    pub(crate) end_lsn: Lsn,
    pub(crate) commit_us: i64,
    /// Changes as text: kind, relation, values.
    pub(crate) changes: Vec<String>,
    /// Whether it came in chunks; no part of what it amounts to.
    pub(crate) streamed: Streamed,
}

/// A mark that makes no difference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streamed(pub(crate) bool);

impl PartialEq for Streamed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Streamed {}

/// Puts the payloads together, within so much memory.
pub(crate) fn transactions<'a>(
    frames: impl IntoIterator<Item = (Lsn, &'a [u8])>,
    memory_bytes: u64,
) -> Vec<Transaction> {
    let mut collector = Collector::default();
    let mut assembler = Assembler::new(SpoolOptions {
        memory_bytes,
        directory: None,
    });
    for (lsn, payload) in frames {
        let commit = match assembler.push(lsn, payload).unwrap() {
            Pushed::Message(m) => {
                collector.message(lsn, &m);
                None
            }
            Pushed::Spooled => None,
            Pushed::Replay(commit) => Some(commit),
        };
        let Some(commit) = commit else { continue };
        assert!(collector.open.is_none());
        collector.open = Some(Transaction {
            xid: commit.xid,
            commit_lsn: commit.commit_lsn,
            end_lsn: commit.end_lsn,
            commit_us: commit.commit_us,
            changes: Vec::new(),
            streamed: Streamed(true),
        });
        while let Some((lsn, m)) = assembler.next_replayed().unwrap() {
            collector.message(lsn, &m);
        }
        collector.close();
    }
    assert_eq!(
        (assembler.spooled_bytes(), assembler.streamed_transactions()),
        ((0, 0), 0)
    );
    assert!(collector.open.is_none());
    collector.done
}

#[derive(Default)]
struct Collector {
    relations: HashMap<u32, Relation>,
    open: Option<Transaction>,
    done: Vec<Transaction>,
}

impl Collector {
    /// A transaction without changes counts for nothing: older servers send them, newer ones don't.
    fn close(&mut self) {
        self.done
            .extend(self.open.take().filter(|t| !t.changes.is_empty()));
    }

    fn message(&mut self, lsn: Lsn, m: &Message<'_>) {
        let change = match m {
            Message::Begin {
                final_lsn,
                commit_us,
                xid,
            } => {
                self.open = Some(Transaction {
                    xid: *xid,
                    commit_lsn: *final_lsn,
                    end_lsn: Lsn::ZERO,
                    commit_us: *commit_us,
                    changes: Vec::new(),
                    streamed: Streamed(false),
                });
                return;
            }
            Message::Commit {
                commit_lsn,
                end_lsn,
                commit_us,
            } => {
                let open = self.open.as_mut().unwrap();
                assert_eq!((open.commit_lsn, open.commit_us), (*commit_lsn, *commit_us));
                open.end_lsn = *end_lsn;
                self.close();
                return;
            }
            Message::Relation(r) => {
                self.relations.insert(r.oid, r.clone());
                return;
            }
            Message::Type { .. } => return,
            Message::Message {
                transactional: false, ..
            } => return,
            Message::Origin { name, .. } => format!("origin {name}"),
            Message::Insert { relation, new } => format!(
                "{lsn} insert {}{}",
                self.name(*relation),
                self.row(*relation, *new)
            ),
            Message::Update { relation, old, new } => {
                let old = old.as_ref().map(|o| self.old(*relation, o)).unwrap_or_default();
                format!(
                    "{lsn} update {}{old}{}",
                    self.name(*relation),
                    self.row(*relation, *new)
                )
            }
            Message::Delete { relation, old } => {
                format!(
                    "{lsn} delete {}{}",
                    self.name(*relation),
                    self.old(*relation, old)
                )
            }
            Message::Truncate {
                cascade,
                restart_identity,
                relations,
            } => {
                let names: Vec<_> = relations.map(|oid| self.name(oid)).collect();
                format!("{lsn} truncate {cascade} {restart_identity} {}", names.join(" "))
            }
            Message::Message {
                prefix, content, lsn, ..
            } => format!("{lsn} message {prefix} {content:?}"),
            other => panic!("{} inside a transaction", other.name()),
        };
        self.open.as_mut().unwrap().changes.push(change);
    }

    fn name(&self, oid: u32) -> String {
        let r = &self.relations[&oid];
        format!("{}.{}", r.schema, r.name)
    }

    fn old(&self, oid: u32, old: &OldTuple<'_>) -> String {
        let mark = if matches!(old, OldTuple::Key(_)) {
            "key"
        } else {
            "old"
        };
        format!(" {mark}{} new", self.row(oid, old.tuple()))
    }

    fn row(&self, oid: u32, tuple: Tuple<'_>) -> String {
        let columns = &self.relations[&oid].columns;
        let mut refs = Vec::new();
        let row = tuple.read(&mut refs).unwrap();
        assert_eq!(row.len(), columns.len());
        let mut text = String::new();
        for (i, column) in columns.iter().enumerate() {
            let _ = match row.get(i) {
                Datum::Null => write!(text, " {}=null", column.name),
                Datum::Unchanged => write!(text, " {}=unchanged", column.name),
                Datum::Text(b) => write!(text, " {}={:?}", column.name, std::str::from_utf8(b).unwrap()),
                Datum::Binary(b) => write!(text, " {}={b:?}", column.name),
            };
        }
        text
    }
}
