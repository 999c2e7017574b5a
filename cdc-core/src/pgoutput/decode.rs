//! One payload to one message.

use crate::{Error, ErrorKind};

use super::message::{Message, Oids, Prepared};
use super::reader::Reader;
use super::relation::{self, Relation};
use super::tuple::{OldTuple, Tuple};

/// Where a payload stands: changes look different inside a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Outside chunks: no transaction number.
    Plain,
    /// Between Stream Start and Stream Stop: changes, relations, types and messages carry a transaction number.
    Chunk,
}

/// Decodes one payload, and the transaction number in front of a change inside a chunk.
///
/// The number is that of the sub-transaction that made the change, except for
/// [`Message::Message`], which carries the top-level one.
///
/// # Wire format
/// One tag byte, the number if any (32 bits), the fields: big-endian, strings NUL-terminated.
///
/// # Errors
/// `Protocol` if the tag is unknown, a field is missing or impossible, or bytes are left over. The text says message,
/// offset and field.
pub fn decode(payload: &[u8], framing: Framing) -> Result<(Option<u32>, Message<'_>), Error> {
    let Some((&tag, rest)) = payload.split_first() else {
        return Err(Error::new(ErrorKind::Protocol, "empty message"));
    };
    let mut r = Reader::new(tag, 1, rest);
    let numbered = matches!(tag, b'I' | b'U' | b'D' | b'T' | b'R' | b'Y' | b'M');
    let xid = match framing {
        Framing::Chunk if numbered => Some(r.u32("transaction id")?),
        Framing::Chunk | Framing::Plain => None,
    };
    let message = match tag {
        b'I' => insert(&mut r)?,
        b'U' => update(&mut r)?,
        b'D' => delete(&mut r)?,
        b'B' => Message::Begin {
            final_lsn: r.lsn("final lsn")?,
            commit_us: r.time("commit time")?,
            xid: r.u32("transaction id")?,
        },
        b'C' => commit(&mut r)?,
        b'O' => Message::Origin {
            lsn: r.lsn("origin lsn")?,
            name: r.str("origin name")?,
        },
        b'R' => Message::Relation(Relation::read(&mut r)?),
        b'Y' => Message::Type {
            oid: r.u32("type id")?,
            schema: relation::schema(r.str("schema name")?),
            name: r.str("type name")?,
        },
        b'T' => truncate(&mut r)?,
        b'M' => logical_message(&mut r)?,
        b'S' | b'E' | b'c' | b'A' => stream(&mut r)?,
        b'b' | b'P' | b'K' | b'r' | b'p' => two_phase(&mut r)?,
        _ => return Err(r.bad(0, format_args!("tag {tag:#04x} is no message of protocol 1 to 4"))),
    };
    r.finish()?;
    Ok((xid, message))
}

fn insert<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    let relation = r.u32("relation id")?;
    Ok(Message::Insert {
        relation,
        new: new_tuple(r)?,
    })
}

fn update<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    let relation = r.u32("relation id")?;
    let old = match r.rest().first() {
        Some(b'K' | b'O') => Some(old_tuple(r)?),
        _ => None,
    };
    Ok(Message::Update {
        relation,
        old,
        new: new_tuple(r)?,
    })
}

fn delete<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    Ok(Message::Delete {
        relation: r.u32("relation id")?,
        old: old_tuple(r)?,
    })
}

fn new_tuple<'a>(r: &mut Reader<'a>) -> Result<Tuple<'a>, Error> {
    let at = r.at();
    match r.u8("new row's mark")? {
        b'N' => Tuple::take(r),
        other => Err(r.bad(at, format_args!("row mark is {other:#04x}, not N"))),
    }
}

fn old_tuple<'a>(r: &mut Reader<'a>) -> Result<OldTuple<'a>, Error> {
    let at = r.at();
    match r.u8("old row's mark")? {
        b'K' => Tuple::take(r).map(OldTuple::Key),
        b'O' => Tuple::take(r).map(OldTuple::Full),
        other => Err(r.bad(at, format_args!("row mark is {other:#04x}, neither K nor O"))),
    }
}

