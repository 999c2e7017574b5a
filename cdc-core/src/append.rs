//! Appending few bytes without a call.

use crate::block::BLOCK;

/// Where bytes are appended.
pub(crate) trait Append {
    /// Appends the first `len` bytes of a block. All of it is copied, for a copy whose size the compiler knows is a few
    /// instructions where `memcpy` is a call; what is appended next takes the place of the rest.
    fn head<const N: usize>(&mut self, block: &[u8; N], len: usize);

    /// Appends bytes, however many.
    fn bytes(&mut self, bytes: &[u8]);

    /// Appends the first `len` bytes of a block between quotes.
    #[inline(always)]
    fn quoted(&mut self, block: &[u8; BLOCK], len: usize) {
        self.head(b"\"", 1);
        self.head(block, len);
        self.head(b"\"", 1);
    }

    /// Appends the last `len` bytes of a block, of which the others were appended last.
    #[inline(always)]
    fn last(&mut self, block: &[u8; BLOCK], len: usize) {
        self.bytes(block.get(BLOCK - len..).unwrap_or_default());
    }

    /// Appends what is appended by `append`, a call.
    #[inline(always)]
    fn apart(&mut self, append: impl FnOnce(&mut Self)) {
        append(self);
    }
}

impl Append for Vec<u8> {
    #[inline(always)]
    fn head<const N: usize>(&mut self, block: &[u8; N], len: usize) {
        debug_assert!(len <= N, "a head longer than its block");
        let end = self.len() + len;
        self.extend_from_slice(block);
        self.truncate(end);
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Room for bytes, filled from its beginning. A line that something did not fit into is full, and stays so:
/// nothing is checked in between. That it is a place and a number keeps both in registers, where a
/// vector's length is written back after each append.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    room: &'a mut [u8],
    len: usize,
}

/// Length of a full line. A line's room is much less, so that the compiler sees that sums of lengths do not overflow.
const FULL: usize = u32::MAX as usize;

impl<'a> Line<'a> {
    pub(crate) fn new(room: &'a mut [u8]) -> Self {
        debug_assert!(room.len() < FULL / 2, "a line without an end");
        Self { room, len: 0 }
    }

    /// Bytes that were appended.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether something did not fit.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.len == FULL
    }
}

impl Append for Line<'_> {
    #[inline(always)]
    fn head<const N: usize>(&mut self, block: &[u8; N], len: usize) {
        debug_assert!(len <= N, "a head longer than its block");
        let at = self.len & FULL;
        match self.room.get_mut(at..at + N) {
            Some(place) => {
                place.copy_from_slice(block);
                self.len = at + len;
            }
            None => self.len = FULL,
        }
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let at = self.len & FULL;
        match self
            .room
            .get_mut(at..)
            .and_then(|rest| rest.get_mut(..bytes.len()))
        {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len = at + bytes.len();
            }
            None => self.len = FULL,
        }
    }

    #[inline(always)]
    fn quoted(&mut self, block: &[u8; BLOCK], len: usize) {
        let at = self.len & FULL;
        match self.room.get_mut(at..at + BLOCK + 2) {
            Some(place) => {
                place[0] = b'"';
                place[1..=BLOCK].copy_from_slice(block);
                // Never another one.
                if let Some(end) = place.get_mut(1 + len) {
                    *end = b'"';
                }
                self.len = at + len + 2;
            }
            None => self.len = FULL,
        }
    }

    #[inline(always)]
    fn last(&mut self, block: &[u8; BLOCK], len: usize) {
        let end = (self.len & FULL) + len;
        match self.room.get_mut(end.wrapping_sub(BLOCK)..end) {
            Some(place) => {
                place.copy_from_slice(block);
                self.len = end;
            }
            None => self.len = FULL,
        }
    }

    /// The line itself is not given to the call: it would have to be in memory from there on.
    #[inline(always)]
    fn apart(&mut self, append: impl FnOnce(&mut Self)) {
        let mut line = Self {
            room: std::mem::take(&mut self.room),
            len: self.len,
        };
        append(&mut line);
        *self = line;
    }
}

/// At most sixteen bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Few {
    bytes: [u8; 16],
    len: usize,
}

impl Few {
    /// The `len` lowest bytes of a number, the lowest one first.
    #[inline(always)]
    pub(crate) fn new(number: u128, len: usize) -> Self {
        let bytes = number.to_le_bytes();
        Self { bytes, len }
    }

    /// The same with another byte before them, if there is one; at most fifteen they are then.
    #[inline]
    pub(crate) fn behind(self, first: Option<u8>) -> Self {
        let Some(first) = first else { return self };
        Self::new(
            u128::from_le_bytes(self.bytes) << 8 | u128::from(first),
            self.len + 1,
        )
    }

    /// The bytes.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends them.
    #[inline(always)]
    pub(crate) fn append<O: Append>(self, out: &mut O) {
        out.head(&self.bytes, self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_makes_a_line_full() {
        let mut room = [0; 20];
        let mut line = Line::new(&mut room);
        line.head(b"0123456789abcdef", 10);
        line.head(b"+-*/", 2);
        line.bytes(b"1234567");
        assert_eq!((line.len(), line.is_full()), (19, false));
        // All of the block must fit, not only its head.
        line.head(b"89", 1);
        line.bytes(b"");
        line.head(b"!", 1);
        assert!(line.is_full());
        assert_eq!(room, *b"0123456789+-1234567\0");
    }

    /// Appends something of everything.
    fn write<O: Append>(out: &mut O) {
        out.bytes(b"before");
        for len in [0, 1, 15, 16] {
            out.quoted(b"0123456789abcdef", len);
            out.head(b"ABCDEFGHIJKLMNOP", 16);
            out.apart(|out| out.last(b"GHIJKLMNOPQRSTUV", 6));
        }
    }

    #[test]
    fn lines_and_vectors_are_appended_to_alike() {
        let (mut room, mut vector) = ([0; 256], Vec::new());
        let mut line = Line::new(&mut room);
        write(&mut line);
        write(&mut vector);
        let len = line.len();
        assert_eq!(vector, room[..len]);
        // None of it is lost without a word where the room is too small.
        for size in 0..len {
            let mut line = Line::new(&mut room[..size]);
            write(&mut line);
            assert!(line.is_full());
        }
    }
}
