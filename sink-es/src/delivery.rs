//! Sends bulks until every item is settled: what the lanes share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cdc_core::seam::Sink;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use tokio::sync::Notify;

use crate::backoff::Backoff;
use crate::bulk::Sealed;
use crate::client::{Answer, Client};
use crate::config::{BadDocument, BulkConfig, IndexConfig};
use crate::dead_letter::DeadLetters;
use crate::governor::Governor;
use crate::judge::{Doubts, Judged, Standing};
use crate::ladder::Ladder;
use crate::prepare::Preparation;
use crate::refresh::Written;
use crate::reply::{self, BulkReply};
use crate::settle::Ledger;
use crate::telemetry::{Telemetry, gauge_value};

/// Client, ledger, memory account and policies of one sink.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
    pub(crate) bulk: BulkConfig,
    pub(crate) telemetry: Telemetry,
    pub(crate) bad: BadDocument,
    pub(crate) invalid: BadDocument,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) standing: Standing,
    pub(crate) backoff: (Duration, Duration),
    pub(crate) governor: Governor,
    pub(crate) preparation: Preparation,
    pub(crate) written: Written,
    pub(crate) ladder: Ladder,
    buffered: AtomicUsize,
    /// Notified when buffered bytes go down, and on failure.
    freed: Notify,
    /// Somebody waits for all batches: do not wait for more documents.
    flushing: AtomicBool,
}

/// What came of one request.
enum Attempt {
    /// Everything in it was looked at.
    Answered(Judged),
    /// Nothing is known; send all of it again.
    Again,
    /// The server takes no request of this size.
    TooLarge,
    /// The server refused all of it for one item that it did not name; the error.
    OneIsBad(String),
}

/// The path of bulk requests. The filter leaves one entry an item, so that positions match.
const BULK: &str = "_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

impl Delivery {
    pub(crate) fn new(
        config: &IndexConfig,
        topic: Option<Box<dyn Sink>>,
        pipeline: String,
    ) -> Result<Self, Error> {
        config.validate()?;
        let bad = config.on_bad_document.clone();
        let invalid = config.on_invalid_record.clone().unwrap_or_else(|| bad.clone());
        let b = &config.bulk;
        Ok(Self {
            client: Client::new(config)?,
            ledger: Ledger::new(),
            bulk: b.clone(),
            telemetry: Telemetry::new(),
            dead_letters: DeadLetters::open(&[&bad, &invalid], topic, pipeline)?,
            bad,
            invalid,
            standing: Standing::default(),
            backoff: (
                Duration::from_millis(config.first_backoff_ms),
                Duration::from_millis(config.max_backoff_ms),
            ),
            governor: Governor::new(
                b.max_in_flight,
                b.max_bytes,
                Duration::from_millis(b.target_latency_ms),
            ),
            preparation: Preparation::new(config),
            written: Written::default(),
            ladder: Ladder::new(),
            buffered: AtomicUsize::new(0),
            freed: Notify::new(),
            flushing: AtomicBool::new(false),
        })
    }

    /// Sends a bulk until every item is settled.
    ///
    /// # Errors
    /// When nothing more can be sent until somebody acts, and for a bad document under
    /// [`BadDocument::Fail`].
    pub(crate) async fn settle(&self, bulk: &mut Sealed) -> Result<(), Error> {
        let mut pending: Vec<usize> = bulk.live().collect();
        self.fill(bulk, &pending).await?;
        let mut most = pending.len();
        let mut pauses = Pauses::new(self.backoff);
        let mut doubts = Doubts::default();
        while !pending.is_empty() {
            let rest = pending.split_off(most.clamp(1, pending.len()));
            match self.attempt(bulk, &pending, &mut doubts).await? {
                Attempt::Answered(judged) => {
                    self.raise(bulk, &judged.contested).await?;
                    self.fill(bulk, &judged.revived).await?;
                    if judged.again.is_empty() {
                        pauses.reset();
                    } else {
                        self.telemetry.retried.increment(count(judged.again.len()));
                        pauses.wait("the server refuses documents for the moment").await;
                    }
                    pending = judged.again;
                    pending.extend(judged.contested);
                    pending.extend(judged.revived);
                    pending.sort_unstable();
                    pending.extend(rest);
                }
                Attempt::Again => {
                    pauses.wait("no bulk request comes through").await;
                    pending.extend(rest);
                }
                Attempt::TooLarge => {
                    most = self.halve(bulk, &mut pending).await?;
                    pending.extend(rest);
                }
                Attempt::OneIsBad(reason) => {
                    most = self.bisect(bulk, &mut pending, reason).await?;
                    pending.extend(rest);
                }
            }
        }
        Ok(())
    }

