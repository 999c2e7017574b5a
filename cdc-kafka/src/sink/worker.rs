//! The thread that owns the producer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cdc_core::{Batch, Error, ErrorKind, Record, Topic};
use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode as Code;
use tokio::sync::{mpsc, oneshot};

use super::SinkOptions;
use crate::config::{KafkaConfig, Role};
use crate::delivery::{Tally, Window};
use crate::produce::{Context, Producer, TopicId, cost};
use crate::report::Reports;
use crate::topics::{self, TopicSettings};
use crate::{client, error};

/// A batch and its number.
pub(super) type Order = (u64, Batch);

/// How long records on the wire may take to be settled once the sink is given up.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Arena bytes that an emptied batch keeps.
const KEEP: usize = 4 << 20;

/// Bytes handed to the client before it is waited for, for each partition that is written to: with one more of the
/// engine's batches this is just below the size of a produce request (`batch.size`).
///
/// An idempotent client has one request per partition on the wire. It would take more records meanwhile, but then its
/// thread does not sleep until the answer comes: it looks for room without pause, which costs more than the records do.
const BURST: u64 = 650_000;

/// Pointers to topics that are remembered before the memory starts afresh.
const POINTERS: usize = 16_384;

/// Threads of sinks that were dropped, by their brokers.
static LEFT_BEHIND: Mutex<Vec<(String, JoinHandle<()>)>> = Mutex::new(Vec::new());

/// Remembers the thread of a dropped sink. The next sink for the same brokers waits for its end, lest records still on
/// the wire arrive after newer ones of the next sink.
pub(super) fn leave_behind(servers: &str, thread: JoinHandle<()>) {
    let mut left = LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|(_, thread)| !thread.is_finished());
    left.push((servers.to_owned(), thread));
}

fn wait_for_predecessors(servers: &str) {
    let predecessors: Vec<_> = {
        let mut left = LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner);
        left.extract_if(.., |(of, _)| of == servers).collect()
    };
    for (_, thread) in predecessors {
        // A panic there has been reported by the panic hook; the thread is gone, which is all that matters.
        let _ = thread.join();
    }
}

/// What the thread needs, before it has connected.
pub(super) struct Worker {
    servers: String,
    producer: ClientConfig,
    admin: ClientConfig,
    settings: TopicSettings,
    limit: u64,
    orders: mpsc::Receiver<Order>,
    emptied: mpsc::UnboundedSender<Batch>,
}

impl Worker {
    pub(super) fn prepare(
        config: &KafkaConfig,
        options: SinkOptions,
        orders: mpsc::Receiver<Order>,
        emptied: mpsc::UnboundedSender<Batch>,
    ) -> Result<Self, Error> {
        let producer = config.client(Role::Producer {
            buffer_bytes: options.buffer_bytes,
        })?;
        let kbytes = producer
            .get("queue.buffering.max.kbytes")
            .and_then(|k| k.parse::<u64>().ok());
        Ok(Self {
            servers: config.bootstrap_servers.clone(),
            limit: kbytes.map_or(options.buffer_bytes, |k| k.saturating_mul(1024)),
            producer,
            admin: config.client(Role::Admin)?,
            settings: TopicSettings::compile(&config.topics)?,
            orders,
            emptied,
        })
    }

    /// Starts the thread. `ready` tells whether it is connected; `gone` is dropped with the producer.
    pub(super) fn spawn(
        self,
        ready: oneshot::Sender<Result<Arc<Context>, Error>>,
        gone: oneshot::Sender<()>,
    ) -> Result<JoinHandle<()>, Error> {
        thread::Builder::new()
            .name("kafka-sink".into())
            .spawn(move || {
                self.run(ready);
                drop(gone);
            })
            .map_err(|e| Error::new(ErrorKind::Io, "the kafka thread cannot be started").with_source(e))
    }

