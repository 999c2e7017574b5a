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
use crate::dead_letter::{DeadLetters, Letter, Letters};
use crate::governor::Governor;
use crate::ladder::Ladder;
use crate::prepare::Preparation;
use crate::refresh::Written;
use crate::reply::{self, BulkReply, ItemStatus, Verdict};
use crate::route::Route;
use crate::settle::Ledger;
use crate::telemetry::{Telemetry, gauge_value};

/// Client, ledger, memory account and policies of one sink.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
    pub(crate) bulk: BulkConfig,
    pub(crate) telemetry: Telemetry,
    bad: BadDocument,
    invalid: BadDocument,
    dead_letters: DeadLetters,
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
    /// Everything in it was looked at; these items are to be sent again.
    Answered(Vec<usize>),
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
    pub(crate) async fn settle(&self, bulk: &Sealed) -> Result<(), Error> {
        let mut pending: Vec<usize> = bulk.live().collect();
        let mut most = pending.len();
        let mut pauses = Pauses::new(self.backoff);
        while !pending.is_empty() {
            let rest = pending.split_off(most.clamp(1, pending.len()));
            match self.attempt(bulk, &pending).await? {
                Attempt::Answered(again) if again.is_empty() => {
                    pending = rest;
                    pauses.reset();
                }
                Attempt::Answered(mut again) => {
                    self.telemetry.retried.increment(count(again.len()));
                    pauses.wait("the server refuses documents for the moment").await;
                    again.extend(rest);
                    pending = again;
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

    /// After status 413: how many items to send at once from now on. A single item that is too large is a bad document.
    async fn halve(&self, bulk: &Sealed, sent: &mut Vec<usize>) -> Result<usize, Error> {
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
    async fn bisect(&self, bulk: &Sealed, sent: &mut Vec<usize>, reason: String) -> Result<usize, Error> {
        if sent.len() > 1 {
            return Ok(sent.len() / 2);
        }
        self.reject_only(bulk, sent, 400, &reason).await?;
        Ok(usize::MAX)
    }

    async fn reject_only(
        &self,
        bulk: &Sealed,
        sent: &mut Vec<usize>,
        status: u16,
        reason: &str,
    ) -> Result<usize, Error> {
        let mut letters = Letters::default();
        if let Some(&only) = sent.first() {
            let status = ItemStatus { status, error: None };
            self.reject(bulk, only, &status, Some(reason), &mut letters)?;
        }
        self.dead_letters.keep(letters).await?;
        sent.clear();
        Ok(1)
    }

    async fn attempt(&self, bulk: &Sealed, items: &[usize]) -> Result<Attempt, Error> {
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
        self.judge(bulk, items, &reply).await.map(Attempt::Answered)
    }

    /// Looks at each item's status; returns the items to send again.
    async fn judge(
        &self,
        bulk: &Sealed,
        items: &[usize],
        reply: &BulkReply<'_>,
    ) -> Result<Vec<usize>, Error> {
        let (mut again, mut blocked, mut no_index) = (Vec::new(), None, None);
        let (mut done, mut stale, mut missing) = (0_u64, 0_u64, 0_u64);
        let mut letters = Letters::default();
        for (&i, status) in items.iter().zip(reply.items.iter().map(|r| &r.update)) {
            let Some(item) = bulk.item(i) else { continue };
            match reply::verdict(item.op, item.version.is_some(), status) {
                Verdict::Done => done += 1,
                Verdict::Stale => stale += 1,
                Verdict::Missing => missing += 1,
                Verdict::Retry => again.push(i),
                Verdict::Blocked => {
                    again.push(i);
                    blocked = Some((item, status));
                }
                Verdict::NoIndex if self.preparation.creates() => {
                    again.push(i);
                    no_index = Some(&item.place.route);
                }
                Verdict::Bad => self.reject(bulk, i, status, None, &mut letters)?,
                Verdict::NoIndex | Verdict::Stop => return Err(stopped(&item.place.route, status)),
            }
        }
        self.telemetry.done.increment(done);
        self.telemetry.stale.increment(stale);
        self.telemetry.missing.increment(missing);
        self.dead_letters.keep(letters).await?;
        if let Some((item, status)) = blocked {
            tracing::warn!(
                index = item.place.route.index,
                reason = status.describe(),
                "the index refuses writes; documents wait until it takes them again"
            );
        }
        if let Some(route) = no_index {
            self.prepare(route).await?;
        }
        Ok(bulk.with_followers(again, items))
    }

    /// Applies the policy to a document that the server will never take.
    fn reject(
        &self,
        bulk: &Sealed,
        i: usize,
        status: &ItemStatus<'_>,
        whole: Option<&str>,
        out: &mut Letters,
    ) -> Result<(), Error> {
        let Some(item) = bulk.item(i) else { return Ok(()) };
        let reason = whole.map_or_else(|| status.describe(), str::to_owned);
        let error = status.error.as_ref();
        let full = error.and_then(|e| e.reason.as_deref()).unwrap_or(&reason);
        let letter = Letter {
            op: Some(item.op.name()),
            id: bulk.id(item),
            version: item.version,
            status: Some(status.status),
            error: error.map(|e| e.kind.as_ref()),
            record: bulk.kept(item),
            document: bulk.document(item),
            ..Letter::new(&item.place, full)
        };
        self.by_policy(&self.bad, &reason, &letter, out)
    }

    /// Applies the policy to a record that makes no document.
    ///
    /// # Errors
    /// The record's, if it is not to be left out; what hinders the keeping of its letter.
    pub(crate) async fn invalid(&self, letter: &Letter<'_>) -> Result<(), Error> {
        let mut letters = Letters::default();
        self.by_policy(&self.invalid, letter.reason, letter, &mut letters)?;
        self.dead_letters.keep(letters).await
    }

    /// An error, a log line, or a dead letter added to `out`, which is to be kept before anything is settled on its account.
    /// `reason` holds no value of a row; the letter may.
    fn by_policy(
        &self,
        policy: &BadDocument,
        reason: &str,
        letter: &Letter<'_>,
        out: &mut Letters,
    ) -> Result<(), Error> {
        let place = letter.place;
        if *policy == BadDocument::Fail {
            let text = match letter.stage {
                Some(_) => format!("a record did not get through its transforms: {place}: {reason}"),
                None => format!(
                    "index {} cannot take the document of {place}: {reason}",
                    place.route.index
                ),
            };
            return Err(Error::new(ErrorKind::SinkRejected, text)
                .with_hint("correct the mapping, or set index.on_bad_document to skip or dead_letter"));
        }
        out.add(policy, letter, self.dead_letters.pipeline())?;
        self.telemetry.bad.increment(1);
        tracing::warn!(index = place.route.index, place = %place, reason, "bad document left out");
        Ok(())
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

fn stopped(route: &Route, status: &ItemStatus<'_>) -> Error {
    let text = format!("index {} takes no documents: {}", route.index, status.describe());
    match status.status {
        401 | 403 => Error::new(ErrorKind::Privilege, text)
            .with_hint("give the user of index.auth the rights to write to and create the indexes"),
        404 => Error::new(ErrorKind::Config, text).with_hint("set index.create, or create the index"),
        _ => Error::new(ErrorKind::Config, text).with_hint("check index.name and the index's settings"),
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
