//! Where transactions end in a topic, for who must not stop inside one: all changes of a transaction have one version, so what
//! comes late of the first half would take the place of the second, where somebody else has written that.

use std::collections::HashMap;

use cdc_core::{Batch, Lsn, Record};
use cdc_kafka::PartitionEnd;
use sink_es::Floors;

/// The transactions that the partitions of one topic are in, as far as they were read. What is read again changes nothing.
#[derive(Debug, Default)]
pub struct Boundary {
    partitions: HashMap<i32, Place>,
}

/// Where a partition is.
#[derive(Debug, Default)]
struct Place {
    floors: Floors,
    /// Highest version; zero if records have none that they share with others.
    version: Lsn,
    /// Whether another transaction has begun.
    passed: bool,
}

impl Place {
    /// A tombstone tells no version: it follows the delete that it belongs to.
    fn version_of(&mut self, record: &Record<'_>) -> Lsn {
        match (record.head.version_lsn, record.value) {
            (told, _) if !told.is_zero() => told,
            (_, None) => self.version,
            (_, value) => self.floors.position_of(value).unwrap_or_default(),
        }
    }
}

impl Boundary {
    fn place(&mut self, record: &Record<'_>) -> Option<&mut Place> {
        Some(self.partitions.entry(record.head.partition?).or_default())
    }

    /// Takes note of records that are handed on.
    pub fn pass(&mut self, batch: &Batch) {
        for record in batch.records() {
            if let Some(place) = self.place(&record) {
                place.version = place.version_of(&record).max(place.version);
            }
        }
    }

    /// Records that end the transactions begun; what follows them in their partitions is left out.
    pub fn ends(&mut self, batch: &Batch) -> Batch {
        let mut out = Batch::default();
        for record in batch.records() {
            let Some(place) = self.place(&record).filter(|place| !place.passed) else {
                continue;
            };
            let version = place.version_of(&record);
            place.passed = version.is_zero() || version > place.version;
            if !place.passed {
                copy(&record, &mut out);
            }
        }
        out
    }

    /// Whether another transaction has begun in every partition that anything was read from.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.partitions.values().all(|place| place.passed)
    }

    /// Whether another transaction has begun in a partition, or nothing was read from it.
    #[must_use]
    pub fn is_passed(&self, (_, partition, _): &PartitionEnd) -> bool {
        let place = self.partitions.get(partition);
        place.is_none_or(|place| place.passed)
    }
}

fn copy(record: &Record<'_>, out: &mut Batch) {
    if let Some(key) = record.key {
        out.buf().extend_from_slice(key);
        out.mark_key();
    }
    for (name, value) in record.headers() {
        out.header(name, value);
    }
    if let Some(value) = record.value {
        out.buf().extend_from_slice(value);
        out.mark_value();
    }
    out.finish(record.head);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::{Position, RecordHead, Topic};

    use super::*;

    /// Records by partition, key and the commit before their transaction; a commit of zero is a tombstone.
    fn batch(records: &[(i32, &str, u64)]) -> Batch {
        let topic = Arc::new(Topic { name: "t".to_owned() });
        let mut out = Batch::default();
        for (partition, key, commit) in records {
            out.buf().extend_from_slice(key.as_bytes());
            out.mark_key();
            if *commit != 0 {
                let value = format!(
                    r#"{{"op":"c","after":{{}},"source":{{"name":"s","sequence":"[\"{commit}\",\"7\"]","lsn":7}}}}"#
                );
                out.buf().extend_from_slice(value.as_bytes());
                out.mark_value();
            }
            out.finish(&RecordHead {
                topic: Arc::clone(&topic),
                partition: Some(*partition),
                timestamp_ms: None,
                position: Position::default(),
                version_lsn: Lsn::ZERO,
            });
        }
        out
    }

    fn keys(batch: &Batch) -> Vec<String> {
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        batch
            .records()
            .map(|r| r.key.map_or_else(String::new, text))
            .collect()
    }

    #[test]
    fn only_what_belongs_to_transactions_begun_comes_through() {
        let mut boundary = Boundary::default();
        assert!(boundary.is_reached());
        boundary.pass(&batch(&[(0, "a", 8), (1, "b", 16), (0, "a", 24)]));
        assert!(!boundary.is_reached());
        // The first partition's transaction goes on, with a delete and its tombstone, and something that is read again; the
        // second's has ended. A third one begins with another transaction.
        let rest = batch(&[
            (0, "c", 24),
            (1, "d", 24),
            (0, "c", 0),
            (2, "e", 24),
            (0, "c", 16),
            (0, "f", 32),
            (0, "g", 24),
            (1, "h", 16),
        ]);
        assert_eq!(keys(&boundary.ends(&rest)), ["c", "c", "c"]);
        assert!(boundary.is_reached());
        assert_eq!(keys(&boundary.ends(&batch(&[(0, "i", 24)]))), [""; 0]);
    }

    #[test]
    fn a_partition_that_is_silent_is_still_open() {
        let mut boundary = Boundary::default();
        boundary.pass(&batch(&[(0, "a", 8), (1, "b", 8)]));
        assert_eq!(keys(&boundary.ends(&batch(&[(0, "c", 16)]))), [""; 0]);
        let passed = |partition| boundary.is_passed(&("t".to_owned(), partition, 1));
        assert_eq!([passed(0), passed(1), passed(2)], [true, false, true]);
        assert!(!boundary.is_reached());
    }

    #[test]
    fn records_without_a_version_stand_for_themselves() {
        let mut boundary = Boundary::default();
        let mut plain = Batch::default();
        for key in ["a", "b"] {
            plain.buf().extend_from_slice(key.as_bytes());
            plain.mark_key();
            plain.buf().extend_from_slice(b"{}");
            plain.mark_value();
            let head = batch(&[(0, "", 8)]);
            let head = head.records().next().unwrap().head;
            plain.finish(head);
        }
        boundary.pass(&plain);
        assert_eq!(keys(&boundary.ends(&plain)), [""; 0]);
        assert!(boundary.is_reached());
    }
}
