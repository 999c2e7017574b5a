//! The engine against real servers: what it refuses to start from, and how it behaves in a huge transaction.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cdc_core::engine::{Pipeline, RetryOptions, SnapshotMode, SourceOptions};
use cdc_core::offset::MemoryStore;
use cdc_core::seam::{Lineage, OffsetStore, StoredOffset};
use cdc_core::wire::{CreateSlot, Session, SlotSnapshot};
use cdc_core::{Batch, Checkpoint, Error, ErrorKind, Lsn, Position};
use tokio_util::sync::CancellationToken;

use crate::own_server::OwnServer;
use crate::server::{self, DropSlot as _, Server};

/// A database with a table, a publication and a slot, all of this name.
async fn prepare(server: &Server, name: &str) -> Session {
    let mut s = server.database(name).await;
    s.query(&format!(
        "CREATE TABLE public.t (id int PRIMARY KEY, v text); CREATE PUBLICATION {name} FOR TABLE public.t"
    ))
    .await
    .unwrap();
    create_slot(server, name, false).await;
    s
}

async fn create_slot(server: &Server, name: &str, two_phase: bool) {
    let slot = CreateSlot {
        name: name.into(),
        temporary: false,
        snapshot: SlotSnapshot::Nothing,
        two_phase,
        failover: false,
    };
    server.replication(name).await.create_slot(&slot).await.unwrap();
}

fn source(server: &Server, name: &str) -> SourceOptions {
    let mut source = SourceOptions::new(server.options(name), name, name);
    source.snapshot = SnapshotMode::NoData;
    source
}

/// A pipeline that gives up at its first failure.
fn pipeline(
    source: SourceOptions,
    store: &MemoryStore,
    f: impl Fn(&Batch) -> Result<(), Error> + Send + Sync + 'static,
) -> Pipeline {
    let store = store.clone();
    Pipeline::builder(source)
        .for_each(f)
        .offsets(Box::new(move || {
            let store = store.clone();
            Box::pin(async move { Ok(Box::new(store) as Box<dyn OffsetStore>) })
        }))
        .retry(RetryOptions {
            limit: Some(0),
            ..RetryOptions::default()
        })
        .build()
        .unwrap()
}

async fn refused(source: SourceOptions, store: &MemoryStore) -> Error {
    let run = pipeline(source, store, |_| Ok(()));
    let run = tokio::time::timeout(Duration::from_secs(20), run.run(CancellationToken::new()));
    run.await.expect("it runs on").unwrap_err()
}

/// A store that says that everything up to `resume_lsn` was delivered from this server.
async fn delivered(server: &Server, name: &str, resume_lsn: Lsn) -> (MemoryStore, StoredOffset) {
    let identity = server.replication(name).await.identify_system().await.unwrap();
    let offset = StoredOffset {
        lineage: Lineage {
            system_id: identity.system_id,
            timeline: identity.timeline,
            database: name.into(),
            slot: name.into(),
            numbering: 0,
        },
        checkpoint: Checkpoint {
            resume_lsn,
            ..Checkpoint::default()
        },
    };
    let mut store = MemoryStore::default();
    store.save(&offset).await.unwrap();
    (store, offset)
}

async fn clean(server: &Server, name: &str, mut s: Session) {
    s.drop_slot_by_sql(name).await;
    drop(s);
    server.drop_database(name).await;
}

const BIG: u64 = 24_000;

/// One transaction of 48 MB, which the server sends while it is in progress.
async fn big_transaction(s: &mut Session, name: &str) {
    s.query(&format!(
        "ALTER DATABASE {name} SET wal_sender_timeout = '2s'; ALTER DATABASE {name} SET logical_decoding_work_mem = '64kB'"
    ))
    .await
    .unwrap();
    s.query(&format!(
        "INSERT INTO public.t SELECT i, repeat('x', 2000) FROM generate_series(1, {BIG}) AS i"
    ))
    .await
    .unwrap();
}

