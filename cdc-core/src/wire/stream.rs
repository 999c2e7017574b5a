//! The driver of a replication stream: sockets and clocks around the machine.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postgres_protocol::message::frontend;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::channel::Channel;
use super::command::StartReplication;
use super::feedback::Feedback;
use super::machine::{Frame, Machine};
use super::pace::Pace;
use crate::{Error, Lsn};

/// The stream of a replication slot.
///
/// Frames are taken with [`next_frame`](Self::next_frame) until it returns none, then [`readable`](Self::readable) waits
/// for more. While the caller cannot take frames it waits in [`idle`](Self::idle), or calls it beside its own waiting, so
/// that the server goes on hearing from us.
#[derive(Debug)]
pub struct ReplicationStream {
    channel: Channel,
    machine: Machine,
    pace: Pace,
}

/// 2000-01-01 in seconds since 1970-01-01.
const EPOCH: u64 = 946_684_800;
/// How long the end of a stream may take. The server may have much to send before it sees that we want no more.
const STOP: Duration = Duration::from_secs(5);

impl ReplicationStream {
    pub(super) fn new(channel: Channel, s: &StartReplication) -> Self {
        let now = Instant::now();
        Self {
            channel,
            machine: Machine::new(s.slot.clone(), Feedback::new(s.status_interval, now)),
            pace: Pace::new(now),
        }
    }

    /// Returns once at least one complete frame (or an error to be returned by
    /// [`next_frame`](Self::next_frame)) is buffered. Sends what feedback is due, and goes on doing so while it waits.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The connection's failure.
    pub async fn readable(&mut self) -> Result<(), Error> {
        loop {
            let now = Instant::now();
            self.feed_back(now);
            if self.channel.inbox.is_ready() {
                // Only what the socket takes at once: frames are not held up by a status update.
                return self.send_some().await;
            }
            let due = self.next_due(now);
            if let Some(until) = self.pace.wait(now) {
                self.send_some().await?;
                self.channel.park()?;
                sleep_until(until.min(due)).await;
                if until > due {
                    continue;
                }
            }
            tokio::select! {
                biased;
                // 1. Bytes, and the room to send: the work itself.
                read = self.exchange() => {
                    read?;
                    self.pace.read(Instant::now());
                }
                // 2. Time for a status update.
                () = sleep_until(due) => {}
            }
        }
    }

    /// Keeps feedback going without reading, for as long as the caller has no room for more frames. Returns only on error.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The connection's failure.
    pub async fn idle(&mut self) -> Result<(), Error> {
        loop {
            self.feed_back(Instant::now());
            self.channel.send().await?;
            sleep_until(self.machine.feedback.due()).await;
        }
    }

    /// The next buffered frame; none if no complete one is there.
    ///
    /// # Errors
    /// The server's error or the end of the stream. The stream is over then: drop it at once, so that a server that shuts
    /// down need not wait for us.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        let frame = self.machine.next_frame(&mut self.channel.inbox)?;
        if frame.is_some() {
            self.pace.frame();
        }
        Ok(frame)
    }

    /// Declares everything up to `durable` durable; a lower position than before changes nothing. The server is told by
    /// the next status update, within 100 ms of the next call of [`readable`](Self::readable) or [`idle`](Self::idle).
    pub fn confirm(&mut self, durable: Lsn) {
        self.machine.feedback.durable(durable);
    }

    /// Ends the stream: the last status update, then an orderly end, for which the server is given five seconds.
    ///
    /// # Errors
    /// The connection's failure before the last status update was sent.
    pub async fn stop(mut self) -> Result<(), Error> {
        let deadline = Instant::now().checked_add(STOP).unwrap_or_else(Instant::now);
        self.machine
            .feedback
            .write(Instant::now(), clock_us(), &mut self.channel.outbox);
        frontend::copy_done(&mut self.channel.outbox);
        let sent = timeout_at(deadline, self.channel.send()).await;
        if let Ok(result) = sent {
            result?;
        }
        let drained = timeout_at(deadline, async {
            while self.channel.receive().await?.tag != b'Z' {}
            frontend::terminate(&mut self.channel.outbox);
            self.channel.send().await
        });
        match drained.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(error = error.chain(), "the stream's end was not orderly"),
            Err(_) => tracing::debug!("the server did not end the stream in time: connection dropped"),
        }
        Ok(())
    }

    /// When [`readable`](Self::readable) must look at the feedback again. While an update cannot be sent, which only the
    /// socket can change, time alone changes nothing.
    fn next_due(&self, now: Instant) -> Instant {
        if self.channel.outbox.is_empty() {
            self.machine.feedback.due()
        } else {
            now.checked_add(STOP).unwrap_or(now)
        }
    }

    /// Puts a status update into the outbox if one is due and the last one is out.
    fn feed_back(&mut self, now: Instant) {
        if self.machine.feedback.due() <= now && self.channel.outbox.is_empty() {
            self.machine
                .feedback
                .write(now, clock_us(), &mut self.channel.outbox);
        }
    }

    /// Sends what the socket takes without waiting.
    async fn send_some(&mut self) -> Result<(), Error> {
        if self.channel.outbox.is_empty() {
            return Ok(());
        }
        poll_fn(|cx| match self.channel.poll_send(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await
    }

    /// Reads once, and sends what can be sent meanwhile.
    async fn exchange(&mut self) -> Result<usize, Error> {
        poll_fn(|cx| {
            if !self.channel.outbox.is_empty()
                && let Poll::Ready(Err(error)) = self.channel.poll_send(cx)
            {
                return Poll::Ready(Err(error));
            }
            self.channel.poll_fill(cx)
        })
        .await
    }
}

/// Our clock in the protocol's form: microseconds since 2000-01-01 UTC.
fn clock_us() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since_2000 = since_1970.saturating_sub(Duration::from_secs(EPOCH));
    i64::try_from(since_2000.as_micros()).unwrap_or(i64::MAX)
}
