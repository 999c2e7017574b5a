//! From payloads in the order of arrival to whole transactions in the order of their commits.

use foldhash::{HashMap, HashMapExt};

use crate::{Error, ErrorKind, Lsn};

use super::decode::{Framing, decode};
use super::message::{Message, message_name};
use super::spool::replay::Replay;
use super::spool::{Spool, SpoolOptions};

/// What became of a payload.
#[derive(Debug)]
pub enum Pushed<'a> {
    /// A message of an ordinary transaction, or one outside transactions: to be handled now.
    Message(Message<'a>),
    /// Part of an in-progress transaction, or the end of one that was rolled back: nothing to do.
    Spooled,
    /// An in-progress transaction was committed: call [`Assembler::next_replayed`] until it returns none, and only then
    /// push again.
    Replay(StreamedCommit),
}

/// The commit of a transaction that was sent in chunks; it stands for both its Begin and its Commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamedCommit {
    /// Top-level transaction.
    pub xid: u32,
    /// Start of the commit record.
    pub commit_lsn: Lsn,
    /// First byte after it.
    pub end_lsn: Lsn,
    /// Commit time, microseconds since 1970-01-01 UTC.
    pub commit_us: i64,
}

/// Puts streamed transactions together, and checks that messages come in an order that makes sense.
///
/// Ordinary transactions pass through without being held or copied. Chunks of in-progress transactions are kept, each
/// payload with its LSN, until the transaction's commit or abort: in memory up to
/// [`SpoolOptions::memory_bytes`] over all transactions, beyond that the largest one's oldest blocks go to its
/// temporary file. One assembler serves one replication connection: after a reconnect the server sends
/// in-progress transactions again, so use a new one.
///
/// # Ordering
/// Within a transaction messages come back as they were sent, relations and types before the rows that need them. They
/// hold for later transactions too, as the server counts on that from the commit on.
///
/// # Blocking
/// Writes and reads at most one block of 256 KiB (or one record, if that is larger) a call on the calling thread, but for
/// one in a million rolled-back sub-transactions, which copies what the transaction has.
#[derive(Debug)]
pub struct Assembler {
    options: SpoolOptions,
    place: Place,
    spools: HashMap<u32, Spool>,
    /// Sum of the spools' memory.
    memory: u64,
}

/// Where in the stream the next payload stands.
#[derive(Debug)]
enum Place {
    /// Between transactions and chunks.
    Outside,
    /// After Begin.
    Transaction,
    /// After Stream Start of this transaction.
    Chunk(u32),
    /// After Stream Commit, until all of the transaction has been played back.
    Replay(Box<Replay>),
}

impl Assembler {
    /// An assembler at the start of a stream.
    #[must_use]
    pub fn new(options: SpoolOptions) -> Self {
        Self {
            options,
            place: Place::Outside,
            spools: HashMap::new(),
            memory: 0,
        }
    }

    /// Takes the payload of one XLogData frame that began at `lsn`.
    ///
    /// # Errors
    /// `Protocol` if the payload is malformed or has no place here (a change outside a transaction, a chunk
    /// inside a chunk, the commit of a transaction that never came, anything of two-phase commit, which is not
    /// requested), `Io` or `Config` if a spool file cannot be created or written. After an error the stream must be
    /// given up.
    #[inline]
    pub fn push<'a>(&'a mut self, lsn: Lsn, payload: &'a [u8]) -> Result<Pushed<'a>, Error> {
        match self.place {
            Place::Outside | Place::Transaction => self.plain(payload),
            Place::Chunk(xid) => self.chunk(xid, lsn, payload),
            Place::Replay(_) => Err(Error::new(
                ErrorKind::Protocol,
                "a message was pushed before the committed streamed transaction was replayed to its end",
            )),
        }
    }

