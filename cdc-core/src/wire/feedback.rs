//! When to tell the server how far we are, and what.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use tokio::time::Instant;

use crate::Lsn;

/// What was received and what is durable, and what the server knows of it. No value ever goes back.
#[derive(Debug)]
pub(super) struct Feedback {
    received: Lsn,
    durable: Lsn,
    told: (Lsn, Lsn),
    told_at: Instant,
    asked: bool,
    interval: Duration,
}

/// Shortest time between two updates for news of durability, and between two answers that hold no news. Each update
/// wakes the server's process; ten a second cost nothing.
const COALESCE: Duration = Duration::from_millis(100);
/// Length of a status update's body: tag, three positions, time, flag.
const BODY: usize = 34;

impl Feedback {
    /// Feedback of a stream that starts now.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self {
            received: Lsn::ZERO,
            durable: Lsn::ZERO,
            told: (Lsn::ZERO, Lsn::ZERO),
            told_at: now,
            asked: false,
            interval: interval.max(COALESCE),
        }
    }

    /// Everything up to `end` was received.
    pub(super) fn received(&mut self, end: Lsn) {
        self.received = self.received.max(end);
    }

    /// Everything up to `lsn` is durable.
    pub(super) fn durable(&mut self, lsn: Lsn) {
        self.durable = self.durable.max(lsn);
    }

    /// The server wants an answer.
    pub(super) fn asked(&mut self) {
        self.asked = true;
    }

    /// When the next update is due; the past means now.
    ///
    /// A keepalive without the reply flag makes nothing due: an answer that reports less than the server has sent would
    /// draw the next keepalive at once, and so on for ever.
    pub(super) fn due(&self) -> Instant {
        let news = (self.received.max(self.durable), self.durable) != self.told;
        let pause = if self.asked && news {
            Duration::ZERO
        } else if self.asked || self.durable > self.told.1 {
            COALESCE
        } else {
            self.interval
        };
        // A pause that no clock can hold would be centuries long.
        self.told_at.checked_add(pause).unwrap_or(self.told_at)
    }

    /// Appends a status update in its CopyData frame.
    pub(super) fn write(&mut self, now: Instant, clock_us: i64, out: &mut BytesMut) {
        let received = self.received.max(self.durable);
        out.reserve(BODY + 5);
        out.put_u8(b'd');
        out.put_u32(38);
        out.put_u8(b'r');
        out.put_u64(received.0);
        out.put_u64(self.durable.0);
        out.put_u64(self.durable.0);
        out.put_i64(clock_us);
        out.put_u8(0);
        self.told = (received, self.durable);
        self.told_at = now;
        self.asked = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_update_is_the_frame_of_the_protocol() {
        let now = Instant::now();
        let mut f = Feedback::new(s(5), now);
        f.received(Lsn(7));
        f.durable(Lsn(9));
        f.durable(Lsn(8));
        let mut out = BytesMut::new();
        f.write(now, 1, &mut out);
        assert_eq!(out.len(), 39);
        assert_eq!(&out[..6], b"d\0\0\0\x26r");
        assert_eq!(&out[6..14], &9_u64.to_be_bytes());
        assert_eq!(&out[14..22], &9_u64.to_be_bytes());
        assert_eq!(&out[22..30], &9_u64.to_be_bytes());
        assert_eq!(&out[30..], [0, 0, 0, 0, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn what_makes_an_update_due() {
        let now = Instant::now();
        let mut f = Feedback::new(s(5), now);
        assert_eq!(f.due(), now + s(5));
        f.received(Lsn(5));
        assert_eq!(f.due(), now + s(5), "receiving alone is no reason");
        f.durable(Lsn(4));
        assert_eq!(f.due(), now + COALESCE);
        f.asked();
        assert_eq!(f.due(), now, "asked and there is news: at once");
        f.write(now, 0, &mut BytesMut::new());
        assert_eq!(f.due(), now + s(5));
        f.asked();
        assert_eq!(
            f.due(),
            now + COALESCE,
            "asked again without news: not at once, the server asks in a loop"
        );
    }

    #[test]
    fn an_absurd_interval_does_no_harm() {
        let now = Instant::now();
        assert_eq!(Feedback::new(Duration::ZERO, now).due(), now + COALESCE);
        Feedback::new(Duration::MAX, now).due();
    }
}
