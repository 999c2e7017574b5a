//! A pipeline, put together and kept running.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::describe::Describer;
use super::monitor;
use super::offsets::OffsetWriter;
use super::options::SourceOptions;
use super::prepare::{self, Prepared, SnapshotStart};
use super::snapshot::{SnapshotJob, Snapshotter};
use super::start::start_stream;
use super::status::{Phase, Status};
use super::stream::{STOP_DEADLINE, StreamLoop};
use super::tracker::AckTracker;
use super::translate::Translator;
use crate::envelope::{Encoder, Format, Reshape};
use crate::filter::{Capture, Filters};
use crate::offset::MemoryStore;
use crate::pgoutput::Assembler;
use crate::seam::{BoxFuture, OffsetStore, Sink, StoredOffset};
use crate::sink::ForEach;
use crate::telemetry::Meters;
use crate::{Batch, Checkpoint, Error, ErrorKind, Remedy, SnapshotProgress};

mod parts;

/// Wall clock: nanoseconds since 1970-01-01 UTC.
pub type Clock = fn() -> i64;
/// Opens a sink; called again at every restart.
pub type SinkFactory = Box<dyn Fn() -> BoxFuture<'static, Result<Box<dyn Sink>, Error>> + Send + Sync>;
/// Opens the offset store; called again at every restart.
pub type OffsetFactory =
    Box<dyn Fn() -> BoxFuture<'static, Result<Box<dyn OffsetStore>, Error>> + Send + Sync>;

/// How failures that may pass are waited out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryOptions {
    /// First wait; doubles up to `longest`.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// Restarts in a row without progress before giving up (`errors.max.retries`); none: never.
    pub limit: Option<u32>,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(10),
            limit: None,
        }
    }
}

