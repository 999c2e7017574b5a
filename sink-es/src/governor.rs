//! How much is asked of the servers at once: fewer requests when they refuse some, smaller ones when they take long.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Requests never become smaller than this for taking long, in bytes: below it a request's own cost is most of it.
const LEAST_BYTES: usize = 128 << 10;

/// Additive increase, multiplicative decrease of the number of requests on their way; and the size of a request by its
/// latency. Shared by all lanes.
#[derive(Debug)]
pub(crate) struct Governor {
    state: Mutex<State>,
    freed: Notify,
    /// Size at which a request is sent.
    bytes: AtomicUsize,
    most_bytes: AtomicUsize,
    target: Duration,
}

#[derive(Debug)]
struct State {
    /// In sixteenths of a request, so that it grows by less than one at a time.
    limit: usize,
    most: usize,
    under_way: usize,
    /// When it last shrank: refusals that were under way then say nothing new.
    shrank: Option<Instant>,
}

/// A request under way; its end makes room for another.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    governor: &'a Governor,
    since: Instant,
}

const ONE: usize = 16;

impl Governor {
    pub(crate) fn new(most: usize, most_bytes: usize, target: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                limit: most.saturating_mul(ONE),
                most: most.saturating_mul(ONE),
                under_way: 0,
                shrank: None,
            }),
            freed: Notify::new(),
            bytes: AtomicUsize::new(most_bytes),
            most_bytes: AtomicUsize::new(most_bytes),
            target,
        }
    }

    /// Waits until one more request may be sent.
    pub(crate) async fn permit(&self) -> Permit<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            {
                let mut state = self.state();
                if state.under_way < (state.limit / ONE).max(1) {
                    state.under_way = state.under_way.saturating_add(1);
                    return Permit {
                        governor: self,
                        since: Instant::now(),
                    };
                }
            }
            freed.await;
        }
    }

    /// Size at which a request is sent, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Requests that may be on their way at once.
    pub(crate) fn limit(&self) -> usize {
        (self.state().limit / ONE).max(1)
    }

    /// The servers take no request of more bytes. True when that is news.
    pub(crate) fn cap(&self, bytes: usize) -> bool {
        self.bytes.fetch_min(bytes, Ordering::AcqRel);
        self.most_bytes.fetch_min(bytes, Ordering::AcqRel) > bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// The servers refused some of it for being busy.
    pub(crate) fn busy(self) {
        let now = Instant::now();
        let mut state = self.governor.state();
        if state.shrank.is_none_or(|t| t < self.since) {
            state.limit = (state.limit / 2).max(ONE);
            state.shrank = Some(now);
        }
    }

    /// The servers did not get through a request of so many bytes in time.
    pub(crate) fn slow(self, bytes: usize) {
        let g = self.governor;
        let most = g.most_bytes.load(Ordering::Relaxed);
        let less = (bytes.min(g.bytes()) / 2).max(LEAST_BYTES.min(most));
        g.bytes.fetch_min(less, Ordering::AcqRel);
        self.busy();
    }

    /// The servers took all of a request of so many bytes, after so long.
    pub(crate) fn taken(self, bytes: usize, took: Duration) {
        let g = self.governor;
        {
            let mut state = g.state();
            let step = ONE * ONE / state.limit.max(1);
            state.limit = state.limit.saturating_add(step.max(1)).min(state.most);
        }
        let now = g.bytes();
        let most = g.most_bytes.load(Ordering::Relaxed);
        let full = bytes >= now / 2;
        if took > g.target {
            let less = (bytes.min(now) / 4 * 3).max(LEAST_BYTES.min(most));
            g.bytes.fetch_min(less, Ordering::AcqRel);
        } else if full && took < g.target / 2 && now < most {
            g.bytes.store(
                (now / 4 * 5).max(now.saturating_add(1)).min(most),
                Ordering::Release,
            );
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.governor.state();
            state.under_way = state.under_way.saturating_sub(1);
        }
        self.governor.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn refusals_halve_the_number_once_and_successes_bring_it_back() {
        let g = Governor::new(8, 1 << 20, TARGET);
        let mut permits = Vec::new();
        for _ in 0..8 {
            permits.push(g.permit().await);
        }
        assert!(
            tokio::time::timeout(Duration::from_millis(20), g.permit())
                .await
                .is_err()
        );
        for permit in permits {
            permit.busy();
        }
        assert_eq!(g.limit(), 4);
        tokio::time::sleep(Duration::from_millis(2)).await;
        g.permit().await.busy();
        assert_eq!(g.limit(), 2);
        for _ in 0..200 {
            g.permit().await.taken(10, Duration::ZERO);
        }
        assert_eq!(g.limit(), 8);
    }

    #[tokio::test]
    async fn a_request_that_took_too_long_halves_size_and_number() {
        let g = Governor::new(4, 4 << 20, TARGET);
        g.permit().await.slow(4 << 20);
        assert_eq!((g.limit(), g.bytes()), (2, 2 << 20));
        for _ in 0..20 {
            g.permit().await.slow(1);
        }
        assert_eq!(g.bytes(), LEAST_BYTES);
    }

    #[tokio::test]
    async fn requests_shrink_while_they_take_long_and_grow_again() {
        let g = Governor::new(1, 4 << 20, TARGET);
        for _ in 0..100 {
            g.permit().await.taken(g.bytes(), TARGET * 2);
        }
        assert_eq!(g.bytes(), LEAST_BYTES);
        g.permit().await.taken(10, TARGET / 4);
        assert_eq!(
            g.bytes(),
            LEAST_BYTES,
            "a small request says nothing about larger ones"
        );
        for _ in 0..100 {
            g.permit().await.taken(g.bytes(), TARGET / 4);
        }
        assert_eq!(g.bytes(), 4 << 20);
        assert!(g.cap(1 << 20) && !g.cap(1 << 20));
        assert_eq!(g.bytes(), 1 << 20);
    }
}
