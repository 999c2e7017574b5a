//! Sends bulks until every item is settled: what the lanes share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cdc_core::{Error, ErrorKind};
use reqwest::Method;
use tokio::sync::Notify;

use crate::backoff::Backoff;
use crate::bulk::Sealed;
use crate::client::{Answer, Client};
use crate::config::{BadDocument, BulkConfig, IndexConfig};
use crate::dead_letter::{Content, DeadLetters, Letter};
use crate::reply::{self, BulkReply, ItemStatus, Verdict};
use crate::route::{Place, Route};
use crate::settle::Ledger;
use crate::telemetry::{Telemetry, gauge_value};

/// Client, ledger, memory account and policies of one sink.
#[derive(Debug)]
pub(crate) struct Delivery {
    client: Client,
    pub(crate) ledger: Ledger,
    pub(crate) bulk: BulkConfig,
    pub(crate) telemetry: Telemetry,
    bad: BadDocument,
    dead_letters: Option<DeadLetters>,
    max_backoff: Duration,
    /// Body of the request that creates an index, if indexes are to be created.
    create: Option<Bytes>,
    buffered: AtomicUsize,
    /// Size at which a request is sent: as configured, or less when the server took no more.
    max_bytes: AtomicUsize,
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
}

/// The path of bulk requests. The filter leaves one entry an item, so that positions match.
const BULK: &str = "_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

const FIRST_PAUSE: Duration = Duration::from_millis(50);

impl Delivery {
    pub(crate) fn new(config: &IndexConfig) -> Result<Self, Error> {
        config.validate()?;
        let dead_letters = match &config.on_bad_document {
            BadDocument::DeadLetter(path) => Some(DeadLetters::open(path)?),
            BadDocument::Fail | BadDocument::Skip => None,
        };
        Ok(Self {
            client: Client::new(config)?,
            ledger: Ledger::new(),
            bulk: config.bulk.clone(),
            telemetry: Telemetry::new(),
            bad: config.on_bad_document.clone(),
            dead_letters,
            max_backoff: Duration::from_millis(config.max_backoff_ms),
            create: config.create.then(|| creation(config)),
            buffered: AtomicUsize::new(0),
            max_bytes: AtomicUsize::new(config.bulk.max_bytes),
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
        let mut pauses = Pauses::new(self.max_backoff);
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
            }
        }
        Ok(())
    }

    /// After status 413: how many items to send at once from now on. A single item that is too large is a bad document.
    async fn halve(&self, bulk: &Sealed, sent: &mut Vec<usize>) -> Result<usize, Error> {
        if let [only] = sent.as_slice() {
            let status = ItemStatus {
                status: 413,
                error: None,
            };
            let mut letters = Vec::new();
            self.reject(bulk, *only, &status, &mut letters)?;
            self.keep(letters).await?;
            sent.clear();
            return Ok(1);
        }
        let half = (bulk.body(sent).len() / 2).max(1);
        if self.max_bytes.fetch_min(half, Ordering::AcqRel) > half {
            tracing::warn!(
                max_bytes = half,
                "the server takes no bulk request of this size: smaller ones are sent; lower index.bulk.max_bytes"
            );
        }
        Ok(sent.len() / 2)
    }

