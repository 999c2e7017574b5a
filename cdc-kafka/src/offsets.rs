//! The offset record of a pipeline, in a compacted topic of one partition.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_core::offset::record;
use cdc_core::seam::{BoxFuture, OffsetStore, PipelineKey, StoredOffset};
use cdc_core::{Error, ErrorKind};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::client::{self, Quiet};
use crate::config::{KafkaConfig, Role};
use crate::topics::{self, Settings};
use crate::{error, telemetry};

/// All records are there.
const PARTITION: i32 = 0;

/// How long reading the topic may take without a record or its end.
const SILENCE: Duration = Duration::from_secs(30);

/// Keeps the offset of a pipeline as a record of a compacted topic.
///
/// The record's key is [`record::key_text`], its value [`record::encode`]; several pipelines share a topic. The topic is
/// created with one partition and `cleanup.policy=compact`; one that deletes old records is refused.
///
/// # Durability
/// `save` returns after all in-sync replicas have the record.
pub struct KafkaOffsetStore {
    config: Arc<KafkaConfig>,
    key: PipelineKey,
    key_text: String,
    producer: FutureProducer<Quiet>,
    saved: metrics::Counter,
}

impl KafkaOffsetStore {
    /// Connects, and creates the topic if there is none.
    ///
    /// # Errors
    /// As [`KafkaSink::open`](crate::KafkaSink::open); [`ErrorKind::Offset`] if the topic's clean-up policy would lose offsets.
    pub async fn open(config: &KafkaConfig, key: PipelineKey) -> Result<Self, Error> {
        let config = Arc::new(config.clone());
        let producer = blocking({
            let config = Arc::clone(&config);
            move || connect(&config)
        })
        .await?;
        Ok(Self {
            key_text: record::key_text(&key),
            config,
            key,
            producer,
            saved: telemetry::offsets_saved(),
        })
    }

    async fn put(&self, value: Option<&[u8]>) -> Result<(), Error> {
        let topic = &self.config.offsets_topic;
        let record = FutureRecord {
            topic,
            partition: Some(PARTITION),
            payload: value,
            key: Some(&self.key_text),
            timestamp: None,
            headers: None,
        };
        match self.producer.send(record, Timeout::Never).await {
            Ok(_) => {
                self.saved.increment(1);
                Ok(())
            }
            Err((e, _)) => {
                let context = format!("the offset cannot be written to kafka topic {topic}");
                Err(match self.producer.client().fatal_error() {
                    Some((_, reason)) => Error::new(ErrorKind::SinkUnavailable, context).with_source(reason),
                    None => error::from_kafka(&e, context),
                })
            }
        }
    }
}

impl OffsetStore for KafkaOffsetStore {
    fn load(&mut self) -> BoxFuture<'_, Result<Option<StoredOffset>, Error>> {
        let (config, key) = (Arc::clone(&self.config), self.key_text.clone());
        Box::pin(async move {
            let last = blocking(move || read_last(&config, key.as_bytes())).await?;
            let topic = &self.config.offsets_topic;
            let Some((offset, value)) = last else {
                return Ok(None);
            };
            record::decode(&self.key, &value).map(Some).map_err(|e| {
                let place = format!(
                    "record {offset} of kafka topic {topic}, the offset of this pipeline, cannot be used"
                );
                Error::new(ErrorKind::Offset, place)
                    .with_hint("see the reason; to start anew, remove the offset with `pgcdc offsets`")
                    .with_source(e)
            })
        })
    }

    fn save<'a>(&'a mut self, offset: &'a StoredOffset) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { self.put(Some(&record::encode(&self.key, offset))).await })
    }

    fn clear(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.put(None))
    }
}

impl std::fmt::Debug for KafkaOffsetStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaOffsetStore")
            .field("topic", &self.config.offsets_topic)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Connects the producer and sees to the topic.
fn connect(config: &KafkaConfig) -> Result<FutureProducer<Quiet>, Error> {
    topics::check_name(&config.offsets_topic)?;
    let mut producer = config.client(Role::Producer {
        buffer_bytes: 1 << 20,
    })?;
    producer.set("linger.ms", "0").set("compression.type", "none");
    let context = Quiet::new();
    let reports = Arc::clone(&context.reports);
    let producer: FutureProducer<Quiet> = producer
        .create_with_context(context)
        .map_err(|e| error::from_kafka(&e, "the kafka producer for offsets cannot be set up"))?;
    let client = producer.client();
    client::reach(client, &reports, &config.bootstrap_servers, || {})?;
    let topic = config.offsets_topic.as_str();
    let admin = config.client(Role::Admin)?;
    if topics::list(client)?.contains_key(topic) {
        return topics::refuse_deleting(&admin, topic).map(|()| producer);
    }
    // Short segments: what is in the one being written is never compacted, and every start reads all that is there.
    let compact = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "16777216"),
        ("segment.ms", "3600000"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings {
        partitions: 1,
        replication_factor: config.topics.replication_factor,
        config: compact.into(),
    };
    topics::create(&admin, &[(topic, &settings)])?;
    // Somebody else may have made it just now, in another way.
    topics::refuse_deleting(&admin, topic).map(|()| producer)
}

/// Offset and value of the last committed record of a key; none if there is none or its last record is a tombstone.
fn read_last(config: &KafkaConfig, key: &[u8]) -> Result<Option<(i64, Vec<u8>)>, Error> {
    let topic = config.offsets_topic.as_str();
    let failed =
        |e: &KafkaError| error::from_kafka(e, format!("the offsets in kafka topic {topic} cannot be read"));
    let mut settings = config.client(Role::Consumer)?;
    // The client wants a group's name even to read a partition that is assigned by hand; no group is joined.
    settings
        .set("group.id", topic)
        .set("enable.partition.eof", "true")
        // The end of a short topic is all that is waited for: the client's half seconds would be most of a start.
        .set("fetch.wait.max.ms", "10")
        .set("retry.backoff.ms", "20")
        .set("topic.metadata.refresh.fast.interval.ms", "20");
    let consumer: BaseConsumer<Quiet> = settings
        .create_with_context(Quiet::new())
        .map_err(|e| failed(&e))?;
    let mut assignment = TopicPartitionList::new();
    assignment
        .add_partition_offset(topic, PARTITION, Offset::Beginning)
        .and_then(|()| consumer.assign(&assignment))
        .map_err(|e| failed(&e))?;
    let mut last = None;
    let mut heard = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                if message.key() == Some(key) {
                    last = message.payload().map(|value| (message.offset(), value.to_vec()));
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
            Some(Err(e)) if error::is_final(&e) => return Err(failed(&e)),
            _ if heard.elapsed() > SILENCE => {
                return Err(consumer.context().reports.unreachable(
                    &config.bootstrap_servers,
                    &KafkaError::Global(rdkafka::error::RDKafkaErrorCode::OperationTimedOut),
                ));
            }
            _ => {}
        }
    }
}

/// Runs what blocks outside the runtime's workers.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(Error::new(ErrorKind::Io, "a kafka operation was interrupted").with_source(e)),
    }
}
