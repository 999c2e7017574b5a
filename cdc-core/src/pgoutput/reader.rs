//! A cursor over one payload whose errors say message, offset and field.

use std::fmt::Display;

use crate::{Error, ErrorKind, Lsn};

use super::message::message_name;

/// Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
const EPOCH_US: i64 = 946_684_800_000_000;

/// Reads big-endian fields of one message and never past its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    tag: u8,
    /// Offset in the payload just past the last byte of `rest`.
    end: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of `rest`, whose first byte stands at offset `at` of the payload of a message with this tag.
    pub(super) fn new(tag: u8, at: usize, rest: &'a [u8]) -> Self {
        Self {
            tag,
            end: at.saturating_add(rest.len()),
            rest,
        }
    }

    /// Tag of the message that is being read.
    pub(super) fn tag(&self) -> u8 {
        self.tag
    }

    /// Offset of the next byte.
    pub(super) fn at(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn u8(&mut self, field: impl Display) -> Result<u8, Error> {
        self.array::<1>(field).map(|[b]| b)
    }

    pub(super) fn u16(&mut self, field: impl Display) -> Result<u16, Error> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self, field: impl Display) -> Result<u32, Error> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self, field: impl Display) -> Result<i32, Error> {
        self.array(field).map(i32::from_be_bytes)
    }

    pub(super) fn lsn(&mut self, field: impl Display) -> Result<Lsn, Error> {
        self.array(field).map(|b| Lsn(u64::from_be_bytes(b)))
    }

    /// A time, converted to microseconds since 1970-01-01 UTC.
    pub(super) fn time(&mut self, field: impl Display + Copy) -> Result<i64, Error> {
        let at = self.at();
        let since_2000 = self.array(field).map(i64::from_be_bytes)?;
        since_2000
            .checked_add(EPOCH_US)
            .ok_or_else(|| self.bad(at, format_args!("{field} is out of range")))
    }

    /// A flag byte of which only the bits of `known` may be set.
    pub(super) fn flags(&mut self, field: impl Display + Copy, known: u8) -> Result<u8, Error> {
        let at = self.at();
        let flags = self.u8(field)?;
        if flags & !known == 0 {
            Ok(flags)
        } else {
            Err(self.bad(
                at,
                format_args!("{field} is {flags:#04x}, known bits are {known:#04x}"),
            ))
        }
    }

    /// A NUL-terminated string.
    pub(super) fn str(&mut self, field: impl Display + Copy) -> Result<&'a str, Error> {
        let at = self.at();
        let end = memchr::memchr(0, self.rest)
            .ok_or_else(|| self.bad(at, format_args!("{field} is not terminated")))?;
        let bytes = self.bytes(end, field)?;
        self.bytes(1, field)?;
        std::str::from_utf8(bytes).map_err(|_| self.bad(at, format_args!("{field} is not UTF-8")))
    }

    /// The next `n` bytes.
    #[inline]
    pub(super) fn bytes(&mut self, n: usize, field: impl Display) -> Result<&'a [u8], Error> {
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            return Err(self.short(n, field));
        };
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: impl Display) -> Result<[u8; N], Error> {
        let Some((head, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.short(N, field));
        };
        self.rest = rest;
        Ok(*head)
    }

    /// Ends the message: nothing may be left.
    pub(super) fn finish(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.bad(
            self.at(),
            format_args!("{} left after the last field", bytes_text(self.rest.len())),
        ))
    }

    #[cold]
    fn short(&self, need: usize, field: impl Display) -> Error {
        let left = self.rest.len();
        let bytes = if need == 1 { "byte" } else { "bytes" };
        self.bad(
            self.at(),
            format_args!("{field} needs {need} {bytes}, {left} left"),
        )
    }

    /// An error about the field at offset `at`.
    #[cold]
    pub(super) fn bad(&self, at: usize, problem: impl Display) -> Error {
        let name = message_name(self.tag);
        Error::new(ErrorKind::Protocol, format!("{name} at byte {at}: {problem}"))
    }
}

fn bytes_text(n: usize) -> String {
    if n == 1 {
        "1 byte".to_owned()
    } else {
        format!("{n} bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_message_offset_and_field() {
        let mut r = Reader::new(b'I', 1, &[0, 1]);
        let e = r.u32("relation id").unwrap_err();
        assert_eq!(
            e.to_string(),
            "insert at byte 1: relation id needs 4 bytes, 2 left"
        );
        assert_eq!(e.kind(), ErrorKind::Protocol);
        assert_eq!(r.u8("x").unwrap(), 0);
        let e = r.finish().unwrap_err();
        assert_eq!(
            e.to_string(),
            "insert at byte 2: 1 byte left after the last field"
        );
        let e = Reader::new(b'R', 5, b"ab").str("name").unwrap_err();
        assert_eq!(e.to_string(), "relation at byte 5: name is not terminated");
        let e = Reader::new(b'R', 5, b"\xff\0").str("name").unwrap_err();
        assert_eq!(e.to_string(), "relation at byte 5: name is not UTF-8");
    }

    #[test]
    fn time_is_since_1970_and_checked() {
        let mut r = Reader::new(b'B', 9, &[0; 8]);
        assert_eq!(r.time("commit time").unwrap(), EPOCH_US);
        let e = Reader::new(b'B', 9, &i64::MAX.to_be_bytes())
            .time("commit time")
            .unwrap_err();
        assert_eq!(e.to_string(), "begin at byte 9: commit time is out of range");
    }
}