    /// The next message of the transaction announced by [`Pushed::Replay`], with the LSN of its frame; none at its end,
    /// and whenever there is no such transaction.
    ///
    /// The caller may stop and go on at any point. Memory is given back as the replay proceeds, the file at its end.
    ///
    /// # Errors
    /// `Protocol` if the message is malformed, `Io` if a spool file cannot be read or is damaged.
    pub fn next_replayed(&mut self) -> Result<Option<(Lsn, Message<'_>)>, Error> {
        let Place::Replay(replay) = &mut self.place else {
            return Ok(None);
        };
        let Some(entry) = replay.advance()? else {
            self.place = Place::Outside;
            return Ok(None);
        };
        let Place::Replay(replay) = &self.place else {
            return Ok(None);
        };
        let (_, message) = decode(replay.payload(&entry), Framing::Chunk)?;
        Ok(Some((entry.lsn, message)))
    }

    /// Bytes held by in-progress and half-replayed transactions: in memory, in files.
    #[must_use]
    pub fn spooled_bytes(&self) -> (u64, u64) {
        let (memory, disk) = match &self.place {
            Place::Replay(r) => (r.memory(), r.disk()),
            _ => (0, 0),
        };
        let files = self.spools.values().map(Spool::disk).sum::<u64>();
        (self.memory.saturating_add(memory), files.saturating_add(disk))
    }

    /// Number of in-progress transactions of which chunks are held.
    #[must_use]
    pub fn streamed_transactions(&self) -> usize {
        self.spools.len()
    }

