//! One record to one bulk entry: document, `_id`, version.

use std::hash::BuildHasher as _;
use std::io::Write as _;

use cdc_core::{Record, RecordHead};

use crate::bulk::Entry;
use crate::config::{BadDocument, DeleteOn, IndexConfig, Versions};
use crate::dead_letter;
use crate::envelope::{Event, Other};
use crate::key;
use crate::route::{Place, Routes};
use crate::telemetry::Skipped;
use crate::version::{self, NoVersion};

/// What becomes of a record.
#[derive(Debug)]
pub(crate) enum Encoded<'a> {
    /// It is written.
    Entry(Entry<'a>),
    /// It is left out.
    Skip(Skipped),
    /// It cannot be made into a document.
    Bad { place: Place, reason: &'static str },
    /// Its topic has no route yet: add one, then come again.
    NewTopic,
}

/// Encodes records in order.
#[derive(Debug)]
pub(crate) struct Encoder {
    versions: Versions,
    delete_on: DeleteOn,
    separator: char,
    keep_headers: bool,
    pub(crate) routes: Routes,
    hasher: foldhash::fast::RandomState,
    id: String,
    headers: Vec<u8>,
    /// `_id` hash of the record before, if that was a delete event: its tombstone adds nothing.
    deleted: Option<u64>,
}

impl Encoder {
    pub(crate) fn new(config: &IndexConfig) -> Self {
        Self {
            versions: config.versions,
            delete_on: config.delete_on,
            separator: config.id_separator,
            keep_headers: matches!(config.on_bad_document, BadDocument::DeadLetter(_)),
            routes: Routes::new(&config.name),
            hasher: foldhash::fast::RandomState::default(),
            id: String::new(),
            headers: Vec::new(),
            deleted: None,
        }
    }

    /// Encodes one record.
    pub(crate) fn encode<'a>(&'a mut self, record: &Record<'a>) -> Encoded<'a> {
        let Some(entry) = self.routes.find(&record.head.topic) else {
            return Encoded::NewTopic;
        };
        let place = Place::new(&entry.route, record.head);
        let reading = match entry.reader.read(record.value) {
            Ok(reading) => reading,
            Err(e) => {
                self.deleted = None;
                return Encoded::Bad {
                    place,
                    reason: e.text(),
                };
            }
        };
        let before = self.deleted.take();
        if let Some(why) = self.leaves_out(&reading.event) {
            if why == Skipped::Delete {
                // Its tombstone says no version, and takes this one.
                let version = version::of(self.versions, record.head, reading.source);
                self.note_version(record.head, version.unwrap_or(None));
            }
            return Encoded::Skip(why);
        }
        let keyed = match key_text(record.key, self.separator, &mut self.id) {
            Ok(keyed) => keyed,
            Err(reason) => return Encoded::Bad { place, reason },
        };
        let document = match reading.event {
            Event::Put(document) => Some(document),
            _ if !keyed => return Encoded::Skip(Skipped::NoKey),
            _ => None,
        };
        let has_id = keyed || place_id(record.head, reading.read, &mut self.id);
        let hash = self
            .hasher
            .hash_one((place.route.index.as_str(), has_id, self.id.as_str()));
        match reading.event {
            Event::Delete => self.deleted = Some(hash),
            Event::Tombstone if before == Some(hash) => return Encoded::Skip(Skipped::Tombstone),
            _ => {}
        }
        let version = match version::of(self.versions, record.head, reading.source) {
            Ok(version) => version,
            Err(NoVersion::NoPosition) if reading.event == Event::Tombstone => {
                match self.last_version(record.head) {
                    Some(version) => Some(version),
                    None => return Encoded::Skip(Skipped::NoPosition),
                }
            }
            Err(e) => {
                return Encoded::Bad {
                    place,
                    reason: e.text(),
                };
            }
        };
        self.note_version(record.head, version);
        self.headers.clear();
        if self.keep_headers {
            dead_letter::headers(record.headers(), &mut self.headers);
        }
        Encoded::Entry(Entry {
            place,
            id: has_id.then_some(self.id.as_str()),
            hash,
            version,
            document,
            headers: Some(self.headers.as_slice()).filter(|h| !h.is_empty()),
        })
    }

    fn leaves_out(&self, event: &Event<'_>) -> Option<Skipped> {
        Some(match event {
            Event::Other(Other::Truncate) => Skipped::Truncate,
            Event::Other(Other::Message) => Skipped::Message,
            Event::Other(Other::Heartbeat) => Skipped::Heartbeat,
            Event::Other(Other::Transaction) => Skipped::Transaction,
            Event::Tombstone if self.delete_on == DeleteOn::DeleteEvent => Skipped::Tombstone,
            Event::Delete if self.delete_on == DeleteOn::Tombstone => Skipped::Delete,
            _ => return None,
        })
    }

    /// Versions never fall along a partition. So the last one is not above a tombstone's own, and not below that of the
    /// state which the tombstone ends.
    fn last_version(&mut self, head: &RecordHead) -> Option<u64> {
        self.routes
            .find(&head.topic)?
            .versions
            .get(&head.partition)
            .copied()
    }

    fn note_version(&mut self, head: &RecordHead, version: Option<u64>) {
        // The engine's own records carry a version, tombstones too.
        if self.versions != Versions::ExternalFromWal || !head.version_lsn.is_zero() {
            return;
        }
        if let (Some(version), Some(entry)) = (version, self.routes.find(&head.topic)) {
            entry.versions.insert(head.partition, version);
        }
    }
}

fn key_text(key: Option<&[u8]>, separator: char, id: &mut String) -> Result<bool, &'static str> {
    let mut bytes = std::mem::take(id).into_bytes();
    let keyed = key::id(key, separator, &mut bytes).map_err(|e| e.text())?;
    *id = String::from_utf8(bytes).map_err(|_| key::BadKey.text())?;
    Ok(keyed)
}

/// The `_id` of a record without a key: the place that is the same in every replay, so that a repeated record is one
/// document. False for a snapshot row, which has no such place: the server chooses, and a second snapshot adds it again.
fn place_id(head: &RecordHead, snapshot: bool, id: &mut String) -> bool {
    let mut bytes = std::mem::take(id).into_bytes();
    bytes.clear();
    let p = head.position;
    let written = match (version::kafka_offset(head), head.partition) {
        (Some(offset), Some(partition)) => write!(bytes, "{}+{partition}+{offset}", head.topic.name).is_ok(),
        _ if snapshot || p.commit_lsn.is_zero() => false,
        _ => write!(bytes, "{}+{}+{}", head.topic.name, p.commit_lsn.0, p.seq).is_ok(),
    };
    *id = String::from_utf8(bytes).unwrap_or_default();
    written
}
