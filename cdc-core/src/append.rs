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

    /// Appends blocks up to one that is flagged: how many.
    #[inline(always)]
    fn blocks(&mut self, blocks: &[[u8; BLOCK]], flags: impl Fn(&[u8; BLOCK]) -> u32) -> usize {
        let count = blocks.iter().position(|block| flags(block) != 0);
        let count = count.unwrap_or(blocks.len());
        self.bytes(blocks.get(..count).unwrap_or_default().as_flattened());
        count
    }

    /// Appends the first `len` bytes of a block with a backslash before each that is flagged, as long as these are quotes
    /// and backslashes: how many of the bytes.
    #[inline(always)]
    fn with_backslashes(&mut self, block: &[u8; BLOCK], len: usize, mut flags: u32) -> usize {
        let mut done = 0;
        for byte in block.iter().take(len) {
            match (flags & 1, byte) {
                (0, _) => self.head(&[*byte], 1),
                (_, b'"' | b'\\') => self.head(&[b'\\', *byte], 2),
                _ => break,
            }
            (flags, done) = (flags >> 1, done + 1);
        }
        done
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
        Self::from(room, 0)
    }

    /// A line that is begun: some bytes are appended to it.
    #[inline(always)]
    pub(crate) fn from(room: &'a mut [u8], len: usize) -> Self {
        debug_assert!(room.len() < FULL / 2, "a line without an end");
        Self { room, len }
    }

    /// All of its room.
    #[inline(always)]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.room
    }

    /// Bytes that were appended.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What was appended behind the first `start` bytes; none if something did not fit.
    #[inline]
    pub(crate) fn since(&mut self, start: usize) -> Option<&mut [u8]> {
        self.room.get_mut(start..self.len)
    }

    /// The next bytes of the room; none if it has fewer.
    #[inline(always)]
    pub(crate) fn next<const N: usize>(&mut self) -> Option<&mut [u8; N]> {
        let at = self.len & FULL;
        self.room.get_mut(at..at + N)?.first_chunk_mut()
    }

    /// Says how many bytes are appended by now: fewer than were, or more that were put into the room.
    #[inline(always)]
    pub(crate) fn set_len(&mut self, len: usize) {
        self.len = len;
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

    #[inline(always)]
    fn blocks(&mut self, blocks: &[[u8; BLOCK]], flags: impl Fn(&[u8; BLOCK]) -> u32) -> usize {
        let at = self.len & FULL;
        let Some(places) = self.room.get_mut(at..at + blocks.len() * BLOCK) else {
            self.len = FULL;
            return blocks.len();
        };
        let mut count = 0;
        for (place, block) in places.as_chunks_mut().0.iter_mut().zip(blocks) {
            if flags(block) != 0 {
                break;
            }
            *place = *block;
            count += 1;
        }
        self.len = at + count * BLOCK;
        count
    }

    /// What follows a backslash is copied again, one place further. It is not read from where it was just written: a
    /// processor waits where it reads parts of what it has not yet stored.
    #[inline(always)]
    fn with_backslashes(&mut self, block: &[u8; BLOCK], len: usize, mut flags: u32) -> usize {
        /// Twice the block and, so that the compiler sees that nothing is written beyond it, as much again.
        const PLACE: usize = 4 * BLOCK;
        let at = self.len & FULL;
        let place = self.room.get_mut(at..at + PLACE);
        let Some(place) = place.and_then(<[u8]>::first_chunk_mut::<PLACE>) else {
            self.len = FULL;
            return len;
        };
        let bytes = u128::from_le_bytes(*block);
        let (mut done, mut added) = (len, 0);
        place[..BLOCK].copy_from_slice(block);
        while flags != 0 {
            let flagged = flags.trailing_zeros() as usize % BLOCK;
            if !matches!(block[flagged], b'"' | b'\\') {
                done = flagged;
                break;
            }
            let to = (flagged + added) % (2 * BLOCK);
            let rest = (bytes >> (8 * flagged)).to_le_bytes();
            place[to] = b'\\';
            place[to + 1..=to + BLOCK].copy_from_slice(&rest);
            added += 1;
            flags &= flags - 1;
        }
        self.len = at + done + added;
        done
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

/// Bytes of a [`Short`].
pub(crate) const SHORT: usize = 32;

/// Room for few bytes, for what is surely not more.
#[derive(Debug)]
pub(crate) struct Short<'a> {
    place: &'a mut [u8; SHORT],
    len: usize,
}

impl<'a> Short<'a> {
    /// How many bytes are written; none if `write` says so.
    #[inline(always)]
    pub(crate) fn fill(place: &'a mut [u8; SHORT], write: impl FnOnce(&mut Self) -> bool) -> Option<usize> {
        let mut short = Self { place, len: 0 };
        (write(&mut short) && short.len <= SHORT).then_some(short.len)
    }
}

impl Append for Short<'_> {
    #[inline(always)]
    fn head<const N: usize>(&mut self, block: &[u8; N], len: usize) {
        match self.place.get_mut(self.len..self.len + N) {
            Some(place) => {
                place.copy_from_slice(block);
                self.len += len;
            }
            None => self.len = FULL,
        }
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        match self.place.get_mut(self.len..self.len + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.len = FULL,
        }
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
            let blocks = [*b"abcdefghijklmnop", *b"qrstuvwxyzabcdef", *b"QRSTUVWXYZABCDEF"];
            let written = out.blocks(&blocks, |block| u32::from(block[0] == b'Q'));
            assert!(written >= 2);
            for flags in [0, 0b110_1001, 0b1110_1001] {
                let done = out.with_backslashes(b"\"23\\5\\\"?9abcdefg", len, flags & !(u32::MAX << len));
                assert!(done == len || done == 7);
            }
        }
    }

    #[test]
    fn lines_and_vectors_are_appended_to_alike() {
        let (mut room, mut vector) = ([0; 1024], Vec::new());
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
