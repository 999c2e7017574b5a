//! Queries, COPY and slots.

use cdc_core::wire::{CreateSlot, Purpose, Session, SlotSnapshot};
use cdc_core::{ErrorKind, Lsn};

use crate::server;

fn slot(name: &str, snapshot: SlotSnapshot) -> CreateSlot {
    CreateSlot {
        name: name.into(),
        temporary: true,
        snapshot,
        two_phase: false,
        failover: false,
    }
}

#[tokio::test]
async fn every_version_tells_its_number_and_identity() {
    for (major, server) in server::all() {
        let mut s = server.replication("postgres").await;
        assert_eq!(s.server_version() / 10_000, major);
        let identity = s.identify_system().await.unwrap();
        assert!(identity.system_id.parse::<u64>().is_ok(), "{identity:?}");
        assert!(identity.timeline >= 1 && identity.xlog_pos > Lsn::ZERO);
        assert_eq!(identity.database.as_deref(), Some("postgres"));
    }
}

#[tokio::test]
async fn settings_that_change_what_we_read_are_pinned() {
    for (_, server) in server::all() {
        let name = "wire_pinned";
        let mut s = server.database(name).await;
        s.query(&format!(
            "ALTER DATABASE {name} SET datestyle = 'SQL, DMY'; ALTER DATABASE {name} SET timezone = 'Asia/Tokyo';\
             ALTER DATABASE {name} SET bytea_output = 'escape'; ALTER DATABASE {name} SET statement_timeout = 7;\
             ALTER DATABASE {name} SET intervalstyle = 'sql_standard'; ALTER DATABASE {name} SET extra_float_digits = 0"
        ))
        .await
        .unwrap();
        for purpose in [Purpose::Sql, Purpose::Replication] {
            let mut s = Session::connect(&server.options(name), purpose, "t")
                .await
                .unwrap();
            let rows = s
                .query(
                    "SELECT '2024-02-29 12:00+00'::timestamptz, '\\x00ff'::bytea, '1 day 2:03'::interval, \
                     0.1::float8 + 0.2::float8, current_setting('search_path'), current_setting('client_encoding'), \
                     current_setting('statement_timeout'), current_setting('row_security')",
                )
                .await
                .unwrap();
            let row: Vec<_> = rows.rows[0].iter().map(|v| v.as_deref().unwrap()).collect();
            let row_security = if purpose == Purpose::Sql { "off" } else { "on" };
            assert_eq!(
                row,
                [
                    "2024-02-29 12:00:00+00",
                    "\\x00ff",
                    "1 day 02:03:00",
                    "0.30000000000000004",
                    "",
                    "UTF8",
                    "0",
                    row_security
                ]
            );
        }
        drop(s);
        server.drop_database(name).await;
    }
}

#[tokio::test]
async fn a_query_gives_the_last_statements_rows_and_an_error_leaves_the_session_usable() {
    let mut s = server::main().sql("postgres").await;
    let rows = s
        .query("SELECT 1 AS a; SELECT NULL AS b, 'x' AS c")
        .await
        .unwrap();
    assert_eq!(rows.columns, ["b", "c"]);
    assert_eq!(rows.value(0, "b"), None);
    assert_eq!(rows.value(0, "c"), Some("x"));
    assert!(s.query("").await.unwrap().is_empty());
    let error = s.query("SELECT * FROM no_such_table").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Query, Some("42P01"))
    );
    let error = s.query("COPY (SELECT 1) TO STDOUT").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Query);
    let error = s
        .query("CREATE TEMP TABLE t (a int); COPY t FROM STDIN")
        .await
        .unwrap_err();
    assert_eq!(error.sqlstate(), Some("57014"));
    assert_eq!(s.query("SELECT 7").await.unwrap().first(), Some("7"));
}

#[tokio::test]
async fn a_session_abandoned_half_way_says_so() {
    let mut s = server::main().sql("postgres").await;
    let slow = tokio::time::timeout(
        std::time::Duration::from_millis(50),
        s.query("SELECT pg_sleep(1)"),
    );
    assert!(slow.await.is_err());
    let error = s.query("SELECT 1").await.unwrap_err();
    assert!(error.to_string().contains("abandoned"), "{error}");
}

#[tokio::test]
async fn a_terminated_session_names_the_reason() {
    let server = server::main();
    let mut s = server.sql("postgres").await;
    let pid = s.query("SELECT pg_backend_pid()").await.unwrap();
    let mut killer = server.sql("postgres").await;
    let kill = format!("SELECT pg_terminate_backend({})", pid.first().unwrap());
    let (outcome, _) = tokio::join!(s.query("SELECT pg_sleep(30)"), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        killer.query(&kill).await.unwrap();
    });
    let error = outcome.unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::ServerUnavailable, Some("57P01"))
    );
}

