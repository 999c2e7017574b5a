//! The loop from socket to sink.
//!
//! One task does everything: it decodes what the socket has brought, hands full batches to the sink, and acknowledges what
//! the offset store holds. Whenever it waits (for the socket, the sink, the catalog) the replication feedback goes on.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Clock;
use super::describe::Describer;
use super::incremental::{ChunkReply, Execute};
use super::offsets::OffsetWriter;
use super::options::HeartbeatOptions;
use super::status::Status;
use super::tracker::AckTracker;
use super::translate::{Step, Translator};
use crate::filter::Capture;
use crate::pgoutput::Relation;
use crate::seam::Sink;
use crate::telemetry::{Meters, number};
use crate::wire::{Frame, ReplicationStream};
use crate::{Batch, Error, ErrorKind, Lsn};

/// A batch is handed on when it has grown to this, or when the socket has no more: large enough that what is done once a
/// batch (about 1 µs) does not show, small enough that several fit into every buffer downstream.
pub(crate) const BATCH_BYTES: usize = 256 << 10;
/// Emptied batches kept for reuse.
const SPARE_BATCHES: usize = 4;
/// An idle barrier is stored when it lies this far ahead, or after [`BARRIER_INTERVAL`]: one WAL segment.
const BARRIER_BYTES: u64 = 16 << 20;
const BARRIER_INTERVAL: Duration = Duration::from_secs(10);
/// The catalog is asked about a relation no sooner than this after the commit that brought it. What only the catalog knows
/// (defaults, the key's order) has no position in the log; Debezium, which polls, reads it some milliseconds late, so a
/// script that changes a default right after its rows gives the same schema here, not one that depends on a race.
const CATALOG_DELAY: Duration = Duration::from_millis(10);
/// How often a loop that waits shows that it is alive; a check of liveness allows for several of these.
const PULSE: Duration = Duration::from_secs(10);
/// Time that the server gives a heartbeat's query: what waits for a lock must not hold up the stream.
const ACTION_TIMEOUT: &str = "10s";
/// Time for what is under way at a stop to become durable; after it the run ends as a crash would, which loses nothing.
pub(crate) const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// Everything a running stream owns.
pub(crate) struct StreamLoop<'a> {
    pub(crate) stream: ReplicationStream,
    pub(crate) translator: Translator,
    pub(crate) describer: Describer,
    pub(crate) capture: &'a Capture,
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) tracker: AckTracker,
    pub(crate) offsets: OffsetWriter,
    pub(crate) heartbeat: Option<HeartbeatOptions>,
    pub(crate) status: &'a Status,
    pub(crate) meters: &'a Meters,
    pub(crate) clock: Clock,
    pub(crate) stop: &'a CancellationToken,
    /// See [`SourceOptions::whole_transactions`](super::SourceOptions::whole_transactions).
    pub(crate) whole_transactions: bool,
}

/// What a wait ended with.
enum Event {
    Stop,
    Settled,
    /// The offset store failed.
    Unsaved,
    Heartbeat,
    /// A chunk of an incremental snapshot has been read, or could not be.
    Chunk(ChunkReply),
    Readable,
}

struct Running<'a> {
    io: StreamLoop<'a>,
    durable: watch::Receiver<u64>,
    saved: watch::Receiver<Lsn>,
    batch: Batch,
    spare: Vec<Batch>,
    received: Lsn,
    confirmed: Lsn,
    barrier: Lsn,
    barrier_due: Instant,
    beat_due: Option<Instant>,
}

impl<'a> StreamLoop<'a> {
    fn pulse(&self) -> Pulse<'a> {
        Pulse {
            status: self.status,
            clock: self.clock,
        }
    }

    /// Streams until told to stop; then everything sent is durable, stored and acknowledged.
    ///
    /// # Errors
    /// Any failure of server, sink or store: the caller starts again from the stored offset.
    pub(crate) async fn run(self) -> Result<OffsetWriter, Error> {
        let now = Instant::now();
        let mut running = Running {
            durable: self.sink.durable(),
            saved: self.offsets.saved(),
            batch: Batch::with_capacity(BATCH_BYTES + BATCH_BYTES / 4),
            spare: Vec::new(),
            received: Lsn::ZERO,
            confirmed: Lsn::ZERO,
            barrier: Lsn::ZERO,
            barrier_due: now + BARRIER_INTERVAL,
            beat_due: self.heartbeat.as_ref().map(|_| now),
            io: self,
        };
        loop {
            running.drain().await?;
            running.send().await?;
            running.settle()?;
            match running.wait().await? {
                Event::Stop => return running.finish().await,
                Event::Heartbeat => running.beat().await?,
                // The store itself says why: most of its failures pass.
                Event::Unsaved => return Err(running.io.offsets.failure().await),
                Event::Chunk(reply) => running.io.translator.take(reply)?,
                Event::Settled | Event::Readable => {}
            }
        }
    }
}

