//! What a record's value says: a document, a deletion, or nothing for an index.

use crate::json::{self, Malformed, Member};

/// A value, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading<'a> {
    /// What it says.
    pub(crate) event: Event<'a>,
    /// The envelope's `source` block, raw.
    pub(crate) source: Option<&'a [u8]>,
    /// The row before the change, raw.
    pub(crate) before: Option<&'a [u8]>,
    /// Whether it is a row read by a snapshot.
    pub(crate) read: bool,
    /// Whether a state before it may be in the index: it is an update, or a row of which that is not known.
    pub(crate) changed: bool,
}

/// What a record says about a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// The document is now this raw JSON object.
    Put(&'a [u8]),
    /// A delete event.
    Delete,
    /// A tombstone.
    Tombstone,
    /// No change of a row.
    Other(Other),
}

/// Records that change no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Truncate,
    Message,
    Heartbeat,
    Transaction,
}

/// Why a value cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadValue {
    /// No JSON object.
    NotAnObject,
    /// An operation that Debezium does not have.
    UnknownOperation,
    /// A create, read or update without a row.
    NoRow,
}

impl BadValue {
    /// One clause for errors and dead letters.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotAnObject => "the value is no JSON object",
            Self::UnknownOperation => "the envelope's op is none of c, r, u, d, t, m",
            Self::NoRow => "the envelope's op needs a row in after, and there is none",
        }
    }
}

impl From<Malformed> for BadValue {
    fn from(_: Malformed) -> Self {
        Self::NotAnObject
    }
}

/// Reads the values of one topic. Remembers the schema part of the last value: it seldom changes, and comparing it is much
/// faster than looking for its end.
#[derive(Debug, Default)]
pub(crate) struct EnvelopeReader {
    /// Documents are the values themselves, not the rows in them.
    whole: bool,
    /// `{"schema":{…},"payload":` of the last value that had both.
    prefix: Vec<u8>,
    /// The prefix is another one since it was last asked for.
    changed: bool,
}

impl EnvelopeReader {
    /// A reader; `whole` makes documents of values, not of the rows in them.
    pub(crate) fn new(whole: bool) -> Self {
        Self {
            whole,
            ..Self::default()
        }
    }

    /// The schema of the last value that had one, when it is another one than at the last call.
    pub(crate) fn new_schema(&mut self) -> Option<&[u8]> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let head = self.prefix.strip_prefix(b"{")?;
        let at = memchr::memmem::find(head, b"\"schema\"")?;
        let rest = head.get(at.saturating_add(b"\"schema\"".len())..)?;
        let start = memchr::memchr(b':', rest)?.saturating_add(1);
        let rest = rest.get(start..)?.trim_ascii_start();
        let end = json::value_end(rest, 0).ok()?;
        rest.get(..end)
    }

    /// Reads one value; none is a tombstone.
    ///
    /// # Errors
    /// See [`BadValue`].
    pub(crate) fn read<'a>(&mut self, value: Option<&'a [u8]>) -> Result<Reading<'a>, BadValue> {
        let tombstone = Reading {
            event: Event::Tombstone,
            source: None,
            before: None,
            read: false,
            changed: false,
        };
        let Some(value) = value else {
            return Ok(tombstone);
        };
        let payload = self.payload(value)?;
        if payload == b"null" {
            Ok(tombstone)
        } else if self.whole {
            let payload = json::only_value(payload)?;
            let of_envelope = read_payload(payload).ok();
            Ok(Reading {
                event: Event::Put(payload),
                source: of_envelope.and_then(|r| r.source),
                before: None,
                read: of_envelope.is_some_and(|r| r.read),
                // A value that is a row; in an envelope the row is a part of the document.
                changed: of_envelope.is_some_and(|r| r.event == Event::Put(payload)),
            })
        } else {
            read_payload(payload)
        }
    }

    /// The value itself, or its `payload` when it has a `schema` beside it. An object without is not looked through.
    fn payload<'a>(&mut self, value: &'a [u8]) -> Result<&'a [u8], Malformed> {
        if !self.prefix.is_empty()
            && let Some(rest) = value.strip_prefix(self.prefix.as_slice())
            && let Ok(end) = json::value_end(rest, 0)
            && rest.get(end..) == Some(b"}")
        {
            return rest.get(..end).ok_or(Malformed);
        }
        let value = json::trim(value);
        if !value.starts_with(b"{") {
            return if value == b"null" {
                Ok(value)
            } else {
                Err(Malformed)
            };
        }
        let (mut schema, mut payload): (bool, Option<Member<'a>>) = (false, None);
        for member in json::members(value).take(3) {
            let member = member?;
            match member.key {
                b"schema" => schema = true,
                b"payload" => payload = Some(member),
                _ => return Ok(value),
            }
        }
        match payload {
            Some(p) if schema => {
                let prefix = value.get(..p.value_at).unwrap_or_default();
                if prefix != self.prefix.as_slice() {
                    self.prefix.clear();
                    self.prefix.extend_from_slice(prefix);
                    self.changed = true;
                }
                Ok(p.value)
            }
            _ => Ok(value),
        }
    }
}

