//! Batches to Kafka.

mod worker;

use std::thread::JoinHandle;

use cdc_core::seam::{BoxFuture, Sink};
use cdc_core::{Batch, Error, ErrorKind};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::KafkaConfig;
use crate::produce::Context;
use worker::{Order, Worker};

/// Writes batches to Kafka by an idempotent producer with `acks=all`.
///
/// # Ordering
/// Records with one key go to one partition in the order of writing.
///
/// # Durability
/// A batch counts as durable once all in-sync replicas of each record's partition have it. Dropping the sink gives up
/// what is not durable yet; a durable record is never touched.
///
/// # Threads
/// One thread owns the producer and makes every call that may block: topic creation, waiting for room, the end of the
/// producer. `write` hands it the batch over a short queue and gets emptied batches back. librdkafka reports
/// acknowledgements on a thread of its own.
///
/// # Towards transactions
/// That thread is also where a Kafka transaction belongs, and nothing of [`Sink`] must change for it: it sees whole
/// batches in order, each with the [`Checkpoint`](cdc_core::Checkpoint) that holds after it. With a `transactional.id`
/// it would begin a transaction with the first batch after a commit; at a commit point (bytes, time, nothing queued)
/// produce the offset record of the last batch's checkpoint to the offsets topic through the same producer, wait until
/// the window of deliveries is empty, commit, and only then move the watermark, which today moves with the
/// acknowledgements. The offset store's `save` then finds its record written.
pub struct KafkaSink {
    orders: Option<mpsc::Sender<Order>>,
    emptied: mpsc::UnboundedReceiver<Batch>,
    durable: watch::Receiver<u64>,
    context: Arc<Context>,
    written: u64,
    servers: String,
    thread: Option<JoinHandle<()>>,
    gone: oneshot::Receiver<()>,
}

/// Batches that wait for the client's answer to the ones before: as many of the engine's as fill a produce request.
const QUEUE: usize = 4;

/// How a [`KafkaSink`] behaves besides its [`KafkaConfig`].
#[derive(Clone, Copy, Debug)]
pub struct SinkOptions {
    /// Bytes of records on their way to Kafka, counted with what the client adds to each. A full buffer holds `write`
    /// back. The property `queue.buffering.max.kbytes` overrides it.
    pub buffer_bytes: u64,
}

impl Default for SinkOptions {
    /// 16 MiB: a fifth of a second at 80 MB/s, several times what the acknowledgements of one disk flush need.
    fn default() -> Self {
        Self {
            buffer_bytes: 16 << 20,
        }
    }
}

impl KafkaSink {
    /// Connects, and returns once a broker has answered.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for what is wrong in the configuration; [`ErrorKind::SinkUnavailable`], [`ErrorKind::Auth`]
    /// or [`ErrorKind::Tls`] if no broker can be reached within ten seconds, with the client's reason.
    pub async fn open(config: &KafkaConfig, options: SinkOptions) -> Result<Self, Error> {
        let (orders, inbox) = mpsc::channel(QUEUE);
        let (outbox, emptied) = mpsc::unbounded_channel();
        let (ready, opened) = oneshot::channel();
        let worker = Worker::prepare(config, options, inbox, outbox)?;
        let servers = config.bootstrap_servers.clone();
        let (end, gone) = oneshot::channel();
        let thread = worker.spawn(ready, end)?;
        let Ok(context) = opened.await else {
            return Err(Error::new(
                ErrorKind::SinkUnavailable,
                "the kafka thread ended before it was ready",
            ));
        };
        let context = context?;
        Ok(Self {
            orders: Some(orders),
            emptied,
            durable: context.window.watch(),
            context,
            written: 0,
            servers,
            thread: Some(thread),
            gone,
        })
    }

    /// Returns once every batch written is durable and the producer is gone.
    ///
    /// # Errors
    /// As [`Sink::flush`].
    pub async fn close(mut self) -> Result<(), Error> {
        self.flush().await?;
        self.orders = None;
        // Nothing is ever sent: the other end goes when the producer is gone.
        let _ = (&mut self.gone).await;
        Ok(())
    }

    fn stopped(&mut self) -> Error {
        self.failure().unwrap_or_else(|| {
            Error::new(
                ErrorKind::SinkUnavailable,
                "the kafka sink has stopped after an earlier failure",
            )
        })
    }
}

impl Sink for KafkaSink {
    /// Hands the batch over. Dropping the future before it is ready drops the batch, which then has no number.
    fn write(&mut self, batch: Batch) -> BoxFuture<'_, Result<Option<Batch>, Error>> {
        Box::pin(async move {
            let taken = match &self.orders {
                Some(orders) if !self.context.window.has_failed() => match orders.reserve().await {
                    Ok(room) => {
                        self.written += 1;
                        room.send((self.written, batch));
                        true
                    }
                    Err(_) => false,
                },
                _ => false,
            };
            if !taken {
                return Err(self.stopped());
            }
            Ok(self.emptied.try_recv().ok())
        })
    }

    fn durable(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let (mut durable, written) = (self.durable.clone(), self.written);
            match durable.wait_for(|n| *n >= written).await {
                Ok(_) => Ok(()),
                Err(_) => Err(self.stopped()),
            }
        })
    }

    fn failure(&mut self) -> Option<Error> {
        self.context.window.take_failure()
    }
}

impl Drop for KafkaSink {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            worker::leave_behind(&self.servers, thread);
        }
    }
}

impl std::fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSink")
            .field("servers", &self.servers)
            .field("written", &self.written)
            .field("durable", &*self.durable.borrow())
            .finish_non_exhaustive()
    }
}