    fn run(self, ready: oneshot::Sender<Result<Arc<Context>, Error>>) {
        wait_for_predecessors(&self.servers);
        let connected = self.connect();
        let (producer, told) = match connected {
            Ok(producer) => {
                let context = Arc::clone(producer.context());
                (Some(producer), Ok(context))
            }
            Err(e) => (None, Err(e)),
        };
        // If nobody listens any more, the queue of orders is closed too, and the thread ends below.
        let _ = ready.send(told);
        if let Some(producer) = producer {
            Writing {
                context: Arc::clone(producer.context()),
                producer,
                admin: self.admin,
                settings: self.settings,
                limit: self.limit,
                by_pointer: HashMap::default(),
                by_name: HashMap::default(),
                existing: None,
                partitions: 0,
            }
            .run(self.orders, &self.emptied);
        }
    }

    fn connect(&self) -> Result<Producer, Error> {
        let context = Context {
            window: Window::new(),
            reports: Reports::new(),
        };
        let producer = Producer::new(&self.producer, context)?;
        client::reach(
            producer.client(),
            &producer.context().reports,
            &self.servers,
            || {},
        )?;
        Ok(producer)
    }
}

/// The connected state.
struct Writing {
    producer: Producer,
    context: Arc<Context>,
    admin: ClientConfig,
    settings: TopicSettings,
    limit: u64,
    /// The key is the address of the topic that the value holds on to.
    by_pointer: HashMap<usize, (Arc<Topic>, TopicId)>,
    by_name: HashMap<String, TopicId>,
    /// Topics that the cluster had when it was last asked, and their partitions.
    existing: Option<HashMap<String, u64>>,
    /// Partitions of the topics written to so far.
    partitions: u64,
}

/// The window is closed: the failure has been told there.
struct Over;

impl Writing {
    fn run(mut self, mut orders: mpsc::Receiver<Order>, emptied: &mpsc::UnboundedSender<Batch>) {
        while let Some(first) = orders.blocking_recv() {
            if self.burst(first, &mut orders, emptied).is_err() {
                break;
            }
        }
        drop(orders);
        self.end();
    }

    /// Waits until nothing is on its way, then hands over what has come meanwhile, as much as one round of requests takes.
    fn burst(
        &mut self,
        first: Order,
        orders: &mut mpsc::Receiver<Order>,
        emptied: &mpsc::UnboundedSender<Batch>,
    ) -> Result<(), Over> {
        if self.context.window.in_flight() > 0 {
            self.context.window.wait_below(0).map_err(|_| Over)?;
        }
        let (mut next, mut handed) = (Some(first), 0);
        while let Some((n, mut batch)) = next {
            self.write(n, &batch)?;
            handed += batch.bytes_len() as u64;
            batch.reset(KEEP);
            // Without a listener the sink is gone, and the queue will say so.
            let _ = emptied.send(batch);
            let full = handed >= BURST.saturating_mul(self.partitions.max(1));
            next = if full { None } else { orders.try_recv().ok() };
        }
        Ok(())
    }

