//! One reused buffer a thread, for values that must be rewritten before they can be encoded.

use std::cell::Cell;

/// Buffers that grew beyond this many bytes are given back to the allocator.
const KEEP: usize = 1 << 20;

thread_local! {
    static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static ENTRIES: Cell<Vec<Entry>> = const { Cell::new(Vec::new()) };
}

/// A key and its value inside a text, with the key's place in Java's hash table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Java's spread hash, then the bucket.
    pub(super) hash: u32,
    /// First byte of the key, and the first after it.
    pub(super) key: (usize, usize),
    /// First byte of the value, and the first after it; none for NULL.
    pub(super) value: Option<(usize, usize)>,
}

/// Runs `f` with an empty byte buffer. Nested calls get buffers of their own.
pub(super) fn with_bytes<R>(f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = BYTES.take();
    buffer.clear();
    let result = f(&mut buffer);
    if buffer.capacity() <= KEEP {
        BYTES.set(buffer);
    }
    result
}

/// Runs `f` with an empty list of entries.
pub(super) fn with_entries<R>(f: impl FnOnce(&mut Vec<Entry>) -> R) -> R {
    let mut buffer = ENTRIES.take();
    buffer.clear();
    let result = f(&mut buffer);
    if buffer.capacity() <= KEEP / size_of::<Entry>() {
        ENTRIES.set(buffer);
    }
    result
}

/// Puts entries into the order in which Java's `HashMap` iterates them: by bucket, then by insertion.
///
/// `table` is the table's size before the first insertion, a power of two; it doubles whenever three quarters are
/// exceeded.
pub(super) fn order_as_java(entries: &mut [Entry], table: usize) {
    let mut size = table;
    while entries.len() > size * 3 / 4 && size < 1 << 30 {
        size *= 2;
    }
    let mask = u32::try_from(size - 1).unwrap_or(u32::MAX);
    for entry in entries.iter_mut() {
        entry.hash &= mask;
    }
    // Stable, and on input that is all but sorted without allocation; small inputs never allocate.
    entries.sort_by_key(|e| e.hash);
}
