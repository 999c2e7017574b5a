//! Lanes: documents with one `_id` share a lane, and a lane has one bulk on its way. So a document's changes arrive in
//! order, however many bulks are on their way.
//!
//! Where little comes, the lanes share a request: each request costs the servers as much again as the few documents in it.

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
    /// Memory for the next one.
    spare: Option<Bulk>,
    /// One is on its way, or its documents are in the request of another lane.
    under_way: bool,
}

/// Requests of fewer bytes take along what waits in other lanes.
const SHARED_BYTES: usize = 128 << 10;

impl Waiting {
    /// Adds an item; returns the memory it takes.
    pub(crate) fn push(&mut self, number: u64, entry: Entry<'_>, max_bytes: usize, max_docs: usize) -> usize {
        let before = self.open.memory();
        self.open.push(number, entry);
        let taken = self.open.memory().saturating_sub(before);
        if self.open.bytes() >= max_bytes || self.open.len() >= max_docs {
            let full = self.cut();
            self.full.push_back(full);
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
        if self.under_way {
            return Err(None);
        }
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
            _ => Ok(self.cut()),
        }
    }

    /// Moves what waits into another lane's bulk, which then is on its way for this one, too: if both together stay below
    /// these limits. Says whether it did.
    fn share(&mut self, bulk: &mut Bulk, most_bytes: usize, max_docs: usize) -> bool {
        let fits = bulk.bytes().saturating_add(self.open.bytes()) <= most_bytes
            && bulk.len().saturating_add(self.open.len()) <= max_docs;
        if self.under_way || !self.full.is_empty() || self.open.is_empty() || !fits {
            return false;
        }
        bulk.join(&mut self.open);
        self.under_way = true;
        true
    }

    /// Begins a new bulk; returns the one before.
    fn cut(&mut self) -> Bulk {
        let next = self.spare.take().unwrap_or_default();
        std::mem::replace(&mut self.open, next)
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

/// Runs one of the lanes until its sink is dropped or fails.
pub(crate) async fn run(lanes: Arc<[Lane]>, mine: usize, delivery: Arc<Delivery>) {
    let watch = Watch(Arc::clone(&delivery), Arc::clone(&lanes));
    let Some(lane) = lanes.get(mine) else { return };
    let mut sharing = Vec::new();
    loop {
        let mut bulk = lane.next(&delivery).await;
        gather(&mut bulk, &lanes, &delivery, &mut sharing);
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
        let spare = sealed.reuse(delivery.spare_bytes());
        {
            let mut waiting = lane.waiting();
            waiting.under_way = false;
            waiting.spare = waiting.spare.take().or(spare);
        }
        lane.done.notify_waiters();
        for other in sharing.drain(..).filter_map(|i: usize| lanes.get(i)) {
            other.waiting().under_way = false;
            other.ready.notify_one();
            other.done.notify_waiters();
        }
    }
}

/// Fills a small bulk with what waits in lanes that have nothing on their way; notes which they are. A lane's own documents are
/// no longer in it, so it is not one of them.
fn gather(bulk: &mut Bulk, lanes: &[Lane], delivery: &Delivery, sharing: &mut Vec<usize>) {
    let most_bytes = SHARED_BYTES.min(delivery.max_bytes());
    for (i, lane) in lanes.iter().enumerate() {
        if lane.waiting().share(bulk, most_bytes, delivery.bulk.max_docs) {
            sharing.push(i);
        }
    }
}

/// Fails the sink when a lane ends by a panic: without it, the sink would wait for that lane for ever.
struct Watch(Arc<Delivery>, Arc<[Lane]>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.fail(Error::new(
            ErrorKind::Protocol,
            "a lane of the index sink ended unexpectedly",
        ));
        for lane in self.1.iter() {
            lane.done.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::Op;
    use crate::route::{Place, Route};

    const MOST: usize = 1 << 20;

    fn push(waiting: &mut Waiting, id: &str, max_docs: usize) {
        let mut batch = cdc_core::Batch::default();
        batch.finish(&cdc_core::RecordHead {
            topic: Arc::new(cdc_core::Topic { name: "t".into() }),
            partition: None,
            timestamp_ms: None,
            position: cdc_core::Position::default(),
            version_lsn: cdc_core::Lsn::ZERO,
        });
        let record = batch.records().next().unwrap();
        let entry = Entry {
            place: Place::new(&Arc::new(Route::nowhere(record.head.topic)), &record),
            id: Some(id),
            routing: None,
            hash: u64::from(id.as_bytes()[0]),
            version: None,
            op: Op::Delete,
            document: None,
            lacks: &[],
            unsure: false,
            kept: None,
        };
        waiting.push(1, entry, MOST, max_docs);
        waiting.touch(Instant::now());
    }

    #[test]
    fn little_that_waits_goes_with_the_request_of_another_lane() {
        let now = Instant::now();
        let [mut a, mut b] = [Waiting::default(), Waiting::default()];
        push(&mut a, "a", 10);
        push(&mut b, "b", 10);
        assert!(matches!(a.take(now, Duration::from_secs(9)), Err(Some(_))));
        let mut bulk = a.take(now, Duration::ZERO).unwrap();
        assert!(!b.share(&mut bulk, 10, 10), "too many bytes");
        assert!(!b.share(&mut bulk, MOST, 1), "too many documents");
        assert!(!a.share(&mut bulk, MOST, 10), "its own");
        assert!(b.share(&mut bulk, MOST, 10));
        assert_eq!(bulk.len(), 2);
        // What comes later waits until that request is answered.
        push(&mut b, "b", 10);
        assert!(matches!(b.take(now, Duration::ZERO), Err(None)));
        assert!(!b.share(&mut bulk, MOST, 10));
        b.under_way = false;
        assert_eq!(b.take(now, Duration::ZERO).unwrap().len(), 1);
    }

    #[test]
    fn a_lane_with_a_full_bulk_sends_it_itself() {
        let mut b = Waiting::default();
        let mut bulk = Bulk::default();
        push(&mut b, "a", 1);
        push(&mut b, "b", 10);
        assert!(!b.share(&mut bulk, MOST, 10), "the later one would overtake");
        assert_eq!(b.take(Instant::now(), Duration::from_secs(9)).unwrap().len(), 1);
    }
}