    /// Gives up what was not sent, and lets what is on the wire settle, so that nothing arrives after this.
    fn end(&self) {
        self.producer.purge_unsent();
        let deadline = Instant::now() + LAST_WORDS;
        while self.producer.outstanding() > 0 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn write(&mut self, n: u64, batch: &Batch) -> Result<(), Over> {
        let opened = Instant::now();
        self.context.window.open(n).map_err(|_| Over)?;
        let now_ms = now_ms();
        let mut current: Option<(&Arc<Topic>, TopicId)> = None;
        for (i, record) in batch.records().enumerate() {
            let topic = &record.head.topic;
            let id = match current {
                Some((same, id)) if Arc::ptr_eq(same, topic) => id,
                _ => {
                    let id = self.topic(topic, batch, i).map_err(|e| self.fail(e))?;
                    current = Some((topic, id));
                    id
                }
            };
            self.produce(n, id, &record, now_ms)?;
        }
        let tally = Tally {
            opened,
            records: batch.len() as u64,
            bytes: batch.bytes_len() as u64,
        };
        self.context.window.close(n, tally);
        Ok(())
    }

    fn produce(&self, n: u64, topic: TopicId, record: &Record<'_>, now_ms: i64) -> Result<(), Over> {
        let window = &self.context.window;
        let bytes = cost(record.key, record.value);
        let ahead = window.in_flight();
        if ahead > 0 && ahead + bytes > self.limit {
            // Waits for a quarter of the buffer, so that the thread wakes for many records at once.
            let target = (self.limit / 4 * 3).min(self.limit.saturating_sub(bytes));
            window.wait_below(target).map_err(|_| Over)?;
        }
        loop {
            window.add(n, bytes);
            let code = match self.producer.produce(topic, record, n, now_ms) {
                Ok(()) => return Ok(()),
                Err(code) => code,
            };
            window.take_back(n, bytes);
            let ahead = window.in_flight();
            if code == Code::QueueFull && ahead > 0 {
                window.wait_below(ahead / 2).map_err(|_| Over)?;
            } else {
                return Err(self.fail(self.refused(code, record)));
            }
        }
    }

    fn refused(&self, code: Code, record: &Record<'_>) -> Error {
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        let (topic, limit) = (&record.head.topic.name, self.limit);
        match code {
            Code::QueueFull => Error::new(
                ErrorKind::SinkRejected,
                format!("a record of {size} bytes for topic {topic} does not fit into the kafka buffer of {limit} bytes"),
            )
            .with_hint("raise queue.buffering.max.kbytes under kafka.properties, or exclude the large column"),
            Code::UnknownPartition => error::from_code(
                code,
                format!("topic {topic} has no partition {}", record.head.partition.unwrap_or_default()),
            ),
            _ => error::from_code(code, format!("a record of {size} bytes for topic {topic} was refused")),
        }
    }

    fn fail(&self, error: Error) -> Over {
        self.context.window.fail(error);
        Over
    }

    /// The client's handle of a topic. A topic met for the first time is created if need be, together with all new ones
    /// in the rest of the batch.
    fn topic(&mut self, topic: &Arc<Topic>, batch: &Batch, from: usize) -> Result<TopicId, Error> {
        let pointer = Arc::as_ptr(topic) as usize;
        if let Some((_, id)) = self.by_pointer.get(&pointer) {
            return Ok(*id);
        }
        let id = match self.by_name.get(&topic.name) {
            Some(id) => *id,
            None => {
                self.make_sure_topics_exist(batch, from)?;
                let id = self.producer.topic(&topic.name)?;
                let partitions = self.existing.as_ref().and_then(|e| e.get(&topic.name));
                self.partitions += partitions.copied().unwrap_or(1);
                self.by_name.insert(topic.name.clone(), id);
                id
            }
        };
        if self.by_pointer.len() >= POINTERS {
            self.by_pointer.clear();
        }
        self.by_pointer.insert(pointer, (Arc::clone(topic), id));
        Ok(id)
    }

    fn make_sure_topics_exist(&mut self, batch: &Batch, from: usize) -> Result<(), Error> {
        let mut wanted: Vec<&str> = Vec::new();
        let mut last: Option<&Arc<Topic>> = None;
        for record in batch.records().skip(from) {
            let topic = &record.head.topic;
            if last.is_some_and(|l| Arc::ptr_eq(l, topic)) {
                continue;
            }
            last = Some(topic);
            if !self.by_name.contains_key(&topic.name) && !wanted.contains(&topic.name.as_str()) {
                topics::check_name(&topic.name)?;
                wanted.push(&topic.name);
            }
        }
        let listed_before = self.existing.is_some();
        let mut existing = match self.existing.take() {
            Some(existing) => existing,
            None => topics::list(self.producer.client())?,
        };
        if !self.settings.auto_create && listed_before && wanted.iter().any(|t| !existing.contains_key(*t)) {
            // Somebody may have created it since.
            existing = topics::list(self.producer.client())?;
        }
        wanted.retain(|t| !existing.contains_key(*t));
        if let Some(first) = wanted.first() {
            if !self.settings.auto_create {
                return Err(topics::missing(first));
            }
            let new: Vec<_> = wanted.iter().map(|t| (*t, self.settings.of(t))).collect();
            let created = topics::create(&self.admin, &new)?;
            self.context.window.metrics.topics_created.increment(created);
            // How many partitions the broker's default gives is not told; one is the safe side.
            let partitions = |t| u64::try_from(self.settings.of(t).partitions).unwrap_or(1);
            existing.extend(wanted.iter().map(|t| ((*t).to_owned(), partitions(t))));
        }
        self.existing = Some(existing);
        Ok(())
    }
}

/// Timestamp for records that have none of their own: as a producer's clock would give, but read once a batch.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