#[tokio::test]
async fn a_sink_that_never_makes_us_wait_does_not_silence_the_feedback() {
    let (server, name) = (server::main(), "engine_feedback");
    let mut s = prepare(&server, name).await;
    big_transaction(&mut s, name).await;
    let mut source = source(&server, name);
    source.status_interval = Duration::from_millis(300);
    let (rows, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let (seen, done) = (Arc::clone(&rows), stop.clone());
    let run = pipeline(source, &MemoryStore::default(), move |batch| {
        // Slow, and never pending: the whole delivery takes at least twice the server's patience.
        std::thread::sleep(Duration::from_millis(25));
        if seen.fetch_add(batch.rows, Ordering::Relaxed) + batch.rows >= BIG {
            done.cancel();
        }
        Ok(())
    });
    let began = Instant::now();
    let run = tokio::time::timeout(Duration::from_secs(60), run.run(stop));
    run.await.unwrap().unwrap();
    assert!(
        began.elapsed() > Duration::from_secs(4),
        "the delivery was too short to prove anything"
    );
    assert_eq!(rows.load(Ordering::Relaxed), BIG);
    clean(&server, name, s).await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_end_of_a_huge_transaction() {
    let (server, name) = (server::main(), "engine_stop");
    let mut s = prepare(&server, name).await;
    big_transaction(&mut s, name).await;
    let (store, seen) = (
        MemoryStore::default(),
        Arc::new(Mutex::new(Vec::<Position>::new())),
    );
    for stops_at in [1, BIG] {
        let stop = CancellationToken::new();
        let (positions, done) = (Arc::clone(&seen), stop.clone());
        let run = pipeline(source(&server, name), &store, move |batch| {
            let mut positions = positions.lock().unwrap();
            positions.extend(batch.records().map(|r| r.head.position));
            if positions.len() as u64 >= stops_at {
                done.cancel();
            }
            Ok(())
        });
        let run = tokio::time::timeout(Duration::from_secs(60), run.run(stop));
        run.await.unwrap().unwrap();
        let rows = seen.lock().unwrap().len() as u64;
        assert!(rows == BIG || (stops_at == 1 && rows < BIG / 2), "{rows} rows");
    }
    // What was delivered before the stop was stored, and did not come again.
    assert!(seen.lock().unwrap().is_sorted_by(|a, b| a < b));
    clean(&server, name, s).await;
}

#[tokio::test]
async fn a_stop_waits_for_the_end_of_a_transaction_where_it_is_to_be_whole() {
    let server = server::main();
    for (name, in_progress) in [("engine_whole", false), ("engine_whole_streamed", true)] {
        let mut s = prepare(&server, name).await;
        big_transaction(&mut s, name).await;
        s.query("INSERT INTO public.t VALUES (0, 'of another transaction')")
            .await
            .unwrap();
        let mut source = source(&server, name);
        (source.whole_transactions, source.stream_in_progress) = (true, in_progress);
        let (rows, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let (seen, done) = (Arc::clone(&rows), stop.clone());
        let run = pipeline(source, &MemoryStore::default(), move |batch| {
            seen.fetch_add(batch.len() as u64, Ordering::Relaxed);
            done.cancel();
            Ok(())
        });
        let run = tokio::time::timeout(Duration::from_secs(60), run.run(stop));
        run.await.unwrap().unwrap();
        assert_eq!(rows.load(Ordering::Relaxed), BIG, "{name}");
        clean(&server, name, s).await;
    }
}

#[tokio::test]
async fn slots_that_cannot_be_used_are_refused_with_the_reason() {
    let (server, name) = (server::main(), "engine_slots");
    let mut s = prepare(&server, name).await;
    let stop = CancellationToken::new();
    let first = pipeline(source(&server, name), &MemoryStore::default(), |_| Ok(()));
    let (status, ended) = (first.status(), stop.clone());
    let first = tokio::spawn(async move { first.run(ended).await });
    while status.phase() != cdc_core::engine::Phase::Streaming || status.received_lsn().is_zero() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let error = refused(source(&server, name), &MemoryStore::default()).await;
    assert_eq!(error.kind(), ErrorKind::SlotBusy);
    assert!(error.to_string().contains("in use by server process"), "{error}");
    stop.cancel();
    first.await.unwrap().unwrap();
    s.drop_slot_by_sql(name).await;

    create_slot(&server, name, true).await;
    let error = refused(source(&server, name), &MemoryStore::default()).await;
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("two_phase"), "{error}");
    clean(&server, name, s).await;
}

#[tokio::test]
async fn an_offset_ahead_of_the_server_is_refused() {
    let (server, name) = (server::main(), "engine_ahead");
    let s = prepare(&server, name).await;
    let (store, _) = delivered(&server, name, Lsn(u64::MAX >> 1)).await;
    let error = refused(source(&server, name), &store).await;
    assert_eq!(error.kind(), ErrorKind::Gap);
    assert!(
        error.to_string().contains("ahead of this server's WAL"),
        "{error}"
    );
    clean(&server, name, s).await;
}

#[tokio::test]
async fn an_offset_beyond_the_point_of_a_promotion_is_refused() {
    let name = "engine_branch";
    let primary = OwnServer::start("branch", &[]);
    let mut s = prepare(&primary.trusting(), name).await;
    let standby = OwnServer::start("branched", &["--standby", primary.name()]);
    let before = s.query("SELECT pg_current_wal_flush_lsn()").await.unwrap();
    let before: Lsn = before.first().unwrap().parse().unwrap();
    let (received, _) = delivered(&primary.trusting(), name, before).await;
    let end = Instant::now() + Duration::from_secs(20);
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{before}'");
    while standby
        .trusting()
        .sql(name)
        .await
        .query(&replayed)
        .await
        .unwrap()
        .first()
        != Some("t")
    {
        assert!(Instant::now() < end, "the standby does not catch up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    standby.promote();
    let server = standby.trusting();
    create_slot(&server, name, false).await;
    // Delivered from the old primary after the standby had left it.
    s.query("INSERT INTO public.t SELECT i, 'lost' FROM generate_series(1, 3000) AS i")
        .await
        .unwrap();
    let after = s.query("SELECT pg_current_wal_flush_lsn()").await.unwrap();
    let after: Lsn = after.first().unwrap().parse().unwrap();
    let (lost, _) = delivered(&primary.trusting(), name, after).await;
    let mut new = server.sql(name).await;
    // The new primary's WAL is soon longer than the old one's: positions alone tell nothing.
    new.query("INSERT INTO public.t SELECT i, repeat('new', 20) FROM generate_series(1, 20000) AS i")
        .await
        .unwrap();
    let error = refused(source(&server, name), &lost).await;
    assert_eq!(error.kind(), ErrorKind::Gap);
    assert!(
        error.to_string().contains("before it had received them"),
        "{error}"
    );
    // What both have is no reason to stop; that the slot is younger is.
    let error = refused(source(&server, name), &received).await;
    assert!(
        error.to_string().contains("ahead of the stored offset"),
        "{error}"
    );
}