#[tokio::test]
async fn copy_gives_line_by_line_and_the_session_goes_on() {
    for (_, server) in server::all() {
        let mut s = server.sql("postgres").await;
        let mut copy = s
            .copy_out(
                "COPY (SELECT i, repeat('x', i % 100), NULL FROM generate_series(1, 20000) AS i) TO STDOUT",
            )
            .await
            .unwrap();
        let mut count = 0_usize;
        while let Some(line) = copy.next().await.unwrap() {
            count += 1;
            assert_eq!(
                line,
                format!("{count}\t{}\t\\N\n", "x".repeat(count % 100)).as_bytes()
            );
        }
        assert_eq!(count, 20_000);
        assert_eq!(copy.next().await.unwrap(), None);
        assert_eq!(s.query("SELECT 1").await.unwrap().first(), Some("1"));
    }
}

#[tokio::test]
async fn a_copy_that_fails_says_why_wherever_it_fails() {
    let mut s = server::main().sql("postgres").await;
    assert_eq!(
        s.copy_out("COPY no_such_table TO STDOUT")
            .await
            .unwrap_err()
            .sqlstate(),
        Some("42P01")
    );
    assert_eq!(s.copy_out("SELECT 1").await.unwrap_err().kind(), ErrorKind::Query);
    let mut copy = s
        .copy_out("COPY (SELECT 1 / (1000 - i) FROM generate_series(1, 2000) AS i) TO STDOUT")
        .await
        .unwrap();
    let error = loop {
        match copy.next().await {
            Ok(line) => assert!(line.is_some(), "must not end without the error"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.sqlstate(), Some("22012"));
    assert_eq!(s.query("SELECT 1").await.unwrap().first(), Some("1"));
}

#[tokio::test]
async fn rows_hidden_by_row_security_are_an_error() {
    let server = server::main();
    let name = "wire_rls";
    let mut s = server.database(name).await;
    s.query(
        "DROP ROLE IF EXISTS wire_rls; CREATE ROLE wire_rls LOGIN; CREATE TABLE public.t (a int); \
         ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.t TO wire_rls",
    )
    .await
    .unwrap();
    let o = server.options(name).with_user("wire_rls");
    let mut reader = Session::connect(&o, Purpose::Sql, "t").await.unwrap();
    let error = reader.query("SELECT * FROM public.t").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.sqlstate()),
        (ErrorKind::Privilege, Some("42501"))
    );
    drop(reader);
    drop(s);
    server.drop_database(name).await;
    server
        .sql("postgres")
        .await
        .query("DROP ROLE wire_rls")
        .await
        .unwrap();
}

#[tokio::test]
async fn slots_are_created_with_each_kind_of_snapshot_on_every_version() {
    for (major, server) in server::all() {
        let mut s = server.replication("postgres").await;
        let made = s
            .create_slot(&slot("wire_export", SlotSnapshot::Export))
            .await
            .unwrap();
        assert!(made.consistent_point > Lsn::ZERO);
        let snapshot = made.snapshot_name.expect("an exported snapshot has a name");
        let mut importer = server.sql("postgres").await;
        importer
            .query(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{snapshot}'; SELECT 1; COMMIT"
            ))
            .await
            .unwrap();
        let mut other = server.replication("postgres").await;
        let error = other
            .create_slot(&slot("wire_export", SlotSnapshot::Nothing))
            .await
            .unwrap_err();
        assert_eq!(error.sqlstate(), Some("42710"));
        assert!(error.to_string().contains("wire_export"), "{error}");
        s.drop_slot("wire_export", true).await.unwrap();
        let error = s.drop_slot("wire_export", false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SlotMissing, "{error}");
        let made = s
            .create_slot(&slot("wire_none", SlotSnapshot::Nothing))
            .await
            .unwrap();
        assert_eq!(made.snapshot_name, None);
        s.query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")
            .await
            .unwrap();
        s.create_slot(&slot("wire_use", SlotSnapshot::Use)).await.unwrap();
        s.query("COMMIT").await.unwrap();

        let mut failover = slot("wire_failover", SlotSnapshot::Nothing);
        failover.failover = true;
        failover.temporary = false;
        match s.create_slot(&failover).await {
            Ok(_) => {
                assert!(major >= 17);
                s.drop_slot("wire_failover", false).await.unwrap();
            }
            Err(error) => {
                assert!(
                    major < 17 && error.kind() == ErrorKind::Config,
                    "{major}: {error}"
                );
            }
        }
    }
}
