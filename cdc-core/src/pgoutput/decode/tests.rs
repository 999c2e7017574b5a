use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::pgoutput::{Relation, RelationColumn};
use crate::row::Datum;
use crate::schema::ReplicaIdentity;
use crate::testkit::pgoutput::{TupleBytes, encode};
use crate::{ErrorKind, Lsn};

/// One message of every kind; `rows` are (old, new).
fn every_kind<'a>(s: &'a Sample, rows: &'a (TupleBytes, TupleBytes)) -> Vec<Message<'a>> {
    let (n, lsn, us) = (s.number, Lsn(s.lsn), s.us);
    let (name, schema, content) = (s.name.as_str(), s.schema.as_str(), s.content.as_slice());
    let (old, new) = (rows.0.tuple(), rows.1.tuple());
    let prepared = Prepared {
        prepare_lsn: lsn,
        end_lsn: Lsn(7),
        prepare_us: us,
        xid: n,
        gid: name,
    };
    vec![
        Message::Begin {
            final_lsn: lsn,
            commit_us: us,
            xid: n,
        },
        Message::Commit {
            commit_lsn: lsn,
            end_lsn: Lsn(8),
            commit_us: us,
        },
        Message::Origin { lsn, name },
        Message::Relation(Relation {
            oid: n,
            schema: schema.to_owned(),
            name: name.to_owned(),
            replica_identity: s.identity,
            columns: s.columns.clone(),
        }),
        Message::Type { oid: n, schema, name },
        Message::Insert { relation: n, new },
        Message::Update {
            relation: n,
            old: None,
            new,
        },
        Message::Update {
            relation: n,
            old: Some(OldTuple::Key(old)),
            new,
        },
        Message::Update {
            relation: n,
            old: Some(OldTuple::Full(old)),
            new,
        },
        Message::Delete {
            relation: n,
            old: OldTuple::Key(old),
        },
        Message::Delete {
            relation: n,
            old: OldTuple::Full(old),
        },
        Message::Truncate {
            cascade: s.flag,
            restart_identity: !s.flag,
            relations: Oids::new(&s.oids),
        },
        Message::Message {
            transactional: s.flag,
            lsn,
            prefix: name,
            content,
        },
        Message::StreamStart {
            xid: n,
            first: s.flag,
        },
        Message::StreamStop,
        Message::StreamCommit {
            xid: n,
            commit_lsn: lsn,
            end_lsn: Lsn(9),
            commit_us: us,
        },
        Message::StreamAbort {
            xid: n,
            subxid: 5,
            abort: s.flag.then_some((lsn, us)),
        },
        Message::BeginPrepare {
            prepare_lsn: lsn,
            end_lsn: Lsn(3),
            prepare_us: us,
            xid: n,
            gid: name,
        },
        Message::Prepare(prepared),
        Message::CommitPrepared {
            commit_lsn: lsn,
            end_lsn: Lsn(4),
            commit_us: us,
            xid: n,
            gid: name,
        },
        Message::RollbackPrepared {
            prepare_end_lsn: lsn,
            end_lsn: Lsn(6),
            prepare_us: us,
            rollback_us: 1,
            xid: n,
            gid: name,
        },
        Message::StreamPrepare(prepared),
    ]
}

#[derive(Clone, Debug)]
struct Sample {
    number: u32,
    lsn: u64,
    us: i64,
    name: String,
    schema: String,
    content: Vec<u8>,
    oids: Vec<u8>,
    flag: bool,
    identity: ReplicaIdentity,
    columns: Vec<RelationColumn>,
}

fn text() -> impl Strategy<Value = String> {
    "[^\0]{1,12}"
}

fn sample() -> impl Strategy<Value = Sample> {
    let column =
        (any::<bool>(), text(), any::<u32>(), any::<i32>()).prop_map(|(identity, name, type_oid, typmod)| {
            RelationColumn {
                name,
                type_oid,
                typmod,
                identity,
            }
        });
    let identity = prop::sample::select(vec![
        ReplicaIdentity::Default,
        ReplicaIdentity::Nothing,
        ReplicaIdentity::Full,
        ReplicaIdentity::Index,
    ]);
    let oids =
        vec(any::<u32>(), 0..5).prop_map(|v| v.into_iter().flat_map(u32::to_be_bytes).collect::<Vec<u8>>());
    // Any time that the wire can hold, in microseconds since 1970.
    let time = (i64::MIN + 946_684_800_000_000)..i64::MAX;
    (
        (any::<u32>(), any::<u64>(), time, text(), text()),
        (
            vec(any::<u8>(), 0..40),
            oids,
            any::<bool>(),
            identity,
            vec(column, 0..6),
        ),
    )
        .prop_map(
            |((number, lsn, us, name, schema), (content, oids, flag, identity, columns))| Sample {
                number,
                lsn,
                us,
                name,
                schema,
                content,
                oids,
                flag,
                identity,
                columns,
            },
        )
}

