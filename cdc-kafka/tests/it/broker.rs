//! The broker under test, and a reader that shares no code with the crate.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cdc_core::{Batch, Lsn, Position, RecordHead, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Headers;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// The broker that all tests share.
pub(crate) fn servers() -> String {
    std::env::var("PGCDC_TEST_KAFKA")
        .expect("PGCDC_TEST_KAFKA=host:port names no broker: run the tests by `make test`, which sets it")
}

/// A name that no other test, and no earlier run, has used.
pub(crate) fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    format!("{stem}-{micros}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A record as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) partition: i32,
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Reads a topic from its beginning until `at_least` records have come and nothing more follows.
pub(crate) fn read(servers: &str, topic: &str, at_least: usize) -> Vec<Read> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", unique("reader"))
        .set("isolation.level", "read_committed")
        .create()
        .unwrap();
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(20))
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        assignment
            .add_partition_offset(topic, partition.id(), Offset::Beginning)
            .unwrap();
    }
    assert!(assignment.count() > 0, "topic {topic} does not exist");
    consumer.assign(&assignment).unwrap();
    let mut all = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let quiet = if all.len() >= at_least { 300 } else { 1000 };
        match consumer.poll(Duration::from_millis(quiet)) {
            Some(Ok(m)) => all.push(Read {
                partition: m.partition(),
                timestamp: m.timestamp().to_millis(),
                key: m.key().map(<[u8]>::to_vec),
                value: m.payload().map(<[u8]>::to_vec),
                headers: m.headers().map_or(vec![], |h| {
                    h.iter()
                        .map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec)))
                        .collect()
                }),
            }),
            Some(Err(_)) => {}
            None if all.len() >= at_least => return all,
            None => {}
        }
    }
    panic!(
        "topic {topic} holds {} records after a minute, and {at_least} were expected",
        all.len()
    );
}

/// A topic as records name it.
pub(crate) fn topic(name: &str) -> Arc<Topic> {
    Arc::new(Topic { name: name.into() })
}

/// Adds a record to a batch.
pub(crate) fn push(batch: &mut Batch, topic: &Arc<Topic>, key: Option<&str>, value: Option<&str>) {
    if let Some(key) = key {
        batch.buf().extend_from_slice(key.as_bytes());
        batch.mark_key();
    }
    if let Some(value) = value {
        batch.buf().extend_from_slice(value.as_bytes());
        batch.mark_value();
    }
    batch.finish(&head(topic));
}

/// Where a record goes.
pub(crate) fn head(topic: &Arc<Topic>) -> RecordHead {
    RecordHead {
        topic: Arc::clone(topic),
        partition: None,
        timestamp_ms: None,
        position: Position::default(),
        version_lsn: Lsn::ZERO,
    }
}

/// A broker of the test's own, on a free port, that it may restart and that ends with the test.
pub(crate) struct OwnBroker {
    script: String,
    name: String,
    pub(crate) servers: String,
}

impl OwnBroker {
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::with(&[], settings)
    }

    /// A broker that also listens on its port + 30, with TLS and SCRAM-SHA-256 for user `pgcdc` with password `secret`.
    pub(crate) fn secure() -> Self {
        Self::with(&["--secure"], &[])
    }

    /// Address of the secured listener.
    pub(crate) fn secured(&self) -> String {
        let port: u16 = self.servers.rsplit(':').next().unwrap().parse().unwrap();
        format!("localhost:{}", port + 30)
    }

    /// The certificate that the secured listener shows, its own authority.
    pub(crate) fn certificate(&self) -> String {
        format!("{}/ca.crt", self.run(&["dir"]).trim())
    }

    fn with(options: &[&str], settings: &[&str]) -> Self {
        let script = std::env::var("PGCDC_TEST_KAFKA_SCRIPT")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../dev/kafka").to_owned());
        let port = free_port();
        let broker = Self {
            script,
            name: format!("it-{port}"),
            servers: format!("localhost:{port}"),
        };
        let mut arguments = vec![
            "up".to_owned(),
            "--port".into(),
            port.to_string(),
            "--heap".into(),
            "256m".into(),
        ];
        arguments.extend(options.iter().map(ToString::to_string));
        for setting in settings {
            let ports = [("PORT", port), ("NEXT", port + 1), ("CONTROL", port + 10)];
            let setting = ports.iter().fold((*setting).to_owned(), |s, (word, port)| {
                s.replace(&format!("{{{word}}}"), &port.to_string())
            });
            arguments.extend(["--set".into(), setting]);
        }
        broker.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        broker
    }

    /// Kills the broker as a crash would.
    pub(crate) fn kill(&self) {
        let pid = self.run(&["pid", "1"]);
        let killed = Command::new("kill").args(["-9", pid.trim()]).status().unwrap();
        assert!(killed.success());
    }

    /// Starts it again on the data it left.
    pub(crate) fn restart(&self) {
        self.run(&["start", "1"]);
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new(&self.script)
            .args(arguments)
            .args(["--name", &self.name])
            .output()
            .unwrap_or_else(|e| panic!("{} cannot be run: {e}", self.script));
        assert!(
            output.status.success(),
            "{} {arguments:?}: {}",
            self.script,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        let _ = Command::new(&self.script)
            .args(["down", "--name", &self.name])
            .output();
    }
}

/// A port whose neighbours up to 30 above are free as well, as far as one can tell, and below those that connections take.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let base = 20_000 + (std::process::id() % 120) * 100 + NEXT.fetch_add(1, Ordering::Relaxed) * 25;
    (0..30)
        .map(|i| u16::try_from(base + i * 25).unwrap())
        .find(|p| {
            [0, 1, 10, 30]
                .iter()
                .all(|d| std::net::TcpListener::bind(("127.0.0.1", p + d)).is_ok())
        })
        .expect("no free port")
}