fn commit<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    r.flags("flag byte", 0)?;
    Ok(Message::Commit {
        commit_lsn: r.lsn("commit lsn")?,
        end_lsn: r.lsn("end lsn")?,
        commit_us: r.time("commit time")?,
    })
}

fn truncate<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    let count = r.u32("relation count")?;
    let flags = r.flags("flag byte", 3)?;
    let bytes = usize::try_from(count).ok().and_then(|n| n.checked_mul(4));
    Ok(Message::Truncate {
        cascade: flags & 1 != 0,
        restart_identity: flags & 2 != 0,
        relations: Oids::new(r.bytes(bytes.unwrap_or(usize::MAX), "relation id list")?),
    })
}

fn logical_message<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    let transactional = r.flags("flag byte", 1)? != 0;
    let lsn = r.lsn("lsn")?;
    let prefix = r.str("prefix")?;
    let len = r.u32("content length")?;
    Ok(Message::Message {
        transactional,
        lsn,
        prefix,
        content: r.bytes(usize::try_from(len).unwrap_or(usize::MAX), "content")?,
    })
}

fn stream<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    match r.tag() {
        b'S' => Ok(Message::StreamStart {
            xid: r.u32("transaction id")?,
            first: r.flags("first-chunk flag byte", 1)? != 0,
        }),
        b'E' => Ok(Message::StreamStop),
        b'c' => {
            let xid = r.u32("transaction id")?;
            r.flags("flag byte", 0)?;
            Ok(Message::StreamCommit {
                xid,
                commit_lsn: r.lsn("commit lsn")?,
                end_lsn: r.lsn("end lsn")?,
                commit_us: r.time("commit time")?,
            })
        }
        _ => Ok(Message::StreamAbort {
            xid: r.u32("transaction id")?,
            subxid: r.u32("sub-transaction id")?,
            // Two layouts, told apart by length alone: the longer one comes if `streaming` is `parallel`.
            abort: if r.rest().is_empty() {
                None
            } else {
                Some((r.lsn("abort lsn")?, r.time("abort time")?))
            },
        }),
    }
}

fn two_phase<'a>(r: &mut Reader<'a>) -> Result<Message<'a>, Error> {
    match r.tag() {
        b'b' => Ok(Message::BeginPrepare {
            prepare_lsn: r.lsn("prepare lsn")?,
            end_lsn: r.lsn("end lsn")?,
            prepare_us: r.time("prepare time")?,
            xid: r.u32("transaction id")?,
            gid: r.str("gid")?,
        }),
        b'P' => prepared(r).map(Message::Prepare),
        b'p' => prepared(r).map(Message::StreamPrepare),
        b'K' => {
            r.flags("flag byte", 0)?;
            Ok(Message::CommitPrepared {
                commit_lsn: r.lsn("commit lsn")?,
                end_lsn: r.lsn("end lsn")?,
                commit_us: r.time("commit time")?,
                xid: r.u32("transaction id")?,
                gid: r.str("gid")?,
            })
        }
        _ => {
            r.flags("flag byte", 0)?;
            Ok(Message::RollbackPrepared {
                prepare_end_lsn: r.lsn("prepare end lsn")?,
                end_lsn: r.lsn("rollback end lsn")?,
                prepare_us: r.time("prepare time")?,
                rollback_us: r.time("rollback time")?,
                xid: r.u32("transaction id")?,
                gid: r.str("gid")?,
            })
        }
    }
}

fn prepared<'a>(r: &mut Reader<'a>) -> Result<Prepared<'a>, Error> {
    r.flags("flag byte", 0)?;
    Ok(Prepared {
        prepare_lsn: r.lsn("prepare lsn")?,
        end_lsn: r.lsn("end lsn")?,
        prepare_us: r.time("prepare time")?,
        xid: r.u32("transaction id")?,
        gid: r.str("gid")?,
    })
}

#[cfg(test)]
mod tests;
