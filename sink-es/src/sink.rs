//! The sink: batches in, documents out.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Instant;

use cdc_core::seam::{BoxFuture, Sink};
use cdc_core::{Batch, Error, ErrorKind, FailedStage, Record, Topic};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bulk::{Entry, Op};
use crate::config::IndexConfig;
use crate::convert::Shape;
use crate::dead_letter::Letter;
use crate::delivery::Delivery;
use crate::encode::{Encoded, Encoder, Unknown};
use crate::ladder::Sample;
use crate::lane::{self, Lane};
use crate::original;
use crate::refresh::Refresher;
use crate::route::Place;
use crate::telemetry::Skipped;

/// Writes change events to Elasticsearch or OpenSearch.
///
/// Takes Debezium envelopes in Kafka Connect JSON, with or without schemas, and already flat rows. A document is the row
/// after the change, byte for byte. Its `_id` is the record's key; a record without a key gets topic, partition and offset
/// (or topic and position) as its `_id`, and a keyless snapshot row is added under an `_id` of the server's choice, so
/// that another snapshot adds it again.
///
/// # Ordering
/// Changes of one document are applied in order. Of several in one bulk only the last is sent.
///
/// # Durability
/// A batch is durable once the servers have answered for each of its documents: written, already newer, or, by the policy
/// for bad documents, left out. What is not available is tried again without end.
#[derive(Debug)]
pub struct IndexSink {
    delivery: Arc<Delivery>,
    lanes: Arc<[Lane]>,
    encoder: Encoder,
    /// Number of the last batch taken.
    written: u64,
    /// For documents without `_id`, which go round the lanes.
    turn: usize,
    /// Conversions by index and schema, of schemas that were looked at.
    schemas: HashMap<(String, Vec<u8>), Option<Arc<Shape>>>,
    /// Ends the lanes when the sink is dropped.
    _tasks: JoinSet<()>,
}

/// Why [`IndexSink::encode_some`] came back.
enum Pause {
    /// All records are encoded.
    End,
    /// Enough for once: others want the locks, and memory may be used up.
    Breath,
    /// A topic without route.
    Topic(Arc<Topic>),
    /// A topic with another schema.
    Schema(Arc<Topic>, Vec<u8>),
    /// A tombstone whose document must be looked for.
    Unknown(Box<Lookup>),
    /// A record that makes no document.
    Bad(BadRecord),
}

/// A record that makes no document, with its bytes as they came.
struct BadRecord {
    place: Place,
    reason: String,
    stage: Option<FailedStage>,
    kept: Vec<u8>,
}

/// A delete that does not tell all.
struct Lookup {
    unknown: Unknown,
    place: Place,
    id: String,
    routing: Option<String>,
    version: Option<u64>,
    hash: u64,
    kept: Option<Vec<u8>>,
}

/// Records encoded under one hold of the lanes' locks: some 0.2 ms with documents of 1 KB.
const BREATH: usize = 256;
/// As well, bytes.
const BREATH_BYTES: usize = 256 << 10;
/// Schemas that are remembered; topics have one or two at a time.
const SCHEMAS: usize = 1000;
/// Bytes of an emptied batch that are kept for the next.
const KEEP: usize = 4 << 20;

impl IndexSink {
    /// Sets the sink up. Nothing is connected to until the first documents come: use [`probe`](crate::probe) for that.
    /// Must be called within a tokio runtime, where the sink's tasks then run.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] or [`ErrorKind::Tls`] that names the option.
    pub fn new(config: &IndexConfig) -> Result<Self, Error> {
        Self::start(config, None, String::new())
    }

