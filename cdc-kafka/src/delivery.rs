//! Which batches are durable: counts of records that Kafka has not acknowledged yet, one count a batch.
//!
//! Three parties meet here. The *writer* (one thread) opens a batch, adds its records one by one and closes it. The
//! *reporter* (librdkafka's polling thread) settles records. *Waiters* watch the number of the last durable batch.
//! A record costs two atomic additions on the way in and two on the way out; a lock is taken once a batch.
//!
//! # Why the watermark is exact
//! A batch's count starts at one on behalf of the writer, who takes that one back when all records are added, so a count
//! is zero only when the batch is complete and acknowledged. A failed record is never settled: the watermark stops below
//! its batch for good. Slots are used again only after the batch that held them is durable.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cdc_core::Error;
use tokio::sync::watch;

use crate::telemetry::ProducerMetrics;

/// Batches that may be open or on their way at once. More would only make smaller batches wait.
const SLOTS: usize = 1024;

/// The window of batches between the last durable one and the one being written.
pub(crate) struct Window {
    /// Records of batch `n` not yet settled, in slot `n % SLOTS`.
    open_records: Box<[AtomicU64]>,
    /// Bytes added, by the writer.
    added: AtomicU64,
    /// Bytes settled, by the reporter.
    settled: AtomicU64,
    /// The writer waits until no more than this many bytes are on their way; `u64::MAX` if it does not wait.
    wake_at: AtomicU64,
    failed: AtomicBool,
    state: Mutex<State>,
    moved: Condvar,
    receiver: watch::Receiver<u64>,
    pub(crate) metrics: ProducerMetrics,
}

struct State {
    /// Last batch closed by the writer.
    closed: u64,
    /// Last batch up to which all are durable.
    durable: u64,
    /// What is to be reported about each batch in the window.
    tallies: Box<[Option<Tally>]>,
    /// Gone after a failure, which closes the watch.
    watch: Option<watch::Sender<u64>>,
    failure: Option<Error>,
}

