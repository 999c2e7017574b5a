//! Section `kafka` of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use cdc_core::{Error, ErrorKind};
use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::properties::{self, Property};

/// How to reach Kafka, and what topics are made of.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to begin with: `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// Client properties under librdkafka's names (`security.protocol`, `sasl.mechanism`, `ssl.ca.location`, `linger.ms`,
    /// `compression.type` …). Names of the Java client that differ are translated, or refused with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Scalar>,
    /// File that holds the value of `sasl.password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sasl_password_file: Option<PathBuf>,
    /// File that holds the value of `ssl.key.password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_key_password_file: Option<PathBuf>,
    /// File that holds the value of `ssl.keystore.password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_keystore_password_file: Option<PathBuf>,
    /// Topics that records go to.
    #[serde(default)]
    pub topics: TopicsConfig,
    /// Compacted topic that keeps the offsets of pipelines.
    #[serde(default = "default_offsets_topic")]
    pub offsets_topic: String,
}

/// How topics are created.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsConfig {
    /// Whether missing topics are created before their first record; otherwise a missing topic is an error.
    pub auto_create: bool,
    /// Partitions of a new topic; -1 leaves it to the broker.
    pub partitions: i32,
    /// Replicas of a new topic; -1 leaves it to the broker.
    pub replication_factor: i32,
    /// Settings of a new topic, such as `cleanup.policy: compact`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, Scalar>,
    /// Differing settings for topics by name; the first group that a topic belongs to counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<TopicGroup>,
}

/// Settings for some topics. What is not given is taken from the general settings.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicGroup {
    /// Regular expressions; a topic belongs to the group if one matches its whole name.
    pub include: Vec<String>,
    /// Regular expressions; a topic does not belong to the group if one matches its whole name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Partitions of a new topic; -1 leaves it to the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replicas of a new topic; -1 leaves it to the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i32>,
    /// Settings of a new topic, added to the general ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, Scalar>,
}

/// A property's value: text, number or truth value.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// Whole number.
    Int(i64),
    /// Number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
}

/// What a client is for: decides the defaults, and which properties concern it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Writes records; the number bounds the bytes of records that are not yet delivered.
    Producer { buffer_bytes: u64 },
    /// Reads records.
    Consumer,
    /// Asks about topics and creates them.
    Admin,
}

impl KafkaConfig {
    /// A configuration for brokers without encryption or log-in, with all defaults.
    #[must_use]
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            bootstrap_servers: bootstrap_servers.into(),
            properties: BTreeMap::new(),
            sasl_password_file: None,
            ssl_key_password_file: None,
            ssl_keystore_password_file: None,
            topics: TopicsConfig::default(),
            offsets_topic: default_offsets_topic(),
        }
    }

    /// Sets a property.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(name.into(), Scalar::Text(value.into()));
        self
    }

    /// Checks everything that can be checked without a broker: names and values of properties, secret files, topic settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the entry.
    pub fn validate(&self) -> Result<(), Error> {
        for role in [
            Role::Producer {
                buffer_bytes: 1 << 20,
            },
            Role::Consumer,
            Role::Admin,
        ] {
            self.client(role)?
                .create_native_config()
                .map_err(|e| bad_property(&e))?;
        }
        crate::topics::check_name(&self.offsets_topic)?;
        crate::topics::TopicSettings::compile(&self.topics).map(drop)
    }

    /// librdkafka's configuration for a client.
    pub(crate) fn client(&self, role: Role) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.servers()?);
        for (name, value) in defaults(role) {
            config.set(name, value);
        }
        let fits = |name: &str| match role {
            Role::Producer { .. } => !properties::is_consumer_only(name),
            Role::Consumer => !properties::is_producer_only(name),
            Role::Admin => !properties::is_consumer_only(name) && !properties::is_producer_only(name),
        };
        let all = |name: &str| self.properties.get(name).map(ToString::to_string);
        for (name, value) in &self.properties {
            let Property::Set(pairs) = properties::translate(name, &value.to_string(), &all)? else {
                continue;
            };
            for (name, value) in pairs.into_iter().filter(|(name, _)| fits(name)) {
                config.set(name, value);
            }
        }
        for (entry, name, file) in [
            ("sasl_password_file", "sasl.password", &self.sasl_password_file),
            (
                "ssl_key_password_file",
                "ssl.key.password",
                &self.ssl_key_password_file,
            ),
            (
                "ssl_keystore_password_file",
                "ssl.keystore.password",
                &self.ssl_keystore_password_file,
            ),
        ] {
            let Some(file) = file else { continue };
            if config.get(name).is_some() {
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("both kafka.{entry} and property {name} are given"),
                )
                .with_hint("keep one of the two"));
            }
            let text = std::fs::read_to_string(file).map_err(|e| {
                Error::new(
                    ErrorKind::Config,
                    format!("kafka.{entry} {} cannot be read", file.display()),
                )
                .with_source(e)
            })?;
            config.set(name, text.trim_end_matches(['\r', '\n']));
        }
        Ok(config)
    }

    fn servers(&self) -> Result<String, Error> {
        let servers: Vec<_> = self
            .bootstrap_servers
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .collect();
        if servers.is_empty() {
            return Err(
                Error::new(ErrorKind::Config, "kafka.bootstrap_servers names no broker")
                    .with_hint("give host:port, several separated by commas"),
            );
        }
        Ok(servers.join(","))
    }
}

