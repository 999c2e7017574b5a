//! Checked reading of one message's body.

use crate::{Error, ErrorKind};

/// A cursor over a message body that knows the message's name, for errors that say where they arose.
#[derive(Clone, Debug)]
pub(super) struct Body<'a> {
    rest: &'a [u8],
    length: usize,
    message: &'static str,
}

impl<'a> Body<'a> {
    /// A cursor at the start of `bytes`, which belong to `message`.
    pub(super) fn new(message: &'static str, bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            length: bytes.len(),
            message,
        }
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], Error> {
        match self.rest.split_at_checked(n) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.short(field, n)),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(self.short(field, N)),
        }
    }

    /// One byte.
    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, Error> {
        self.array::<1>(field).map(|[b]| b)
    }

    /// A big-endian 16-bit number.
    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// A big-endian signed 32-bit number.
    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, Error> {
        self.array(field).map(i32::from_be_bytes)
    }

    /// A text that a NUL byte ends.
    pub(super) fn text(&mut self, field: &'static str) -> Result<&'a str, Error> {
        let Some(end) = memchr::memchr(0, self.rest) else {
            return Err(self.wrong(field, "is not ended by a zero byte"));
        };
        let bytes = self.take(end, field)?;
        self.u8(field)?;
        std::str::from_utf8(bytes).map_err(|_| self.wrong(field, "is not UTF-8"))
    }

    /// Everything that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// A protocol error about `field`.
    pub(super) fn wrong(&self, field: &'static str, what: &str) -> Error {
        let at = self.length.saturating_sub(self.rest.len());
        Error::new(
            ErrorKind::Protocol,
            format!("{} at byte {at}: {field} {what}", self.message),
        )
    }

    fn short(&self, field: &'static str, need: usize) -> Error {
        self.wrong(field, &format!("needs {need} bytes, {} left", self.rest.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_message_offset_and_field() {
        let mut body = Body::new("parameter status", b"a\0\0\0");
        assert_eq!(body.text("name").unwrap(), "a");
        let error = body.i32("value").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert_eq!(
            error.to_string(),
            "parameter status at byte 2: value needs 4 bytes, 2 left"
        );
    }

    #[test]
    fn a_text_must_end_and_be_utf8() {
        assert!(Body::new("m", b"abc").text("t").is_err());
        assert!(Body::new("m", b"\xff\0").text("t").is_err());
        let mut body = Body::new("m", b"\0rest");
        assert_eq!(body.text("t").unwrap(), "");
        assert_eq!(body.rest(), b"rest");
    }
}