#[derive(Clone, Debug)]
enum Value {
    Null,
    Unchanged,
    Text(Vec<u8>),
    Binary(Vec<u8>),
}

impl Value {
    fn datum(&self) -> Datum<'_> {
        match self {
            Self::Null => Datum::Null,
            Self::Unchanged => Datum::Unchanged,
            Self::Text(b) => Datum::Text(b),
            Self::Binary(b) => Datum::Binary(b),
        }
    }
}

fn row() -> impl Strategy<Value = Vec<Value>> {
    let bytes = || vec(any::<u8>(), 0..20);
    vec(
        prop_oneof![
            Just(Value::Null),
            Just(Value::Unchanged),
            bytes().prop_map(Value::Text),
            bytes().prop_map(Value::Binary),
        ],
        0..8,
    )
}

fn is_numbered(m: &Message<'_>) -> bool {
    b"IUDTRYM".contains(&m.tag())
}

proptest! {
    #[test]
    fn every_message_comes_back_as_encoded(s in sample(), old in row(), new in row(), xid in any::<u32>()) {
        let tuple = |row: &[Value]| TupleBytes::new(row.iter().map(Value::datum));
        let rows = (tuple(&old), tuple(&new));
        for m in every_kind(&s, &rows) {
            let plain = encode(&m, None);
            prop_assert_eq!(decode(&plain, Framing::Plain).unwrap(), (None, m.clone()));
            let chunk = encode(&m, Some(xid));
            let want = is_numbered(&m).then_some(xid);
            prop_assert_eq!(decode(&chunk, Framing::Chunk).unwrap(), (want, m));
        }
    }

    #[test]
    fn every_column_comes_back_as_encoded(row in row()) {
        let bytes = TupleBytes::new(row.iter().map(Value::datum));
        let frame = encode(&Message::Insert { relation: 1, new: bytes.tuple() }, None);
        let (_, Message::Insert { new, .. }) = decode(&frame, Framing::Plain).unwrap() else {
            panic!("not an insert");
        };
        let mut refs = Vec::new();
        let view = new.read(&mut refs).unwrap();
        prop_assert_eq!(view.len(), row.len());
        for (i, value) in row.iter().enumerate() {
            prop_assert_eq!(view.get(i), value.datum());
        }
    }

    #[test]
    fn a_message_cut_short_or_with_a_byte_more_is_an_error_at_an_offset_inside_it(s in sample(), old in row(), new in row()) {
        let tuple = |row: &[Value]| TupleBytes::new(row.iter().map(Value::datum));
        let rows = (tuple(&old), tuple(&new));
        for m in every_kind(&s, &rows) {
            let mut frame = encode(&m, None);
            for end in 1..frame.len() {
                // The short layout of Stream Abort is the long one cut at byte 9.
                if frame[0] == b'A' && end == 9 {
                    continue;
                }
                let e = decode(&frame[..end], Framing::Plain).unwrap_err();
                let text = e.to_string();
                let at = text.strip_prefix(m.name()).and_then(|t| t.strip_prefix(" at byte "));
                let at: usize = at.unwrap().split(':').next().unwrap().parse().unwrap();
                prop_assert!(at <= end, "{}", text);
                prop_assert_eq!(e.kind(), ErrorKind::Protocol);
            }
            frame.push(0);
            prop_assert!(decode(&frame, Framing::Plain).is_err(), "{}", m.name());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..80), tag in prop::sample::select(b"BCORYIUDTMSEcAbPKrp".to_vec())) {
        let mut frame = vec![tag];
        frame.extend(bytes);
        let _ = decode(&frame, Framing::Plain);
        let _ = decode(&frame, Framing::Chunk);
    }
}

