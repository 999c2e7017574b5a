//! One record to one bulk entry: document, `_id`, version.

use std::hash::BuildHasher as _;
use std::io::Write as _;
use std::sync::Arc;

use cdc_core::{Failure, HeadRef, Record};

use crate::bulk::{Entry, Op};
use crate::config::{DeleteOn, IdFrom, IndexConfig, Versions};
use crate::envelope::{Event, Other, Reading};
use crate::route::{Place, Route, Routes};
use crate::telemetry::Skipped;
use crate::template::{NO_ROW, Pieces, Row, Template, find};
use crate::unavailable::Unavailable;
use crate::version::{self, NoVersion, Version};
use crate::{before, json, key, original};

/// What becomes of a record.
#[derive(Debug)]
pub(crate) enum Encoded<'a> {
    /// It is written.
    Entry(Entry<'a>),
    /// It is left out.
    Skip(Skipped),
    /// It cannot be made into a document.
    Bad { place: Place, reason: &'static str },
    /// It did not get through its transforms.
    Failed { place: Place, failure: &'a Failure },
    /// Its topic has no route yet: add one, then come again.
    NewTopic,
    /// Its schema was not seen before: note what follows from it, then come again.
    NewSchema(Vec<u8>),
    /// A tombstone that does not tell all: look for its document, and take the rest from there.
    Unknown(Entry<'a>, Unknown),
}

/// What a tombstone does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) version: bool,
    /// The documents that have its `_id` may be anywhere.
    pub(crate) routing: bool,
}

/// Encodes records in order.
#[derive(Debug)]
pub(crate) struct Encoder {
    versions: Versions,
    delete_on: DeleteOn,
    separator: char,
    /// Whether a record is kept until its document is settled, for a dead letter.
    keep: bool,
    /// For data streams: fields that become `@timestamp`.
    timestamps: Option<Vec<String>>,
    pub(crate) routes: Routes,
    hasher: foldhash::fast::RandomState,
    id: String,
    routing: String,
    kept: Vec<u8>,
    document: Vec<u8>,
    unavailable: Option<Unavailable>,
    /// The document without the fields whose values were not sent, and their names.
    stripped: Vec<u8>,
    lacks: Vec<Vec<u8>>,
}

impl Encoder {
    pub(crate) fn new(config: &IndexConfig) -> Self {
        Self {
            versions: config.versions.clone(),
            delete_on: config.delete_on,
            separator: config.id_separator,
            keep: config.keeps_letters(),
            timestamps: config.streams().then(|| {
                config
                    .data_stream
                    .as_ref()
                    .map_or_else(Vec::new, |d| d.timestamp_fields.clone())
            }),
            routes: Routes::new(config),
            hasher: foldhash::fast::RandomState::default(),
            id: String::new(),
            routing: String::new(),
            kept: Vec::new(),
            document: Vec::new(),
            unavailable: Unavailable::new(&config.unavailable_value),
            stripped: Vec::new(),
            lacks: Vec::new(),
        }
    }

    /// Encodes one record.
    pub(crate) fn encode<'a>(&'a mut self, record: &Record<'a>) -> Encoded<'a> {
        if let Some(failure) = record.failure() {
            let route = Arc::new(Route::nowhere(record.head.topic));
            let place = Place::new(&route, record);
            return Encoded::Failed { place, failure };
        }
        let Some(entry) = self.routes.find(record.head.topic) else {
            return Encoded::NewTopic;
        };
        let place = Place::new(&entry.route, record);
        let read = entry.reader.read(record.value);
        if entry.route.typed
            && let Some(schema) = entry.reader.new_schema()
        {
            return Encoded::NewSchema(schema.to_vec());
        }
        let shape = entry.shape.clone();
        let before = entry.partitions.at(record.head).deleted.take();
        let reading = match read {
            Ok(reading) => reading,
            Err(e) => {
                return Encoded::Bad {
                    place,
                    reason: e.text(),
                };
            }
        };
        entry.flat |= matches!(reading.event, Event::Put(_)) && reading.source.is_none();
        if reading.event == Event::Other(Other::Truncate) && !std::mem::replace(&mut entry.truncated, true) {
            tracing::warn!(
                topic = record.head.topic.name,
                index = entry.route.index,
                "the table was truncated: its documents stay in the index"
            );
        }
        if let Some(why) = self.leaves_out(&reading.event) {
            if why == Skipped::Delete {
                // Its tombstone says no version, and takes this one.
                let version = self.version(record, &reading);
                self.note_version(record.head, version.unwrap_or(Version::NONE));
            }
            return Encoded::Skip(why);
        }
        if self.delete_on == DeleteOn::Refuse && matches!(reading.event, Event::Delete | Event::Tombstone) {
            let reason = "the record deletes a document, and index.delete_on is refuse";
            return Encoded::Bad { place, reason };
        }
        if matches!(reading.event, Event::Delete | Event::Tombstone) {
            let deletion = Some(self.hasher.hash_one(record.key));
            if reading.event == Event::Tombstone && before == deletion {
                return Encoded::Skip(Skipped::Tombstone);
            }
            if let (Event::Delete, Some(entry)) = (reading.event, self.routes.find(record.head.topic)) {
                entry.partitions.at(record.head).deleted = deletion;
            }
        }
        let route = &place.route;
        let keyed = match self.id_of(route, record, &reading) {
            Ok(keyed) => keyed,
            Err(NO_ROW) if self.is_left_to_its_event(record.head, &reading) => {
                return Encoded::Skip(Skipped::Tombstone);
            }
            Err(reason) => return Encoded::Bad { place, reason },
        };
        let mut document = match reading.event {
            Event::Put(document) => Some(document),
            _ if !keyed => return Encoded::Skip(Skipped::NoKey),
            _ => None,
        };
        let (mut routed, mut unrouted) = (false, false);
        if let Some(template) = &route.routing {
            match render(template, record, &reading, &mut self.routing) {
                Ok(()) => routed = true,
                Err(NO_ROW) if reading.event == Event::Tombstone => unrouted = true,
                Err(reason) => return Encoded::Bad { place, reason },
            }
        }
        let has_id =
            keyed || (route.id_from != IdFrom::Auto && place_id(record.head, reading.read, &mut self.id));
        let hash = self
            .hasher
            .hash_one((route.index.as_str(), has_id, self.id.as_str()));
        let op = match (document.is_some(), route.put) {
            (false, _) => Op::Delete,
            (true, Op::Update) if !has_id => Op::Index,
            (true, put) => put,
        };
        let (version, known) = match self.version_of(route, record, &reading, op) {
            Ok(found) => found,
            Err(reason) => return Encoded::Bad { place, reason },
        };
        self.note_version(record.head, version);
        self.lacks.clear();
        // What is only added has no state before.
        if let (Some(raw), Some(unavailable), true) = (document, &self.unavailable, keyed && op != Op::Create)
            && reading.changed
        {
            self.stripped.clear();
            match unavailable.strip(raw, &mut self.stripped, &mut self.lacks) {
                Ok(false) => {}
                Ok(true) => document = Some(&self.stripped),
                Err(json::Malformed) => {
                    let reason = "the document is no JSON object";
                    return Encoded::Bad { place, reason };
                }
            }
            // The server keeps fields that a partial document does not have.
            if op == Op::Update {
                self.lacks.clear();
            }
        }
        self.document.clear();
        if let Some(raw) = document
            && (shape.is_some() || self.timestamps.is_some())
        {
            let stamps = self.timestamps.as_deref();
            if write(raw, shape.as_deref(), stamps, record.head, &mut self.document).is_err() {
                let reason = "the document is no JSON object, or has no timestamp";
                return Encoded::Bad { place, reason };
            }
            document = Some(&self.document);
        }
        self.kept.clear();
        if self.keep {
            original::keep(record, &mut self.kept);
        }
        let entry = Entry {
            place,
            id: has_id.then_some(self.id.as_str()),
            routing: routed.then_some(self.routing.as_str()),
            hash,
            version: version.number,
            op,
            document,
            lacks: &self.lacks,
            unsure: version.unsure,
            kept: Some(self.kept.as_slice()).filter(|h| !h.is_empty()),
        };
        if known && !unrouted {
            return Encoded::Entry(entry);
        }
        let unknown = Unknown {
            version: !known,
            routing: unrouted,
        };
        Encoded::Unknown(entry, unknown)
    }

    /// Whether a tombstone from which no `_id` can be had adds nothing: before it in its partition stood a delete event, which
    /// had the row. It comes alone where that was read in an earlier run, or is gone by the topic's compaction.
    fn is_left_to_its_event(&mut self, head: HeadRef<'_>, reading: &Reading<'_>) -> bool {
        let Some(entry) = self.routes.find(head.topic) else {
            return false;
        };
        if reading.event != Event::Tombstone || entry.flat {
            return false;
        }
        if !std::mem::replace(&mut entry.lone, true) {
            tracing::warn!(
                topic = head.topic.name,
                "a tombstone came without its delete event: index.id_template needs the row, which only that has; if it has not \
                 been indexed, the document stays"
            );
        }
        true
    }

    /// The version, and whether it is known: a tombstone has none of its own.
    fn version_of(
        &mut self,
        route: &Route,
        record: &Record<'_>,
        reading: &Reading<'_>,
        op: Op,
    ) -> Result<(Version, bool), &'static str> {
        // Partial documents have no version, nor documents that are only added; nor may what deletes the former.
        if route.put != Op::Index || (op != Op::Delete && route.id_from == IdFrom::Coordinates) {
            return Ok((Version::NONE, true));
        }
        match self.version(record, reading) {
            Ok(version) => Ok((version, true)),
            Err(NoVersion::Position) if reading.event == Event::Tombstone => {
                let last = self.last_version(record.head);
                Ok((Version::sure(last), last.is_some()))
            }
            Err(e) => Err(e.text()),
        }
    }

    fn version(&mut self, record: &Record<'_>, reading: &Reading<'_>) -> Result<Version, NoVersion> {
        let Some(entry) = self.routes.find(record.head.topic) else {
            return Err(NoVersion::Position);
        };
        let floors = &mut entry.partitions.at(record.head).floors;
        version::of(&self.versions, record, reading.source, floors)
    }

    /// Writes the `_id`; false when the record's place must do.
    fn id_of(
        &mut self,
        route: &Route,
        record: &Record<'_>,
        reading: &Reading<'_>,
    ) -> Result<bool, &'static str> {
        if let Some(template) = &route.id_template {
            render(template, record, reading, &mut self.id)?;
            let mut bytes = std::mem::take(&mut self.id).into_bytes();
            key::finish(&mut bytes);
            self.id = String::from_utf8(bytes).map_err(|_| key::BadKey.text())?;
            return Ok(true);
        }
        let mut bytes = std::mem::take(&mut self.id).into_bytes();
        let keyed = match route.id_from {
            IdFrom::Key => key::id(record.key, self.separator, &mut bytes),
            IdFrom::KeyText => key::whole(record.key, &mut bytes),
            IdFrom::Coordinates | IdFrom::Auto => Ok(false),
        };
        self.id = String::from_utf8(bytes).map_err(|_| key::BadKey.text())?;
        keyed.map_err(|e| e.text())
    }

    fn leaves_out(&self, event: &Event<'_>) -> Option<Skipped> {
        Some(match event {
            Event::Other(Other::Truncate) => Skipped::Truncate,
            Event::Other(Other::Message) => Skipped::Message,
            Event::Other(Other::Heartbeat) => Skipped::Heartbeat,
            Event::Other(Other::Transaction) => Skipped::Transaction,
            Event::Tombstone if matches!(self.delete_on, DeleteOn::DeleteEvent | DeleteOn::Nothing) => {
                Skipped::Tombstone
            }
            Event::Delete if matches!(self.delete_on, DeleteOn::Tombstone | DeleteOn::Nothing) => {
                Skipped::Delete
            }
            _ => return None,
        })
    }

    /// Versions never fall along a partition. So the last one is not above a tombstone's own, and not below that of the
    /// state which the tombstone ends.
    fn last_version(&mut self, head: HeadRef<'_>) -> Option<u64> {
        self.routes.find(head.topic)?.partitions.at(head).version
    }

    fn note_version(&mut self, head: HeadRef<'_>, version: Version) {
        // The engine's own records carry a version, tombstones too.
        if self.versions != Versions::ExternalFromWal || version.unsure || !head.version_lsn.is_zero() {
            return;
        }
        if let (Some(version), Some(entry)) = (version.number, self.routes.find(head.topic)) {
            entry.partitions.at(head).version = Some(version);
        }
    }
}