impl Running<'_> {
    /// Decodes every frame that has arrived.
    async fn drain(&mut self) -> Result<(), Error> {
        self.io.translator.set_now((self.io.clock)());
        loop {
            let step = if self.io.translator.is_replaying() {
                let step = self.io.translator.replay(&mut self.batch, BATCH_BYTES)?;
                // What has been delivered before, or is not captured, fills no batch: the server must hear of us, and a
                // stop be seen, all the same.
                let breath = async {
                    tokio::task::yield_now().await;
                    Ok(())
                };
                self.io.pulse().with_feedback(&mut self.io.stream, breath).await?;
                self.io.status.alive((self.io.clock)() / 1_000_000);
                if self.stops() {
                    return Ok(());
                }
                step
            } else {
                match self.io.stream.next_frame()? {
                    None => return Ok(()),
                    Some(Frame::Keepalive { end, .. }) => {
                        self.barrier = self.barrier.max(end);
                        Step::Continue
                    }
                    Some(Frame::XLogData {
                        start, end, payload, ..
                    }) => {
                        self.received = self.received.max(end);
                        self.io.translator.push(start, payload, &mut self.batch)?
                    }
                }
            };
            // Others may follow at once, without end.
            if self.io.whole_transactions && self.stops() {
                return Ok(());
            }
            match step {
                Step::Continue => {}
                Step::Define(relation) => self.define(&relation).await?,
                Step::Execute(execute) => self.execute(&execute).await?,
                Step::AwaitChunk => self.await_chunk().await?,
            }
            if self.batch.bytes_len() >= BATCH_BYTES {
                self.send().await?;
                self.settle()?;
                // A stop must not wait for the end of a huge transaction; what is left of it comes again.
                if self.stops() {
                    return Ok(());
                }
                self.io.translator.set_now((self.io.clock)());
            }
        }
    }

    /// Whether this is where to stop.
    fn stops(&self) -> bool {
        let may = !self.io.whole_transactions || self.io.translator.is_between_transactions();
        may && self.io.stop.is_cancelled()
    }

    /// Compiles the plan of a relation that the stream has just described.
    async fn define(&mut self, relation: &Relation) -> Result<(), Error> {
        let age_us = ((self.io.clock)() / 1000).saturating_sub(self.io.translator.commit_us());
        let delay = CATALOG_DELAY.saturating_sub(Duration::from_micros(age_us.max(0).unsigned_abs()));
        let pulse = self.io.pulse();
        let StreamLoop {
            describer, stream, ..
        } = &mut self.io;
        let described = async {
            tokio::time::sleep(delay).await;
            describer.describe(relation).await
        };
        let table = pulse.with_feedback(stream, described).await?;
        let plan = self
            .io
            .translator
            .encoder()
            .plan(&table, self.io.describer.types())?;
        self.io.translator.define(relation.oid, plan);
        self.io.translator.describe(&table)
    }

    /// Looks up the tables that a signal asks for.
    async fn execute(&mut self, execute: &Execute) -> Result<(), Error> {
        let pulse = self.io.pulse();
        let StreamLoop {
            describer,
            stream,
            capture,
            ..
        } = &mut self.io;
        let captured = pulse.with_feedback(stream, describer.captured(capture)).await?;
        self.io.translator.execute(execute, &captured)
    }

    /// Waits for the chunk that is being read: so much of its table has changed meanwhile that it is not remembered
    /// without knowing which rows matter.
    async fn await_chunk(&mut self) -> Result<(), Error> {
        let pulse = self.io.pulse();
        let StreamLoop {
            stream,
            translator,
            stop,
            ..
        } = &mut self.io;
        let reply = tokio::select! {
            biased;
            // What follows is not read any more; it comes again.
            () = stop.cancelled() => return Ok(()),
            reply = pulse.with_feedback(stream, translator.reply()) => reply?,
        };
        self.io.translator.take(reply)
    }

    /// Hands the batch to the sink, waiting for room; nothing if it is empty.
    async fn send(&mut self) -> Result<(), Error> {
        let checkpoint = self.io.translator.checkpoint().clone();
        if self.batch.is_empty() {
            self.batch.reset(BATCH_BYTES * 2);
            self.io.tracker.advance(checkpoint);
            return Ok(());
        }
        let next = self
            .spare
            .pop()
            .unwrap_or_else(|| Batch::with_capacity(BATCH_BYTES + BATCH_BYTES / 4));
        let mut batch = std::mem::replace(&mut self.batch, next);
        batch.checkpoint = checkpoint.clone();
        let (rows, records, bytes) = (batch.rows, batch.len() as u64, batch.bytes_len() as u64);
        self.io.tracker.sent(bytes, checkpoint);
        self.io.status.sent(rows, records, bytes);
        self.io.meters.sent(rows, records, bytes);
        let pulse = self.io.pulse();
        let StreamLoop {
            sink, stream, stop, ..
        } = &mut self.io;
        let written = until_stopped(stop, pulse.with_feedback(stream, sink.write(batch))).await;
        match written {
            Ok(back) => {
                if let Some(mut back) = back
                    && self.spare.len() < SPARE_BATCHES
                {
                    back.reset(BATCH_BYTES * 2);
                    self.spare.push(back);
                }
                Ok(())
            }
            Err(error) => Err(self.io.sink.failure().unwrap_or(error)),
        }
    }

    /// Moves along what has become durable: tracker, store, acknowledgement.
    fn settle(&mut self) -> Result<(), Error> {
        self.io.tracker.durable(*self.durable.borrow_and_update());
        self.pass_barrier();
        let idle = self.io.tracker.is_idle()
            && self.batch.is_empty()
            && self.io.translator.is_between_transactions();
        if idle {
            let at = self.io.translator.checkpoint().resume_lsn;
            self.io.status.durable_at(at.max(self.barrier));
        }
        if let Some(checkpoint) = self.io.tracker.take_settled() {
            self.io.status.durable_at(checkpoint.resume_lsn);
            self.io.offsets.submit(checkpoint);
        }
        let saved = *self.saved.borrow_and_update();
        if saved > self.confirmed {
            self.confirmed = saved;
            self.io.stream.confirm(saved);
        }
        let commit_us = self.io.translator.checkpoint().commit_us;
        let now_ms = (self.io.clock)() / 1_000_000;
        let received = self.received.max(self.barrier);
        let in_flight = self.io.tracker.bytes();
        self.io
            .status
            .turned(now_ms, received, self.confirmed, in_flight, commit_us);
        let meters = self.io.meters;
        meters.in_flight.set(number(in_flight));
        meters.received.set(number(received.0));
        meters.confirmed.set(number(self.confirmed.0));
        if let Some(error) = self.io.sink.failure() {
            return Err(error);
        }
        Ok(())
    }

    /// Lets the server forget WAL that holds nothing for us: everything received before the keepalive is durable, so its
    /// position is as good as a commit. Stored before it is acknowledged, like any other.
    fn pass_barrier(&mut self) {
        let at = self.io.translator.checkpoint().resume_lsn;
        let idle = self.io.tracker.is_idle()
            && self.batch.is_empty()
            && self.io.translator.is_between_transactions();
        if !idle || self.barrier <= at {
            return;
        }
        if self.barrier.0 - at.0 >= BARRIER_BYTES || Instant::now() >= self.barrier_due {
            self.barrier_due = Instant::now() + BARRIER_INTERVAL;
            self.io.translator.advance(self.barrier);
            self.io.tracker.advance(self.io.translator.checkpoint().clone());
        }
    }

    /// Waits for the next thing to do. Cancel safe in every arm.
    async fn wait(&mut self) -> Result<Event, Error> {
        let beat = async {
            match self.beat_due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let may_stop = !self.io.whole_transactions || self.io.translator.is_between_transactions();
        let waits_for_barrier = self.barrier > self.io.translator.checkpoint().resume_lsn;
        let StreamLoop {
            stream,
            stop,
            sink,
            translator,
            ..
        } = &mut self.io;
        tokio::select! {
            biased;
            // 1. A stop must not wait behind a busy stream.
            () = stop.cancelled(), if may_stop => Ok(Event::Stop),
            // 2. Acknowledgements free WAL and memory; cheap, and at most one a batch.
            changed = self.durable.changed() => match changed {
                Ok(()) => Ok(Event::Settled),
                Err(_) => Err(sink.failure().unwrap_or_else(|| Error::new(ErrorKind::SinkUnavailable, "the sink ended"))),
            },
            changed = self.saved.changed() => match changed {
                Ok(()) => Ok(Event::Settled),
                Err(_) => Ok(Event::Unsaved),
            },
            // 3. Heartbeats are rare.
            () = beat => Ok(Event::Heartbeat),
            // 4. So are chunks: one is asked for when the one before has been written.
            reply = translator.reply() => reply.map(Event::Chunk),
            // 5. More rows. An idle stream wakes by its keepalives, by the barrier's timer, and to show that it is alive.
            read = stream.readable() => read.map(|()| Event::Readable),
            () = sleep_until(self.barrier_due), if waits_for_barrier => Ok(Event::Settled),
            () = tokio::time::sleep(PULSE) => Ok(Event::Settled),
        }
    }

    /// Sends a heartbeat and runs its query.
    async fn beat(&mut self) -> Result<(), Error> {
        let Some(heartbeat) = self.io.heartbeat.clone() else {
            return Ok(());
        };
        self.beat_due = Some(Instant::now() + heartbeat.interval);
        self.io.translator.set_now((self.io.clock)());
        self.io.translator.heartbeat(&mut self.batch)?;
        self.send().await?;
        let Some(query) = &heartbeat.action_query else {
            return Ok(());
        };
        let pulse = self.io.pulse();
        let StreamLoop {
            describer, stream, ..
        } = &mut self.io;
        let executed = pulse.with_feedback(stream, describer.execute(query, ACTION_TIMEOUT));
        if let Err(error) = executed.await {
            // As Debezium does: the owner of the query hears of it, the stream goes on, except where the server goes away.
            if error
                .sqlstate()
                .is_some_and(|code| code == "57P01" || code == "42P01")
            {
                return Err(error);
            }
            tracing::warn!(error = %error.chain(), "heartbeat query failed");
        }
        Ok(())
    }

    /// Makes everything sent durable, stored and acknowledged, and ends the stream.
    async fn finish(mut self) -> Result<OffsetWriter, Error> {
        let late = || {
            Error::new(
                ErrorKind::SinkUnavailable,
                "the sink did not finish in time at the stop",
            )
        };
        let deadline = Instant::now() + STOP_DEADLINE;
        {
            let pulse = self.io.pulse();
            let StreamLoop { sink, stream, .. } = &mut self.io;
            let flush = pulse.with_feedback(stream, sink.flush());
            tokio::time::timeout_at(deadline, flush)
                .await
                .map_err(|_| late())??;
        }
        self.barrier_due = Instant::now();
        self.settle()?;
        let want = self.io.translator.checkpoint().resume_lsn;
        while *self.saved.borrow() < want {
            let pulse = self.io.pulse();
            let changed = pulse.with_feedback(&mut self.io.stream, async { Ok(self.saved.changed().await) });
            match tokio::time::timeout_at(deadline, changed).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(_))) => return Err(self.io.offsets.failure().await),
                Ok(Err(lost)) => return Err(lost),
                Err(_) => return Err(late()),
            }
        }
        self.settle()?;
        self.io.stream.stop().await?;
        Ok(self.io.offsets)
    }
}

/// What goes on while the loop waits for something else than the stream.
#[derive(Clone, Copy)]
struct Pulse<'a> {
    status: &'a Status,
    clock: Clock,
}

impl Pulse<'_> {
    /// Awaits `work` while the feedback timer of the stream goes on. The timer comes first: a sink that never makes us
    /// wait would otherwise keep it from being looked at all through the delivery of a huge transaction.
    async fn with_feedback<T>(
        self,
        stream: &mut ReplicationStream,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                lost = stream.idle() => return match lost {
                    Err(error) => Err(error),
                    Ok(()) => work.await,
                },
                done = &mut work => return done,
                () = tokio::time::sleep(PULSE) => self.status.alive((self.clock)() / 1_000_000),
            }
        }
    }
}

/// Awaits `work`; once a stop is asked for, only until the deadline.
async fn until_stopped<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = stop.cancelled() => {}
    }
    let late = |_| {
        Error::new(
            ErrorKind::SinkUnavailable,
            "the sink took no more rows before the stop",
        )
    };
    tokio::time::timeout(STOP_DEADLINE, work).await.map_err(late)?
}
