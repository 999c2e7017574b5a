//! The thread that owns the consumer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_core::{Batch, Error, Lsn, Position, RecordHead, Topic};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};
use tokio::sync::oneshot;

use super::gap;
use super::member::{Group, commit};
use super::pattern;
use super::progress::End;
use super::{ConsumedBatch, Shared, SourceConfig, WAITING};
use crate::config::{KafkaConfig, RESET, Role};
use crate::{client, error};

/// How long a poll waits for a record; also how late a commit may go out.
const POLL: Duration = Duration::from_millis(50);

/// How long the thread waits for room before it pauses the partitions and keeps the membership alive by polling.
const PAUSE_AFTER: Duration = Duration::from_secs(1);

/// How often an idle reader looks whether it has come past what it does not see.
const LOOK: Duration = Duration::from_secs(1);

/// Header that carries a record's position as `commit_lsn:seq:sub`, in decimal.
const POSITION_HEADER: &str = "pgcdc.pos";

/// Settings that librdkafka has other defaults for; a configuration's own come first.
const DEFAULTS: [(&str, &str); 6] = [
    ("statistics.interval.ms", "5000"),
    // New topics that match the subscription's patterns are found when the metadata is fetched again, by default after
    // five minutes; a table's first rows must not wait for that.
    ("topic.metadata.refresh.interval.ms", "2000"),
    // What is fetched ahead, over all partitions: 64 MiB by default, more than everything else here takes together. One
    // answer may go beyond it, and the client needs as much again for each record.
    ("queued.max.messages.kbytes", "2048"),
    // Once that much is there nothing is fetched for a while: for a second by default, longer than it lasts an index that is
    // fast.
    ("fetch.queue.backoff.ms", "10"),
    // Both as it was compressed: an answer, and one partition's part of it. A record that is larger comes alone.
    ("fetch.max.bytes", "1048576"),
    ("fetch.message.max.bytes", "262144"),
];

/// The other name that the client has for one of these.
const OTHER_NAME: (&str, &str) = ("fetch.message.max.bytes", "max.partition.fetch.bytes");

/// What the thread needs, before it has connected.
pub(super) struct Reader {
    servers: String,
    config: ClientConfig,
    subscription: Vec<String>,
    /// Where a partition begins that the group has read nothing of: at its first record, unless the configuration leaves it
    /// to the client.
    from_the_first: bool,
    limit: usize,
    shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn prepare(
        config: &KafkaConfig,
        source: &SourceConfig,
        subscription: Vec<String>,
        group: &str,
        shared: Arc<Shared>,
    ) -> Result<Self, Error> {
        let mut settings = config.client(Role::Consumer)?;
        settings.set("group.id", group);
        set_defaults(&mut settings);
        if !source.left_out.is_empty() {
            // To the client such a topic is not there.
            let mut hidden: Vec<String> = settings
                .get("topic.blacklist")
                .map(str::to_owned)
                .into_iter()
                .collect();
            hidden.extend(
                source
                    .left_out
                    .iter()
                    .map(|t| format!("^{}$", pattern::literal(t))),
            );
            settings.set("topic.blacklist", hidden.join(","));
        }
        Ok(Self {
            servers: config.bootstrap_servers.clone(),
            config: settings,
            subscription,
            from_the_first: !config.properties.contains_key(RESET),
            limit: usize::try_from(source.batch_bytes).unwrap_or(usize::MAX),
            shared,
        })
    }

    pub(super) fn run(self, ready: oneshot::Sender<Result<(), Error>>) {
        let shared = Arc::clone(&self.shared);
        let (reading, told) = match self.connect() {
            Ok(reading) => (Some(reading), Ok(())),
            Err(e) => (None, Err(e)),
        };
        // If nobody listens any more, the source was dropped, which the loop below sees.
        let _ = ready.send(told);
        if let Some(mut reading) = reading {
            let failure = reading.run().err();
            reading.commit();
            drop(reading);
            shared.end(failure);
        }
    }

    fn connect(self) -> Result<Reading, Error> {
        let context = Group::new(Arc::clone(&self.shared), self.from_the_first);
        let consumer: BaseConsumer<Group> = self
            .config
            .create_with_context(context)
            .map_err(|e| error::from_kafka(&e, "the kafka consumer cannot be set up"))?;
        client::reach(
            consumer.client(),
            &consumer.context().reports,
            &self.servers,
            || {
                // Nothing is subscribed yet: this only brings errors to the reports.
                drop(consumer.poll(Duration::ZERO));
            },
        )?;
        let topics: Vec<&str> = self.subscription.iter().map(String::as_str).collect();
        consumer
            .subscribe(&topics)
            .map_err(|e| error::from_kafka(&e, "the kafka topics cannot be subscribed to"))?;
        Ok(Reading {
            consumer,
            shared: self.shared,
            limit: self.limit,
            topics: HashMap::new(),
            current: None,
            number: 0,
            batch: Batch::default(),
            offsets: Vec::new(),
            ends: Vec::new(),
            stirred: false,
            looked: Instant::now(),
        })
    }
}

