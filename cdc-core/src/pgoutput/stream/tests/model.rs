//! Any interleaving of transactions against a model of what a server does.

use super::*;

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