/// The schema beside a value's payload, if it has one.
#[must_use]
pub fn schema_of(value: &[u8]) -> Option<Vec<u8>> {
    let mut reader = EnvelopeReader::new(true);
    reader.read(Some(value)).ok()?;
    reader.new_schema().map(<[u8]>::to_vec)
}

#[derive(Default)]
struct Fields<'a> {
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    op: Option<&'a [u8]>,
    /// Members besides `before`, `after`, `source`, `op`, by the names that tell records apart that change no row.
    status: bool,
    event_count: bool,
    data_collections: bool,
    ts_ms: bool,
    members: usize,
}

fn read_payload(payload: &[u8]) -> Result<Reading<'_>, BadValue> {
    let mut f = Fields::default();
    for member in json::members(payload) {
        let Member { key, value, .. } = member?;
        f.members = f.members.saturating_add(1);
        match key {
            b"before" if value.starts_with(b"{") => f.before = Some(value),
            b"after" => f.after = Some(value),
            b"source" if value.starts_with(b"{") => f.source = Some(value),
            b"op" => f.op = json::string_contents(value),
            b"status" => f.status = true,
            b"event_count" => f.event_count = true,
            b"data_collections" => f.data_collections = true,
            b"ts_ms" => f.ts_ms = true,
            _ => {}
        }
    }
    let reading = |event, read| Reading {
        event,
        source: f.source,
        before: f.before,
        read,
        changed: !read && !matches!(f.op, Some(b"c")),
    };
    let (Some(op), Some(_)) = (f.op, f.source) else {
        let row = reading(flat(payload, &f), false);
        return Ok(Reading { changed: true, ..row });
    };
    let row = f.after.filter(|a| a.starts_with(b"{"));
    Ok(match op {
        b"c" | b"u" => reading(Event::Put(row.ok_or(BadValue::NoRow)?), false),
        b"r" => reading(Event::Put(row.ok_or(BadValue::NoRow)?), true),
        b"d" => reading(Event::Delete, false),
        b"t" => reading(Event::Other(Other::Truncate), false),
        b"m" => reading(Event::Other(Other::Message), false),
        _ => return Err(BadValue::UnknownOperation),
    })
}

