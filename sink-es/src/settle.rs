//! Which batches are settled, in order: the sink's durable watermark.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cdc_core::Error;
use tokio::sync::watch;

/// Counts the unsettled records of each batch, and publishes the last batch of the settled prefix.
#[derive(Debug)]
pub(crate) struct Ledger {
    state: Mutex<State>,
    durable: watch::Receiver<u64>,
}

#[derive(Debug)]
struct State {
    /// Unsettled records of batches `settled + 1`, `settled + 2`, …
    open: VecDeque<u64>,
    settled: u64,
    /// Dropped on failure, which closes the channel.
    sender: Option<watch::Sender<u64>>,
    failure: Option<Error>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        let (sender, durable) = watch::channel(0);
        Self {
            state: Mutex::new(State {
                open: VecDeque::new(),
                settled: 0,
                sender: Some(sender),
                failure: None,
            }),
            durable,
        }
    }

    /// Opens the next batch with `records` unsettled ones.
    pub(crate) fn open(&self, records: u64) {
        self.state().open.push_back(records);
    }

    /// Adds to what a batch is waited for. It must still be open.
    pub(crate) fn owe(&self, number: u64, count: u64) {
        let mut state = self.state();
        let at = number.checked_sub(state.settled).and_then(|n| n.checked_sub(1));
        let slot = at.and_then(|n| usize::try_from(n).ok());
        if let Some(left) = slot.and_then(|n| state.open.get_mut(n)) {
            *left = left.saturating_add(count);
        }
    }

    /// Settles some records of some batches; returns the watermark if it moved.
    pub(crate) fn settle(&self, credits: &[(u64, u64)]) -> Option<u64> {
        let mut state = self.state();
        let before = state.settled;
        for &(number, count) in credits {
            let at = number.checked_sub(before).and_then(|n| n.checked_sub(1));
            let slot = at.and_then(|n| usize::try_from(n).ok());
            if let Some(left) = slot.and_then(|n| state.open.get_mut(n)) {
                *left = left.saturating_sub(count);
            }
        }
        while state.open.front() == Some(&0) {
            state.open.pop_front();
            state.settled = state.settled.saturating_add(1);
        }
        let settled = state.settled;
        if settled != before
            && let Some(sender) = &state.sender
        {
            sender.send_replace(settled);
        }
        (settled != before).then_some(settled)
    }

    /// Stops for good. The first failure is kept.
    pub(crate) fn fail(&self, error: Error) {
        let mut state = self.state();
        if state.sender.take().is_some() {
            state.failure = Some(error);
        }
    }

    /// Whether it has stopped.
    pub(crate) fn failed(&self) -> bool {
        self.state().sender.is_none()
    }

    /// Why it stopped; once.
    pub(crate) fn take_failure(&self) -> Option<Error> {
        self.state().failure.take()
    }

    /// The watermark.
    pub(crate) fn durable(&self) -> watch::Receiver<u64> {
        self.durable.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use cdc_core::ErrorKind;

    use super::*;

    #[test]
    fn the_watermark_is_the_settled_prefix() {
        let l = Ledger::new();
        let at = || *l.durable().borrow();
        for n in [2, 3, 1] {
            l.open(n);
        }
        l.settle(&[(2, 3)]);
        assert_eq!(at(), 0);
        l.settle(&[(1, 1), (3, 1)]);
        assert_eq!(at(), 0);
        l.settle(&[(1, 1)]);
        assert_eq!(at(), 3);
        l.open(1);
        l.settle(&[(4, 1)]);
        assert_eq!(at(), 4);
    }

    #[test]
    fn the_first_failure_is_kept_and_closes_the_channel() {
        let l = Ledger::new();
        let mut durable = l.durable();
        assert!(!l.failed());
        l.fail(Error::new(ErrorKind::SinkRejected, "first"));
        l.fail(Error::new(ErrorKind::SinkRejected, "second"));
        assert!(l.failed() && durable.has_changed().is_err());
        durable.mark_unchanged();
        assert_eq!(l.take_failure().unwrap().to_string(), "first");
        assert!(l.take_failure().is_none() && l.failed());
    }
}
