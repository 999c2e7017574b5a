//! Constant bytes that are appended row after row.

use crate::append::{Append, SHORT};

/// Constant bytes to append. Those of most member names are short.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragment {
    /// The bytes, then zeros, if they fit.
    short: [u8; SHORT],
    len: usize,
    /// The bytes, if they do not.
    long: Box<[u8]>,
}

impl Fragment {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut short = [0; SHORT];
        match short.get_mut(..bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => {
                return Self {
                    short,
                    len: bytes.len(),
                    long: bytes.into(),
                };
            }
        }
        Self {
            short,
            len: bytes.len(),
            long: Box::default(),
        }
    }

    /// How many bytes it is.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The bytes with zeros behind them; none if they are too many.
    #[inline(always)]
    pub(super) fn block(&self) -> Option<&[u8; SHORT]> {
        (self.len <= SHORT).then_some(&self.short)
    }

    /// Appends the bytes.
    #[inline(always)]
    pub(super) fn append<O: Append>(&self, out: &mut O) {
        if self.len > SHORT {
            return out.bytes(&self.long);
        }
        out.head(&self.short, self.len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_of_any_length_are_appended_whole() {
        for len in 0..=2 * SHORT {
            let bytes: Vec<u8> = (1..).take(len).collect();
            let mut out = b"before".to_vec();
            Fragment::new(&bytes).append(&mut out);
            assert_eq!(out, [b"before", bytes.as_slice()].concat());
        }
    }
}
