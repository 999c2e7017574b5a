//! Sends bulks until every item is settled: what the lanes share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cdc_core::seam::Sink;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use tokio::sync::Notify;

use crate::backoff::Pauses;
use crate::bulk::Sealed;
use crate::client::{self, Answer, Client};
use crate::config::{BadDocument, BulkConfig, IndexConfig};
use crate::current;
use crate::dead_letter::DeadLetters;
use crate::governor::Governor;
use crate::judge::{Doubts, Judged, Standing};
use crate::ladder::Ladder;
use crate::portion::Portion;
use crate::prepare::Preparation;
use crate::probe;
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
    /// As well, but less at once: it took too long.
    Smaller,
    /// The servers have no room for it now; the error.
    Refused(Refusal),
    /// The server takes no request of this size.
    TooLarge,
    /// The server refused all of it for one item that it did not name; the error.
    OneIsBad(Refusal),
}

/// Why a request was refused as a whole.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// What of the reason holds no value of a row.
    pub(crate) shown: String,
    /// All of it, for a dead letter.
    pub(crate) full: String,
}

impl Refusal {
    fn own(status: u16, reason: &str) -> Self {
        Self {
            status,
            shown: reason.to_owned(),
            full: reason.to_owned(),
        }
    }

    fn of(answer: &Answer) -> Self {
        Self {
            status: answer.status.as_u16(),
            shown: reply::shown_error(&answer.body).unwrap_or_default(),
            full: reply::request_error(&answer.body).unwrap_or_default(),
        }
    }
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
            backoff: config.backoff(),
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
        let mut portion = Portion::default();
        let mut pauses = Pauses::new(self.backoff);
        let mut doubts = Doubts::default();
        let (mut crowded, mut at_once) = (false, current::FEW);
        while !pending.is_empty() {
            let mut rest = pending.split_off(portion.of(pending.len()));
            let sent = self.fill(bulk, &pending, &mut at_once).await?;
            let behind = pending.split_off(sent.clamp(1, pending.len()));
            rest.splice(0..0, behind);
            match self.attempt(bulk, &pending, &mut doubts).await? {
                Attempt::Answered(judged) => {
                    crowded = false;
                    self.raise(bulk, &judged.contested).await?;
                    if judged.again.is_empty() {
                        pauses.reset();
                        portion.grow();
                    } else {
                        self.telemetry.retried.increment(count(judged.again.len()));
                        pauses.wait("the server refuses documents for the moment").await;
                    }
                    let mut left = judged.again;
                    left.extend(judged.contested);
                    left.extend(judged.revived);
                    left.sort_unstable();
                    self.let_go(bulk, &pending, &left);
                    pending = left;
                    pending.extend(rest);
                }
                Attempt::Again => {
                    pauses.wait("no bulk request comes through").await;
                    pending.extend(rest);
                }
                Attempt::Smaller => {
                    portion.shrink(pending.len());
                    pauses.wait("the servers do not get through a bulk request").await;
                    pending.extend(rest);
                }
                Attempt::Refused(refusal) => {
                    if self
                        .refused_alone(bulk, &mut pending, &refusal, &mut doubts)
                        .await?
                    {
                        pauses.reset();
                    } else {
                        // Once is nothing; and then it may be that there is never room for so much.
                        if std::mem::replace(&mut crowded, true) {
                            portion.shrink(pending.len());
                        }
                        pauses.wait("the servers take no request for the moment").await;
                    }
                    pending.extend(rest);
                }
                Attempt::TooLarge => {
                    portion.limit(self.halve(bulk, &mut pending).await?);
                    pending.extend(rest);
                }
                Attempt::OneIsBad(refusal) => {
                    portion.limit(self.bisect(bulk, &mut pending, &refusal).await?);
                    pending.extend(rest);
                }
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
        let before = bulk.memory();
        for (i, found) in items.into_iter().zip(self.look(&wanted).await?) {
            bulk.set_version(i, found.map(|f| f.version));
        }
        self.take_memory(bulk.memory().saturating_sub(before));
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
        let refusal = Refusal::own(413, "the document alone is larger than the server takes");
        self.reject_only(bulk, sent, &refusal).await
    }

    /// After a refusal of the whole for one item: how many to send at once, until the one is found.
    async fn bisect(
        &self,
        bulk: &mut Sealed,
        sent: &mut Vec<usize>,
        refusal: &Refusal,
    ) -> Result<usize, Error> {
        if sent.len() > 1 {
            return Ok(sent.len() / 2);
        }
        self.standing.refused_alone(&refusal.shown)?;
        self.reject_only(bulk, sent, refusal).await?;
        Ok(usize::MAX)
    }

    /// After status 429 for a whole request: applies the policy to a single document that is refused again and again while the
    /// servers take another request; says whether it did. As long as they take none it is not the document's fault.
    async fn refused_alone(
        &self,
        bulk: &mut Sealed,
        sent: &mut Vec<usize>,
        refusal: &Refusal,
        doubts: &mut Doubts,
    ) -> Result<bool, Error> {
        let &[only] = sent.as_slice() else {
            return Ok(false);
        };
        let Some(item) = bulk.item(only) else {
            return Ok(false);
        };
        let nothing = probe::nothing(&item.place.route.index);
        let other = self
            .client
            .send(Method::POST, BULK, Some(("application/x-ndjson", nothing)))
            .await;
        let taken = |answer: &Answer| {
            let reply = serde_json::from_slice::<BulkReply<'_>>(&answer.body).ok();
            answer.status.is_success()
                && reply.is_some_and(|r| {
                    r.items
                        .iter()
                        .all(|i| !matches!(i.update.status, 429 | 500..=599))
                })
        };
        if !other.is_ok_and(|answer| taken(&answer)) || !doubts.again(only) {
            return Ok(false);
        }
        self.reject_only(bulk, sent, refusal).await?;
        Ok(true)
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
                tracing::warn!(error = %error.chain(), documents = items.len(), bytes, "bulk request failed");
                if client::timed_out(&error) {
                    // The servers may be at work on it still: the same again would only be more of it.
                    permit.slow(bytes);
                    return Ok(Attempt::Smaller);
                }
                return Ok(Attempt::Again);
            }
        };
        let status = answer.status.as_u16();
        match status {
            200..=299 => {}
            413 => {
                self.telemetry.too_large.increment(1);
                return Ok(Attempt::TooLarge);
            }
            429 if reply::can_never_pass(&answer.body) => {
                self.telemetry.too_large.increment(1);
                return Ok(Attempt::TooLarge);
            }
            500 if reply::lacks_ingest(&answer.body) => {
                self.telemetry.refused.increment(1);
                return Err(refused_bulk(&answer)
                    .with_hint("give a node the role `ingest`, or remove index.pipeline"));
            }
            408 | 429 | 500..=599 => {
                permit.busy();
                self.telemetry.unavailable.increment(1);
                tracing::debug!(status, "bulk request refused for the moment");
                return Ok(if status == 429 {
                    Attempt::Refused(Refusal::of(&answer))
                } else {
                    Attempt::Again
                });
            }
            400 if reply::blames_an_item(&answer.body) => {
                self.telemetry.refused.increment(1);
                return Ok(Attempt::OneIsBad(Refusal::of(&answer)));
            }
            _ => {
                self.telemetry.refused.increment(1);
                return Err(refused_bulk(&answer));
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
        self.give_back(bulk.memory());
    }

    fn give_back(&self, bytes: usize) {
        let before = self.buffered.fetch_sub(bytes, Ordering::AcqRel);
        self.telemetry
            .buffered
            .set(gauge_value(before.saturating_sub(bytes)));
        self.freed.notify_waiters();
    }

    /// Gives the memory back of what was read from the index for documents that are settled.
    fn let_go(&self, bulk: &mut Sealed, sent: &[usize], left: &[usize]) {
        let before = bulk.memory();
        bulk.let_go(sent, left);
        self.give_back(before.saturating_sub(bulk.memory()));
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

    /// Bytes of an emptied bulk that a lane may keep: all lanes together no more than what may be buffered.
    pub(crate) fn spare_bytes(&self) -> usize {
        self.bulk.max_buffered_bytes / self.bulk.max_in_flight.max(1)
    }

    pub(crate) fn set_flushing(&self, on: bool) {
        self.flushing.store(on, Ordering::Release);
    }

    pub(crate) fn flushing(&self) -> bool {
        self.flushing.load(Ordering::Acquire)
    }
}

/// The error for a request that was refused as a whole and holds no documents.
pub(crate) fn refused(what: &str, answer: &Answer) -> Error {
    refused_for(what, answer, reply::request_error(&answer.body))
}

/// As well, for a request of documents: their values are not shown.
fn refused_bulk(answer: &Answer) -> Error {
    refused_for("the bulk request", answer, reply::shown_error(&answer.body))
}

fn refused_for(what: &str, answer: &Answer, reason: Option<String>) -> Error {
    let status = answer.status.as_u16();
    let reason = reason.unwrap_or_else(|| "no reason given".into());
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
