//! What the messages of a replication stream mean, without IO.

use std::ops::Range;

use super::feedback::Feedback;
use super::inbox::Inbox;
use super::response::{Doing, Response};
use crate::{Error, ErrorKind, Lsn};

/// One frame of the replication stream, borrowed from the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message of the output plug-in.
    XLogData {
        /// Position of the change; zero for those that have none (Relation, Type, Begin before an Origin).
        start: Lsn,
        /// The server's position when it sent this; for logical replication the same as `start`.
        end: Lsn,
        /// When the server sent it, microseconds since 2000-01-01 UTC by its clock.
        sent_us: i64,
        /// Exactly one pgoutput message.
        payload: &'a [u8],
    },
    /// A sign of life.
    Keepalive {
        /// Everything before this position has been sent.
        end: Lsn,
        /// When the server sent it, microseconds since 2000-01-01 UTC by its clock.
        sent_us: i64,
        /// The server wants an answer; it is given without the caller's doing.
        reply: bool,
    },
}

/// State of a stream between START_REPLICATION and its end.
#[derive(Debug)]
pub(super) struct Machine {
    slot: String,
    pub(super) feedback: Feedback,
}

impl Machine {
    /// The stream of `slot`.
    pub(super) fn new(slot: String, feedback: Feedback) -> Self {
        Self { slot, feedback }
    }

    /// Takes the next frame off the buffer; none if no complete one is buffered.
    ///
    /// # Errors
    /// The server's error, the end of the stream, the warning that the publication is missing, or bytes that break the
    /// protocol.
    pub(super) fn next_frame<'a>(&mut self, inbox: &'a mut Inbox) -> Result<Option<Frame<'a>>, Error> {
        loop {
            let Some(message) = inbox.take()? else {
                return Ok(None);
            };
            if message.tag == b'd' {
                match inbox.bytes(message.body.clone()).first() {
                    Some(b'w' | b'k') => return self.decode(inbox.bytes(message.body)).map(Some),
                    other => tracing::debug!(tag = ?other, "frame of unknown kind in the replication stream"),
                }
                continue;
            }
            self.control(message.tag, message.body, inbox)?;
        }
    }

    fn decode<'a>(&mut self, body: &'a [u8]) -> Result<Frame<'a>, Error> {
        let frame = match body {
            [b'w', rest @ ..] => data(rest),
            [_, rest @ ..] => keepalive(rest),
            [] => None,
        };
        let frame = frame.ok_or_else(|| {
            Error::new(
                ErrorKind::Protocol,
                format!(
                    "frame of the replication stream is cut short: {} bytes",
                    body.len()
                ),
            )
        })?;
        match frame {
            Frame::XLogData { start, end, .. } => self.feedback.received(start.max(end)),
            Frame::Keepalive { end, reply, .. } => {
                self.feedback.received(end);
                if reply {
                    self.feedback.asked();
                }
            }
        }
        Ok(frame)
    }

    #[cold]
    fn control(&self, tag: u8, body: Range<usize>, inbox: &Inbox) -> Result<(), Error> {
        let body = inbox.bytes(body);
        let doing = Doing::Stream(&self.slot);
        match tag {
            b'E' => Err(Response::parse(body)?.into_error(doing)),
            b'N' => {
                let notice = Response::parse(body)?;
                // PostgreSQL 18 goes on without the publication's changes: losing them silently. An acknowledgement
                // after this would make the loss permanent.
                if notice.severity == "WARNING" && &notice.code == b"55000" {
                    return Err(notice.into_error(doing));
                }
                tracing::info!(
                    severity = notice.severity,
                    code = notice.code(),
                    message = notice.message,
                    "notice from the server"
                );
                Ok(())
            }
            b'S' => Ok(()),
            b'c' | b'C' | b'Z' => Err(Error::new(
                ErrorKind::ServerUnavailable,
                format!(
                    "the server ended the stream of slot {:?}: it is shutting down",
                    self.slot
                ),
            )),
            tag => Err(Error::new(
                ErrorKind::Protocol,
                format!(
                    "message {:?} does not belong into a replication stream",
                    char::from(tag)
                ),
            )),
        }
    }
}