/// The property that says where to read on when the group's offset is not there, or not there any more.
pub(crate) const RESET: &str = "auto.offset.reset";

/// Defaults of a client; properties may change them.
fn defaults(role: Role) -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("client.id", "pgcdc".to_owned()),
        ("socket.keepalive.enable", "true".to_owned()),
    ];
    match role {
        Role::Producer { buffer_bytes } => all.extend([
            ("enable.idempotence", "true".to_owned()),
            ("acks", "all".to_owned()),
            ("max.in.flight.requests.per.connection", "5".to_owned()),
            // Places keys as the Java client does, so that a topic can be shared with one or taken over from it.
            ("partitioner", "murmur2_random".to_owned()),
            ("linger.ms", "1".to_owned()),
            ("compression.type", "lz4".to_owned()),
            ("batch.size", "1000000".to_owned()),
            ("batch.num.messages", "100000".to_owned()),
            // Past this the pipeline starts again from the stored offset, with the reason in the log.
            ("message.timeout.ms", "300000".to_owned()),
            (
                "queue.buffering.max.kbytes",
                (buffer_bytes / 1024).clamp(1, 2_097_151).to_string(),
            ),
            // The bound is in bytes.
            ("queue.buffering.max.messages", "0".to_owned()),
        ]),
        Role::Consumer => all.extend([
            ("enable.auto.commit", "false".to_owned()),
            ("enable.auto.offset.store", "false".to_owned()),
            ("isolation.level", "read_committed".to_owned()),
            ("partition.assignment.strategy", "cooperative-sticky".to_owned()),
            // Where the group's offset is gone: what is missing must not be passed over. Who has no offset yet is told where
            // to begin.
            (RESET, "error".to_owned()),
        ]),
        Role::Admin => {}
    }
    all
}

