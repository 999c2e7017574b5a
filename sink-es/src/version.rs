//! Where a document's version comes from.

use cdc_core::{HeadRef, Lsn, Record};

use crate::config::Versions;
use crate::envelope::EnvelopeReader;
use crate::json;

/// A record's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    /// None when versions are off.
    pub(crate) number: Option<u64>,
    /// It may be lower than that of a state before: see [`Floors`].
    pub(crate) unsure: bool,
}

impl Version {
    /// Without one.
    pub(crate) const NONE: Self = Self::sure(None);

    pub(crate) const fn sure(number: Option<u64>) -> Self {
        Self {
            number,
            unsure: false,
        }
    }
}

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
pub(crate) fn kafka_offset(head: HeadRef<'_>) -> Option<u64> {
    (head.position.commit_lsn.is_zero() && head.partition.is_some()).then_some(head.position.seq)
}

/// The version of a record.
///
/// # Errors
/// When the configured kind cannot be had.
pub(crate) fn of(
    kind: &Versions,
    record: &Record<'_>,
    source: Option<&[u8]>,
    floors: &mut Floors,
) -> Result<Version, NoVersion> {
    let head = record.head;
    match kind {
        Versions::Header(name) => {
            let mut named = record.headers().filter(|(n, _)| *n == name.as_bytes());
            let value = named.next().and_then(|(_, value)| header(value?));
            value.map(|v| Version::sure(Some(v))).ok_or(NoVersion::Header)
        }
        Versions::None => Ok(Version::NONE),
        Versions::KafkaOffset => {
            let offset = kafka_offset(head).ok_or(NoVersion::Offset)?;
            Ok(Version::sure(Some(offset)))
        }
        Versions::ExternalFromWal if !head.version_lsn.is_zero() => {
            Ok(Version::sure(Some(from_lsn(head.version_lsn))))
        }
        Versions::ExternalFromWal => {
            let source = source.ok_or(NoVersion::Position)?;
            let (lsn, unsure) = floors.position(source).ok_or(NoVersion::Position)?;
            Ok(Version {
                number: Some(from_lsn(lsn)),
                unsure,
            })
        }
    }
}

/// Where snapshots stand that were read from a partition, by server: below that no change of the stream behind them may be.
///
/// An envelope tells the end of the last commit before its transaction (`source.sequence`), which rises along the stream.
/// The first transaction behind a snapshot has none; its rows have positions of their own, which lie below the snapshot's if
/// it was open while that was taken. So they take the snapshot's. Where that has not been read in this run, the version is
/// not sure: a server that has a higher one is asked for it.
#[derive(Debug, Default)]
pub struct Floors {
    by_server: Vec<(Vec<u8>, u64)>,
}

impl Floors {
    /// The position that a consumed record's envelope tells, for a version after the envelope is gone.
    pub fn position_of(&mut self, value: Option<&[u8]>) -> Option<Lsn> {
        let mut reader = EnvelopeReader::new(true);
        let source = reader.read(value).ok()?.source?;
        self.position(source).map(|(lsn, _)| lsn)
    }

    /// The position, and whether it is not sure.
    fn position(&mut self, source: &[u8]) -> Option<(Lsn, bool)> {
        let told = Told::read(source);
        let found = |lsn: u64, unsure| (lsn != 0).then_some((Lsn(lsn), unsure));
        if told.snapshot {
            let lsn = told.commit.or(told.own)?;
            if told.commit.is_none() {
                self.raise(told.server, lsn);
            }
            return found(lsn, false);
        }
        let floor = self.by_server.iter().find(|(name, _)| name == told.server);
        let floor = floor.map(|(_, lsn)| *lsn);
        match (told.commit, floor) {
            (Some(commit), Some(floor)) if commit >= floor => {
                // The stream has passed it: versions follow from the records alone.
                self.by_server.retain(|(name, _)| name != told.server);
                found(commit, false)
            }
            (Some(commit), floor) => found(commit.max(floor.unwrap_or_default()), false),
            (None, Some(floor)) => found(told.own?.max(floor), false),
            (None, None) => found(told.own?, true),
        }
    }

