//! The replication stream and its feedback.

use std::time::{Duration, Instant};

use cdc_core::wire::command::publication_names;
use cdc_core::wire::{CreateSlot, Frame, ReplicationStream, Session, SlotSnapshot, StartReplication};
use cdc_core::{Error, ErrorKind, Lsn};

use crate::server::{self, DropSlot as _, Server};

async fn prepare(server: &Server, name: &str) -> Session {
    let mut s = server.database(name).await;
    s.query(&format!(
        "CREATE TABLE public.t (id int PRIMARY KEY, v text); CREATE PUBLICATION {name} FOR TABLE public.t"
    ))
    .await
    .unwrap();
    let c = CreateSlot {
        name: name.into(),
        temporary: false,
        snapshot: SlotSnapshot::Nothing,
        two_phase: false,
        failover: false,
    };
    server.replication(name).await.create_slot(&c).await.unwrap();
    s
}

async fn clean(server: &Server, name: &str, mut s: Session) {
    s.drop_slot_by_sql(name).await;
    drop(s);
    server.drop_database(name).await;
}

fn start_from(slot: &str, publication: &str, start: Lsn) -> StartReplication {
    StartReplication {
        slot: slot.into(),
        start,
        options: vec![
            ("proto_version".into(), "1".into()),
            ("publication_names".into(), publication_names(&[publication])),
        ],
        status_interval: Duration::from_secs(5),
    }
}

async fn stream(server: &Server, name: &str) -> Result<ReplicationStream, Error> {
    let s = server.replication(name).await;
    s.start_replication(&start_from(name, name, Lsn::ZERO)).await
}

