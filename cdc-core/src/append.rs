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

    /// Appends them.
    #[inline(always)]
    pub(crate) fn append(self, out: &mut Vec<u8>) {
        append_head(out, &self.bytes, self.len);
    }
}