    /// As [`new`](Self::new), with a sink that takes the records for dead letter topics, and the pipeline's name, which
    /// stands in their headers.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_dead_letters(
        config: &IndexConfig,
        topics: Box<dyn Sink>,
        pipeline: &str,
    ) -> Result<Self, Error> {
        Self::start(config, Some(topics), pipeline.to_owned())
    }

    fn start(config: &IndexConfig, topics: Option<Box<dyn Sink>>, pipeline: String) -> Result<Self, Error> {
        let delivery = Arc::new(Delivery::new(config, topics, pipeline)?);
        let lanes: Arc<[Lane]> = (0..config.bulk.max_in_flight).map(|_| Lane::default()).collect();
        let mut tasks = JoinSet::new();
        for mine in 0..lanes.len() {
            tasks.spawn(lane::run(Arc::clone(&lanes), mine, Arc::clone(&delivery)));
        }
        Ok(Self {
            delivery,
            lanes,
            encoder: Encoder::new(config),
            written: 0,
            turn: 0,
            schemas: HashMap::new(),
            _tasks: tasks,
        })
    }

    /// For whoever waits for documents to be searchable.
    #[must_use]
    pub fn refresher(&self) -> Refresher {
        Refresher::new(&self.delivery)
    }

    async fn take(&mut self, mut batch: Batch) -> Result<Option<Batch>, Error> {
        self.check()?;
        self.written = self.written.saturating_add(1);
        // One more than there are records, so that the batch stays open until all are counted.
        self.delivery.ledger.open(count(batch.len()).saturating_add(1));
        if let Some(last) = batch.records().last() {
            self.delivery.ladder.began(self.written, Sample::of(&last));
        }
        let mut left_out = 1_u64;
        {
            let mut records = batch.records().peekable();
            loop {
                self.delivery.room().await;
                self.check()?;
                match self.encode_some(&mut records, &mut left_out) {
                    Pause::End => break,
                    Pause::Breath => {}
                    Pause::Topic(topic) => {
                        let route = self.encoder.routes.add(&topic)?;
                        self.delivery.prepare(&route).await?;
                    }
                    Pause::Schema(topic, schema) => self.learn(&topic, &schema).await?,
                    Pause::Unknown(lookup) => {
                        if !self.delete_found(*lookup).await? {
                            left_out = left_out.saturating_add(1);
                        }
                    }
                    Pause::Bad(record) => {
                        self.bad_record(&record).await?;
                        left_out = left_out.saturating_add(1);
                    }
                }
            }
        }
        self.delivery.settle_records(&[(self.written, left_out)]);
        batch.reset(KEEP);
        Ok(Some(batch))
    }

    /// Encodes records into the lanes until something has to be waited for.
    fn encode_some<'a>(
        &mut self,
        records: &mut Peekable<impl Iterator<Item = Record<'a>>>,
        left_out: &mut u64,
    ) -> Pause {
        let (max_bytes, max_docs) = (self.delivery.max_bytes(), self.delivery.bulk.max_docs);
        let mut waiting: Vec<_> = self.lanes.iter().map(|lane| lane.waiting()).collect();
        let mut touched = 0_u64;
        let (mut taken, mut n) = (0_usize, 0_usize);
        let pause = loop {
            if n == BREATH || taken >= BREATH_BYTES {
                break Pause::Breath;
            }
            n += 1;
            let Some(record) = records.peek() else {
                break Pause::End;
            };
            match self.encoder.encode(record) {
                Encoded::NewTopic => break Pause::Topic(Arc::clone(record.head.topic)),
                Encoded::NewSchema(schema) => break Pause::Schema(Arc::clone(record.head.topic), schema),
                Encoded::Unknown(entry, unknown) => {
                    let lookup = Lookup::new(entry, unknown);
                    records.next();
                    break Pause::Unknown(Box::new(lookup));
                }
                Encoded::Skip(why) => {
                    self.delivery.telemetry.skip(why);
                    *left_out = left_out.saturating_add(1);
                }
                Encoded::Bad { place, reason } => {
                    let bad = BadRecord::new(place, reason.to_owned(), None, record);
                    records.next();
                    break Pause::Bad(bad);
                }
                Encoded::Failed { place, failure } => {
                    let bad = BadRecord::new(place, failure.reason.clone(), Some(failure.stage), record);
                    records.next();
                    break Pause::Bad(bad);
                }
                Encoded::Entry(entry) => {
                    let i = lane_of(entry.id.map(|_| entry.hash), &mut self.turn, waiting.len());
                    if let Some(lane) = waiting.get_mut(i) {
                        taken = taken.saturating_add(lane.push(self.written, entry, max_bytes, max_docs));
                        touched |= 1 << i;
                    }
                }
            }
            records.next();
        };
        let now = Instant::now();
        for lane in &mut waiting {
            lane.touch(now);
        }
        drop(waiting);
        self.delivery.take_memory(taken);
        for (i, lane) in self.lanes.iter().enumerate() {
            if touched & (1 << i) != 0 {
                lane.wake();
            }
        }
        pause
    }

    /// Takes note of a schema: the index gets its new fields before the first document that has them.
    async fn learn(&mut self, topic: &Arc<Topic>, schema: &[u8]) -> Result<(), Error> {
        let Some(route) = self.encoder.routes.find(topic).map(|e| Arc::clone(&e.route)) else {
            return Ok(());
        };
        let key = (route.index.clone(), schema.to_vec());
        let shape = match self.schemas.get(&key) {
            Some(shape) => shape.clone(),
            None => {
                let shape = self.delivery.learn(&route, schema).await?;
                if self.schemas.len() >= SCHEMAS {
                    self.schemas.clear();
                }
                self.schemas.insert(key, shape.clone());
                shape
            }
        };
        if let Some(entry) = self.encoder.routes.find(topic) {
            entry.shape = shape;
        }
        Ok(())
    }

    /// Deletes a document as it is found; false when it is not there.
    ///
    /// A tombstone tells no version. Where no earlier record of its partition told one either, its document's own version is
    /// right: what the tombstone ends is not newer. If a later record of the partition wrote the document in an earlier run,
    /// that record comes again behind the tombstone and, having the same version, writes it again.
    async fn delete_found(&mut self, lookup: Lookup) -> Result<bool, Error> {
        let Lookup {
            unknown, place, hash, ..
        } = &lookup;
        let i = lane_of(Some(*hash), &mut self.turn, self.lanes.len());
        let Some(lane) = self.lanes.get(i) else {
            return Ok(false);
        };
        // What is under way for the document comes first: from this batch, too.
        self.delivery.set_flushing(true);
        lane.wake();
        lane.idle(&self.delivery).await;
        self.delivery.set_flushing(false);
        self.check()?;
        let found = if unknown.routing {
            self.delivery.find(&place.route, &lookup.id).await?
        } else {
            let routing = lookup.routing.as_deref();
            let version = self
                .delivery
                .current_version(&place.route, &lookup.id, routing)
                .await?;
            version
                .map(|version| (lookup.routing.clone(), version))
                .into_iter()
                .collect()
        };
        if found.is_empty() {
            self.delivery.telemetry.skip(Skipped::Tombstone);
            return Ok(false);
        }
        // One of them stands for the record itself.
        let more = count(found.len()).saturating_sub(1);
        self.delivery.ledger.owe(self.written, more);
        let (max_bytes, max_docs) = (self.delivery.max_bytes(), self.delivery.bulk.max_docs);
        let mut taken = 0_usize;
        {
            let mut waiting = lane.waiting();
            for (routing, version) in &found {
                let entry = lookup.entry(routing.as_deref(), *version);
                taken = taken.saturating_add(waiting.push(self.written, entry, max_bytes, max_docs));
            }
            waiting.touch(Instant::now());
        }
        self.delivery.take_memory(taken);
        lane.wake();
        Ok(true)
    }

    async fn bad_record(&self, bad: &BadRecord) -> Result<(), Error> {
        let letter = Letter {
            stage: bad.stage,
            record: &bad.kept,
            ..Letter::new(&bad.place, &bad.reason)
        };
        self.delivery.invalid(&letter).await
    }

    async fn finish(&mut self) -> Result<(), Error> {
        let written = self.written;
        self.wait_for(written).await
    }

    async fn wait_for(&mut self, batch: u64) -> Result<(), Error> {
        self.delivery.set_flushing(true);
        for lane in self.lanes.iter() {
            lane.wake();
        }
        let reached = self
            .delivery
            .ledger
            .durable()
            .wait_for(|&n| n >= batch)
            .await
            .is_ok();
        self.delivery.set_flushing(false);
        if reached { Ok(()) } else { self.check() }
    }

    /// The failure, if there was one.
    fn check(&self) -> Result<(), Error> {
        if !self.delivery.ledger.failed() {
            return Ok(());
        }
        let failure = self.delivery.ledger.take_failure();
        Err(failure.unwrap_or_else(|| Error::new(ErrorKind::SinkUnavailable, "the index sink has stopped")))
    }
}

