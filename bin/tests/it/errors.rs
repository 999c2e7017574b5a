//! What the program says when it cannot run: one clear sentence on standard error, and a code that is not zero.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cdc_core::wire::{ConnectOptions, CreateSlot, Purpose, Session, SlotSnapshot};

use crate::bench::{PAUSE, free_port};
use crate::search;

/// Longest time that any of these failures may take to be said.
const SOON: Duration = Duration::from_secs(30);

/// Connection text of the main server.
fn main_server() -> String {
    std::env::var("PGCDC_TEST_PG")
        .expect("PGCDC_TEST_PG is not set: run the tests by `make test`, which sets it")
}

/// Connection texts of one server of each version.
fn all_servers() -> Vec<String> {
    let list = std::env::var("PGCDC_TEST_PG_ALL")
        .expect("PGCDC_TEST_PG_ALL is not set: run the tests by `make test`, which sets it");
    let ports = list.split_whitespace().filter_map(|pair| pair.split_once('='));
    ports
        .map(|(_, port)| format!("host=127.0.0.1 port={port} user=postgres"))
        .collect()
}

/// A server of the test's own, stopped and deleted when dropped.
struct OwnServer(String, u16);

impl OwnServer {
    fn start(name: &str, options: &[&str]) -> Self {
        let port = free_port();
        let own = Self(format!("it-{name}-{port}"), port);
        let text = port.to_string();
        let mut all = vec!["up", "--name", &own.0, "--port", &text, "--no-fsync"];
        all.extend_from_slice(options);
        let output = Self::dev(&all);
        assert!(output.status.success(), "{output:?}");
        own
    }

    fn dev(arguments: &[&str]) -> std::process::Output {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../dev/postgres");
        Command::new(program).args(arguments).output().unwrap()
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        Self::dev(&["down", "--name", &self.0, "--immediate"]);
    }
}

/// A database of one test, with a table and, if `slot` says so, a slot; all of one name.
struct Database {
    server: String,
    name: String,
    runtime: tokio::runtime::Runtime,
}

impl Database {
    fn new(server: &str, name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let db = Self {
            server: server.into(),
            name: name.into(),
            runtime,
        };
        db.remove();
        db.sql("postgres", &format!("CREATE DATABASE {name}"));
        db.sql(
            name,
            "CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.bare (v text)",
        );
        db
    }

    fn options(&self, database: &str) -> ConnectOptions {
        ConnectOptions::parse(&format!("{} dbname={database}", self.server)).unwrap()
    }

    /// Runs statements; whether the last one has rows.
    fn sql(&self, database: &str, sql: &str) -> bool {
        let options = self.options(database);
        self.runtime.block_on(async {
            let session = Session::connect(&options, Purpose::Sql, "test");
            let answer = session.await.unwrap().query(sql).await.unwrap();
            !answer.rows.is_empty()
        })
    }

    fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + SOON;
        while !done(self) {
            assert!(Instant::now() < deadline, "{what}: never");
            std::thread::sleep(PAUSE);
        }
    }

    fn slot(&self, two_phase: bool) {
        let slot = CreateSlot {
            name: self.name.clone(),
            temporary: false,
            snapshot: SlotSnapshot::Nothing,
            two_phase,
            failover: false,
        };
        let options = self.options(&self.name);
        self.runtime.block_on(async {
            let session = Session::connect(&options, Purpose::Replication, "test");
            session.await.unwrap().create_slot(&slot).await.unwrap();
        });
    }

    fn remove(&self) {
        let name = &self.name;
        let slot = format!("FROM pg_replication_slots WHERE slot_name = '{name}'");
        let end = format!("SELECT pg_terminate_backend(active_pid) {slot} AND active");
        self.until("its slot is free", |db| !db.sql("postgres", &end));
        self.sql(
            "postgres",
            &format!("SELECT pg_drop_replication_slot(slot_name) {slot}"),
        );
        self.sql(
            "postgres",
            &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        );
    }

    /// The source section, with more lines of it.
    fn source(&self, more: &str) -> String {
        let name = &self.name;
        format!(
            "source:\n  url: '{} dbname={name}'\n  slot: {{name: {name}}}\n  retry: {{attempts: 0}}\n{more}\
             format: {{topic_prefix: {name}}}\nlog: {{format: text}}\n",
            self.server
        )
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.remove();
        }
    }
}

