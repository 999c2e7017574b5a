//! Captured streams.
//!
//! A capture is what `COPY … TO STDOUT (FORMAT binary)` writes for the two columns `lsn int8, data bytea`: a signature
//! and flags (19 bytes), then for each message the column count `i16` = 2, the length `i32` = 8, the LSN `u64`,
//! the payload's length `i32`, the payload; at the end an `i16` of −1. `dev/capture-frames` makes them.

use crate::Lsn;

const SIGNATURE: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// The messages of a capture: the LSN of the frame, and its payload.
///
/// # Panics
/// If the bytes are no such capture, or end early.
#[must_use]
pub fn messages(mut bytes: &[u8]) -> Vec<(Lsn, &[u8])> {
    let signature = take(&mut bytes, SIGNATURE.len());
    assert_eq!(signature, SIGNATURE, "not a binary COPY without flags");
    let mut messages = Vec::new();
    loop {
        let columns = i16::from_be_bytes(array(&mut bytes));
        if columns == -1 {
            assert!(bytes.is_empty(), "bytes after the end mark");
            return messages;
        }
        assert_eq!(
            (columns, i32::from_be_bytes(array(&mut bytes))),
            (2, 8),
            "lsn, data"
        );
        let lsn = Lsn(u64::from_be_bytes(array(&mut bytes)));
        let len = u32::from_be_bytes(array(&mut bytes));
        messages.push((lsn, take(&mut bytes, len as usize)));
    }
}

fn array<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(take(bytes, N));
    array
}

fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
    assert!(bytes.len() >= n, "the capture ends early");
    let (head, rest) = bytes.split_at(n);
    *bytes = rest;
    head
}