/// Collects the parts of a pipeline.
pub struct PipelineBuilder {
    source: SourceOptions,
    format: Format,
    reshape: Reshape,
    capture: Option<Capture>,
    sink: Option<SinkFactory>,
    offsets: Option<OffsetFactory>,
    snapshotter: Option<Arc<dyn Snapshotter>>,
    retry: RetryOptions,
    clock: Clock,
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl PipelineBuilder {
    /// Envelope format; default: Debezium's defaults with the database's name as topic prefix.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Transforms, and converters other than the format's JSON; default: neither.
    #[must_use]
    pub fn reshape(mut self, reshape: Reshape) -> Self {
        self.reshape = reshape;
        self
    }

    /// Which tables and columns; default: all that are published.
    #[must_use]
    pub fn capture(mut self, capture: Capture) -> Self {
        self.capture = Some(capture);
        self
    }

    /// Where batches go.
    #[must_use]
    pub fn sink(mut self, sink: SinkFactory) -> Self {
        self.sink = Some(sink);
        self
    }

    /// A function that gets every batch. When it returns, the batch counts as durable.
    #[must_use]
    pub fn for_each(self, f: impl Fn(&Batch) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        let f = Arc::new(f);
        self.sink(Box::new(move || {
            let f = Arc::clone(&f);
            Box::pin(async move { Ok(Box::new(ForEach::new(move |b: &Batch| f(b))) as Box<dyn Sink>) })
        }))
    }

    /// Where offsets are kept; default: in memory, that is, for as long as the pipeline lives.
    #[must_use]
    pub fn offsets(mut self, offsets: OffsetFactory) -> Self {
        self.offsets = Some(offsets);
        self
    }

    /// Who reads the tables; without one only snapshot mode `NoData` works.
    #[must_use]
    pub fn snapshotter(mut self, snapshotter: Arc<dyn Snapshotter>) -> Self {
        self.snapshotter = Some(snapshotter);
        self
    }

    /// Waiting between attempts.
    #[must_use]
    pub fn retry(mut self, retry: RetryOptions) -> Self {
        self.retry = retry;
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Checks the parts.
    ///
    /// # Errors
    /// Kind `Config` if there is no sink, or a snapshot is wanted and nobody to read it.
    pub fn build(self) -> Result<Pipeline, Error> {
        let missing = |what: &str| Error::new(ErrorKind::Config, format!("the pipeline has no {what}"));
        if self.snapshotter.is_none() && self.source.snapshot != super::SnapshotMode::NoData {
            return Err(missing("snapshotter, but its snapshot mode reads tables"));
        }
        let memory = MemoryStore::default();
        let offsets = self.offsets.unwrap_or_else(|| {
            Box::new(move || {
                let memory = memory.clone();
                Box::pin(async move { Ok(Box::new(memory) as Box<dyn OffsetStore>) })
            })
        });
        let capture = match self.capture {
            Some(capture) => capture,
            None => Capture::new(&Filters::default())?,
        };
        let capture = match &self.source.signals {
            Some(s) if self.snapshotter.is_none() => {
                let what = format!(
                    "snapshotter, but signals of {}.{} are followed",
                    s.schema, s.table
                );
                return Err(missing(&what));
            }
            Some(s) => capture.with_signals(&s.schema, &s.table),
            None => capture,
        };
        let meters = Meters::new(&self.source.slot.name);
        let encoder = Encoder::with_reshape(
            &Arc::new(self.format),
            Arc::new(capture.clone()),
            self.source.connect.database(),
            self.reshape,
        )?;
        Ok(Pipeline {
            source: Arc::new(self.source),
            capture,
            encoder,
            sink: self.sink.ok_or_else(|| missing("sink"))?,
            offsets,
            snapshotter: self.snapshotter,
            retry: self.retry,
            clock: self.clock,
            status: Arc::default(),
            writing: Arc::default(),
            meters,
        })
    }
}

/// A pipeline from one database to one sink.
pub struct Pipeline {
    source: Arc<SourceOptions>,
    capture: Capture,
    encoder: Encoder,
    sink: SinkFactory,
    offsets: OffsetFactory,
    snapshotter: Option<Arc<dyn Snapshotter>>,
    retry: RetryOptions,
    clock: Clock,
    status: Arc<Status>,
    /// Held by whoever uses the offset store.
    writing: Arc<Mutex<()>>,
    meters: Meters,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Pipeline {
    /// Starts to put a pipeline together.
    #[must_use]
    pub fn builder(source: SourceOptions) -> PipelineBuilder {
        PipelineBuilder {
            format: Format {
                topic_prefix: source.connect.database().to_owned(),
                ..Format::default()
            },
            reshape: Reshape::default(),
            capture: None,
            source,
            sink: None,
            offsets: None,
            snapshotter: None,
            retry: RetryOptions::default(),
            clock: system_clock,
        }
    }

    /// Live figures.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// Runs until `stop`, restarting by itself after failures that may pass. At a clean stop everything read is durable,
    /// stored and acknowledged.
    ///
    /// # Errors
    /// A failure that waiting does not mend, or one at the stop itself.
    pub async fn run(&self, stop: CancellationToken) -> Result<(), Error> {
        let (mut wait, mut failures) = (self.retry.first, 0u32);
        // Where rows were left in the middle of a transaction that must not be left so.
        let mut unfinished = None;
        loop {
            let (began, confirmed) = (Instant::now(), self.status.confirmed_lsn());
            let result = Box::pin(self.attempt(&stop)).await;
            let error = match result {
                Ok(()) => {
                    let streamed = self.status.phase() == Phase::Streaming;
                    self.status.set_phase(Phase::Stopped);
                    return unfinished.filter(|_| !streamed).map_or(Ok(()), Err);
                }
                Err(error) => error,
            };
            self.status.failed(error.chain());
            if error.remedy() != Remedy::RetryLater || stop.is_cancelled() {
                self.status.set_phase(Phase::Stopped);
                return Err(error);
            }
            // Rows that were handed on may only be those of the attempt before again: what counts is what is stored.
            if began.elapsed() > Duration::from_secs(60) || self.status.confirmed_lsn() > confirmed {
                (wait, failures) = (self.retry.first, 0);
            }
            failures += 1;
            if self.retry.limit.is_some_and(|limit| failures > limit) {
                self.status.set_phase(Phase::Stopped);
                return Err(error);
            }
            self.meters.restarts.increment(1);
            self.status.set_phase(Phase::Waiting);
            tracing::warn!(error = %error.chain(), advice = error.advice(), wait_ms = wait.as_millis(), "pipeline failed, starting again");
            unfinished = self.source.whole_transactions.then_some(error);
            tokio::select! {
                () = stop.cancelled() => {
                    self.status.set_phase(Phase::Stopped);
                    return unfinished.map_or(Ok(()), Err);
                }
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(self.retry.longest),
            }
        }
    }

    /// One life: from the stored offset to a clean stop.
    async fn attempt(&self, stop: &CancellationToken) -> Result<(), Error> {
        self.status.set_phase(Phase::Starting);
        let Some(turn) = unless_stopped(stop, self.turn()).await? else {
            return Ok(());
        };
        let offset = async {
            let mut store = (self.offsets)().await?;
            let stored = store.load().await?;
            Ok((store, stored))
        };
        let begin = async {
            let opened = prepare::open(&self.source, &self.capture);
            // All at once: each spends its time waiting for another server.
            let (opened, (store, stored), sink) = tokio::try_join!(opened, offset, (self.sink)())?;
            let prepared = prepare::prepare(opened, stored).await?;
            Ok::<_, Error>((store, prepared, sink))
        };
        let Some((mut store, prepared, mut sink)) = unless_stopped(stop, begin).await? else {
            return Ok(());
        };
        let Prepared {
            source,
            sql,
            replication,
            lineage,
            tables,
            start,
        } = prepared;
        let id_column = source.signals.as_ref().and_then(|s| {
            let table = tables.iter().find(|t| s.is(&t.schema, &t.name));
            table.and_then(|t| t.columns.first()).map(|c| c.name.clone())
        });
        let mut describer = Describer::new(Arc::clone(&source), sql);
        let types = unless_stopped(stop, describer.load_types(&tables));
        if types.await?.is_none() {
            return Ok(());
        }
        let mut tracker = AckTracker::default();
        let mut from = start.stream.clone();
        if let Some(snapshot) = start.snapshot {
            self.status.set_phase(Phase::Snapshot);
            let mut offset = StoredOffset {
                lineage: lineage.clone(),
                checkpoint: from.clone().unwrap_or_default(),
            };
            offset.checkpoint.snapshot = SnapshotProgress::Running;
            if unless_stopped(stop, store.save(&offset)).await?.is_none() {
                return Ok(());
            }
            let job = self.job(&source, &snapshot, tables, describer.types().clone(), stop);
            if !self
                .read_tables(job, snapshot, sink.as_mut(), &mut tracker, stop)
                .await?
            {
                if source.slot.drop_on_stop {
                    let slot = &source.slot.name;
                    tracing::warn!(%slot, "stopped before everything was read: the slot stays, and the next start goes on with it");
                }
                return Ok(());
            }
            offset.checkpoint.snapshot = SnapshotProgress::Completed;
            if unless_stopped(stop, store.save(&offset)).await?.is_none() {
                return Ok(());
            }
            if let Some(from) = &mut from {
                from.snapshot = SnapshotProgress::Completed;
            }
        }
        let (Some(from), Some(replication)) = (from, replication) else {
            return Ok(());
        };
        self.status.set_phase(Phase::Streaming);
        let started = async {
            let stream = start_stream(&self.source, replication, &from).await?;
            describer.check_slot(&from).await?;
            Ok(stream)
        };
        let Some(stream) = unless_stopped(stop, started).await? else {
            return Ok(());
        };
        let progress = from.incremental.clone();
        let mut translator = Translator::new(Assembler::new(self.spool()), self.encoder.clone(), from);
        if let Some(watch) = self.watch(&source, id_column, progress, &describer)? {
            translator = translator.watching(watch)?;
        }
        let streaming = StreamLoop {
            stream,
            translator,
            describer,
            capture: &self.capture,
            sink: sink.as_mut(),
            tracker,
            offsets: OffsetWriter::start(store, lineage, Arc::clone(&self.status), turn),
            heartbeat: self.source.heartbeat.clone(),
            status: &self.status,
            meters: &self.meters,
            clock: self.clock,
            stop,
            whole_transactions: self.source.whole_transactions,
        };
        let offsets = tokio::select! {
            biased;
            ended = streaming.run() => ended?,
            error = monitor::watch(&source, &self.status, &self.meters) => return Err(error),
        };
        offsets.close().await?;
        if self.source.slot.drop_on_stop && !self.source.slot.temporary {
            prepare::drop_slot(&source).await?;
        }
        Ok(())
    }

    /// The right to use the offset store, once the writer of the attempt before has ended.
    async fn turn(&self) -> Result<OwnedMutexGuard<()>, Error> {
        let turn = Arc::clone(&self.writing).lock_owned();
        let late = |_| {
            let text = "the offset store has not ended a save of the run before";
            Error::new(ErrorKind::SinkUnavailable, text)
        };
        tokio::time::timeout(STOP_DEADLINE, turn).await.map_err(late)
    }

    /// Brings the tables' rows to the sink; false if a stop came in between.
    async fn read_tables(
        &self,
        job: SnapshotJob,
        mut snapshot: SnapshotStart,
        sink: &mut dyn Sink,
        tracker: &mut AckTracker,
        stop: &CancellationToken,
    ) -> Result<bool, Error> {
        let reader = self.snapshotter.as_ref();
        let reader =
            reader.ok_or_else(|| Error::new(ErrorKind::Config, "the pipeline has no snapshotter"))?;
        tracing::info!(tables = job.tables.len(), "reading the tables");
        let Some(mut batches) = unless_stopped(stop, reader.begin(job)).await? else {
            return Ok(false);
        };
        drop(snapshot.exporter.take());
        let mut durable = sink.durable();
        let reading = async {
            while let Some(batch) = batches.recv().await {
                let mut batch = batch?;
                batch.checkpoint = Checkpoint::default();
                let (rows, records, bytes) = (batch.rows, batch.len() as u64, batch.bytes_len() as u64);
                tracker.sent(bytes, Checkpoint::default());
                sink.write(batch).await.map_err(|e| sink.failure().unwrap_or(e))?;
                tracker.durable(*durable.borrow_and_update());
                self.status.sent(rows, records, bytes);
                self.status.snapshot_rows_add(rows);
                self.meters.sent(rows, records, bytes);
            }
            sink.flush().await
        };
        // A stop does not wait for a sink that is stuck: what has been read is read again anyway.
        if unless_stopped(stop, reading).await?.is_none() {
            return Ok(false);
        }
        tracker.durable(*durable.borrow_and_update());
        // These checkpoints say nothing: what holds now is stored by the caller.
        let _ = tracker.take_settled();
        tracing::info!(rows = self.status.snapshot().0, "snapshot is complete");
        Ok(true)
    }
}

/// Awaits `work`; none if a stop is asked for before.
async fn unless_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<Option<T>, Error> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Ok(None),
        done = work => done.map(Some),
    }
}

fn system_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
