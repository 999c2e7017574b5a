//! Topics back into batches, by a consumer group.

mod gap;
mod group;
mod member;
mod pattern;
mod progress;
mod reader;
mod reset;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cdc_core::{Batch, Error, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use crate::config::KafkaConfig;
use crate::topics;
pub use group::{GroupWatch, PartitionEnd};
use reader::Reader;
pub use reset::{PartitionMove, ResetTo};

/// Batches that wait to be taken; together with the one being filled they bound the memory of a source.
const WAITING: usize = 2;

/// Which records are read, and in whose name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Topics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Regular expression that matches the whole names of further topics; topics made later join in. Without look-around and
    /// back-references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics_regex: Option<String>,
    /// Topics that are not read although the expression matches them, such as those that what reads writes to itself.
    #[serde(skip)]
    pub left_out: Vec<String>,
    /// Consumer group, which keeps how far the topics are read. Default: made of the pipeline's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// Bytes of keys, values and headers after which a batch is handed on; one that has fewer is handed on as soon as
    /// nothing more has arrived.
    #[serde(default = "default_batch_bytes")]
    pub batch_bytes: u32,
}

impl SourceConfig {
    /// Reads some topics.
    #[must_use]
    pub fn new(topics: Vec<String>) -> Self {
        Self {
            topics,
            topics_regex: None,
            left_out: Vec::new(),
            group_id: None,
            batch_bytes: default_batch_bytes(),
        }
    }

    /// Checks what can be checked without a broker.
    ///
    /// # Errors
    /// [`ErrorKind::Config`], naming the entry.
    pub fn validate(&self) -> Result<(), Error> {
        self.subscription().map(drop)
    }

    /// The subscription in librdkafka's form, in which a regular expression begins with `^`.
    fn subscription(&self) -> Result<Vec<String>, Error> {
        let mut all = self.topics.clone();
        for topic in &all {
            topics::check_name(topic)?;
        }
        if let Some(pattern) = &self.topics_regex {
            all.push(format!("^({})$", pattern::posix(pattern)?));
        }
        if all.is_empty() {
            return Err(Error::new(
                ErrorKind::Config,
                "neither topics nor topics_regex says what to read",
            ));
        }
        Ok(all)
    }
}

/// 256 KiB: some hundred records. What takes them gathers larger requests by itself.
fn default_batch_bytes() -> u32 {
    256 << 10
}

/// Records read, with what is needed to commit them.
#[derive(Debug)]
pub struct ConsumedBatch {
    /// Number of the batch, from 1 without gaps.
    pub number: u64,
    /// The records. Their position is zero; their version is the commit LSN of the header `pgcdc.pos`, or zero.
    pub batch: Batch,
    /// Offset of each record in its partition.
    pub offsets: Vec<i64>,
}

/// Reads topics as a member of a consumer group: committed records only, from the group's offsets or, without any, from
/// the beginning. Where the group's offset is no longer in the topic, it stops ([`ErrorKind::Gap`]); a property
/// `auto.offset.reset` changes both as the client has it.
///
/// # Ordering
/// Records of a partition come in the order of the partition.
///
/// # Rebalances
/// Before partitions are given away, the reader waits a few seconds for batches that are under way to be committed. What
/// is not committed by then is read again by the next owner, and a later commit of it is ignored here.
///
/// # Back-pressure
/// At most three batches are in memory, and what librdkafka fetches ahead: 2 MiB (`queued.max.messages.kbytes`) and the last
/// answer of each broker (`fetch.max.bytes`). If they are not taken, the partitions are paused; the membership stays alive.
pub struct KafkaSource {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl KafkaSource {
    /// Connects and subscribes; returns once a broker has answered. `default_group` is the group if none is configured.
    ///
    /// # Errors
    /// As [`KafkaSink::open`](crate::KafkaSink::open).
    pub async fn open(
        config: &KafkaConfig,
        source: &SourceConfig,
        default_group: &str,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let (ready, opened) = oneshot::channel();
        let group = source.group_id.as_deref().unwrap_or(default_group);
        let reader = Reader::prepare(config, source, source.subscription()?, group, Arc::clone(&shared))?;
        let thread = std::thread::Builder::new()
            .name("kafka-source".into())
            .spawn(move || reader.run(ready))
            .map_err(|e| Error::new(ErrorKind::Io, "the kafka thread cannot be started").with_source(e))?;
        let this = Self {
            shared,
            thread: Some(thread),
        };
        match opened.await {
            Ok(result) => result.map(|()| this),
            Err(_) => Err(Error::new(
                ErrorKind::SinkUnavailable,
                "the kafka thread ended before it was ready",
            )),
        }
    }