fn data(rest: &[u8]) -> Option<Frame<'_>> {
    let (start, rest) = rest.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (sent, payload) = rest.split_first_chunk()?;
    Some(Frame::XLogData {
        start: Lsn(u64::from_be_bytes(*start)),
        end: Lsn(u64::from_be_bytes(*end)),
        sent_us: i64::from_be_bytes(*sent),
        payload,
    })
}

fn keepalive(rest: &[u8]) -> Option<Frame<'_>> {
    let (end, rest) = rest.split_first_chunk()?;
    let (sent, rest) = rest.split_first_chunk()?;
    let reply = rest.first()?;
    Some(Frame::Keepalive {
        end: Lsn(u64::from_be_bytes(*end)),
        sent_us: i64::from_be_bytes(*sent),
        reply: *reply != 0,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn machine() -> Machine {
        Machine::new("s".into(), Feedback::new(Duration::from_secs(5), Instant::now()))
    }

    fn inbox(messages: &[(u8, Vec<u8>)]) -> Inbox {
        let mut inbox = Inbox::new(1 << 20);
        for (tag, body) in messages {
            let mut m = vec![*tag];
            m.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
            m.extend_from_slice(body);
            inbox.space().unwrap()[..m.len()].copy_from_slice(&m);
            inbox.filled(m.len());
        }
        inbox
    }

    fn xlog(start: u64, payload: &[u8]) -> (u8, Vec<u8>) {
        let mut body = vec![b'w'];
        body.extend_from_slice(&start.to_be_bytes());
        body.extend_from_slice(&start.to_be_bytes());
        body.extend_from_slice(&5_i64.to_be_bytes());
        body.extend_from_slice(payload);
        (b'd', body)
    }

    fn alive(end: u64, reply: u8) -> (u8, Vec<u8>) {
        let mut body = vec![b'k'];
        body.extend_from_slice(&end.to_be_bytes());
        body.extend_from_slice(&6_i64.to_be_bytes());
        body.push(reply);
        (b'd', body)
    }

    fn notice(tag: u8, severity: &str, code: &str) -> (u8, Vec<u8>) {
        (tag, format!("V{severity}\0C{code}\0Mwhy\0\0").into_bytes())
    }

    #[test]
    fn frames_are_borrowed_in_order_and_others_passed_over() {
        let mut m = machine();
        let mut inbox = inbox(&[
            xlog(16, b"B"),
            notice(b'N', "NOTICE", "00000"),
            (b'S', b"a\0b\0".to_vec()),
            (b'd', b"s?".to_vec()),
            (b'd', Vec::new()),
            alive(32, 1),
        ]);
        assert_eq!(
            m.next_frame(&mut inbox).unwrap(),
            Some(Frame::XLogData {
                start: Lsn(16),
                end: Lsn(16),
                sent_us: 5,
                payload: b"B"
            })
        );
        let quiet = m.feedback.due();
        assert_eq!(
            m.next_frame(&mut inbox).unwrap(),
            Some(Frame::Keepalive {
                end: Lsn(32),
                sent_us: 6,
                reply: true
            })
        );
        assert!(m.feedback.due() < quiet, "a reply was asked for");
        assert_eq!(m.next_frame(&mut inbox).unwrap(), None);
    }

    #[test]
    fn a_keepalive_without_the_flag_makes_nothing_due() {
        let mut m = machine();
        let due = m.feedback.due();
        m.next_frame(&mut inbox(&[alive(32, 0)])).unwrap();
        assert_eq!(m.feedback.due(), due);
    }

    #[test]
    fn what_ends_a_stream_says_why() {
        use ErrorKind as K;
        for (message, kind) in [
            (notice(b'N', "WARNING", "55000"), K::Publication),
            (notice(b'E', "ERROR", "42704"), K::Publication),
            (notice(b'E', "FATAL", "57P01"), K::ServerUnavailable),
            (notice(b'E', "ERROR", "58P01"), K::SlotLost),
            ((b'c', Vec::new()), K::ServerUnavailable),
            ((b'C', b"COPY 0\0".to_vec()), K::ServerUnavailable),
            ((b'T', Vec::new()), K::Protocol),
            ((b'd', b"w123".to_vec()), K::Protocol),
            ((b'd', b"k123".to_vec()), K::Protocol),
        ] {
            let error = machine()
                .next_frame(&mut inbox(std::slice::from_ref(&message)))
                .unwrap_err();
            assert_eq!(error.kind(), kind, "{message:?}");
        }
    }
}
