//! How far a consumer group has come, seen from outside it: for fences.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cdc_core::{Error, ErrorKind};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use regex::Regex;

use super::SourceConfig;
use super::progress::Place;
use crate::client::Quiet;
use crate::config::{KafkaConfig, Role};
use crate::error;
use crate::offsets::blocking;

/// How long a broker may take to answer.
pub(super) const ASK: Duration = Duration::from_secs(10);

/// End of a partition: topic, partition, offset of the next record.
pub type PartitionEnd = (String, i32, i64);

/// A partition, its first offset and the one behind its last record.
pub(super) type Bounds = (Place, (i64, i64));

/// Looks at the topics of a source and at what its group has committed, without being a member.
#[derive(Clone)]
pub struct GroupWatch {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) consumer: Mutex<BaseConsumer<Quiet>>,
    topics: Vec<String>,
    pattern: Option<Regex>,
    left_out: Vec<String>,
}

impl std::fmt::Debug for GroupWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupWatch")
            .field("topics", &self.inner.topics)
            .finish_non_exhaustive()
    }
}

impl GroupWatch {
    /// Sets the client up; connects to nothing yet. `default_group` is the group if none is configured.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] that names the entry.
    pub fn new(config: &KafkaConfig, source: &SourceConfig, default_group: &str) -> Result<Self, Error> {
        let mut settings = config.client(Role::Consumer)?;
        settings.set("group.id", source.group_id.as_deref().unwrap_or(default_group));
        let consumer: BaseConsumer<Quiet> = settings
            .create_with_context(Quiet::new())
            .map_err(|e| error::from_kafka(&e, "the kafka client cannot be set up"))?;
        let pattern = source
            .topics_regex
            .as_ref()
            .map(|p| Regex::new(&format!("^(?:{p})$")));
        let pattern = pattern.transpose().map_err(|e| {
            Error::new(ErrorKind::Config, "topics_regex is no valid regular expression").with_source(e)
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                consumer: Mutex::new(consumer),
                topics: source.topics.clone(),
                pattern,
                left_out: source.left_out.clone(),
            }),
        })
    }

    /// The ends of all partitions as they are now; empty partitions are left out.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub async fn ends(&self) -> Result<Vec<PartitionEnd>, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.ends()).await
    }

    /// Those of the ends that the group has not committed yet.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub async fn open(&self, ends: Vec<PartitionEnd>) -> Result<Vec<PartitionEnd>, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.open(ends)).await
    }
}

impl Inner {
    fn ends(&self) -> Result<Vec<PartitionEnd>, Error> {
        let consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.bounds(&consumer)?.into_iter();
        let full = all.filter(|(_, (low, high))| high > low);
        Ok(full
            .map(|((topic, partition), (_, high))| (topic, partition, high))
            .collect())
    }

    /// All partitions, each with its first offset and the one behind its last record.
    pub(super) fn bounds(&self, consumer: &BaseConsumer<Quiet>) -> Result<Vec<Bounds>, Error> {
        let failed = |e| error::from_kafka(&e, "the topics of kafka cannot be listed");
        let metadata = consumer.fetch_metadata(None, ASK).map_err(failed)?;
        let mut all = Vec::new();
        for topic in metadata.topics() {
            let name = topic.name();
            let wanted = self.topics.iter().any(|t| t == name)
                || (self.pattern.as_ref().is_some_and(|p| p.is_match(name))
                    && !self.left_out.iter().any(|t| t == name));
            for partition in topic.partitions().iter().filter(|_| wanted) {
                let bounds = consumer
                    .fetch_watermarks(name, partition.id(), ASK)
                    .map_err(failed)?;
                all.push(((name.to_owned(), partition.id()), bounds));
            }
        }
        Ok(all)
    }

    fn open(&self, ends: Vec<PartitionEnd>) -> Result<Vec<PartitionEnd>, Error> {
        if ends.is_empty() {
            return Ok(ends);
        }
        let mut list = TopicPartitionList::with_capacity(ends.len());
        for (topic, partition, _) in &ends {
            list.add_partition(topic, *partition);
        }
        let consumer = self.consumer.lock().unwrap_or_else(PoisonError::into_inner);
        let committed = consumer
            .committed_offsets(list, ASK)
            .map_err(|e| error::from_kafka(&e, "the group's offsets cannot be read"))?;
        let reached = |(topic, partition, end): &PartitionEnd| {
            let at = committed.find_partition(topic, *partition).map(|p| p.offset());
            matches!(at, Some(Offset::Offset(n)) if n >= *end)
        };
        Ok(ends.into_iter().filter(|e| !reached(e)).collect())
    }
}
