//! The stored form of an offset: one JSON document that carries its version and its checksum.
//!
//! # Format
//! One line of JSON in a fixed member order, whose last member is the checksum of all bytes before it:
//!
//! ```json
//! {"v":2,"pipeline":"p","server":"s","lineage":{…},"checkpoint":{…},"crc32":"89abcdef"}
//! ```
//!
//! Every store (Kafka topic, file, table) keeps exactly these bytes, so an offset can be carried from one to another.
//! LSNs are in the server's text form. `crc32` is IEEE, eight lower-case hexadecimal digits.
//!
//! # Compatibility
//! A reader refuses a version it does not know and members it does not know: to skip half an offset would be to guess.
//! Whoever adds a member raises [`VERSION`] and keeps reading the older ones: version 1 has no `numbering`, version 2 no
//! `incremental`. What holds nothing of version 3 is written as version 2, so that a program that does not know the later
//! version can still go on from it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::incremental::IncrementalProgress;
use crate::seam::{Lineage, PipelineKey, StoredOffset};
use crate::{Checkpoint, Error, ErrorKind, Lsn, Position, SnapshotProgress};

/// Latest version: that of an offset with an incremental snapshot under way.
pub const VERSION: u32 = 3;
/// Version of an offset without.
const WITHOUT_INCREMENTAL: u32 = 2;

