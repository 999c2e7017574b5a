//! A record's own bytes, as they were before any transform, kept in one buffer until its document is settled, for a dead letter.

use cdc_core::{Batch, Record};

/// Length that stands for null.
const NULL: u32 = u32::MAX;

/// Appends key, value and headers.
pub(crate) fn keep(record: &Record<'_>, out: &mut Vec<u8>) {
    let record = record.original();
    part(record.key, out);
    part(record.value, out);
    for (name, value) in record.headers() {
        part(Some(name), out);
        part(value, out);
    }
}

/// What was kept: key, value, and the headers' names and values.
pub(crate) type Kept<'a> = (
    Option<&'a [u8]>,
    Option<&'a [u8]>,
    Vec<(&'a [u8], Option<&'a [u8]>)>,
);

/// Key, value and headers.
pub(crate) fn read(kept: &[u8]) -> Kept<'_> {
    let mut parts = Parts(kept);
    let (key, value) = (parts.next().flatten(), parts.next().flatten());
    let mut headers = Vec::new();
    while let (Some(Some(name)), Some(value)) = (parts.next(), parts.next()) {
        headers.push((name, value));
    }
    (key, value, headers)
}

/// Writes key, value and headers into a batch as the record that is being written there; headers are marked last.
pub(crate) fn restore(kept: &[u8], batch: &mut Batch) {
    let (key, value, headers) = read(kept);
    if let Some(key) = key {
        batch.buf().extend_from_slice(key);
        batch.mark_key();
    }
    if let Some(value) = value {
        batch.buf().extend_from_slice(value);
        batch.mark_value();
    }
    for (name, value) in headers {
        batch.header(name, value);
    }
}

fn part(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    let len = bytes.map_or(NULL, |b| u32::try_from(b.len()).unwrap_or(NULL));
    out.extend_from_slice(&len.to_le_bytes());
    if len != NULL {
        out.extend_from_slice(bytes.unwrap_or_default());
    }
}

struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (len, rest) = self.0.split_first_chunk::<4>()?;
        let len = u32::from_le_bytes(*len);
        if len == NULL {
            self.0 = rest;
            return Some(None);
        }
        let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::{Lsn, Position, RecordHead, Topic};

    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was() {
        let head = RecordHead {
            topic: Arc::new(Topic { name: "t".into() }),
            partition: None,
            timestamp_ms: None,
            position: Position::default(),
            version_lsn: Lsn::ZERO,
        };
        let mut batch = Batch::default();
        batch.buf().extend_from_slice(b"k");
        batch.mark_key();
        batch.header(b"a", Some(b"1"));
        batch.header(b"b", None);
        batch.finish(&head);
        let mut kept = Vec::new();
        keep(&batch.records().next().unwrap(), &mut kept);
        let mut back = Batch::default();
        restore(&kept, &mut back);
        back.finish(&head);
        let record = back.records().next().unwrap();
        assert_eq!((record.key, record.value), (Some(&b"k"[..]), None));
        let headers: Vec<_> = record.headers().collect();
        assert_eq!(headers, [(&b"a"[..], Some(&b"1"[..])), (b"b", None)]);
    }
}