/// What the metrics tell of a batch once it is durable.
#[derive(Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) opened: Instant,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// The window was closed by a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl Window {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = watch::channel(0);
        Self {
            open_records: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            added: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            wake_at: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            state: Mutex::new(State {
                closed: 0,
                durable: 0,
                tallies: vec![None; SLOTS].into(),
                watch: Some(sender),
                failure: None,
            }),
            moved: Condvar::new(),
            receiver,
            metrics: ProducerMetrics::new(),
        }
    }

    /// Number of the last durable batch; closes on a failure.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.receiver.clone()
    }

    /// Opens batch `n`, the successor of the last one closed. Waits until there is a slot.
    pub(crate) fn open(&self, n: u64) -> Result<(), Failed> {
        let mut state = self.lock();
        while n > state.durable.saturating_add(SLOTS as u64) && !self.has_failed() {
            state = self.wait(state);
        }
        if self.has_failed() {
            return Err(Failed);
        }
        self.records(n).store(1, Ordering::SeqCst);
        Ok(())
    }

    /// Adds a record of `bytes` to batch `n`, before it is handed to the client.
    pub(crate) fn add(&self, n: u64, bytes: u64) {
        self.records(n).fetch_add(1, Ordering::Relaxed);
        self.added.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes back the last `add`: the client did not accept the record.
    pub(crate) fn take_back(&self, n: u64, bytes: u64) {
        self.records(n).fetch_sub(1, Ordering::Relaxed);
        self.added.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Closes batch `n`: no record will be added.
    pub(crate) fn close(&self, n: u64, tally: Tally) {
        {
            let mut state = self.lock();
            state.closed = n;
            if let Some(slot) = state.tallies.get_mut(slot(n)) {
                *slot = Some(tally);
            }
        }
        if self.records(n).fetch_sub(1, Ordering::SeqCst) == 1 {
            self.advance();
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        self.metrics.in_flight.set(self.in_flight() as f64);
    }

    /// A record of batch `n` is durable.
    pub(crate) fn settle(&self, n: u64, bytes: u64) {
        self.settled.fetch_add(bytes, Ordering::SeqCst);
        if self.records(n).fetch_sub(1, Ordering::SeqCst) == 1 {
            self.advance();
        }
        let wake_at = self.wake_at.load(Ordering::SeqCst);
        if wake_at != u64::MAX && self.in_flight() <= wake_at {
            self.wake_at.store(u64::MAX, Ordering::SeqCst);
            let _state = self.lock();
            self.moved.notify_all();
        }
    }

    /// Closes the window for good; the first failure is kept.
    pub(crate) fn fail(&self, error: Error) {
        let mut state = self.lock();
        if state.failure.is_none() && !self.failed.swap(true, Ordering::SeqCst) {
            state.failure = Some(error);
        }
        state.watch = None;
        self.moved.notify_all();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The failure, once; afterwards only that there was one.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.lock().failure.take()
    }

    /// Bytes handed to the client and not yet settled.
    pub(crate) fn in_flight(&self) -> u64 {
        let settled = self.settled.load(Ordering::SeqCst);
        self.added.load(Ordering::SeqCst).saturating_sub(settled)
    }

    /// Waits until no more than `bytes` are on their way. Called by the writer only.
    pub(crate) fn wait_below(&self, bytes: u64) -> Result<(), Failed> {
        self.metrics.full.increment(1);
        let mut state = self.lock();
        loop {
            self.wake_at.store(bytes, Ordering::SeqCst);
            if self.in_flight() <= bytes || self.has_failed() {
                break;
            }
            state = self.wait(state);
        }
        self.wake_at.store(u64::MAX, Ordering::SeqCst);
        if self.has_failed() { Err(Failed) } else { Ok(()) }
    }

    /// Moves the watermark over all batches that are closed and settled.
    fn advance(&self) {
        let mut state = self.lock();
        let before = state.durable;
        while state.durable < state.closed && self.records(state.durable + 1).load(Ordering::SeqCst) == 0 {
            state.durable += 1;
            let n = slot(state.durable);
            if let Some(tally) = state.tallies.get_mut(n).and_then(Option::take) {
                self.metrics
                    .batch_seconds
                    .record(tally.opened.elapsed().as_secs_f64());
                self.metrics.records.increment(tally.records);
                self.metrics.bytes.increment(tally.bytes);
            }
        }
        let durable = state.durable;
        if durable > before {
            if let Some(watch) = &state.watch {
                watch.send_replace(durable);
            }
            self.moved.notify_all();
        }
    }

    /// Waits for news; the time-out only guards against a lost wake-up.
    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        match self.moved.wait_timeout(state, Duration::from_millis(500)) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[expect(clippy::indexing_slicing, reason = "the slot is a remainder of the length")]
    fn records(&self, n: u64) -> &AtomicU64 {
        &self.open_records[slot(n)]
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder of SLOTS fits")]
fn slot(n: u64) -> usize {
    (n % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::ErrorKind;

    use super::*;

    fn write(w: &Window, n: u64, records: u64) {
        w.open(n).unwrap();
        for _ in 0..records {
            w.add(n, 10);
        }
        w.close(n, tally());
    }

    fn tally() -> Tally {
        Tally {
            opened: Instant::now(),
            records: 0,
            bytes: 0,
        }
    }

    #[test]
    fn the_watermark_is_the_last_batch_below_which_nothing_is_open() {
        let w = Window::new();
        let watch = w.watch();
        write(&w, 1, 2);
        write(&w, 2, 1);
        write(&w, 3, 0);
        assert_eq!(*watch.borrow(), 0);
        w.settle(2, 10);
        assert_eq!(*watch.borrow(), 0, "batch 1 is open");
        w.settle(1, 10);
        w.settle(1, 10);
        assert_eq!(
            *watch.borrow(),
            3,
            "an empty batch is durable with its predecessor"
        );
        assert_eq!(w.in_flight(), 0);
    }

    #[test]
    fn a_batch_that_is_still_being_written_is_not_durable() {
        let w = Window::new();
        w.open(1).unwrap();
        w.add(1, 10);
        w.settle(1, 10);
        assert_eq!(*w.watch().borrow(), 0);
        w.add(1, 10);
        w.take_back(1, 10);
        w.close(1, tally());
        assert_eq!(*w.watch().borrow(), 1);
        assert_eq!(w.in_flight(), 0);
    }

    #[test]
    fn a_failure_stops_the_watermark_for_good() {
        let w = Window::new();
        let watch = w.watch();
        write(&w, 1, 1);
        write(&w, 2, 1);
        w.fail(Error::new(ErrorKind::SinkUnavailable, "first"));
        w.fail(Error::new(ErrorKind::SinkUnavailable, "second"));
        w.settle(2, 10);
        assert_eq!(*watch.borrow(), 0);
        assert!(watch.has_changed().is_err(), "the watch is closed");
        assert_eq!(w.open(3), Err(Failed));
        assert_eq!(w.wait_below(0), Err(Failed));
        assert_eq!(w.take_failure().unwrap().to_string(), "first");
        assert!(w.take_failure().is_none());
    }

    #[test]
    fn writer_and_reporter_meet_over_more_batches_than_slots() {
        let w = Arc::new(Window::new());
        let (hand_over, handed) = std::sync::mpsc::channel();
        let reporter = std::thread::spawn({
            let w = Arc::clone(&w);
            move || {
                for n in handed {
                    w.settle(n, 10);
                }
            }
        });
        let batches = SLOTS as u64 * 3;
        for n in 1..=batches {
            w.open(n).unwrap();
            for _ in 0..n % 4 {
                if w.in_flight() + 10 > 500 {
                    w.wait_below(250).unwrap();
                }
                w.add(n, 10);
                hand_over.send(n).unwrap();
            }
            w.close(n, tally());
        }
        drop(hand_over);
        reporter.join().unwrap();
        assert_eq!(*w.watch().borrow(), batches);
    }
}
