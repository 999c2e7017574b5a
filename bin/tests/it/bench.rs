//! A database and runs of the program on it, with records and offset in files.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cdc_core::wire::{ConnectOptions, Purpose, Session};
use serde_json::Value;

/// Longest time that anything awaited here may take; the program itself takes half a minute for a stop, if it must.
const SOON: Duration = Duration::from_secs(60);
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// A database of one test with the table `t`, the pipeline's files, and its slot; database and slot have one name.
pub(crate) struct Bench {
    name: &'static str,
    pub(crate) dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    server: String,
}

impl Bench {
    pub(crate) fn new(name: &'static str) -> Self {
        let server = std::env::var("PGCDC_TEST_PG")
            .expect("PGCDC_TEST_PG is not set: run the tests by `make test`, which sets it");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let bench = Self {
            name,
            dir: tempfile::tempdir().unwrap(),
            runtime,
            server,
        };
        bench.remove();
        bench.at("postgres", &format!("CREATE DATABASE {name}"));
        bench.sql("CREATE TABLE public.t (id int PRIMARY KEY, v text)");
        bench
    }

    fn remove(&self) {
        let name = self.name;
        let prepared =
            format!("SELECT quote_literal(gid) FROM pg_prepared_xacts WHERE database = '{name}' LIMIT 1");
        while let Some(gid) = self.at("postgres", &prepared) {
            self.at(name, &format!("ROLLBACK PREPARED {gid}"));
        }
        let slots = format!("FROM pg_replication_slots WHERE database = '{name}'");
        let end = format!("SELECT pg_terminate_backend(active_pid) {slots} AND active");
        self.until("its slots are free", |b| b.at("postgres", &end).is_none());
        self.at(
            "postgres",
            &format!("SELECT pg_drop_replication_slot(slot_name) {slots}"),
        );
        self.at(
            "postgres",
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
    }

    /// Runs statements in a database; the last one's first value.
    pub(crate) fn at(&self, database: &str, sql: &str) -> Option<String> {
        let options = ConnectOptions::parse(&format!("{} dbname={database}", self.server)).unwrap();
        self.runtime.block_on(async {
            let mut session = Session::connect(&options, Purpose::Sql, "test").await.unwrap();
            session.query("SET search_path = public").await.unwrap();
            let rows = session.query(sql).await.unwrap().rows;
            rows.first().and_then(|row| row.first()?.clone())
        })
    }

    pub(crate) fn sql(&self, sql: &str) -> Option<String> {
        self.at(self.name, sql)
    }

    /// Starts the program with more lines in its `source` section.
    pub(crate) fn start(&self, more: &str) -> Run<'_> {
        self.start_as("", more)
    }