    /// A payload outside chunks.
    fn plain<'a>(&mut self, payload: &'a [u8]) -> Result<Pushed<'a>, Error> {
        let (_, message) = decode(payload, Framing::Plain)?;
        let inside = matches!(self.place, Place::Transaction);
        match &message {
            Message::Insert { .. }
            | Message::Update { .. }
            | Message::Delete { .. }
            | Message::Truncate { .. }
            | Message::Relation(_)
            | Message::Type { .. }
            | Message::Origin { .. }
            | Message::Message {
                transactional: true, ..
            } if inside => {}
            Message::Message {
                transactional: false, ..
            } => {}
            Message::Commit { .. } if inside => self.place = Place::Outside,
            Message::Begin { .. } if !inside => self.place = Place::Transaction,
            Message::StreamStart { .. } | Message::StreamAbort { .. } | Message::StreamCommit { .. }
                if !inside =>
            {
                return self.boundary(&message);
            }
            Message::BeginPrepare { .. }
            | Message::Prepare(_)
            | Message::CommitPrepared { .. }
            | Message::RollbackPrepared { .. }
            | Message::StreamPrepare(_) => return Err(two_phase(message.tag())),
            _ => {
                let place = if inside {
                    "inside a transaction"
                } else {
                    "outside a transaction"
                };
                return Err(misplaced(message.tag(), place));
            }
        }
        Ok(Pushed::Message(message))
    }

    /// Begin or end of something streamed.
    fn boundary<'a>(&mut self, message: &Message<'_>) -> Result<Pushed<'a>, Error> {
        match *message {
            Message::StreamStart { xid, first } => {
                self.open(xid, first)?;
                Ok(Pushed::Spooled)
            }
            Message::StreamAbort { xid, subxid, .. } => {
                self.abort(xid, subxid)?;
                Ok(Pushed::Spooled)
            }
            Message::StreamCommit {
                xid,
                commit_lsn,
                end_lsn,
                commit_us,
            } => {
                let Some(spool) = self.remove(xid) else {
                    return Err(unknown(message.tag(), xid));
                };
                self.place = Place::Replay(Box::new(Replay::new(spool)));
                Ok(Pushed::Replay(StreamedCommit {
                    xid,
                    commit_lsn,
                    end_lsn,
                    commit_us,
                }))
            }
            _ => Err(misplaced(message.tag(), "outside a chunk")),
        }
    }

    fn open(&mut self, xid: u32, first: bool) -> Result<(), Error> {
        if first == self.spools.contains_key(&xid) {
            return Err(if first {
                misplaced(
                    b'S',
                    "as the first chunk of a transaction that has chunks already",
                )
            } else {
                unknown(b'S', xid)
            });
        }
        self.spools.entry(xid).or_default();
        self.place = Place::Chunk(xid);
        Ok(())
    }

    fn abort(&mut self, xid: u32, subxid: u32) -> Result<(), Error> {
        if xid == subxid {
            self.remove(xid);
            return Ok(());
        }
        // Without chunks of the transaction there is nothing to drop.
        let Some(spool) = self.spools.get_mut(&xid) else {
            return Ok(());
        };
        let before = spool.memory();
        let compact = spool.abort(subxid);
        self.memory = self.memory.saturating_add(spool.memory().saturating_sub(before));
        if compact {
            self.compact(xid)?;
        }
        self.enforce_budget()
    }

    /// A payload inside a chunk. It is decoded when it is played back; here only its head is looked at.
    fn chunk<'a>(&mut self, xid: u32, lsn: Lsn, payload: &[u8]) -> Result<Pushed<'a>, Error> {
        match payload.first() {
            Some(b'I' | b'U' | b'D' | b'T' | b'R' | b'Y' | b'M') if payload.len() >= 5 => {}
            Some(b'O') => {}
            Some(b'E') if payload.len() == 1 => {
                self.place = Place::Outside;
                return Ok(Pushed::Spooled);
            }
            _ => {
                let (_, message) = decode(payload, Framing::Chunk)?;
                return Err(match message.tag() {
                    tag @ (b'b' | b'P' | b'K' | b'r' | b'p') => two_phase(tag),
                    tag => misplaced(tag, "inside a chunk"),
                });
            }
        }
        self.append(xid, lsn, payload)?;
        Ok(Pushed::Spooled)
    }

    fn append(&mut self, xid: u32, lsn: Lsn, payload: &[u8]) -> Result<(), Error> {
        let Some(spool) = self.spools.get_mut(&xid) else {
            return Err(unknown(b'S', xid));
        };
        let before = spool.memory();
        spool.append(lsn, payload);
        self.memory = self.memory.saturating_add(spool.memory().saturating_sub(before));
        self.enforce_budget()
    }

    /// Lets the largest transactions give up blocks until the rest fits.
    fn enforce_budget(&mut self) -> Result<(), Error> {
        while self.memory > self.options.memory_bytes {
            let Some(largest) = self.spools.values_mut().max_by_key(|s| s.memory()) else {
                return Ok(());
            };
            let before = largest.memory();
            if before == 0 {
                return Ok(());
            }
            largest.spill(&self.options.directory())?;
            self.memory = self
                .memory
                .saturating_sub(before.saturating_sub(largest.memory()));
        }
        Ok(())
    }

    /// Writes a transaction anew without its rolled-back rows, and forgets which sub-transactions those were.
    fn compact(&mut self, xid: u32) -> Result<(), Error> {
        let Some(mut old) = self.remove(xid) else {
            return Ok(());
        };
        // All of it goes to the file first: what is written anew may then use the whole budget.
        let directory = self.options.directory();
        while old.memory() > 0 {
            old.spill(&directory)?;
        }
        self.spools.insert(xid, Spool::default());
        let mut replay = Replay::new(old);
        while let Some(entry) = replay.advance()? {
            self.append(xid, entry.lsn, replay.payload(&entry))?;
        }
        Ok(())
    }

    fn remove(&mut self, xid: u32) -> Option<Spool> {
        let spool = self.spools.remove(&xid)?;
        self.memory = self.memory.saturating_sub(spool.memory());
        Some(spool)
    }
}

#[cold]
fn two_phase(tag: u8) -> Error {
    let name = message_name(tag);
    Error::new(
        ErrorKind::Protocol,
        format!(
            "{name} at byte 0: two_phase is not requested, yet the slot has it: use one created without two_phase"
        ),
    )
}

#[cold]
fn misplaced(tag: u8, place: &str) -> Error {
    let name = message_name(tag);
    Error::new(
        ErrorKind::Protocol,
        format!("{name} at byte 0: not expected {place}"),
    )
}

#[cold]
fn unknown(tag: u8, xid: u32) -> Error {
    let name = message_name(tag);
    Error::new(
        ErrorKind::Protocol,
        format!("{name} at byte 1: the first chunk of transaction {xid} never came"),
    )
}

#[cfg(test)]
mod tests;