    /// The next batch. It may be empty of nothing: there is at least one record.
    ///
    /// # Errors
    /// What the client does not get over by itself; the source is of no use afterwards.
    ///
    /// # Cancel safety
    /// Safe: a batch is taken only when the future is ready.
    pub async fn next(&mut self) -> Result<ConsumedBatch, Error> {
        loop {
            {
                let mut state = self.shared.lock();
                if let Some(batch) = state.waiting.pop_front() {
                    self.shared.room.notify_all();
                    return Ok(batch);
                }
                if state.over {
                    return Err(state.failure.take().unwrap_or_else(|| {
                        Error::new(
                            ErrorKind::SinkUnavailable,
                            "the kafka source has stopped after an earlier failure",
                        )
                    }));
                }
            }
            self.shared.filled.notified().await;
        }
    }

    /// Says that all batches up to this number are durable downstream. Their offsets are committed soon after, without
    /// waiting; partitions that have been given away meanwhile are left out.
    pub fn commit(&mut self, up_to_batch: u64) {
        self.shared.durable.fetch_max(up_to_batch, Ordering::SeqCst);
        let _state = self.shared.lock();
        self.shared.room.notify_all();
    }

    /// Gives an emptied batch back for reuse.
    pub fn recycle(&mut self, batch: Batch) {
        let mut state = self.shared.lock();
        if state.spare.len() < WAITING {
            state.spare.push(batch);
        }
    }

    /// Commits what is durable, leaves the group and returns once that is done.
    pub async fn close(mut self) {
        self.shared.stop();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource")
            .field("durable", &self.shared.durable.load(Ordering::SeqCst))
            .finish_non_exhaustive()
    }
}

/// Between the reader's thread and the source.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A batch was taken or committed, or the end has come: for the thread.
    room: Condvar,
    /// A batch or the end has come: for the source.
    filled: Notify,
    /// Last batch that is durable downstream.
    durable: AtomicU64,
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<ConsumedBatch>,
    spare: Vec<Batch>,
    failure: Option<Error>,
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _state = self.lock();
        self.room.notify_all();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn durable(&self) -> u64 {
        self.durable.load(Ordering::SeqCst)
    }

    /// Waits for news until the condition holds or the time is over; says whether it holds.
    fn wait(&self, patience: Duration, holds: impl Fn(&State) -> bool) -> bool {
        let state = self.lock();
        let waited = self
            .room
            .wait_timeout_while(state, patience, |s| !holds(s) && !self.is_stopped());
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        holds(&state)
    }

    fn put(&self, batch: ConsumedBatch) {
        self.lock().waiting.push_back(batch);
        self.filled.notify_one();
    }

    fn end(&self, failure: Option<Error>) {
        let mut state = self.lock();
        state.over = true;
        state.failure = failure;
        drop(state);
        self.filled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_names_topics_or_a_pattern_for_whole_names() {
        let read = |json: &str| serde_json::from_str::<SourceConfig>(json).unwrap();
        assert_eq!(
            read(r#"{"topics":["a","b"]}"#).subscription().unwrap(),
            ["a", "b"]
        );
        assert_eq!(
            read(r#"{"topics_regex":"srv\\..*|x"}"#).subscription().unwrap(),
            [r"^(srv\.[.0-9A-Z_a-z-]*|x)$"]
        );
        for (json, says) in [
            ("{}", "neither"),
            (r#"{"topics":["a b"]}"#, "a b"),
            (r#"{"topics_regex":"("}"#, "topics_regex"),
        ] {
            let error = read(json).validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