fn render(
    template: &Template,
    record: &Record<'_>,
    reading: &Reading<'_>,
    out: &mut String,
) -> Result<(), &'static str> {
    let key = record
        .key
        .map(|k| json::only_value(k).and_then(|k| key::payload(k).map_err(|_| json::Malformed)));
    let key_fields = key.and_then(Result::ok);
    let row = match reading.event {
        Event::Put(document) => Row::Whole(document),
        _ => reading
            .before
            .map_or(Row::None, |before| before::row(before, key_fields)),
    };
    let pieces = Pieces {
        topic: &record.head.topic.name,
        partition: record.head.partition,
        offset: record.head.position.seq,
        // A key that is no JSON is its own text.
        key: key.map(|k| k.unwrap_or(record.key.unwrap_or_default())),
        row,
    };
    let mut bytes = std::mem::take(out).into_bytes();
    let rendered = template.render(&pieces, &mut bytes);
    *out = String::from_utf8(bytes).map_err(|_| key::BadKey.text())?;
    rendered
}

/// Writes a document with its conversions and its timestamp.
fn write(
    raw: &[u8],
    shape: Option<&crate::convert::Shape>,
    timestamps: Option<&[String]>,
    head: HeadRef<'_>,
    out: &mut Vec<u8>,
) -> Result<(), json::Malformed> {
    let start = out.len();
    match shape {
        Some(shape) => shape.convert(raw, out)?,
        None => out.extend_from_slice(raw),
    }
    let Some(fields) = timestamps else { return Ok(()) };
    let document = out.get(start..).unwrap_or_default();
    if find(document, &["@timestamp".to_owned()]).is_some() {
        return Ok(());
    }
    if !document.starts_with(b"{") {
        return Err(json::Malformed);
    }
    // As converted: a field in microseconds is no time for the server, its text is.
    let mut stamp = b"{\"@timestamp\":".to_vec();
    match fields
        .iter()
        .find_map(|f| find(document, std::slice::from_ref(f)))
    {
        Some(value) => stamp.extend_from_slice(value),
        None => {
            let ms = head.timestamp_ms.ok_or(json::Malformed)?;
            stamp.extend_from_slice(itoa::Buffer::new().format(ms).as_bytes());
        }
    }
    // The document's own brace becomes the comma behind the timestamp, unless it is empty.
    let empty = json::members(document).next().is_none();
    stamp.push(if empty { b'}' } else { b',' });
    let end = if empty { out.len() } else { start.saturating_add(1) };
    out.splice(start..end, stamp);
    Ok(())
}