impl Sink for IndexSink {
    fn write(&mut self, batch: Batch) -> BoxFuture<'_, Result<Option<Batch>, Error>> {
        Box::pin(self.take(batch))
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.delivery.ledger.durable()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.finish())
    }

    fn failure(&mut self) -> Option<Error> {
        self.delivery.ledger.take_failure()
    }
}

impl Lookup {
    fn new(entry: Entry<'_>, unknown: Unknown) -> Self {
        Self {
            unknown,
            place: entry.place,
            id: entry.id.unwrap_or_default().to_owned(),
            routing: entry.routing.map(str::to_owned),
            version: entry.version,
            hash: entry.hash,
            kept: entry.kept.map(<[u8]>::to_vec),
        }
    }

    /// The delete of a document that was found.
    fn entry<'a>(&'a self, routing: Option<&'a str>, version: u64) -> Entry<'a> {
        Entry {
            place: self.place.clone(),
            id: Some(&self.id),
            routing,
            hash: self.hash,
            version: if self.unknown.version {
                Some(version)
            } else {
                self.version
            },
            op: Op::Delete,
            document: None,
            lacks: &[],
            unsure: false,
            kept: self.kept.as_deref(),
        }
    }
}

impl BadRecord {
    fn new(place: Place, reason: String, stage: Option<FailedStage>, record: &Record<'_>) -> Self {
        let mut kept = Vec::new();
        original::keep(record, &mut kept);
        Self {
            place,
            reason,
            stage,
            kept,
        }
    }
}

/// The lane for an `_id`'s hash; without one, the next in turn.
fn lane_of(hash: Option<u64>, turn: &mut usize, lanes: usize) -> usize {
    let n = count(lanes).max(1);
    // The upper half: the lower bits choose slots in the map of the bulk.
    let lane = hash.map_or_else(
        || {
            *turn = turn.wrapping_add(1);
            count(*turn) % n
        },
        |h| (h >> 32) % n,
    );
    usize::try_from(lane).unwrap_or(0)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