    fn raise(&mut self, server: &[u8], lsn: u64) {
        match self.by_server.iter_mut().find(|(name, _)| name == server) {
            Some((_, known)) => *known = lsn.max(*known),
            None => self.by_server.push((server.to_vec(), lsn)),
        }
    }
}

/// Versions are signed 64-bit numbers for the servers. Log records begin at multiples of 8, so nothing is lost.
fn from_lsn(lsn: Lsn) -> u64 {
    lsn.0 >> 3
}

/// What a source block tells of the record's position.
struct Told<'a> {
    /// Name of the server.
    server: &'a [u8],
    /// End of the last commit before the row's transaction (`sequence`).
    commit: Option<u64>,
    /// The row's own position. Alone it is no version: a transaction that is open for long commits after others whose rows
    /// lie behind its own.
    own: Option<u64>,
    /// Whether a snapshot has read the row.
    snapshot: bool,
}

impl<'a> Told<'a> {
    fn read(source: &'a [u8]) -> Self {
        let mut told = Self {
            server: &[],
            commit: None,
            own: None,
            snapshot: false,
        };
        for member in json::members(source).map_while(Result::ok) {
            match member.key {
                b"name" => told.server = member.value,
                b"sequence" => told.commit = json::string_contents(member.value).and_then(first_of_sequence),
                b"lsn" => told.own = number(member.value),
                b"snapshot" => {
                    told.snapshot = !matches!(member.value, b"null" | b"false" | b"\"false\"");
                }
                _ => {}
            }
        }
        told
    }
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
pub(crate) mod tests {
    use std::sync::Arc;

    use cdc_core::{Batch, Position, RecordHead, Topic};

    use super::*;

    /// The head of a record.
    pub(crate) fn head(version: u64, commit: u64, seq: u64, partition: Option<i32>) -> RecordHead {
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
            let source = source.map(str::as_bytes);
            of(
                &Versions::ExternalFromWal,
                &record,
                source,
                &mut Floors::default(),
            )
            .map(|v| v.number)
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
    fn no_change_behind_a_snapshot_is_older_than_its_rows() {
        let mut partitions = [Floors::default(), Floors::default()];
        let mut v = |partition: usize, source: &str| {
            let source = source.replace('\'', "\\\"");
            let found = partitions[partition].position(source.as_bytes()).unwrap();
            (found.0.0, found.1)
        };
        let read = r#"{"name":"a","snapshot":"last","sequence":"[null,'200']","lsn":200}"#;
        let open = r#"{"name":"a","snapshot":"false","sequence":"[null,'150']","lsn":150}"#;
        // Nothing is known of what was read before.
        assert_eq!(v(0, open), (150, true));
        assert_eq!(v(0, read), (200, false));
        assert_eq!(v(0, open), (200, false));
        // Another server, another partition.
        assert_eq!(v(0, &open.replace("\"a\"", "\"b\"")), (150, true));
        assert_eq!(v(1, open), (150, true));
        // A stream that begins before the snapshot.
        let commit = |lsn: u64| {
            format!(r#"{{"name":"a","snapshot":"false","sequence":"['{lsn}','{lsn}']","lsn":{lsn}}}"#)
        };
        assert_eq!(v(0, &commit(180)), (200, false));
        assert_eq!(v(0, &commit(210)), (210, false));
        // From here on the records tell it.
        assert_eq!(v(0, &commit(180)), (180, false));
        assert_eq!(v(0, open), (150, true));
    }

    #[test]
    fn offsets_are_versions_only_for_consumed_records() {
        let v = |kind: &Versions, head: &RecordHead| {
            let batch = record(head, None);
            let record = batch.records().next().unwrap();
            of(kind, &record, None, &mut Floors::default()).map(|v| v.number)
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
                of(
                    &kind,
                    &batch.records().next().unwrap(),
                    None,
                    &mut Floors::default()
                )
                .map(|v| v.number),
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
        batch.finish(head);
        batch
    }
}
