//! Constant bytes that are appended row after row.

use crate::append::Append;

/// Bytes of a [`Fragment`] that are copied without a call.
const SHORT: usize = 32;

/// Constant bytes to append. Those of most member names are short.
#[derive(Clone, Debug)]
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