    async fn attempt(&self, bulk: &Sealed, items: &[usize]) -> Result<Attempt, Error> {
        let body = bulk.body(items);
        self.telemetry.bytes.increment(count(body.len()));
        let start = Instant::now();
        let sent = self
            .client
            .send(Method::POST, BULK, Some(("application/x-ndjson", body)))
            .await;
        self.telemetry.seconds.record(start.elapsed());
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) if error.kind() == ErrorKind::Tls => return Err(error),
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
            408 | 429 | 500..=599 => {
                self.telemetry.unavailable.increment(1);
                tracing::debug!(
                    status = answer.status.as_u16(),
                    "bulk request refused for the moment"
                );
                return Ok(Attempt::Again);
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
        let mut letters = Vec::new();
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
                Verdict::NoIndex if self.create.is_some() => {
                    again.push(i);
                    no_index = Some(&item.place.route);
                }
                Verdict::Bad => self.reject(bulk, i, status, &mut letters)?,
                Verdict::NoIndex | Verdict::Stop => return Err(stopped(&item.place.route, status)),
            }
        }
        self.telemetry.done.increment(done);
        self.telemetry.stale.increment(stale);
        self.telemetry.missing.increment(missing);
        self.keep(letters).await?;
        if let Some((item, status)) = blocked {
            tracing::warn!(
                index = item.place.route.index,
                reason = status.describe(),
                "the index refuses writes; documents wait until it takes them again"
            );
        }
        if let Some(route) = no_index {
            self.create_index(route).await?;
        }
        Ok(again)
    }

    /// Applies the policy to a document that the server will never take.
    fn reject(
        &self,
        bulk: &Sealed,
        i: usize,
        status: &ItemStatus<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let Some(item) = bulk.item(i) else { return Ok(()) };
        let reason = match status.status {
            413 => "the document alone is larger than the server takes".to_owned(),
            _ => status.describe(),
        };
        let error = status.error.as_ref();
        let full = error.and_then(|e| e.reason.as_deref()).unwrap_or(&reason);
        let letter = Letter {
            op: Some(item.op.name()),
            id: bulk.id(item),
            version: item.version,
            status: Some(status.status),
            error: error.map(|e| e.kind.as_ref()),
            headers: bulk.headers(item).map(Content::new),
            document: bulk.document(item).map(Content::new),
            ..Letter::new(&item.place, full)
        };
        self.bad_document(&item.place, &reason, &letter, out)
    }

    /// Applies the policy: an error, a log line, or a dead letter appended to `out`, for [`keep`](Self::keep). `reason` holds
    /// no value of a row; the letter may.
    pub(crate) fn bad_document(
        &self,
        place: &Place,
        reason: &str,
        letter: &Letter<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if self.bad == BadDocument::Fail {
            let text = format!(
                "index {} cannot take the document of {place}: {reason}",
                place.route.index
            );
            return Err(Error::new(ErrorKind::SinkRejected, text)
                .with_hint("correct the mapping, or set index.on_bad_document to skip or dead_letter"));
        }
        if self.dead_letters.is_some() {
            letter.write(out)?;
        }
        self.telemetry.bad.increment(1);
        tracing::warn!(index = place.route.index, place = %place, reason, "bad document left out");
        Ok(())
    }

    /// Makes dead letters durable: before anything is settled on their account.
    pub(crate) async fn keep(&self, letters: Vec<u8>) -> Result<(), Error> {
        match &self.dead_letters {
            Some(file) if !letters.is_empty() => file.append(letters).await,
            _ => Ok(()),
        }
    }

    /// Creates an index, if that is configured and it is not there.
    ///
    /// # Errors
    /// When the server refuses for good. While it is not available, it is asked again without end.
    pub(crate) async fn create_index(&self, route: &Route) -> Result<(), Error> {
        let Some(body) = &self.create else { return Ok(()) };
        let mut pauses = Pauses::new(self.max_backoff);
        loop {
            let body = Some(("application/json", body.clone()));
            let sent = self.client.send(Method::PUT, &route.index, body).await;
            match sent {
                Ok(a) if a.status.is_success() => return Ok(()),
                Ok(a) if exists(&a) => return Ok(()),
                Ok(a) if !matches!(a.status.as_u16(), 408 | 429 | 500..=599) => {
                    return Err(refused(&format!("the creation of index {}", route.index), &a));
                }
                Err(error) if error.kind() == ErrorKind::Tls => return Err(error),
                Ok(_) | Err(_) if self.ledger.failed() => return Ok(()),
                Ok(_) | Err(_) => pauses.wait("an index cannot be created for the moment").await,
            }
        }
    }

    /// Settles a bulk's records and gives its memory back.
    pub(crate) fn settled(&self, bulk: &Sealed) {
        self.ledger.settle(bulk.credits());
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
        self.max_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_flushing(&self, on: bool) {
        self.flushing.store(on, Ordering::Release);
    }

    pub(crate) fn flushing(&self) -> bool {
        self.flushing.load(Ordering::Acquire)
    }
}

/// Pauses with a log line now and then: at the first, second, fourth, eighth … one.
struct Pauses {
    backoff: Backoff,
    taken: u32,
}

impl Pauses {
    fn new(cap: Duration) -> Self {
        Self {
            backoff: Backoff::new(FIRST_PAUSE, cap),
            taken: 0,
        }
    }

    fn reset(&mut self) {
        self.backoff.reset();
        self.taken = 0;
    }

    async fn wait(&mut self, why: &str) {
        self.taken = self.taken.saturating_add(1);
        let pause = self.backoff.pause();
        if self.taken.is_power_of_two() {
            tracing::warn!(attempt = self.taken, ?pause, "{why}: trying again");
        }
        tokio::time::sleep(pause).await;
    }
}

fn creation(config: &IndexConfig) -> Bytes {
    let mut body = serde_json::Map::new();
    if let Some(settings) = &config.settings {
        body.insert("settings".into(), settings.clone().into());
    }
    if let Some(mappings) = &config.mappings {
        body.insert("mappings".into(), mappings.clone().into());
    }
    Bytes::from(serde_json::Value::Object(body).to_string())
}

fn exists(answer: &Answer) -> bool {
    let text = reply::request_error(&answer.body).unwrap_or_default();
    // Elasticsearch says the second when an alias has the name.
    text.starts_with("resource_already_exists_exception") || text.contains("already exists as alias")
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
