//! Random interleaved transactions with savepoints: streamed while in progress they amount to the same as sent whole.

use std::time::Duration;

use cdc_core::Lsn;
use cdc_core::wire::{CreateSlot, Frame, Session, SlotSnapshot, StartReplication};

use super::transactions::{Transaction, transactions};
use crate::server::{self, DropSlot as _, Server};

const WORKERS: usize = 4;
const STEPS: usize = 300;

/// One client with a table of its own, so that none waits for another.
struct Worker {
    session: Session,
    table: String,
    open: bool,
    savepoints: usize,
    columns: usize,
}

/// A small generator of repeatable numbers (a linear congruential one, upper bits).
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

impl Worker {
    async fn sql(&mut self, sql: &str) {
        self.session
            .query(sql)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// Does one thing that may come up in a transaction.
    async fn step(&mut self, random: &mut Random) {
        if !self.open {
            self.open = true;
            self.sql("begin").await;
        }
        let table = self.table.clone();
        let sql = match random.below(20) {
            0..=6 => {
                let rows = 1 + random.below(300);
                format!("insert into {table} (t) select repeat('x', 200) from generate_series(1, {rows})")
            }
            // A message right after a row: in front of any row of its savepoint its fate could not be known.
            7 => format!(
                "insert into {table} (t) values ('m'); select pg_logical_emit_message(true, '{table}', repeat('y', 50))"
            ),
            8 => format!(
                "update {table} set t = 'u' where id in (select id from {table} order by id desc limit 50)"
            ),
            9 => format!("delete from {table} where id in (select id from {table} order by id limit 20)"),
            10..=12 => {
                self.savepoints += 1;
                format!("savepoint s{}", self.savepoints)
            }
            13..=15 if self.savepoints > 0 => {
                // Back to any of the open ones, which stays open.
                self.savepoints -= usize::try_from(random.below(self.savepoints as u64)).unwrap();
                format!("rollback to s{}", self.savepoints)
            }
            16 if self.savepoints > 0 => {
                self.savepoints -= 1;
                format!("release s{}", self.savepoints + 1)
            }
            17 if self.savepoints > 0 => {
                // Altered in a savepoint, perhaps rolled back: the relation's form goes with it.
                self.columns += 1;
                format!("alter table {table} add column c{} int default 7", self.columns)
            }
            18 => format!("truncate {table}"),
            19 => {
                self.end(random.below(4) > 0).await;
                return;
            }
            _ => format!("insert into {table} (t) values ('one')"),
        };
        self.sql(&sql).await;
    }

    async fn end(&mut self, commit: bool) {
        if self.open {
            (self.open, self.savepoints) = (false, 0);
            self.sql(if commit { "commit" } else { "rollback" }).await;
        }
    }
}

async fn work(server: &Server, name: &str) {
    let mut random = Random(20_000_101);
    let mut workers = Vec::new();
    for i in 0..WORKERS {
        let mut session = server.sql(name).await;
        session.query("set search_path = public").await.unwrap();
        let table = format!("t{i}");
        workers.push(Worker {
            session,
            table,
            open: false,
            savepoints: 0,
            columns: 0,
        });
    }
    for _ in 0..STEPS {
        let i = usize::try_from(random.below(WORKERS as u64)).unwrap();
        workers[i].step(&mut random).await;
    }
    for w in &mut workers {
        w.end(true).await;
    }
    workers[0].sql("insert into last values (1)").await;
}

/// All frames of the slot up to the transaction that writes to the table `last`, which is the last one.
async fn frames(server: &Server, name: &str, options: &[(&str, &str)]) -> Vec<(Lsn, Vec<u8>)> {
    let mut session = server.replication(name).await;
    session
        .query("set logical_decoding_work_mem = '64kB'")
        .await
        .unwrap();
    let mut options: Vec<_> = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    options.push(("publication_names".into(), format!("\"{name}\"")));
    options.push(("messages".into(), "true".into()));
    let start = StartReplication {
        slot: name.to_owned(),
        start: Lsn::ZERO,
        options,
        status_interval: Duration::from_secs(5),
    };
    let mut stream = session.start_replication(&start).await.unwrap();
    let (mut frames, mut last) = (Vec::new(), false);
    loop {
        while let Some(frame) = stream.next_frame().unwrap() {
            let Frame::XLogData { start, payload, .. } = frame else {
                continue;
            };
            frames.push((start, payload.to_vec()));
            last |= payload[0] == b'R' && payload.windows(6).any(|w| w == b"\0last\0");
            if last && payload[0] == b'C' {
                drop(stream);
                return frames;
            }
        }
        let wait = tokio::time::timeout(Duration::from_secs(30), stream.readable()).await;
        wait.expect("the last transaction did not come").unwrap();
    }
}

fn decode(frames: &[(Lsn, Vec<u8>)], memory_bytes: u64) -> Vec<Transaction> {
    transactions(frames.iter().map(|(lsn, f)| (*lsn, f.as_slice())), memory_bytes)
}

/// The slot is free again once the server has noticed that the reader before is gone.
async fn wait_until_free(s: &mut Session, slot: &str) {
    let sql = format!("select count(*) from pg_replication_slots where slot_name = '{slot}' and active");
    for _ in 0..200 {
        if s.query(&sql).await.unwrap().rows[0][0].as_deref() == Some("0") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("slot {slot} stays in use");
}

#[tokio::test]
async fn streamed_transactions_amount_to_the_same_as_whole_ones() {
    for (major, server) in server::all().into_iter().filter(|(major, _)| *major >= 14) {
        let name = "pgoutput_streaming";
        let mut s = server.database(name).await;
        s.query("set search_path = public").await.unwrap();
        for i in 0..WORKERS {
            let sql = format!("create table t{i} (id bigserial primary key, t text)");
            s.query(&sql).await.unwrap();
        }
        s.query("create table last (n int primary key)").await.unwrap();
        s.query(&format!("create publication {name} for all tables"))
            .await
            .unwrap();
        let slot = CreateSlot {
            name: name.to_owned(),
            temporary: false,
            snapshot: SlotSnapshot::Nothing,
            two_phase: false,
            failover: false,
        };
        server.replication(name).await.create_slot(&slot).await.unwrap();
        work(&server, name).await;

        let plain = decode(&frames(&server, name, &[("proto_version", "1")]).await, 0);
        assert!(plain.iter().all(|t| !t.streamed.0));
        let rows: usize = plain.iter().map(|t| t.changes.len()).sum();
        let modes: &[&[(&str, &str)]] = &[
            &[("proto_version", "2"), ("streaming", "on")],
            &[("proto_version", "4"), ("streaming", "parallel")],
        ];
        for mode in modes.iter().take(if major < 16 { 1 } else { 2 }) {
            wait_until_free(&mut s, name).await;
            let frames = frames(&server, name, mode).await;
            let count = |tag| frames.iter().filter(|(_, f)| f[0] == tag).count();
            let (chunks, aborts) = (count(b'S'), count(b'A'));
            for budget in [0, 100_000, u64::MAX] {
                let streamed = decode(&frames, budget);
                for (s, p) in streamed.iter().zip(&plain) {
                    assert_eq!(
                        (s.xid, s.changes.len()),
                        (p.xid, p.changes.len()),
                        "{major} {mode:?} {budget}"
                    );
                    for (s, p) in s.changes.iter().zip(&p.changes) {
                        assert_eq!(s, p, "{major} {mode:?} {budget}");
                    }
                }
                assert!(streamed == plain, "{major} {mode:?} {budget}");
                let streamed = streamed.iter().filter(|t| t.streamed.0).count();
                assert!(
                    streamed > 3 && chunks > 20 && aborts > 3,
                    "{major}: {streamed} {chunks} {aborts}"
                );
            }
            println!(
                "{major} {mode:?}: {} transactions, {rows} rows, {chunks} chunks, {aborts} aborts",
                plain.len()
            );
        }
        wait_until_free(&mut s, name).await;
        s.drop_slot_by_sql(name).await;
        drop(s);
        server.drop_database(name).await;
    }
}