/// An object that is no envelope: a heartbeat, a transaction's begin or end, or an already flat row.
fn flat<'a>(payload: &'a [u8], f: &Fields<'a>) -> Event<'a> {
    if f.ts_ms && f.members == 1 {
        Event::Other(Other::Heartbeat)
    } else if f.status && f.event_count && f.data_collections {
        Event::Other(Other::Transaction)
    } else {
        Event::Put(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Event<'_>, BadValue> {
        EnvelopeReader::default()
            .read(Some(value.as_bytes()))
            .map(|r| r.event)
    }

    #[test]
    fn every_operation_is_told() {
        let env = |op: &str, after: &str| {
            format!(r#"{{"before":null,"after":{after},"source":{{"lsn":8}},"op":"{op}","ts_ms":1}}"#)
        };
        for op in ["c", "r", "u"] {
            let text = env(op, r#"{"id": 1.00}"#);
            assert_eq!(read(&text), Ok(Event::Put(br#"{"id": 1.00}"#)), "{op}");
            assert_eq!(read(&env(op, "null")), Err(BadValue::NoRow));
        }
        assert_eq!(read(&env("d", "null")), Ok(Event::Delete));
        assert_eq!(read(&env("t", "null")), Ok(Event::Other(Other::Truncate)));
        assert_eq!(read(&env("m", "null")), Ok(Event::Other(Other::Message)));
        assert_eq!(read(&env("x", "null")), Err(BadValue::UnknownOperation));
    }

    #[test]
    fn flat_rows_pass_and_other_records_do_not() {
        let flat = r#"{"id":1,"op":"c","ts_ms":5}"#;
        assert_eq!(read(flat), Ok(Event::Put(flat.as_bytes())));
        assert_eq!(read(r#"{"ts_ms":5}"#), Ok(Event::Other(Other::Heartbeat)));
        let end = r#"{"status":"END","id":"5:6","event_count":1,"data_collections":[],"ts_ms":1}"#;
        assert_eq!(read(end), Ok(Event::Other(Other::Transaction)));
        assert_eq!(read("null"), Ok(Event::Tombstone));
        for bad in ["", "1", "[]", "{", "\"x\"", "{\"after\":{}"] {
            assert_eq!(read(bad), Err(BadValue::NotAnObject), "{bad}");
        }
        assert_eq!(
            EnvelopeReader::default().read(None).unwrap().event,
            Event::Tombstone
        );
    }

    #[test]
    fn a_payload_beside_a_schema_is_unwrapped_with_and_without_the_remembered_schema() {
        let mut reader = EnvelopeReader::default();
        let value = |schema: &str, payload: &str| format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
        for (schema, payload) in [
            (r#"{"type":"struct"}"#, r#"{"id":1}"#),
            (r#"{"type":"struct"}"#, r#"{"id":2,"t":"}"}"#),
            (r#"{"type":"other"}"#, r#"{"id":3}"#),
        ] {
            let text = value(schema, payload);
            let got = reader.read(Some(text.as_bytes())).unwrap().event;
            assert_eq!(got, Event::Put(payload.as_bytes()));
        }
        assert_eq!(reader.new_schema(), Some(&br#"{"type":"other"}"#[..]));
        assert_eq!(reader.new_schema(), None);
        let cut = br#"{"schema":{"type":"other"},"payload":{"id":3"#;
        assert_eq!(reader.read(Some(cut)), Err(BadValue::NotAnObject));
        let tombstone = value("null", "null");
        assert_eq!(
            reader.read(Some(tombstone.as_bytes())).unwrap().event,
            Event::Tombstone
        );
    }

    #[test]
    fn whole_values_are_documents_with_their_envelope() {
        let envelope = r#"{"before":null,"after":{"id":1},"source":{"lsn":8},"op":"c"}"#;
        let mut reader = EnvelopeReader::new(true);
        let got = reader.read(Some(envelope.as_bytes())).unwrap();
        assert_eq!(
            (got.event, got.source),
            (Event::Put(envelope.as_bytes()), Some(&br#"{"lsn":8}"#[..]))
        );
        assert_eq!(reader.read(None).unwrap().event, Event::Tombstone);
        assert_eq!(reader.read(Some(b"1")), Err(BadValue::NotAnObject));
    }

    #[test]
    fn a_table_with_a_payload_column_is_no_wrapper() {
        let flat = r#"{"payload":{"id":1}}"#;
        assert_eq!(read(flat), Ok(Event::Put(flat.as_bytes())));
        let flat = r#"{"schema":1,"payload":{"id":1},"id":7}"#;
        assert_eq!(read(flat), Ok(Event::Put(flat.as_bytes())));
    }
}