/// The `_id` of a record without a key: the place that is the same in every replay, so that a repeated record is one
/// document. False for a snapshot row, which has no such place: the server chooses, and a second snapshot adds it again.
fn place_id(head: HeadRef<'_>, snapshot: bool, id: &mut String) -> bool {
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

#[cfg(test)]
mod tests {
    use cdc_core::{Lsn, Position, RecordHead, Topic};

    use super::*;
    use crate::connect_schema::Schema;
    use crate::convert::Shape;

    #[test]
    fn a_timestamp_is_taken_as_it_was_converted() {
        let schema = r#"{"type":"struct","fields":[{"field":"at","type":"int64","name":"io.debezium.time.MicroTimestamp"}]}"#;
        let convert = serde_json::from_str(r#"{"times":"iso"}"#).unwrap();
        let shape = Shape::compile(&Schema::parse(schema.as_bytes()).unwrap(), &convert).unwrap();
        let head = RecordHead {
            topic: Arc::new(Topic { name: "t".into() }),
            partition: None,
            timestamp_ms: Some(5),
            position: Position::default(),
            version_lsn: Lsn::ZERO,
        };
        let fields = ["none".to_owned(), "at".to_owned()];
        for (raw, fields, want) in [
            (
                r#"{"at":1000000}"#,
                &fields[..],
                r#"{"@timestamp":"1970-01-01T00:00:01Z","at":"1970-01-01T00:00:01Z"}"#,
            ),
            (
                r#"{"@timestamp":7,"at":0}"#,
                &fields,
                r#"{"@timestamp":7,"at":"1970-01-01T00:00:00Z"}"#,
            ),
            ("{}", &fields, r#"{"@timestamp":5}"#),
            (r#"{"x":1}"#, &[], r#"{"@timestamp":5,"x":1}"#),
        ] {
            let mut out = b"before".to_vec();
            write(
                raw.as_bytes(),
                Some(&shape),
                Some(fields),
                (&head).into(),
                &mut out,
            )
            .unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("before{want}"));
        }
        assert!(write(b"[]", None, Some(&fields), (&head).into(), &mut Vec::new()).is_err());
    }
}
