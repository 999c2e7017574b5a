//! Texts, sixteen bytes at once.

/// Bytes that are looked at together.
pub(crate) const BLOCK: usize = 16;

/// A value's text, and the bytes that follow it where it was read: a block that begins in a text may end beyond it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl<'a> Text<'a> {
    /// A text of which nothing is known to follow.
    #[inline]
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self {
            bytes: text,
            len: text.len(),
        }
    }

    /// The first `len` of some bytes; none if there are fewer.
    #[inline]
    pub(crate) fn first(len: usize, bytes: &'a [u8]) -> Option<Self> {
        (len <= bytes.len()).then_some(Self { bytes, len })
    }

    /// Its length.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The text alone.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &'a [u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The text and what follows it.
    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The text from `at` on.
    #[inline]
    pub(crate) fn from(&self, at: usize) -> Self {
        Self {
            bytes: self.bytes.get(at..).unwrap_or_default(),
            len: self.len.saturating_sub(at),
        }
    }

    /// The bytes from `at` on; none if fewer than a block are there.
    #[inline]
    pub(crate) fn block(&self, at: usize) -> Option<&'a [u8; BLOCK]> {
        self.bytes.get(at..)?.first_chunk()
    }

    /// The bytes from `at` on, where fewer than a block are there, and zeros.
    #[inline(always)]
    pub(crate) fn padded(&self, at: usize) -> [u8; BLOCK] {
        padded(self.bytes.get(at..).unwrap_or_default())
    }
}

/// A block of fewer bytes, and zeros.
#[inline(never)]
fn padded(bytes: &[u8]) -> [u8; BLOCK] {
    // The last bytes are read in a whole word, with some of the others a second time.
    let block = if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        u128::from(first) | u128::from(last) << (8 * (bytes.len() - 8))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        u128::from(u64::from(first) | u64::from(last) << (8 * (bytes.len() - 4)))
    } else {
        bytes.iter().rev().fold(0, |block, b| block << 8 | u128::from(*b))
    };
    block.to_le_bytes()
}

/// The block of a [`Text`] that begins at a place, whatever follows the text; in a place that is not yet set, if it must be
/// put together.
macro_rules! block_at {
    ($text:expr, $at:expr, $spare:ident) => {
        match $text.block($at) {
            Some(block) => block,
            None => {
                $spare = $text.padded($at);
                &$spare
            }
        }
    };
}
pub(crate) use block_at;

/// The words of a block, the first one in the low half.
#[inline(always)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is asked for"
)]
pub(crate) fn words(block: u128) -> (u64, u64) {
    (block as u64, (block >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blocks_hold_what_is_there(bytes in proptest::collection::vec(any::<u8>(), 0..40), at in 0_usize..40, len in 0_usize..40) {
            let Some(text) = Text::first(len, &bytes) else {
                prop_assert!(len > bytes.len());
                return Ok(());
            };
            prop_assert_eq!(text.as_bytes(), &bytes[..len]);
            let rest = bytes.get(at..).unwrap_or_default();
            let mut expected = rest.to_vec();
            expected.resize(BLOCK.max(rest.len()), 0);
            let spare;
            prop_assert_eq!(&block_at!(text, at, spare)[..], &expected[..BLOCK]);
        }
    }
}
