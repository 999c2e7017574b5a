//! Where a document's version comes from.

use cdc_core::{Lsn, Record, RecordHead};

use crate::config::Versions;
use crate::envelope::EnvelopeReader;
use crate::json;

/// Why a record has no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoVersion {
    /// Neither the record nor its `source` block says a position in the write-ahead log.
    Position,
    /// The record was not consumed from Kafka.
    Offset,
    /// The header is not there, or holds no whole number that a version can be.
    Header,
}

impl NoVersion {
    /// One clause for errors and dead letters.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Position => {
                "the record has no position in the write-ahead log: set index.versions to kafka_offset or none"
            }
            Self::Offset => {
                "the record was not consumed from Kafka: set index.versions to external_from_wal or none"
            }
            Self::Header => "the header of index.versions.header is missing, or holds no whole number",
        }
    }
}

/// The offset of a record consumed from Kafka. Such records have no commit position of their own, and carry the offset in
/// its place (see [`RecordHead::position`]).
pub(crate) fn kafka_offset(head: &RecordHead) -> Option<u64> {
    (head.position.commit_lsn.is_zero() && head.partition.is_some()).then_some(head.position.seq)
}

/// The version of a record, or none when versions are off.
///
/// # Errors
/// When the configured kind cannot be had.
pub(crate) fn of(
    kind: &Versions,
    record: &Record<'_>,
    source: Option<&[u8]>,
) -> Result<Option<u64>, NoVersion> {
    let head = record.head;
    match kind {
        Versions::Header(name) => {
            let mut named = record.headers().filter(|(n, _)| *n == name.as_bytes());
            let value = named.next().and_then(|(_, value)| header(value?));
            value.map(Some).ok_or(NoVersion::Header)
        }
        Versions::None => Ok(None),
        Versions::KafkaOffset => kafka_offset(head).map(Some).ok_or(NoVersion::Offset),
        Versions::ExternalFromWal => {
            let lsn = if head.version_lsn.is_zero() {
                source.and_then(source_lsn).ok_or(NoVersion::Position)?
            } else {
                head.version_lsn
            };
            Ok(Some(from_lsn(lsn)))
        }
    }
}

/// The position that a consumed record's envelope tells, for a version after the envelope is gone.
#[must_use]
pub fn position_of(record: &Record<'_>) -> Option<Lsn> {
    let mut reader = EnvelopeReader::new(true);
    source_lsn(reader.read(record.value).ok()?.source?)
}

/// Versions are signed 64-bit numbers for the servers. Log records begin at multiples of 8, so nothing is lost.
fn from_lsn(lsn: Lsn) -> u64 {
    lsn.0 >> 3
}

/// The end of the last commit before the row's transaction (`source.sequence`), else the row's own position.
///
/// The row's own position alone is no version: a transaction that is open for long commits after others whose rows lie
/// behind its own. It is used where the first is not known: for snapshot rows and before the first commit.
fn source_lsn(source: &[u8]) -> Option<Lsn> {
    let (mut commit, mut own) = (None, None);
    for member in json::members(source) {
        let member = member.ok()?;
        match member.key {
            b"sequence" => commit = json::string_contents(member.value).and_then(first_of_sequence),
            b"lsn" => own = number(member.value),
            _ => {}
        }
    }
    commit.or(own).filter(|&lsn| lsn != 0).map(Lsn)
}

/// First element of `["24023","24056"]` as it stands inside a JSON string, so with a backslash before each quote.
fn first_of_sequence(raw: &[u8]) -> Option<u64> {
    let rest = raw.strip_prefix(b"[\\\"")?;
    let end = memchr::memchr(b'\\', rest)?;
    number(rest.get(..end)?)
}

/// A header's number, as text or as a JSON string, with or without a schema beside it.
fn header(value: &[u8]) -> Option<u64> {
    let value = crate::key::payload(value).ok()?;
    let value = json::string_contents(value).unwrap_or(value);
    number(value).filter(|&n| i64::try_from(n).is_ok())
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::{Batch, Position, Topic};

    use super::*;

    fn head(version: u64, commit: u64, seq: u64, partition: Option<i32>) -> RecordHead {
        RecordHead {
            topic: Arc::new(Topic { name: "t".into() }),
            partition,
            timestamp_ms: None,
            position: Position {
                commit_lsn: Lsn(commit),
                seq,
            },
            version_lsn: Lsn(version),
        }
    }

    #[test]
    fn the_position_comes_from_the_first_place_that_has_one() {
        let v = |head: &RecordHead, source: Option<&str>| {
            let batch = record(head, None);
            let record = batch.records().next().unwrap();
            of(&Versions::ExternalFromWal, &record, source.map(str::as_bytes))
        };
        let sequence = r#"{"lsn":80,"sequence":"[\"160\",\"80\"]","snapshot":"false"}"#;
        assert_eq!(v(&head(800, 1, 1, None), Some(sequence)), Ok(Some(100)));
        assert_eq!(v(&head(0, 1, 1, None), Some(sequence)), Ok(Some(20)));
        let first = r#"{"lsn":80,"sequence":"[null,\"80\"]"}"#;
        assert_eq!(v(&head(0, 1, 1, None), Some(first)), Ok(Some(10)));
        assert_eq!(
            v(&head(0, 1, 1, None), Some(r#"{"snapshot":"true","lsn":88}"#)),
            Ok(Some(11))
        );
        for none in [None, Some("{}"), Some(r#"{"lsn":null}"#), Some(r#"{"lsn":0}"#)] {
            assert_eq!(v(&head(0, 1, 1, None), none), Err(NoVersion::Position));
        }
        assert_eq!(v(&head(u64::MAX, 1, 1, None), None), Ok(Some(u64::MAX >> 3)));
    }

    #[test]
    fn offsets_are_versions_only_for_consumed_records() {
        let v = |kind: &Versions, head: &RecordHead| {
            of(kind, &record(head, None).records().next().unwrap(), None)
        };
        assert_eq!(v(&Versions::KafkaOffset, &head(8, 0, 0, Some(3))), Ok(Some(0)));
        assert_eq!(
            v(&Versions::KafkaOffset, &head(8, 5, 1, None)),
            Err(NoVersion::Offset)
        );
        assert_eq!(v(&Versions::None, &head(8, 0, 0, None)), Ok(None));
    }

    #[test]
    fn headers_are_versions_when_they_are_numbers() {
        let kind = Versions::Header("v".into());
        for (value, want) in [
            (Some("17"), Ok(Some(17))),
            (Some("\"17\""), Ok(Some(17))),
            (Some(r#"{"schema":{"type":"int64"},"payload":5}"#), Ok(Some(5))),
            (Some("9223372036854775807"), Ok(Some(i64::MAX.unsigned_abs()))),
            (Some("9223372036854775808"), Err(NoVersion::Header)),
            (Some("x"), Err(NoVersion::Header)),
            (Some("-1"), Err(NoVersion::Header)),
            (None, Err(NoVersion::Header)),
        ] {
            let batch = record(&head(8, 0, 0, None), value);
            assert_eq!(
                of(&kind, &batch.records().next().unwrap(), None),
                want,
                "{value:?}"
            );
        }
    }

    fn record(head: &RecordHead, header: Option<&str>) -> Batch {
        let mut batch = Batch::default();
        if let Some(value) = header {
            batch.header(b"v", Some(value.as_bytes()));
        }
        batch.finish(head.clone());
        batch
    }
}