/// Joins parts of different lengths.
fn frame(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

#[test]
fn errors_name_message_offset_and_field() {
    let oid = &7_u32.to_be_bytes()[..];
    let cases = [
        (frame(&[b""]), "empty message"),
        (
            frame(&[b"?"]),
            "unknown message at byte 0: tag 0x3f is no message of protocol 1 to 4",
        ),
        (
            frame(&[b"I", &[0, 0]]),
            "insert at byte 1: relation id needs 4 bytes, 2 left",
        ),
        (
            frame(&[b"I", oid]),
            "insert at byte 5: new row's mark needs 1 byte, 0 left",
        ),
        (
            frame(&[b"I", oid, b"K"]),
            "insert at byte 5: row mark is 0x4b, not N",
        ),
        (
            frame(&[b"D", oid, b"N"]),
            "delete at byte 5: row mark is 0x4e, neither K nor O",
        ),
        (
            frame(&[b"I", oid, b"N", &[0]]),
            "insert at byte 6: column count needs 2 bytes, 1 left",
        ),
        (
            frame(&[b"I", oid, b"N", &[0, 1]]),
            "insert at byte 8: kind of column 0 needs 1 byte, 0 left",
        ),
        (
            frame(&[b"I", oid, b"N", &[0, 2], b"nx"]),
            "insert at byte 9: kind 0x78 of column 1 is unknown",
        ),
        (
            frame(&[b"I", oid, b"N", &[0, 1], b"t", &[0, 0, 0]]),
            "insert at byte 9: length of column 0 needs 4 bytes, 3 left",
        ),
        (
            frame(&[b"I", oid, b"N", &[0, 1], b"t", &[255; 4], b"ab"]),
            "insert at byte 13: value of column 0 needs 4294967295 bytes, 2 left",
        ),
        (
            frame(&[b"U", oid, b"K", &[0, 1], b"n"]),
            "update at byte 9: new row's mark needs 1 byte, 0 left",
        ),
        (
            frame(&[b"C", &[1], &[0; 24]]),
            "commit at byte 1: flag byte is 0x01, known bits are 0x00",
        ),
        (
            frame(&[b"T", &[0, 0, 0, 1, 4], oid]),
            "truncate at byte 5: flag byte is 0x04, known bits are 0x03",
        ),
        (
            frame(&[b"T", &[0x80, 0, 0, 1, 0], oid]),
            "truncate at byte 6: relation id list needs 8589934596 bytes, 4 left",
        ),
        (
            frame(&[b"R", oid, b"s\0t\0", b"x"]),
            "relation at byte 9: replica identity 0x78 is unknown",
        ),
        (
            frame(&[b"R", oid, b"s\0t\0d", &[255; 2]]),
            "relation at byte 12: column flag byte needs 1 byte, 0 left",
        ),
        (
            frame(&[b"R", oid, b"s\0t"]),
            "relation at byte 7: relation name is not terminated",
        ),
        (
            frame(&[b"R", oid, b"\xff\0t\0"]),
            "relation at byte 5: schema name is not UTF-8",
        ),
        (
            frame(&[b"A", &[0; 8], &[0; 8]]),
            "stream abort at byte 17: abort time needs 8 bytes, 0 left",
        ),
        (
            frame(&[b"E", b"!"]),
            "stream stop at byte 1: 1 byte left after the last field",
        ),
        (
            frame(&[b"M", &[0; 9], b"p\0", &[0, 0, 0, 3], b"ab"]),
            "message at byte 16: content needs 3 bytes, 2 left",
        ),
    ];
    for (bytes, want) in cases {
        let e = decode(&bytes, Framing::Plain).unwrap_err();
        assert_eq!(e.to_string(), want);
    }
    let e = decode(b"I\0\0", Framing::Chunk).unwrap_err();
    assert_eq!(
        e.to_string(),
        "insert at byte 1: transaction id needs 4 bytes, 2 left"
    );
}

#[test]
fn an_empty_schema_is_the_system_catalog() {
    let frame = frame(&[b"Y", &[0, 0, 0, 9], b"\0", b"jsonpath\0"]);
    let (_, m) = decode(&frame, Framing::Plain).unwrap();
    assert_eq!(
        m,
        Message::Type {
            oid: 9,
            schema: "pg_catalog",
            name: "jsonpath"
        }
    );
}

#[test]
fn debug_text_of_a_row_shows_no_value() {
    let row = TupleBytes::new([Datum::Text(b"secret"), Datum::Null]);
    assert_eq!(format!("{:?}", row.tuple()), "Tuple(2 columns, 12 bytes)");
}
