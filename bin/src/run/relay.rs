//! The index stage: from Kafka's topics to the index, the same batches that a source would send there directly.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cdc_core::envelope::Reshape;
use cdc_core::seam::Sink;
use cdc_core::{Error, ErrorKind, Remedy};
use cdc_kafka::{GroupWatch, KafkaConfig, KafkaSource, SourceConfig};
use serde_json::{Value, json};
use sink_es::{IndexConfig, IndexSink};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::assemble::index_sink;
use super::boundary::Boundary;
use super::fence::Fence;
use super::transformed::Transformed;

/// First and longest wait between two attempts.
const WAIT: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Time for what is under way at a stop to be indexed; after it the stage ends as a crash would, which loses nothing.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How long nothing comes until it is asked whether there is anything at all.
const QUIET: Duration = Duration::from_secs(1);

/// Live figures of the stage.
#[derive(Debug, Default)]
pub struct RelayStatus {
    running: AtomicBool,
    ended: AtomicBool,
    records: AtomicU64,
    restarts: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl RelayStatus {
    /// Whether the stage is reading.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// Whether the stage has ended for good.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The figures as JSON.
    #[must_use]
    pub fn describe(&self) -> Value {
        json!({
            "running": self.is_running(),
            "records": self.records.load(Ordering::Relaxed),
            "restarts": self.restarts.load(Ordering::Relaxed),
            "last_error": *self.last_error.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }
}

/// What the stage is made of.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Name of the pipeline.
    pub name: String,
    /// Brokers.
    pub kafka: KafkaConfig,
    /// Topics and group.
    pub topics: SourceConfig,
    /// Group if none is configured.
    pub group: String,
    /// Index.
    pub index: IndexConfig,
    /// Transforms between Kafka and the index.
    pub reshape: Reshape,
    /// Live figures.
    pub status: Arc<RelayStatus>,
    /// Whoever waits for documents to be searchable.
    pub fence: Fence,
    /// Where a stop must wait for the ends of the transactions that are being indexed, what tells the end of the one topic: for
    /// an index that somebody else writes to as well. Otherwise what is left of them is read at the next start.
    pub whole_transactions: Option<GroupWatch>,
}

impl Relay {
    /// Runs until `stop`; starts again by itself after failures that may pass.
    ///
    /// # Errors
    /// A failure that waiting does not mend.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let result = self.keep_running(stop).await;
        self.status.ended.store(true, Ordering::Relaxed);
        result
    }

    async fn keep_running(&self, stop: CancellationToken) -> Result<(), Error> {
        let mut wait = WAIT.0;
        let mut boundary = self.whole_transactions.is_some().then(Boundary::default);
        loop {
            let before = self.status.records.load(Ordering::Relaxed);
            let result = self.attempt(&mut boundary, &stop).await;
            self.status.running.store(false, Ordering::Relaxed);
            let Err(error) = result else { return Ok(()) };
            *self
                .status
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(error.chain());
            // What was begun before a failure is ended after it, stop or no stop.
            let begun = boundary.as_ref().is_some_and(|b| !b.is_reached());
            if error.remedy() != Remedy::RetryLater || (stop.is_cancelled() && !begun) {
                return Err(error);
            }
            if self.status.records.load(Ordering::Relaxed) > before {
                wait = WAIT.0;
            }
            self.status.restarts.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(error = %error.chain(), wait_ms = wait.as_millis(), "index stage failed, starting again");
            tokio::select! {
                () = stop.cancelled(), if !begun => return Ok(()),
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(WAIT.1),
            }
        }
    }

    /// One life: read, index, commit what is settled.
    async fn attempt(&self, boundary: &mut Option<Boundary>, stop: &CancellationToken) -> Result<(), Error> {
        let mut source = KafkaSource::open(&self.kafka, &self.topics, &self.group).await?;
        let mut sink = index_sink(&self.index, Some(&self.kafka), &self.name).await?;
        self.fence.at_work(sink.refresher());
        let transformed = Transformed::new(&self.reshape, &self.index)?;
        let mut open = VecDeque::new();
        self.status.running.store(true, Ordering::Relaxed);
        let mut result = self
            .read(&mut source, &mut sink, transformed, &mut open, (boundary, stop))
            .await;
        if result.is_ok() && self.whole_transactions.is_some() {
            result = sink.flush().await;
        } else if result.is_ok() {
            result = match tokio::time::timeout(STOP_DEADLINE, sink.flush()).await {
                Ok(flushed) => flushed,
                Err(_) => {
                    tracing::warn!(
                        "the index did not take all that was under way at the stop: the next start reads the rest again"
                    );
                    Ok(())
                }
            };
        }
        // However it ended, what is indexed need not be read again.
        commit(&mut source, &mut open, *sink.durable().borrow());
        match result {
            Err(error)
                if stop.is_cancelled()
                    && self.whole_transactions.is_none()
                    && error.remedy() == Remedy::RetryLater =>
            {
                tracing::warn!(error = %error.chain(), "the index stage was stopped by its failure: nothing is lost");
                source.close().await;
                Ok(())
            }
            Ok(()) => {
                source.close().await;
                Ok(())
            }
            failed => failed,
        }
    }

    /// Reads and indexes until the stop.
    async fn read(
        &self,
        source: &mut KafkaSource,
        sink: &mut IndexSink,
        mut transformed: Option<Transformed>,
        open: &mut VecDeque<(u64, u64)>,
        (boundary, stop): (&mut Option<Boundary>, &CancellationToken),
    ) -> Result<(), Error> {
        let mut durable = sink.durable();
        let mut sent = 0u64;
        let mut look = tokio::time::interval(QUIET);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let stopping = stop.is_cancelled();
            if stopping && boundary.as_ref().is_none_or(|b| b.is_reached()) {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {}
                changed = durable.changed() => {
                    if changed.is_err() {
                        let ended = || Error::new(ErrorKind::SinkUnavailable, "the index sink ended");
                        return Err(sink.failure().unwrap_or_else(ended));
                    }
                    commit(source, open, *durable.borrow_and_update());
                }
                _ = look.tick(), if stopping => {
                    sink.flush().await?;
                    commit(source, open, *durable.borrow_and_update());
                    if self.all_is_read(boundary.as_ref()).await? {
                        return Ok(());
                    }
                    look.reset();
                }
                next = source.next() => {
                    let consumed = next?;
                    look.reset();
                    let records = consumed.batch.len() as u64;
                    let mut batch = match &mut transformed {
                        Some(transforms) => transforms.apply(consumed.batch)?,
                        None => consumed.batch,
                    };
                    match boundary {
                        Some(boundary) if stopping => batch = boundary.ends(&batch),
                        Some(boundary) => boundary.pass(&batch),
                        None => {}
                    }
                    sent += 1;
                    open.push_back((sent, consumed.number));
                    // An index that takes nothing must not hold up a stop: what is not committed is read again.
                    let back = tokio::select! {
                        biased;
                        back = sink.write(batch) => back,
                        () = stop.cancelled(), if boundary.is_none() => return Ok(()),
                    };
                    if let Some(batch) = back.map_err(|e| sink.failure().unwrap_or(e))? {
                        source.recycle(batch);
                    }
                    self.status.records.fetch_add(records, Ordering::Relaxed);
                }
            }
            if let Some(error) = sink.failure() {
                return Err(error);
            }
        }
    }

    /// Whether the partitions whose transactions have not ended hold nothing that is not indexed: what comes there from now
    /// on nobody else can have indexed before.
    async fn all_is_read(&self, boundary: Option<&Boundary>) -> Result<bool, Error> {
        let (Some(watch), Some(boundary)) = (&self.whole_transactions, boundary) else {
            return Ok(true);
        };
        let mut ends = watch.ends().await?;
        ends.retain(|end| !boundary.is_passed(end));
        Ok(watch.open(ends).await?.is_empty())
    }
}

/// Commits the offsets of the batches up to `durable`.
fn commit(source: &mut KafkaSource, open: &mut VecDeque<(u64, u64)>, durable: u64) {
    let mut last = None;
    while let Some(&(sent, number)) = open.front()
        && sent <= durable
    {
        open.pop_front();
        last = Some(number);
    }
    if let Some(number) = last {
        source.commit(number);
    }
}