/// What identifies a pipeline in stores that hold several: a JSON document, equal for equal keys.
#[must_use]
pub fn key_text(key: &PipelineKey) -> String {
    let mut out = b"{\"pipeline\":".to_vec();
    push_json(&mut out, &key.pipeline);
    out.extend_from_slice(b",\"server\":");
    push_json(&mut out, &key.server);
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

/// Encodes an offset.
#[must_use]
pub fn encode(key: &PipelineKey, offset: &StoredOffset) -> Vec<u8> {
    let (lineage, checkpoint) = (&offset.lineage, &offset.checkpoint);
    let document = Document {
        v: if checkpoint.incremental.is_some() {
            VERSION
        } else {
            WITHOUT_INCREMENTAL
        },
        pipeline: key.pipeline.clone(),
        server: key.server.clone(),
        lineage: LineageDocument {
            system_id: lineage.system_id.clone(),
            timeline: lineage.timeline,
            database: lineage.database.clone(),
            slot: lineage.slot.clone(),
            numbering: lineage.numbering,
        },
        checkpoint: CheckpointDocument {
            commit_lsn: checkpoint.position.commit_lsn.to_string(),
            seq: checkpoint.position.seq,
            resume_lsn: checkpoint.resume_lsn.to_string(),
            last_commit_lsn: checkpoint.last_commit_lsn.to_string(),
            xid: checkpoint.xid,
            event_lsn: checkpoint.event_lsn.to_string(),
            commit_us: checkpoint.commit_us,
            snapshot: match checkpoint.snapshot {
                SnapshotProgress::None => Snapshot::None,
                SnapshotProgress::Running => Snapshot::Running,
                SnapshotProgress::Completed => Snapshot::Completed,
            },
            incremental: checkpoint.incremental.as_deref().cloned(),
        },
    };
    let mut out = Vec::with_capacity(400);
    push_json(&mut out, &document);
    out.pop();
    let crc = crc32fast::hash(&out);
    out.extend_from_slice(format!("{CRC_OPEN}{crc:08x}{CRC_CLOSE}").as_bytes());
    out
}

/// Decodes the offset of a pipeline.
///
/// # Errors
/// [`ErrorKind::Offset`] if the bytes are damaged, of an unknown version, or those of another pipeline.
pub fn decode(key: &PipelineKey, bytes: &[u8]) -> Result<StoredOffset, Error> {
    let (found, offset) = decode_any(bytes)?;
    if found == *key {
        return Ok(offset);
    }
    Err(refuse(format!(
        "the stored offset belongs to pipeline {:?} with topic prefix {:?}, not to pipeline {:?} with topic prefix {:?}",
        found.pipeline, found.server, key.pipeline, key.server
    ))
    .with_hint("choose another place for the offsets, or restore the pipeline's name and topic prefix"))
}

/// Decodes an offset, whosesoever it is.
///
/// # Errors
/// [`ErrorKind::Offset`] if the bytes are damaged or of an unknown version.
pub fn decode_any(bytes: &[u8]) -> Result<(PipelineKey, StoredOffset), Error> {
    let body = verified(bytes)?;
    let malformed = |e: serde_json::Error| {
        refuse("the stored offset has a good checksum and an unknown form")
            .with_hint("it was written by another version of pgcdc: use that version")
            .with_source(e)
    };
    let Version { v } = serde_json::from_slice(&body).map_err(malformed)?;
    if !(1..=VERSION).contains(&v) {
        return Err(refuse(format!(
            "the stored offset has version {v}, and this program reads 1 to {VERSION}"
        ))
        .with_hint("use the version of pgcdc that wrote the offset, or a newer one"));
    }
    let d: Document = serde_json::from_slice(&body).map_err(malformed)?;
    let c = d.checkpoint;
    let checkpoint = Checkpoint {
        position: Position {
            commit_lsn: lsn("commit_lsn", &c.commit_lsn)?,
            seq: c.seq,
        },
        resume_lsn: lsn("resume_lsn", &c.resume_lsn)?,
        last_commit_lsn: lsn("last_commit_lsn", &c.last_commit_lsn)?,
        xid: c.xid,
        event_lsn: lsn("event_lsn", &c.event_lsn)?,
        commit_us: c.commit_us,
        snapshot: match c.snapshot {
            Snapshot::None => SnapshotProgress::None,
            Snapshot::Running => SnapshotProgress::Running,
            Snapshot::Completed => SnapshotProgress::Completed,
        },
        incremental: c.incremental.map(Arc::new),
    };
    let lineage = Lineage {
        system_id: d.lineage.system_id,
        timeline: d.lineage.timeline,
        database: d.lineage.database,
        slot: d.lineage.slot,
        numbering: d.lineage.numbering,
    };
    let key = PipelineKey {
        pipeline: d.pipeline,
        server: d.server,
    };
    Ok((key, StoredOffset { lineage, checkpoint }))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    v: u32,
    pipeline: String,
    server: String,
    lineage: LineageDocument,
    checkpoint: CheckpointDocument,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineageDocument {
    system_id: String,
    timeline: u32,
    database: String,
    slot: String,
    #[serde(default)]
    numbering: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointDocument {
    commit_lsn: String,
    seq: u64,
    resume_lsn: String,
    last_commit_lsn: String,
    xid: Option<u32>,
    event_lsn: String,
    commit_us: i64,
    snapshot: Snapshot,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    incremental: Option<IncrementalProgress>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Snapshot {
    None,
    Running,
    Completed,
}

const CRC_OPEN: &str = ",\"crc32\":\"";
const CRC_CLOSE: &str = "\"}";

/// The document without its checksum, if that is right.
fn verified(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let damaged = |what: &str| {
        refuse(format!("the stored offset is damaged: {what}")).with_hint(
            "restore the offset store from a copy, or set the position anew with `pgcdc offsets`; the slot knows how far it was acknowledged",
        )
    };
    let rest = bytes
        .trim_ascii_end()
        .strip_suffix(CRC_CLOSE.as_bytes())
        .ok_or_else(|| damaged("it does not end with a checksum"))?;
    let (rest, digits) = rest
        .split_last_chunk::<8>()
        .ok_or_else(|| damaged("it does not end with a checksum"))?;
    let body = rest
        .strip_suffix(CRC_OPEN.as_bytes())
        .ok_or_else(|| damaged("it does not end with a checksum"))?;
    let want = format!("{:08x}", crc32fast::hash(body));
    if want.as_bytes() != digits {
        return Err(damaged("its checksum is wrong"));
    }
    Ok([body, b"}"].concat())
}

fn lsn(member: &str, text: &str) -> Result<Lsn, Error> {
    text.parse().map_err(|e: crate::lsn::ParseLsnError| {
        refuse(format!("the stored offset's {member} is no LSN")).with_source(e)
    })
}

fn refuse(context: impl Into<String>) -> Error {
    Error::new(ErrorKind::Offset, context)
}

/// Appends JSON; strings and numbers cannot fail to serialise into memory.
fn push_json(out: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "plain members serialise into memory");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incremental::{KeyValues, TableRequest};

    fn key() -> PipelineKey {
        PipelineKey {
            pipeline: "orders \"eu\"".into(),
            server: "srv".into(),
        }
    }

    fn offset() -> StoredOffset {
        StoredOffset {
            lineage: Lineage {
                system_id: "7301234567890123456".into(),
                timeline: 3,
                database: "shop".into(),
                slot: "pgcdc".into(),
                numbering: 7,
            },
            checkpoint: Checkpoint {
                position: Position {
                    commit_lsn: Lsn(0x16_B374_D848),
                    seq: 17,
                },
                resume_lsn: Lsn(u64::MAX),
                last_commit_lsn: Lsn(8),
                xid: Some(u32::MAX),
                event_lsn: Lsn::ZERO,
                commit_us: -1,
                snapshot: SnapshotProgress::Running,
                incremental: None,
            },
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for snapshot in [
            SnapshotProgress::None,
            SnapshotProgress::Running,
            SnapshotProgress::Completed,
        ] {
            let mut o = offset();
            o.checkpoint.snapshot = snapshot;
            let bytes = encode(&key(), &o);
            assert_eq!(decode(&key(), &bytes).unwrap(), o);
            let valid: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(valid["checkpoint"]["commit_lsn"], "16/B374D848");
        }
        let empty = StoredOffset::default();
        let mut line = encode(&key(), &empty);
        line.push(b'\n');
        assert_eq!(decode(&key(), &line).unwrap(), empty);
    }

    #[test]
    fn a_snapshot_under_way_comes_back_and_only_then_the_version_is_new() {
        let key_values = |v: &str| KeyValues(vec![Some(v.into()), None]);
        let progress = IncrementalProgress {
            signal: "ad-hoc \"1\"".into(),
            tables: [TableRequest {
                schema: "public".into(),
                name: "a.b".into(),
                condition: Some("v = 'x'".into()),
                surrogate_key: None,
            }]
            .into(),
            last: Some(key_values("1")),
            maximum: Some(key_values("2")),
            paused: true,
        };
        let mut o = offset();
        assert!(encode(&key(), &o).starts_with(b"{\"v\":2,"));
        o.checkpoint.incremental = Some(Arc::new(progress));
        let bytes = encode(&key(), &o);
        assert!(bytes.starts_with(b"{\"v\":3,"));
        assert_eq!(decode(&key(), &bytes).unwrap(), o);
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let good = encode(&key(), &offset());
        for i in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[i] ^= 1 << bit;
                assert_eq!(
                    decode(&key(), &bad).unwrap_err().kind(),
                    ErrorKind::Offset,
                    "byte {i} bit {bit}"
                );
            }
            assert!(decode(&key(), &good[..i]).is_err(), "cut at {i}");
        }
    }

    #[test]
    fn another_version_or_form_is_refused() {
        let seal = |body: &str| {
            let body = body.strip_suffix('}').unwrap();
            format!("{body},\"crc32\":\"{:08x}\"}}", crc32fast::hash(body.as_bytes()))
        };
        let error = decode_any(seal("{\"v\":4,\"new\":1}").as_bytes()).unwrap_err();
        assert!(error.to_string().contains("version 4"), "{error}");
        let plain = String::from_utf8(encode(&key(), &offset())).unwrap();
        let (body, _) = plain.split_once(CRC_OPEN).unwrap();
        assert!(decode_any(seal(&format!("{body}}}")).as_bytes()).is_ok());
        let first = body.replace("\"v\":2", "\"v\":1").replace(",\"numbering\":7", "");
        let (_, first) = decode_any(seal(&format!("{first}}}")).as_bytes()).unwrap();
        assert_eq!(
            (first.lineage.numbering, &first.checkpoint),
            (0, &offset().checkpoint)
        );
        let more = seal(&format!("{body},\"more\":1}}"));
        assert!(decode_any(more.as_bytes()).unwrap_err().chain().contains("more"));
        let bad = seal(&format!("{body}}}").replace("16/B374D848", "16-B374D848"));
        assert!(
            decode_any(bad.as_bytes())
                .unwrap_err()
                .to_string()
                .contains("commit_lsn")
        );
    }

    #[test]
    fn another_pipelines_offset_is_refused() {
        let other = PipelineKey {
            pipeline: "p2".into(),
            server: "srv".into(),
        };
        let error = decode(&other, &encode(&key(), &offset())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Offset);
        assert!(error.to_string().contains("p2"), "{error}");
        assert_ne!(key_text(&other), key_text(&key()));
        assert_eq!(key_text(&key()), r#"{"pipeline":"orders \"eu\"","server":"srv"}"#);
    }
}