    /// Fills documents that lack values from the index.
    pub(crate) async fn fill(&self, bulk: &mut Sealed, which: &[usize]) -> Result<(), Error> {
        let (items, wanted) = bulk.lacking(which);
        if items.is_empty() {
            return Ok(());
        }
        for (i, found) in items.into_iter().zip(self.look(&wanted).await?) {
            if let Some(found) = found {
                bulk.fill(i, &found);
            }
        }
        Ok(())
    }

    /// Gives items that were not sure of their versions those of their documents: what they change is a state of a snapshot,
    /// which has the higher version and is the older one. If a later record has written the document in an earlier run, that
    /// record comes again behind this one and, having the same version, writes it again. A document that is not there was
    /// deleted by a later record, and stays so.
    async fn raise(&self, bulk: &mut Sealed, contested: &[usize]) -> Result<(), Error> {
        let wanted = contested.iter().filter_map(|&i| Some((i, bulk.wanted(i)?)));
        let (items, wanted): (Vec<_>, Vec<_>) = wanted.unzip();
        if items.is_empty() {
            return Ok(());
        }
        for (i, found) in items.into_iter().zip(self.look(&wanted).await?) {
            bulk.set_version(i, found.map(|f| f.version));
        }
        Ok(())
    }

    /// After status 413: how many items to send at once from now on. A single item that is too large is a bad document.
    async fn halve(&self, bulk: &mut Sealed, sent: &mut Vec<usize>) -> Result<usize, Error> {
        if sent.len() > 1 {
            let half = (bulk.body(sent).len() / 2).max(1);
            if self.governor.cap(half) {
                tracing::warn!(
                    max_bytes = half,
                    "the server takes no bulk request of this size: smaller ones are sent; lower index.bulk.max_bytes"
                );
            }
            return Ok(sent.len() / 2);
        }
        self.reject_only(
            bulk,
            sent,
            413,
            "the document alone is larger than the server takes",
        )
        .await
    }

    /// After a refusal of the whole for one item: how many to send at once, until the one is found.
    async fn bisect(&self, bulk: &mut Sealed, sent: &mut Vec<usize>, reason: String) -> Result<usize, Error> {
        if sent.len() > 1 {
            return Ok(sent.len() / 2);
        }
        self.standing.refused_alone(&reason)?;
        self.reject_only(bulk, sent, 400, &reason).await?;
        Ok(usize::MAX)
    }

