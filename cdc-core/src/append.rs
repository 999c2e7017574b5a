//! Appending few bytes without a call.

/// Appends the first `len` bytes of a block. All of it is copied, for a copy whose size the compiler knows is a few
/// instructions where `memcpy` is a call; the rest is cut off again.
#[inline(always)]
pub(crate) fn append_head<const N: usize>(out: &mut Vec<u8>, block: &[u8; N], len: usize) {
    debug_assert!(len <= N, "a head longer than its block");
    let end = out.len() + len;
    out.extend_from_slice(block);
    out.truncate(end);
}

/// At most sixteen bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Few {
    bytes: [u8; 16],
    len: usize,
}

impl Few {
    /// The `len` lowest bytes of a number, the lowest one first.
    #[inline]
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
    pub(crate) fn append(self, out: &mut Vec<u8>) {
        append_head(out, &self.bytes, self.len);
    }
}
