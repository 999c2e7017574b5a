//! When to read: at once while little comes, a little later while much does.
//!
//! The server's process sends every change by a call of its own. Read as they come, each costs us a wake-up and a system
//! call, several times the work on the change itself, and costs the server the waking. While the stream is busy we
//! therefore let changes gather for a moment in the socket's buffer.

use std::time::Duration;

use tokio::time::Instant;

/// Counts frames and decides.
#[derive(Debug)]
pub(super) struct Pace {
    window: Instant,
    frames: u32,
    busy: bool,
    last_read: Instant,
}

/// Over how long the rate is measured, and how long changes gather. At 100 frames a millisecond, the fastest that one
/// process of the server decodes, one read brings 100 frames; a frame is late by this much and no more.
const WINDOW: Duration = Duration::from_millis(1);
/// Frames in one window from which on the stream is busy. Below it, reading at once costs less than 4 % of a core.
const BUSY: u128 = 8;

impl Pace {
    /// A stream of which nothing is known yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            window: now,
            frames: 0,
            busy: false,
            last_read: now,
        }
    }

    /// Counts a frame taken.
    pub(super) fn frame(&mut self) {
        self.frames = self.frames.saturating_add(1);
    }

    /// Notes a read.
    pub(super) fn read(&mut self, now: Instant) {
        self.last_read = now;
    }

    /// Until when to leave the socket alone; none if it should be read at once.
    pub(super) fn wait(&mut self, now: Instant) -> Option<Instant> {
        let elapsed = now.saturating_duration_since(self.window);
        if elapsed >= WINDOW {
            let windows = elapsed.as_micros() / WINDOW.as_micros();
            self.busy = u128::from(self.frames) >= windows.saturating_mul(BUSY);
            self.window = now;
            self.frames = 0;
        }
        let until = self.last_read.checked_add(WINDOW)?;
        (self.busy && until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    fn frames(pace: &mut Pace, n: u32) {
        for _ in 0..n {
            pace.frame();
        }
    }

    #[test]
    fn a_slow_stream_is_read_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for i in 1..100 {
            let now = start + 500 * US * i;
            frames(&mut pace, 3);
            assert_eq!(pace.wait(now), None);
            pace.read(now);
        }
    }

    #[test]
    fn a_short_transaction_after_a_pause_is_not_delayed() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let now = start + 50_000 * US;
        assert_eq!(pace.wait(now), None);
        pace.read(now);
        frames(&mut pace, 40);
        assert_eq!(pace.wait(now + 400 * US), None);
        pace.read(now + 400 * US);
        assert_eq!(pace.wait(now + 40_000 * US), None);
    }

    #[test]
    fn a_busy_stream_gathers_and_a_pause_ends_it() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        frames(&mut pace, 100);
        let now = start + 1000 * US;
        pace.read(now - 10 * US);
        assert_eq!(pace.wait(now), Some(now + 990 * US));
        let now = now + 1500 * US;
        frames(&mut pace, 2);
        pace.read(now);
        assert_eq!(pace.wait(now + US), None);
    }
}
