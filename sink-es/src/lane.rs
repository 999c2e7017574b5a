//! Lanes: documents with one `_id` share a lane, and a lane has one bulk on its way. So a document's changes arrive in
//! order, however many bulks are on their way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cdc_core::{Error, ErrorKind};
use tokio::sync::Notify;

use crate::bulk::{Bulk, Entry};
use crate::delivery::Delivery;

/// Where documents wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    waiting: Mutex<Waiting>,
    ready: Notify,
    /// Its bulk was settled, or the sink has failed.
    done: Notify,
}

/// Bulks in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    full: VecDeque<Bulk>,
    open: Bulk,
    /// One is on its way.
    under_way: bool,
}

impl Waiting {
    /// Adds an item; returns the memory it takes.
    pub(crate) fn push(&mut self, number: u64, entry: Entry<'_>, max_bytes: usize, max_docs: usize) -> usize {
        let before = self.open.memory();
        self.open.push(number, entry);
        let taken = self.open.memory().saturating_sub(before);
        if self.open.bytes() >= max_bytes || self.open.len() >= max_docs {
            self.full.push_back(std::mem::take(&mut self.open));
        }
        taken
    }

    /// Notes the time for the linger.
    pub(crate) fn touch(&mut self, now: Instant) {
        if !self.open.is_empty() {
            self.open.touch(now);
        }
    }

    /// The next bulk, or how long until it is due; none when nothing waits.
    fn take(&mut self, now: Instant, linger: Duration) -> Result<Bulk, Option<Duration>> {
        let next = self.next(now, linger);
        self.under_way = next.is_ok();
        next
    }

    fn next(&mut self, now: Instant, linger: Duration) -> Result<Bulk, Option<Duration>> {
        if let Some(full) = self.full.pop_front() {
            return Ok(full);
        }
        if self.open.is_empty() {
            return Err(None);
        }
        let waited = self
            .open
            .since()
            .map_or(linger, |t| now.saturating_duration_since(t));
        match linger.checked_sub(waited) {
            Some(left) if !left.is_zero() => Err(Some(left)),
            _ => Ok(std::mem::take(&mut self.open)),
        }
    }
}

impl Lane {
    pub(crate) fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that something was added, or that nothing more is waited for.
    pub(crate) fn wake(&self) {
        self.ready.notify_one();
    }

    /// Returns once nothing waits and nothing is on its way, or the sink has failed.
    pub(crate) async fn idle(&self, delivery: &Delivery) {
        loop {
            let done = self.done.notified();
            tokio::pin!(done);
            done.as_mut().enable();
            {
                let waiting = self.waiting();
                if delivery.ledger.failed()
                    || (waiting.full.is_empty() && waiting.open.is_empty() && !waiting.under_way)
                {
                    return;
                }
            }
            done.await;
        }
    }

    /// The next bulk that is full or due.
    async fn next(&self, delivery: &Delivery) -> Bulk {
        let linger = Duration::from_millis(delivery.bulk.linger_ms);
        loop {
            let linger = if delivery.flushing() {
                Duration::ZERO
            } else {
                linger
            };
            let due = match self.waiting().take(Instant::now(), linger) {
                Ok(bulk) => return bulk,
                Err(due) => due,
            };
            match due {
                None => self.ready.notified().await,
                Some(left) => {
                    let _elapsed = tokio::time::timeout(left, self.ready.notified()).await;
                }
            }
        }
    }
}

/// Runs a lane until its sink is dropped or fails.
pub(crate) async fn run(lane: Arc<Lane>, delivery: Arc<Delivery>) {
    let watch = Watch(Arc::clone(&delivery), Arc::clone(&lane));
    loop {
        let bulk = lane.next(&delivery).await;
        delivery
            .telemetry
            .superseded
            .increment(u64::try_from(bulk.superseded()).unwrap_or(0));
        let mut sealed = bulk.seal();
        if let Err(error) = delivery.settle(&mut sealed).await {
            watch.0.fail(error);
            return;
        }
        delivery.settled(&sealed);
        lane.waiting().under_way = false;
        lane.done.notify_waiters();
    }
}

/// Fails the sink when a lane ends by a panic: without it, the sink would wait for that lane for ever.
struct Watch(Arc<Delivery>, Arc<Lane>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.fail(Error::new(
            ErrorKind::Protocol,
            "a lane of the index sink ended unexpectedly",
        ));
        self.1.done.notify_waiters();
    }
}
