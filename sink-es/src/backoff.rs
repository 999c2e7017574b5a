//! Pauses between attempts: doubled up to a cap, each shortened at random so that many clients do not come back at once.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Doubling pauses. Starts again after [`reset`](Self::reset).
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    next: Duration,
    random: u64,
}

impl Backoff {
    /// Pauses from `first`, doubled up to `cap`.
    pub(crate) fn new(first: Duration, cap: Duration) -> Self {
        let first = first.min(cap);
        Self {
            first,
            cap,
            next: first,
            random: RandomState::new().hash_one(0_u8) | 1,
        }
    }

    /// The next pause: between half of the current step and all of it.
    pub(crate) fn pause(&mut self) -> Duration {
        let step = self.next;
        self.next = step.saturating_mul(2).min(self.cap);
        // xorshift64: spread, not secrecy.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = u32::try_from(self.random % 51).unwrap_or(0) + 50;
        step.saturating_mul(percent) / 100
    }

    /// Begins again with the first pause.
    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Pauses with a log line now and then: at the first, second, fourth, eighth … one.
#[derive(Debug)]
pub(crate) struct Pauses {
    backoff: Backoff,
    taken: u32,
}

impl Pauses {
    /// Pauses from the first up to the second.
    pub(crate) fn new((first, cap): (Duration, Duration)) -> Self {
        Self {
            backoff: Backoff::new(first, cap),
            taken: 0,
        }
    }

    /// Something came through.
    pub(crate) fn reset(&mut self) {
        self.backoff.reset();
        self.taken = 0;
    }

    /// Waits; `why` is for the log.
    pub(crate) async fn wait(&mut self, why: &str) {
        self.taken = self.taken.saturating_add(1);
        let pause = self.backoff.pause();
        if self.taken.is_power_of_two() {
            tracing::warn!(attempt = self.taken, ?pause, "{why}: trying again");
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_start_again() {
        let ms = Duration::from_millis;
        let mut b = Backoff::new(ms(100), ms(350));
        for step in [100, 200, 350, 350] {
            let p = b.pause();
            assert!(p >= ms(step) / 2 && p <= ms(step), "{step}: {p:?}");
        }
        b.reset();
        assert!(b.pause() <= ms(100));
    }
}