/// The connected state.
struct Reading {
    consumer: BaseConsumer<Group>,
    shared: Arc<Shared>,
    limit: usize,
    topics: HashMap<String, Arc<Topic>>,
    current: Option<Arc<Topic>>,
    /// Number of the last batch handed on.
    number: u64,
    batch: Batch,
    offsets: Vec<i64>,
    /// Where the batch being filled ends, by partition; few, and the last one is nearly always the one wanted.
    ends: Vec<(Arc<Topic>, i32, i64)>,
    /// Whether a record has come since it was last looked at what the client has passed.
    stirred: bool,
    looked: Instant,
}

impl Reading {
    /// Reads until stopped or failed.
    fn run(&mut self) -> Result<(), Error> {
        while !self.shared.is_stopped() {
            self.commit();
            self.fill(POLL)?;
            if self.batch.is_empty() {
                self.pass_unseen();
            } else {
                self.make_room()?;
                self.hand_on();
            }
        }
        Ok(())
    }

    /// Waits for a record, then takes all that have arrived up to the limit.
    fn fill(&mut self, patience: Duration) -> Result<(), Error> {
        let mut patience = patience;
        while self.batch.bytes_len() < self.limit {
            let consumer = &self.consumer;
            let polled = consumer.poll(patience);
            // Where its partitions begin is not known: nothing of them may be taken.
            if let Some(failure) = consumer.context().take_failure() {
                return Err(failure);
            }
            match polled {
                Some(Ok(message)) => {
                    let topic = known(&mut self.topics, &mut self.current, message.topic());
                    push(&mut self.batch, &topic, &message);
                    self.offsets.push(message.offset());
                    let next = message.offset() + 1;
                    let same = |e: &&mut (Arc<Topic>, i32, i64)| {
                        Arc::ptr_eq(&e.0, &topic) && e.1 == message.partition()
                    };
                    match self.ends.iter_mut().rev().find(same) {
                        Some(end) => end.2 = next,
                        None => self.ends.push((topic, message.partition(), next)),
                    }
                    patience = Duration::ZERO;
                }
                Some(Err(e)) if e.rdkafka_error_code() == Some(Code::AutoOffsetReset) => {
                    return Err(gap::found(consumer));
                }
                Some(Err(e)) if error::is_final(&e) => {
                    return Err(error::from_kafka(&e, "kafka topics cannot be read"));
                }
                // The client goes on by itself, and has told the reports.
                Some(Err(_)) => {}
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Waits until a batch may be handed on.
    fn make_room(&mut self) -> Result<(), Error> {
        let has_room = |s: &super::State| s.waiting.len() < WAITING;
        if self.shared.wait(PAUSE_AFTER, has_room) {
            return Ok(());
        }
        tracing::debug!("pausing the kafka partitions: batches are not taken");
        while !self.shared.is_stopped() {
            self.commit();
            self.each_assigned("paused", |c, all| c.pause(all));
            // Partitions that have just been assigned are not paused yet: what they bring joins the batch.
            let before = self.limit;
            self.limit = usize::MAX;
            let polled = self.fill(Duration::ZERO);
            self.limit = before;
            polled?;
            if self.shared.wait(PAUSE_AFTER, has_room) {
                break;
            }
        }
        self.each_assigned("resumed", |c, all| c.resume(all));
        Ok(())
    }

    fn each_assigned(
        &self,
        what: &str,
        apply: impl Fn(&BaseConsumer<Group>, &TopicPartitionList) -> KafkaResult<()>,
    ) {
        let done = self
            .consumer
            .assignment()
            .and_then(|all| apply(&self.consumer, &all));
        if let Err(e) = done {
            tracing::warn!(error = %e, "kafka partitions cannot be {what}");
        }
    }

    /// Takes note of how far the client has come beyond the last record. The end of a transaction takes up an offset that no
    /// record has: without this, the group would never come to the end of a topic that one was written to last.
    fn pass_unseen(&mut self) {
        if !std::mem::take(&mut self.stirred) && self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        // A local question; without an answer the next look asks again.
        let Ok(positions) = self.consumer.position() else {
            return;
        };
        let ends = positions.elements().into_iter().filter_map(|e| match e.offset() {
            Offset::Offset(next) => Some(End {
                place: (e.topic().to_owned(), e.partition()),
                next,
            }),
            _ => None,
        });
        self.consumer
            .context()
            .progress()
            .passed(self.number, ends.collect());
    }

    fn hand_on(&mut self) {
        self.number += 1;
        self.stirred = true;
        let context = self.consumer.context();
        context.metrics.records.increment(self.batch.len() as u64);
        context.metrics.bytes.increment(self.batch.bytes_len() as u64);
        let ends = self.ends.drain(..).map(|(topic, partition, next)| End {
            place: (topic.name.clone(), partition),
            next,
        });
        context.progress().handed_on(self.number, ends.collect());
        let mut next = self.shared.lock().spare.pop().unwrap_or_default();
        next.reset(self.limit.saturating_mul(2));
        self.shared.put(ConsumedBatch {
            number: self.number,
            batch: std::mem::replace(&mut self.batch, next),
            offsets: std::mem::take(&mut self.offsets),
        });
    }

    /// Commits what has become durable, without waiting.
    fn commit(&self) {
        let context = self.consumer.context();
        let ends = context.progress().take_durable(self.shared.durable());
        commit(&self.consumer, &ends, CommitMode::Async);
    }
}

fn set_defaults(settings: &mut ClientConfig) {
    for (name, value) in DEFAULTS {
        let other = settings.get(OTHER_NAME.1).filter(|_| name == OTHER_NAME.0);
        if settings.get(name).or(other).is_none() {
            settings.set(name, value);
        }
    }
}

fn known(
    topics: &mut HashMap<String, Arc<Topic>>,
    current: &mut Option<Arc<Topic>>,
    name: &str,
) -> Arc<Topic> {
    if let Some(topic) = current.as_ref().filter(|t| t.name == name) {
        return Arc::clone(topic);
    }
    let topic = match topics.get(name) {
        Some(topic) => Arc::clone(topic),
        None => {
            let topic = Arc::new(Topic {
                name: name.to_owned(),
            });
            topics.insert(name.to_owned(), Arc::clone(&topic));
            topic
        }
    };
    *current = Some(Arc::clone(&topic));
    topic
}

/// Copies a message into the batch.
fn push(batch: &mut Batch, topic: &Arc<Topic>, message: &BorrowedMessage<'_>) {
    if let Some(key) = message.key() {
        batch.buf().extend_from_slice(key);
        batch.mark_key();
    }
    let mut version_lsn = Lsn::ZERO;
    if let Some(headers) = message.headers() {
        for header in headers.iter() {
            batch.header(header.key.as_bytes(), header.value);
            if header.key == POSITION_HEADER {
                version_lsn = header.value.and_then(commit_lsn).unwrap_or_default();
            }
        }
    }
    if let Some(value) = message.payload() {
        batch.buf().extend_from_slice(value);
        batch.mark_value();
    }
    batch.finish(&RecordHead {
        topic: Arc::clone(topic),
        partition: Some(message.partition()),
        timestamp_ms: message.timestamp().to_millis(),
        // A consumed record's place is its offset: see `RecordHead::position`.
        position: Position {
            commit_lsn: Lsn::ZERO,
            seq: u64::try_from(message.offset()).unwrap_or(0),
        },
        version_lsn,
    });
}

/// The first part of a position header.
fn commit_lsn(header: &[u8]) -> Option<Lsn> {
    let text = std::str::from_utf8(header).ok()?;
    text.split(':').next()?.parse().ok().map(Lsn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_the_configuration_comes_first_under_either_of_its_names() {
        let mut plain = ClientConfig::new();
        set_defaults(&mut plain);
        assert_eq!(plain.get("fetch.message.max.bytes"), Some("262144"));
        assert_eq!(plain.get("fetch.queue.backoff.ms"), Some("10"));
        let mut own = ClientConfig::new();
        own.set("max.partition.fetch.bytes", "1");
        own.set("queued.max.messages.kbytes", "9");
        set_defaults(&mut own);
        assert_eq!(own.get("fetch.message.max.bytes"), None);
        assert_eq!(own.get("queued.max.messages.kbytes"), Some("9"));
    }

    #[test]
    fn a_position_header_gives_the_version() {
        assert_eq!(commit_lsn(b"97517448:3:0"), Some(Lsn(97_517_448)));
        assert_eq!(commit_lsn(b"18446744073709551615:0:0"), Some(Lsn(u64::MAX)));
        for bad in [&b"0/5D0"[..], b"", b":1:2", b"\xff", b"-1:0:0"] {
            assert_eq!(commit_lsn(bad), None, "{bad:?}");
        }
    }
}