    async fn attempt(&self, bulk: &Sealed, items: &[usize], doubts: &mut Doubts) -> Result<Attempt, Error> {
        let permit = self.governor.permit().await;
        let body = bulk.body(items);
        let bytes = body.len();
        self.telemetry.bytes.increment(count(body.len()));
        let start = Instant::now();
        let sent = self
            .client
            .send(Method::POST, BULK, Some(("application/x-ndjson", body)))
            .await;
        let took = start.elapsed();
        self.telemetry.seconds.record(took);
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.kind() != ErrorKind::SinkUnavailable => return Err(error),
            Err(error) => {
                self.telemetry.unavailable.increment(1);
                tracing::warn!(error = %error.chain(), "bulk request failed");
                return Ok(Attempt::Again);
            }
        };
        match answer.status.as_u16() {
            200..=299 => {}
            413 => {
                self.telemetry.too_large.increment(1);
                return Ok(Attempt::TooLarge);
            }
            500 if reply::lacks_ingest(&answer.body) => {
                self.telemetry.refused.increment(1);
                return Err(refused("the bulk request", &answer)
                    .with_hint("give a node the role `ingest`, or remove index.pipeline"));
            }
            408 | 429 | 500..=599 => {
                permit.busy();
                self.telemetry.unavailable.increment(1);
                tracing::debug!(
                    status = answer.status.as_u16(),
                    "bulk request refused for the moment"
                );
                return Ok(Attempt::Again);
            }
            400 if reply::blames_an_item(&answer.body) => {
                self.telemetry.refused.increment(1);
                return Ok(Attempt::OneIsBad(
                    reply::request_error(&answer.body).unwrap_or_default(),
                ));
            }
            _ => {
                self.telemetry.refused.increment(1);
                return Err(refused("the bulk request", &answer));
            }
        }
        let reply = serde_json::from_slice::<BulkReply<'_>>(&answer.body).ok();
        let Some(reply) = reply.filter(|r| r.items.len() == items.len()) else {
            // Cut short on the way. The documents may be in; sending them again does no harm.
            self.telemetry.unavailable.increment(1);
            tracing::warn!(
                documents = items.len(),
                "a bulk reply does not fit its request: it is sent again"
            );
            return Ok(Attempt::Again);
        };
        self.telemetry.ok.increment(1);
        if reply.items.iter().any(|i| i.update.status == 429) {
            permit.busy();
        } else {
            permit.taken(bytes, took);
        }
        self.telemetry.limit.set(gauge_value(self.governor.limit()));
        self.judge(bulk, items, &reply, doubts)
            .await
            .map(Attempt::Answered)
    }

    /// Settles some records of some batches.
    pub(crate) fn settle_records(&self, credits: &[(u64, u64)]) {
        if let Some(batch) = self.ledger.settle(credits) {
            self.ladder.durable(batch);
        }
    }

    /// Settles a bulk's records and gives its memory back.
    pub(crate) fn settled(&self, bulk: &Sealed) {
        self.settle_records(bulk.credits());
        let memory = bulk.memory();
        let before = self.buffered.fetch_sub(memory, Ordering::AcqRel);
        self.telemetry
            .buffered
            .set(gauge_value(before.saturating_sub(memory)));
        self.freed.notify_waiters();
    }

    /// Takes memory for encoded documents.
    pub(crate) fn take_memory(&self, bytes: usize) {
        let before = self.buffered.fetch_add(bytes, Ordering::AcqRel);
        self.telemetry
            .buffered
            .set(gauge_value(before.saturating_add(bytes)));
    }

    /// Returns once there is room for more documents, or the sink has failed. Cancel safe.
    pub(crate) async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let full = self.buffered.load(Ordering::Acquire) >= self.bulk.max_buffered_bytes;
            if !full || self.ledger.failed() {
                return;
            }
            freed.await;
        }
    }

    /// Stops the sink for good.
    pub(crate) fn fail(&self, error: Error) {
        self.ledger.fail(error);
        self.freed.notify_waiters();
    }

    /// Size at which a request is sent.
    pub(crate) fn max_bytes(&self) -> usize {
        self.governor.bytes()
    }

    pub(crate) fn set_flushing(&self, on: bool) {
        self.flushing.store(on, Ordering::Release);
    }

    pub(crate) fn flushing(&self) -> bool {
        self.flushing.load(Ordering::Acquire)
    }
}

/// Pauses with a log line now and then: at the first, second, fourth, eighth … one.
pub(crate) struct Pauses {
    backoff: Backoff,
    taken: u32,
}

impl Pauses {
    pub(crate) fn new((first, cap): (Duration, Duration)) -> Self {
        Self {
            backoff: Backoff::new(first, cap),
            taken: 0,
        }
    }

    fn reset(&mut self) {
        self.backoff.reset();
        self.taken = 0;
    }

    pub(crate) async fn wait(&mut self, why: &str) {
        self.taken = self.taken.saturating_add(1);
        let pause = self.backoff.pause();
        if self.taken.is_power_of_two() {
            tracing::warn!(attempt = self.taken, ?pause, "{why}: trying again");
        }
        tokio::time::sleep(pause).await;
    }
}

/// The error for a request that was refused as a whole.
pub(crate) fn refused(what: &str, answer: &Answer) -> Error {
    let status = answer.status.as_u16();
    let reason = reply::request_error(&answer.body).unwrap_or_else(|| "no reason given".into());
    let text = format!("{what} was refused with status {status}: {reason}");
    match status {
        401 => Error::new(ErrorKind::Auth, text).with_hint("check index.auth"),
        403 => Error::new(ErrorKind::Privilege, text)
            .with_hint("give the user of index.auth the rights to write to and create the indexes"),
        _ => Error::new(ErrorKind::SinkRejected, text).with_hint("check index.urls and the index options"),
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