/// The error for a property that librdkafka does not accept.
pub(crate) fn bad_property(error: &KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, why, name, value) => {
            let text = if properties::is_secret(name) {
                // The library's words may quote the value.
                let why = if value.is_empty() {
                    why.clone()
                } else {
                    why.replace(value.as_str(), "***")
                };
                format!("kafka property {name} is refused: {why}")
            } else {
                format!("kafka property {name} is refused ({value}): {why}")
            };
            Error::new(ErrorKind::Config, text)
        }
        other => Error::new(
            ErrorKind::Config,
            format!("the kafka properties do not fit together: {other}"),
        ),
    }
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            auto_create: true,
            partitions: 1,
            replication_factor: -1,
            config: BTreeMap::new(),
            groups: Vec::new(),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(v) => v.fmt(f),
            Self::Int(v) => v.fmt(f),
            Self::Float(v) => v.fmt(f),
            Self::Text(v) => v.fmt(f),
        }
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for KafkaConfig {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = Scalar::Text("***".into());
        let properties: BTreeMap<_, _> = self
            .properties
            .iter()
            .map(|(name, value)| {
                (
                    name,
                    if properties::is_secret(name) {
                        &hidden
                    } else {
                        value
                    },
                )
            })
            .collect();
        f.debug_struct("KafkaConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("properties", &properties)
            .field("topics", &self.topics)
            .field("offsets_topic", &self.offsets_topic)
            .finish_non_exhaustive()
    }
}

fn default_offsets_topic() -> String {
    "pgcdc-offsets".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<KafkaConfig, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_full_section_is_read_and_valid() {
        let config = read(
            r#"{"bootstrap_servers":" a:1, b:2 ","properties":{"linger.ms":0,"compression.type":"zstd","fetch.max.bytes":1000000,
                "buffer.memory":1048576,"socket.nagle.disable":true},
                "topics":{"partitions":3,"config":{"cleanup.policy":"compact"},"groups":[{"include":["a\\..*"],"partitions":1}]}}"#,
        )
        .unwrap();
        config.validate().unwrap();
        let producer = config
            .client(Role::Producer {
                buffer_bytes: 1 << 24,
            })
            .unwrap();
        assert_eq!(producer.get("bootstrap.servers"), Some("a:1,b:2"));
        assert_eq!(producer.get("linger.ms"), Some("0"));
        assert_eq!(producer.get("queue.buffering.max.kbytes"), Some("1024"));
        assert_eq!(producer.get("partitioner"), Some("murmur2_random"));
        assert_eq!(producer.get("fetch.max.bytes"), None);
        let consumer = config.client(Role::Consumer).unwrap();
        assert_eq!(consumer.get("fetch.max.bytes"), Some("1000000"));
        assert_eq!(consumer.get("linger.ms"), None);
        assert_eq!(config.offsets_topic, "pgcdc-offsets");
    }

    #[test]
    fn mistakes_are_named() {
        assert!(read(r#"{"bootstrap_servers":"a:1","topic":{}}"#).is_err());
        for (config, says) in [
            (KafkaConfig::new(" , "), "bootstrap_servers"),
            (
                KafkaConfig::new("a:1").with_property("linger.msec", "1"),
                "linger.msec",
            ),
            (
                KafkaConfig::new("a:1").with_property("sasl.passwort", "hush"),
                "sasl.passwort",
            ),
            (KafkaConfig::new("a:1").with_property("linger.ms", "soon"), "soon"),
            (
                KafkaConfig::new("a:1").with_property("security.protocol", "tls"),
                "security.protocol",
            ),
            (KafkaConfig::new("a:1").with_property("acks", "0"), "acks"),
        ] {
            let error = config.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
            assert!(!error.chain().contains("hush") && !format!("{config:?}").contains("hush"));
        }
    }

    #[test]
    fn secrets_come_from_files_and_are_never_shown() {
        let file = std::env::temp_dir().join(format!("pgcdc-kafka-secret-{}", std::process::id()));
        std::fs::write(&file, "hush\n").unwrap();
        let mut config = KafkaConfig::new("a:1");
        config.sasl_password_file = Some(file.clone());
        assert_eq!(
            config.client(Role::Admin).unwrap().get("sasl.password"),
            Some("hush")
        );
        let config = config.with_property("sasl.password", "hush");
        assert!(!format!("{config:?}").contains("hush"));
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .contains("sasl_password_file")
        );
        std::fs::remove_file(&file).unwrap();
        let mut config = KafkaConfig::new("a:1");
        config.sasl_password_file = Some(file);
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
    }
}