    pub(crate) fn start_as(&self, user: &str, more: &str) -> Run<'_> {
        let (name, server, dir) = (self.name, &self.server, self.dir.path().display());
        let slot = if more.contains("slot:") {
            String::new()
        } else {
            format!("  slot: {{name: {name}}}\n")
        };
        let config = format!(
            "source:\n  url: '{server} {user} dbname={name}'\n  retry: {{attempts: 5}}\n{slot}{more}\
             format: {{topic_prefix: srv, key_schemas: false, value_schemas: false}}\nlog: {{format: text}}\n\
             output: {{type: ndjson, path: '{dir}/out'}}\noffsets: {{type: file, path: '{dir}/offsets'}}\n"
        );
        self.run(&config)
    }

    /// The connection text of the database.
    pub(crate) fn url(&self) -> String {
        format!("{} dbname={}", self.server, self.name)
    }

    /// Writes the configuration into the test's directory.
    pub(crate) fn write(&self, config: &str) -> PathBuf {
        let file = self.dir.path().join("pgcdc.yaml");
        std::fs::write(&file, config).unwrap();
        file
    }

    /// Starts the program with this configuration.
    pub(crate) fn run(&self, config: &str) -> Run<'_> {
        let file = self.write(config);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_pgcdc"))
            .args([Path::new("run"), &file])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Run { child, bench: self }
    }

    /// Values written so far, tombstones left out.
    pub(crate) fn values(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("out")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |at| &text[..at]);
        whole
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["value"].clone())
            .map(|v| match v {
                Value::String(text) => serde_json::from_str(&text).unwrap(),
                other => other,
            })
            .filter(|v| !v.is_null())
            .collect()
    }

    /// Operation and id of the rows written so far.
    pub(crate) fn rows(&self) -> Vec<(String, i64)> {
        let row = |v: &Value| Some((v["op"].as_str()?.to_owned(), v["after"]["id"].as_i64()?));
        self.values().iter().filter_map(row).collect()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !done(self) {
            assert!(Instant::now() < deadline, "{what}: never\n{}", self.log());
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits until exactly these rows have been written.
    #[track_caller]
    pub(crate) fn expect(&self, rows: &[(&str, i64)]) {
        let want: Vec<(String, i64)> = rows.iter().map(|(op, id)| ((*op).to_owned(), *id)).collect();
        let deadline = Instant::now() + SOON;
        while self.rows() != want {
            let got = self.rows();
            assert!(
                Instant::now() < deadline && got.len() <= want.len(),
                "{got:?}\n{}",
                self.log()
            );
            std::thread::sleep(PAUSE);
        }
    }

    pub(crate) fn confirmed(&self) -> String {
        self.sql(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database()",
        )
        .unwrap_or_default()
    }

    fn streams(&self) -> bool {
        self.sql("SELECT count(*) FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid WHERE database = current_database() AND state IN ('catchup', 'streaming')")
            .as_deref()
            == Some("1")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.remove();
        }
    }
}

/// A run of the program; killed when dropped.
pub(crate) struct Run<'a> {
    child: Child,
    bench: &'a Bench,
}

impl Run<'_> {
    pub(crate) fn streaming(self) -> Self {
        self.bench.until("streaming", Bench::streams);
        self
    }

    /// Asks it to stop; it must end well.
    pub(crate) fn stop(mut self) {
        let pid = self.child.id().to_string();
        Command::new("kill").arg(pid).status().unwrap();
        let code = self.end();
        assert_eq!(code, Some(0), "{}", self.bench.log());
    }

    pub(crate) fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it runs on\n{}", self.bench.log());
            std::thread::sleep(PAUSE);
        }
    }

    /// It must end by itself with a failure; what it said last.
    pub(crate) fn fails(mut self) -> String {
        let code = self.end();
        let log = self.bench.log();
        assert_eq!(code, Some(1), "{log}");
        log.lines()
            .rfind(|l| l.starts_with("error: "))
            .unwrap_or(&log)
            .to_owned()
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Holds back who asks whether it is open, until it is dropped: a lock, which has no transaction that others would wait for.
pub(crate) struct Gate {
    _session: Session,
}

impl Gate {
    /// The question, as an SQL condition.
    pub(crate) const IS_OPEN: &str = "pg_advisory_xact_lock_shared(7) IS NOT NULL";

    pub(crate) fn closed(b: &Bench) -> Self {
        let options = ConnectOptions::parse(&b.url()).unwrap();
        let session = b.runtime.block_on(async {
            let mut session = Session::connect(&options, Purpose::Sql, "gate").await.unwrap();
            session.query("SELECT pg_advisory_lock(7)").await.unwrap();
            session
        });
        Self { _session: session }
    }

    /// Waits until somebody stands before it.
    pub(crate) fn reached(&self, b: &Bench) {
        let waiting =
            "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()";
        b.until("the gate", |b| b.sql(waiting).is_some());
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// What the program answers at `path`; none if nobody does.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.split_once("\r\n\r\n")?.1.to_owned())
}

/// Lines of the source section: no snapshot.
pub(crate) const NO_DATA: &str = "  snapshot: {mode: no_data}\n";