/// Streams again from a slot whose last stream has been dropped: the server's process notices that only when it next
/// reads or writes, and holds the slot until then.
async fn stream_again(server: &Server, s: &mut Session, name: &str) -> ReplicationStream {
    let sql = format!("SELECT active FROM pg_replication_slots WHERE slot_name = '{name}'");
    let end = Instant::now() + Duration::from_secs(10);
    while s.query(&sql).await.unwrap().first() != Some("f") {
        assert!(Instant::now() < end, "slot {name} stays in use");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stream(server, name).await.unwrap()
}

/// Reads up to the `n`th message of kind `tag`; returns the position of the last.
async fn read_until(stream: &mut ReplicationStream, tag: u8, n: usize) -> Result<Lsn, Error> {
    let mut seen = 0;
    loop {
        while let Some(frame) = stream.next_frame()? {
            if let Frame::XLogData { start, payload, .. } = frame
                && payload.first() == Some(&tag)
            {
                seen += 1;
                if seen == n {
                    return Ok(start);
                }
            }
        }
        stream.readable().await?;
    }
}

async fn confirmed(s: &mut Session, slot: &str) -> Lsn {
    let sql = format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'");
    s.query(&sql).await.unwrap().first().unwrap().parse().unwrap()
}

async fn wait_confirmed(s: &mut Session, slot: &str, at_least: Lsn) {
    let end = Instant::now() + Duration::from_secs(5);
    while confirmed(s, slot).await < at_least {
        assert!(Instant::now() < end, "{slot} is not confirmed up to {at_least}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rows_arrive_and_confirmation_moves_the_slot_on_every_version() {
    for (major, server) in server::all() {
        let name = "wire_stream";
        let mut s = prepare(&server, name).await;
        let mut stream = stream(&server, name).await.unwrap();
        s.query("INSERT INTO public.t SELECT i, repeat('x', i) FROM generate_series(1, 2000) AS i")
            .await
            .unwrap();
        read_until(&mut stream, b'I', 2000).await.unwrap();
        let end = read_until(&mut stream, b'C', 1).await.unwrap();
        assert!(
            confirmed(&mut s, name).await < end,
            "{major}: nothing was confirmed yet"
        );
        stream.confirm(end);
        let waited = Instant::now();
        let feedback = async {
            let _ = tokio::time::timeout(Duration::from_secs(5), stream.idle()).await;
        };
        tokio::select! {
            () = feedback => panic!("{major}: confirmation did not arrive"),
            () = wait_confirmed(&mut s, name, end) => {}
        }
        assert!(
            waited.elapsed() < Duration::from_secs(4),
            "{:?}",
            waited.elapsed()
        );
        stream.stop().await.unwrap();

        // What was confirmed does not come again; the next transaction does.
        let mut stream = stream_again(&server, &mut s, name).await;
        s.query("INSERT INTO public.t VALUES (0, 'zero')").await.unwrap();
        let at = read_until(&mut stream, b'I', 1).await.unwrap();
        assert!(at >= end);
        drop(stream);
        clean(&server, name, s).await;
    }
}

#[tokio::test]
async fn a_last_confirmation_is_sent_by_stop() {
    let server = server::main();
    let name = "wire_stop";
    let mut s = prepare(&server, name).await;
    let mut stream = stream(&server, name).await.unwrap();
    s.query("INSERT INTO public.t VALUES (1, 'a')").await.unwrap();
    let end = read_until(&mut stream, b'C', 1).await.unwrap();
    stream.confirm(end);
    stream.stop().await.unwrap();
    wait_confirmed(&mut s, name, end).await;
    clean(&server, name, s).await;
}

#[tokio::test]
async fn the_server_hears_from_us_while_nothing_is_read() {
    let server = server::main();
    let name = "wire_idle";
    let mut s = prepare(&server, name).await;
    s.query(&format!("ALTER DATABASE {name} SET wal_sender_timeout = '2s'"))
        .await
        .unwrap();
    s.query("INSERT INTO public.t SELECT i, repeat('x', 1000) FROM generate_series(1, 30000) AS i")
        .await
        .unwrap();
    let session = server.replication(name).await;
    let mut start = start_from(name, name, Lsn::ZERO);
    start.status_interval = Duration::from_millis(300);
    let mut stream = session.start_replication(&start).await.unwrap();
    // More than the sockets hold: the server's process is blocked, and would give up after two seconds.
    let idle = tokio::time::timeout(Duration::from_secs(5), stream.idle()).await;
    assert!(idle.is_err(), "{idle:?}");
    read_until(&mut stream, b'I', 30_000).await.unwrap();
    drop(stream);
    clean(&server, name, s).await;
}

#[tokio::test]
async fn waiting_for_frames_can_be_given_up_at_any_time() {
    let server = server::main();
    let name = "wire_cancel";
    let mut s = prepare(&server, name).await;
    let mut stream = stream(&server, name).await.unwrap();
    s.query("INSERT INTO public.t SELECT i, repeat('x', i % 500) FROM generate_series(1, 20000) AS i")
        .await
        .unwrap();
    let mut rows = 0_u32;
    let end = Instant::now() + Duration::from_secs(20);
    while rows < 20_000 {
        assert!(Instant::now() < end, "only {rows} rows");
        let wait = Duration::from_micros(u64::from(rows % 3 * 50));
        let _ = tokio::time::timeout(wait, stream.readable()).await;
        while let Some(frame) = stream.next_frame().unwrap() {
            if matches!(
                frame,
                Frame::XLogData {
                    payload: [b'I', ..],
                    ..
                }
            ) {
                rows += 1;
            }
        }
    }
    drop(stream);
    clean(&server, name, s).await;
}

#[tokio::test]
async fn an_idle_stream_lets_go_of_wal_by_the_keepalives_position() {
    let server = server::main();
    let name = "wire_quiet";
    let mut s = prepare(&server, name).await;
    let before = confirmed(&mut s, name).await;
    let mut stream = stream(&server, name).await.unwrap();
    s.query("CREATE TABLE public.other AS SELECT generate_series(1, 10000) AS i")
        .await
        .unwrap();
    let read = async {
        loop {
            stream.readable().await.unwrap();
            while let Some(frame) = stream.next_frame().unwrap() {
                match frame {
                    Frame::Keepalive { end, .. } => stream.confirm(end),
                    Frame::XLogData { payload, .. } => panic!("nothing of ours changed: {payload:?}"),
                }
            }
        }
    };
    let target = Lsn(before.0 + 8192);
    tokio::select! {
        () = read => {}
        () = wait_confirmed(&mut s, name, target) => {}
    }
    drop(stream);
    clean(&server, name, s).await;
}

#[tokio::test]
async fn a_slot_in_use_or_missing_is_of_its_own_kind() {
    for (_, server) in server::all() {
        let name = "wire_busy";
        let s = prepare(&server, name).await;
        let first = stream(&server, name).await.unwrap();
        let error = stream(&server, name).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.sqlstate()),
            (ErrorKind::SlotBusy, Some("55006")),
            "{error}"
        );
        let error = server
            .replication(name)
            .await
            .drop_slot(name, false)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SlotBusy);
        drop(first);
        let session = server.replication(name).await;
        let error = session
            .start_replication(&start_from("wire_nowhere", name, Lsn::ZERO))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SlotMissing, "{error}");
        assert!(error.to_string().contains("wire_nowhere"));
        clean(&server, name, s).await;
    }
}

