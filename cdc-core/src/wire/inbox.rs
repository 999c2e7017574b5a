//! Received bytes and the messages in them: one buffer, from which messages are borrowed.

use std::ops::Range;

use crate::{Error, ErrorKind};

/// One backend message in an [`Inbox`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The message's tag.
    pub(super) tag: u8,
    /// Where its body lies, for [`Inbox::bytes`].
    pub(super) body: Range<usize>,
}

/// The receive buffer: grows for a message that is larger than it, and shrinks back afterwards.
///
/// Bytes lie in `head..tail`. Messages are borrowed from the buffer, so taking one neither copies nor allocates; its bytes
/// stay in place until [`Inbox::space`] is called.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Vec<u8>,
    head: usize,
    tail: usize,
    limit: usize,
}

/// Ordinary size. At 200 bytes a row it holds 1300 rows, and one read can fill it; larger buffers measured no faster
/// because they leave the second-level cache.
const SIZE: usize = 256 * 1024;
/// Tag and length.
const HEADER: usize = 5;

impl Inbox {
    /// An empty buffer that refuses messages of more than `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            buffer: vec![0; SIZE],
            head: 0,
            tail: 0,
            limit,
        }
    }

    /// Changes the size of the largest message accepted.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The length in bytes of the message at the head, header included; none if not even the header is there.
    fn length(&self) -> Result<Option<(u8, usize)>, Error> {
        let Some(&[tag, a, b, c, d]) = self.held().first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        // Checked before anything is reserved: the length is the peer's.
        if length < 4 || length > self.limit {
            let text = format!(
                "message {:?} announces {length} bytes, and PostgreSQL sends 4 to {}",
                char::from(tag),
                self.limit
            );
            return Err(Error::new(ErrorKind::Protocol, text).with_hint(
                "check that host and port are those of a PostgreSQL server, and that nothing in between changes what it sends",
            ));
        }
        Ok(Some((tag, length.saturating_add(1))))
    }

    /// Takes the next complete message off the buffer.
    ///
    /// # Errors
    /// A length that no message can have, or above the limit.
    pub(super) fn take(&mut self) -> Result<Option<Message>, Error> {
        let Some((tag, length)) = self.length()? else {
            return Ok(None);
        };
        let end = self.head.saturating_add(length);
        if end > self.tail {
            return Ok(None);
        }
        let body = self.head.saturating_add(HEADER)..end;
        self.head = end;
        Ok(Some(Message { tag, body }))
    }

    /// Whether a complete message is buffered. A wrong length counts as one: taking it reports it.
    pub(super) fn is_ready(&self) -> bool {
        match self.length() {
            Ok(Some((_, length))) => self.held().len() >= length,
            Ok(None) => false,
            Err(_) => true,
        }
    }

    /// The bytes of a message that was taken.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Bytes received and not yet taken.
    pub(super) fn held(&self) -> &[u8] {
        self.buffer.get(self.head..self.tail).unwrap_or_default()
    }

    /// Room for more bytes, at least enough for the message at the head; invalidates taken messages.
    pub(super) fn space(&mut self) -> Result<&mut [u8], Error> {
        let needed = self.length()?.map_or(HEADER, |(_, length)| length).max(SIZE);
        if self.head > 0 {
            self.buffer.copy_within(self.head..self.tail, 0);
            self.tail = self.tail.saturating_sub(self.head);
            self.head = 0;
        }
        // Growing follows the bytes that are really there: a peer that only announces much is given double of what it sent.
        let wanted = needed.min(self.tail.saturating_mul(2).max(SIZE));
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        } else if self.buffer.len() > SIZE && needed == SIZE {
            self.buffer.truncate(SIZE.max(self.tail));
            self.buffer.shrink_to_fit();
        }
        Ok(self.buffer.get_mut(self.tail..).unwrap_or_default())
    }

    /// Notes that `n` bytes were received into [`Inbox::space`].
    pub(super) fn filled(&mut self, n: usize) {
        self.tail = self.tail.saturating_add(n).min(self.buffer.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut m = vec![tag];
        m.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        m.extend_from_slice(body);
        m
    }

    fn feed(inbox: &mut Inbox, mut bytes: &[u8], step: usize) -> Vec<(u8, Vec<u8>)> {
        let mut seen = Vec::new();
        while !bytes.is_empty() {
            let space = inbox.space().unwrap();
            let n = bytes.len().min(step).min(space.len());
            assert!(n > 0, "no room");
            space[..n].copy_from_slice(&bytes[..n]);
            inbox.filled(n);
            bytes = &bytes[n..];
            while let Some(m) = inbox.take().unwrap() {
                seen.push((m.tag, inbox.bytes(m.body).to_vec()));
            }
        }
        seen
    }

    #[test]
    fn any_cutting_of_the_bytes_gives_the_same_messages() {
        let mut bytes = message(b'Z', b"I");
        bytes.extend(message(b'd', &vec![7; 700_000]));
        bytes.extend(message(b'c', b""));
        for step in [1 << 20, 100_003, 6, 5] {
            let mut inbox = Inbox::new(1 << 20);
            let seen = feed(&mut inbox, &bytes, step);
            assert_eq!(seen.len(), 3);
            assert_eq!(seen[0], (b'Z', b"I".to_vec()));
            assert_eq!(seen[1].1.len(), 700_000);
            assert_eq!(seen[2], (b'c', Vec::new()));
            assert!(!inbox.is_ready());
        }
    }

    #[test]
    fn the_buffer_shrinks_back_after_a_large_message() {
        let mut inbox = Inbox::new(1 << 24);
        feed(&mut inbox, &message(b'd', &vec![1; 3 << 20]), 1 << 20);
        assert!(inbox.buffer.len() > SIZE);
        inbox.space().unwrap();
        assert_eq!(inbox.buffer.len(), SIZE);
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_memory_is_taken() {
        let mut inbox = Inbox::new(1000);
        let space = inbox.space().unwrap();
        space[..5].copy_from_slice(b"d\x40\x00\x00\x00");
        inbox.filled(5);
        assert!(inbox.is_ready());
        assert_eq!(inbox.take().unwrap_err().kind(), ErrorKind::Protocol);
        assert!(inbox.space().is_err());
    }

    #[test]
    fn an_announced_length_alone_reserves_nothing() {
        let mut inbox = Inbox::new(1 << 30);
        let space = inbox.space().unwrap();
        space[..5].copy_from_slice(b"d\x30\x00\x00\x00");
        inbox.filled(5);
        inbox.space().unwrap();
        assert_eq!(inbox.buffer.len(), SIZE);
    }

    #[test]
    fn a_length_below_its_own_size_is_refused() {
        let mut inbox = Inbox::new(1000);
        let space = inbox.space().unwrap();
        space[..5].copy_from_slice(b"d\x00\x00\x00\x03");
        inbox.filled(5);
        assert!(inbox.take().is_err());
    }
}