const TO_STDOUT: &str = "output: {type: stdout}\n";
const ONLY_T: &str = "  tables: {include: ['public\\.t']}\n  snapshot: {mode: no_data}\n";

struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// A run that is killed when dropped.
struct Running {
    child: Child,
    _file: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    fn start(command: &str, config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file: PathBuf = dir.path().join("pgcdc.yaml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_pgcdc"))
            .args([Path::new(command), &file])
            .env_remove("PGPASSWORD")
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, _file: dir }
    }

    /// Waits for a line of standard error with this text.
    fn says(&mut self, text: &str) -> String {
        let mut lines = BufReader::new(self.child.stderr.as_mut().unwrap());
        let (mut line, mut all) = (String::new(), String::new());
        while lines.read_line(&mut line).unwrap() > 0 {
            if line.contains(text) {
                return line;
            }
            all.push_str(&line);
            line.clear();
        }
        panic!("never said {text:?}, but:\n{all}");
    }

    /// Waits for the end.
    fn end(mut self) -> Said {
        let deadline = Instant::now() + SOON;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < deadline, "the program runs on");
            std::thread::sleep(PAUSE);
        };
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut stderr)
            .unwrap();
        Said { code, stdout, stderr }
    }
}

/// Runs the program to its end, which must be a failure; returns the one line that says why.
fn failure(config: &str) -> String {
    let said = Running::start("run", config).end();
    assert_eq!(said.code, Some(1), "{}", said.stderr);
    let lines: Vec<&str> = said.stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{}", said.stderr);
    lines[0].to_owned()
}