#[tokio::test]
async fn a_slot_of_another_database_or_kind_is_said_to_be_one() {
    let server = server::main();
    let name = "wire_elsewhere";
    let mut s = prepare(&server, name).await;
    let error = server
        .replication("postgres")
        .await
        .start_replication(&start_from(name, name, Lsn::ZERO))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("belongs to database"), "{error}");
    s.drop_slot_by_sql("wire_physical").await;
    s.query("SELECT pg_create_physical_replication_slot('wire_physical')")
        .await
        .unwrap();
    let error = server
        .replication(name)
        .await
        .start_replication(&start_from("wire_physical", name, Lsn::ZERO))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("no logical slot"), "{error:?}");
    s.drop_slot_by_sql("wire_physical").await;
    clean(&server, name, s).await;
}

#[tokio::test]
async fn a_missing_publication_is_an_error_on_every_version() {
    for (major, server) in server::all() {
        let name = "wire_nopub";
        let mut s = prepare(&server, name).await;
        // Since 18 a warning is all that tells of it: nobody's settings may silence that.
        // Set from another database, whose transactions do not come.
        let silence = format!("ALTER DATABASE {name} SET client_min_messages = 'error'");
        server.sql("postgres").await.query(&silence).await.unwrap();
        let session = server.replication(name).await;
        let mut stream = session
            .start_replication(&start_from(name, "wire_no_such_publication", Lsn::ZERO))
            .await
            .unwrap();
        s.query("INSERT INTO public.t VALUES (1, 'a')").await.unwrap();
        let read = tokio::time::timeout(Duration::from_secs(10), read_until(&mut stream, b'C', 1));
        let error = match read.await {
            Ok(result) => result.unwrap_err(),
            Err(_) => panic!("{major}: silence instead of an error"),
        };
        assert_eq!(error.kind(), ErrorKind::Publication, "{major}: {error}");
        drop(stream);
        clean(&server, name, s).await;
    }
}

#[tokio::test]
async fn a_terminated_stream_is_a_server_that_is_not_available() {
    let server = server::main();
    let name = "wire_killed";
    let mut s = prepare(&server, name).await;
    let mut stream = stream(&server, name).await.unwrap();
    s.query(&format!(
        "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{name}'"
    ))
    .await
    .unwrap();
    let error = read_until(&mut stream, b'C', 1).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::ServerUnavailable, Some("57P01"))
    );
    drop(stream);
    clean(&server, name, s).await;
}

#[tokio::test]
async fn a_message_above_the_cap_is_refused() {
    let server = server::main();
    let name = "wire_cap";
    let mut s = prepare(&server, name).await;
    let o = server.options(name).with_max_message(100_000);
    let session = Session::connect(&o, cdc_core::wire::Purpose::Replication, "t")
        .await
        .unwrap();
    let mut stream = session
        .start_replication(&start_from(name, name, Lsn::ZERO))
        .await
        .unwrap();
    s.query("INSERT INTO public.t VALUES (1, repeat('x', 200000))")
        .await
        .unwrap();
    let error = read_until(&mut stream, b'C', 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    drop(stream);
    let mut stream = stream_again(&server, &mut s, name).await;
    read_until(&mut stream, b'I', 1).await.unwrap();
    drop(stream);
    clean(&server, name, s).await;
}
