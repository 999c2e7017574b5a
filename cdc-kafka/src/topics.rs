//! Topics: which exist, with which settings new ones are created, and the creation.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use cdc_core::{Error, ErrorKind};
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::{Client, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode as Code;
use regex::RegexSet;

use crate::config::TopicsConfig;
use crate::error;

/// Deadline of a question to the cluster.
pub(crate) const ASK: Duration = Duration::from_secs(15);

/// Kafka's own limit.
const NAME_LIMIT: usize = 249;

/// Compiled settings for new topics.
#[derive(Debug)]
pub(crate) struct TopicSettings {
    pub(crate) auto_create: bool,
    general: Settings,
    groups: Vec<Group>,
}

/// Settings of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i32,
    pub(crate) config: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Group {
    include: RegexSet,
    exclude: RegexSet,
    settings: Settings,
}

impl TopicSettings {
    /// Compiles the configuration.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the entry.
    pub(crate) fn compile(config: &TopicsConfig) -> Result<Self, Error> {
        let text = |map: &BTreeMap<String, crate::Scalar>| {
            map.iter()
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect::<BTreeMap<_, _>>()
        };
        let general = Settings {
            partitions: count("kafka.topics.partitions", config.partitions)?,
            replication_factor: count("kafka.topics.replication_factor", config.replication_factor)?,
            config: text(&config.config),
        };
        let mut groups = Vec::new();
        for (i, group) in config.groups.iter().enumerate() {
            let entry = format!("kafka.topics.groups[{i}]");
            let mut settings = general.clone();
            if let Some(partitions) = group.partitions {
                settings.partitions = count(&format!("{entry}.partitions"), partitions)?;
            }
            if let Some(factor) = group.replication_factor {
                settings.replication_factor = count(&format!("{entry}.replication_factor"), factor)?;
            }
            settings.config.extend(text(&group.config));
            groups.push(Group {
                include: patterns(&format!("{entry}.include"), &group.include)?,
                exclude: patterns(&format!("{entry}.exclude"), &group.exclude)?,
                settings,
            });
        }
        Ok(Self {
            auto_create: config.auto_create,
            general,
            groups,
        })
    }

    /// Settings of a new topic.
    pub(crate) fn of(&self, topic: &str) -> &Settings {
        self.groups
            .iter()
            .find(|g| g.include.is_match(topic) && !g.exclude.is_match(topic))
            .map_or(&self.general, |g| &g.settings)
    }
}

fn patterns(entry: &str, patterns: &[String]) -> Result<RegexSet, Error> {
    RegexSet::new(patterns.iter().map(|p| format!("^(?:{p})$"))).map_err(|e| {
        Error::new(
            ErrorKind::Config,
            format!("{entry} holds no valid regular expression"),
        )
        .with_source(e)
    })
}

fn count(entry: &str, value: i32) -> Result<i32, Error> {
    if value == -1 || value >= 1 {
        return Ok(value);
    }
    Err(Error::new(ErrorKind::Config, format!("{entry} is {value}"))
        .with_hint("give a number from 1, or -1 for the broker's default"))
}

/// Checks a topic's name against Kafka's rules.
///
/// # Errors
/// [`ErrorKind::Config`].
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !name.is_empty() && name.len() <= NAME_LIMIT && name.bytes().all(legal) && name != "." && name != ".."
    {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    Err(Error::new(
        ErrorKind::Config,
        format!("{shown:?} is no name for a kafka topic"),
    )
    .with_hint(
        "a topic's name has at most 249 characters out of letters, digits, dot, underscore and hyphen",
    ))
}

/// All topics of the cluster that this user may see, with their numbers of partitions.
pub(crate) fn list<C: ClientContext>(client: &Client<C>) -> Result<HashMap<String, u64>, Error> {
    let metadata = client
        .fetch_metadata(None, ASK)
        .map_err(|e| error::from_kafka(&e, "the topics of kafka cannot be listed"))?;
    let alive = metadata.topics().iter().filter(|t| {
        t.error()
            .is_none_or(|e| Code::from(e) != Code::UnknownTopicOrPartition)
    });
    Ok(alive
        .map(|t| (t.name().to_owned(), t.partitions().len() as u64))
        .collect())
}

/// Asks whether a topic could be created, without creating it.
pub(crate) fn try_create(admin: &ClientConfig, name: &str, settings: &Settings) -> Result<(), Error> {
    request(
        admin,
        &[(name, settings)],
        &AdminOptions::new().validate_only(true),
    )
    .map(drop)
}

/// Creates topics, those that exist meanwhile included; returns how many were new. Blocks: not for a runtime's worker.
pub(crate) fn create(admin: &ClientConfig, topics: &[(&str, &Settings)]) -> Result<u64, Error> {
    let created = request(admin, topics, &AdminOptions::new())?;
    for name in &created {
        tracing::info!(topic = %name, "created the kafka topic");
    }
    Ok(created.len() as u64)
}

/// Sends one CreateTopics request; returns the names of topics that did not exist.
fn request(
    admin: &ClientConfig,
    topics: &[(&str, &Settings)],
    options: &AdminOptions,
) -> Result<Vec<String>, Error> {
    let client: AdminClient<DefaultClientContext> = admin
        .create()
        .map_err(|e| error::from_kafka(&e, "the kafka client cannot be set up"))?;
    let new = topics.iter().map(|(name, settings)| {
        let replication = TopicReplication::Fixed(settings.replication_factor);
        let topic = NewTopic::new(name, settings.partitions, replication);
        settings
            .config
            .iter()
            .fold(topic, |topic, (name, value)| topic.set(name, value))
    });
    let new: Vec<_> = new.collect();
    let names = || {
        topics
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let results = block_on(client.create_topics(&new, options))
        .map_err(|e| error::from_kafka(&e, format!("kafka topics cannot be created: {}", names())))?;
    let mut created = Vec::new();
    for result in results {
        match result {
            Ok(name) => created.push(name),
            Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(error::from_code(
                    code,
                    format!("kafka topic {name} cannot be created"),
                ));
            }
        }
    }
    Ok(created)
}

/// Refuses a topic whose clean-up policy deletes records by age or size only. If its settings may not be read, a warning
/// must do.
pub(crate) fn refuse_deleting(admin: &ClientConfig, topic: &str) -> Result<(), Error> {
    let client: AdminClient<DefaultClientContext> = admin
        .create()
        .map_err(|e| error::from_kafka(&e, "the kafka client cannot be set up"))?;
    let options = AdminOptions::new().request_timeout(Some(ASK));
    let policy = block_on(client.describe_configs(&[ResourceSpecifier::Topic(topic)], &options))
        .map_err(|e| error::from_kafka(&e, format!("the settings of kafka topic {topic} cannot be read")))?
        .into_iter()
        .next();
    match policy {
        Some(Ok(resource)) => {
            let policy = resource
                .get("cleanup.policy")
                .and_then(|entry| entry.value.clone())
                .unwrap_or_default();
            // `compact,delete` would delete the offset of a pipeline that has been idle for long.
            if policy.is_empty() || policy.trim() == "compact" {
                return Ok(());
            }
            Err(Error::new(
                ErrorKind::Offset,
                format!(
                    "kafka topic {topic} keeps offsets, and its cleanup.policy {policy} would delete them"
                ),
            )
            .with_hint("set cleanup.policy=compact on the topic, or choose another kafka.offsets_topic"))
        }
        Some(Err(code)) => {
            tracing::warn!(
                topic,
                ?code,
                "cannot see whether the topic of offsets is compacted"
            );
            Ok(())
        }
        None => Ok(()),
    }
}

/// The error for a topic that is missing and must not be created.
pub(crate) fn missing(topic: &str) -> Error {
    error::from_code(
        Code::UnknownTopicOrPartition,
        format!("kafka topic {topic} does not exist, and kafka.topics.auto_create is off"),
    )
}

/// Drives a future that another thread completes, on a thread that may block.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_group_that_matches_the_whole_name_counts() {
        let config: TopicsConfig = serde_json::from_str(
            r#"{"partitions":2,"config":{"compression.type":"zstd","retention.ms":1},"groups":[
                {"include":["srv\\.public\\..*"],"exclude":[".*\\.log"],"partitions":6,"config":{"cleanup.policy":"compact","retention.ms":2}},
                {"include":["srv.*"],"replication_factor":3}]}"#,
        )
        .unwrap();
        let settings = TopicSettings::compile(&config).unwrap();
        let orders = settings.of("srv.public.orders");
        assert_eq!((orders.partitions, orders.replication_factor), (6, -1));
        assert_eq!(orders.config["cleanup.policy"], "compact");
        assert_eq!(
            (
                &*orders.config["retention.ms"],
                &*orders.config["compression.type"]
            ),
            ("2", "zstd")
        );
        let log = settings.of("srv.public.log");
        assert_eq!((log.partitions, log.replication_factor), (2, 3));
        assert_eq!(settings.of("xsrv.public.orders").replication_factor, -1);
    }

    #[test]
    fn wrong_settings_are_named() {
        for (json, says) in [
            (r#"{"partitions":0}"#, "kafka.topics.partitions"),
            (
                r#"{"groups":[{"include":["("]}]}"#,
                "kafka.topics.groups[0].include",
            ),
            (
                r#"{"groups":[{"include":["a"],"replication_factor":-2}]}"#,
                "groups[0].replication_factor",
            ),
        ] {
            let config: TopicsConfig = serde_json::from_str(json).unwrap();
            let error = TopicSettings::compile(&config).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }

    #[test]
    fn names_follow_kafkas_rules() {
        check_name("srv.public.Orders_1-x").unwrap();
        check_name(&"x".repeat(249)).unwrap();
        for bad in ["", ".", "..", "a b", "a/b", "ä", "a\0b", &"x".repeat(250)] {
            assert_eq!(check_name(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