/// What doctor finds wrong about a subject, with its advice.
fn diagnosis(config: &str, subject: &str, mark: &str) -> String {
    let said = Running::start("doctor", config).end();
    assert_eq!(
        said.code == Some(0),
        mark != "FAILED",
        "{}{}",
        said.stdout,
        said.stderr
    );
    let mut lines = said.stdout.lines();
    let found = lines.find(|l| l.starts_with(mark) && l.contains(subject));
    let found = found.unwrap_or_else(|| panic!("nothing {mark} about {subject}:\n{}", said.stdout));
    format!("{found} {}", lines.next().unwrap_or_default())
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn wrong_password_and_wal_level() {
    let own = OwnServer::start("said", &["--password", "s3cret", "-c", "wal_level=replica"]);
    let config = |password: &str| {
        format!(
            "source:\n  url: 'host=127.0.0.1 port={} user=postgres dbname=postgres password={password}'\n\
             format: {{topic_prefix: p}}\n{TO_STDOUT}",
            own.1
        )
    };
    let text = failure(&config("hunter2"));
    let where_ = format!("postgres@127.0.0.1:{}/postgres", own.1);
    holds(
        &text,
        &["password authentication failed", &where_, "check the password"],
    );
    assert!(!text.contains("hunter2"), "{text}");

    let text = failure(&config("s3cret"));
    holds(
        &text,
        &[
            "wal_level is replica",
            "set wal_level = logical",
            "restart the server",
        ],
    );
    holds(
        &diagnosis(&config("s3cret"), "wal_level", "FAILED"),
        &["is replica", "ALTER SYSTEM SET wal_level"],
    );
}

#[test]
fn missing_publication_on_every_version() {
    for server in all_servers() {
        let db = Database::new(&server, "said_nopub");
        let config = db.source(&format!(
            "{ONLY_T}  publication: {{name: nopub, autocreate: disabled}}\n"
        )) + TO_STDOUT;
        let text = failure(&config);
        holds(
            &text,
            &[
                "publication \"nopub\" does not exist in database \"said_nopub\"",
                "create the publication",
                "pgcdc doctor",
            ],
        );
        holds(
            &diagnosis(&config, "publication", "FAILED"),
            &["\"nopub\" does not exist", "CREATE PUBLICATION"],
        );
    }
}

#[test]
fn a_publication_dropped_under_way_on_every_version() {
    for server in all_servers() {
        let db = Database::new(&server, "said_droppub");
        db.sql(&db.name, "CREATE PUBLICATION droppub FOR TABLE public.t");
        let config = db.source(&format!(
            "{ONLY_T}  publication: {{name: droppub, autocreate: disabled}}\n"
        )) + TO_STDOUT;
        let mut run = Running::start("run", &config);
        run.says("streaming");
        db.sql(
            &db.name,
            "DROP PUBLICATION droppub; INSERT INTO public.t VALUES (1)",
        );
        let said = run.end();
        assert_eq!(said.code, Some(1), "{}", said.stderr);
        holds(
            &said.stderr,
            &["error: ", "publication", "create the publication"],
        );
    }
}

#[test]
fn slot_in_use_and_slot_with_two_phase() {
    let db = Database::new(&main_server(), "said_slot");
    let config = db.source(ONLY_T) + TO_STDOUT;
    let mut first = Running::start("run", &config);
    first.says("streaming");
    let held = "SELECT 1 FROM pg_replication_slots WHERE slot_name = 'said_slot' AND active";
    db.until("the slot is in use", |db| db.sql("postgres", held));
    let text = failure(&config);
    holds(
        &text,
        &[
            "slot \"said_slot\" is in use by server process",
            "stop the other reader, or choose another slot name",
        ],
    );
    drop(first);

    let db = Database::new(&main_server(), "said_two_phase");
    db.slot(true);
    let config = db.source(ONLY_T) + TO_STDOUT;
    holds(
        &failure(&config),
        &[
            "slot \"said_two_phase\" was created with two_phase",
            "drop the slot",
        ],
    );
    holds(
        &diagnosis(&config, "slot", "FAILED"),
        &["created with two_phase", "pgcdc slot drop"],
    );
}

#[test]
fn table_without_replica_identity() {
    let db = Database::new(&main_server(), "said_identity");
    let config =
        db.source("  tables: {include: ['public\\.bare']}\n  snapshot: {mode: no_data}\n") + TO_STDOUT;
    holds(
        &diagnosis(&config, "replica identity", "warning"),
        &[
            "none on public.bare",
            "updates and deletes there fail",
            "REPLICA IDENTITY FULL",
        ],
    );
    // The application is hurt, not the pipeline: it runs, and says so.
    let text = Running::start("run", &config).says("has no replica identity");
    holds(
        &text,
        &[
            "WARN",
            "public.bare",
            "the server refuses its updates and deletes",
            "REPLICA IDENTITY FULL",
        ],
    );
}

#[test]
fn broker_down() {
    let db = Database::new(&main_server(), "said_broker");
    let broker = format!("127.0.0.1:{}", free_port());
    let config = db.source(ONLY_T) + &format!("kafka: {{bootstrap_servers: '{broker}'}}\n");
    holds(
        &failure(&config),
        &[
            "kafka",
            &broker,
            "onnection refused",
            "start the downstream system",
        ],
    );
    holds(
        &diagnosis(&config, "kafka", "FAILED"),
        &[&broker, "onnection refused"],
    );
}

#[test]
fn an_index_that_never_answers_does_not_hold_up_a_stop() {
    let kafka = search::kafka();
    let topic = format!("said-stop-{}", std::process::id());
    let event = r#"{"before":null,"after":{"id":1},"source":{"sequence":"[\"80\",\"80\"]","lsn":80},"op":"c","ts_ms":1}"#;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(search::produce(
        &cdc_kafka::KafkaConfig::new(kafka.as_str()),
        &topic,
        &[(Some("{\"id\":1}"), Some(event))],
        &[],
    ));
    // It takes connections, and answers none.
    let index = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = index.local_addr().unwrap();
    let run = Running::start(
        "run",
        &format!(
            "name: {topic}\nkafka: {{bootstrap_servers: '{kafka}'}}\nconsume: {{topics: ['{topic}']}}\n\
             index: {{urls: ['http://{address}']}}\nlog: {{format: text}}\n"
        ),
    );
    index.set_nonblocking(true).unwrap();
    let deadline = Instant::now() + SOON;
    while index.accept().is_err() {
        assert!(Instant::now() < deadline, "the index is not asked");
        std::thread::sleep(PAUSE);
    }
    let pid = run.child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let said = run.end();
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    holds(
        &said.stderr,
        &["the index did not take all that was under way at the stop: the next start reads the rest again"],
    );
}

#[test]
fn unknown_key() {
    let text = failure("source:\n  hots: db\n");
    holds(
        &text,
        &[
            "pgcdc.yaml:2:3",
            "source.hots",
            "unknown key `hots`",
            "did you mean `host`?",
        ],
    );
}
