//! Plays one transaction's records back, without those of its rolled-back sub-transactions.
//!
//! A change names its sub-transaction, and is dropped if that is in the set of aborted ones. A logical message names
//! the top-level transaction only. For it nesting helps: all that stands between the first change of a sub-transaction
//! and its abort belongs to it or to what was nested in it. So a message is dropped if a dropped change came before it
//! whose abort record comes after it. (One that is sent as the first act after a savepoint cannot be told from
//! one sent before it, and stays.)

use std::ops::Range;

use crate::{Error, ErrorKind, Lsn};

use super::{RECORD_HEADER, SEGMENT_HEADER, Spool};

/// A position in a transaction that is being played back.
#[derive(Debug)]
pub(in super::super) struct Replay {
    spool: Spool,
    /// The block being read.
    block: Vec<u8>,
    at: usize,
    /// The last transaction number judged, and whether its changes are dropped.
    verdict: Option<(u32, bool)>,
    /// Sub-transaction whose first change was dropped and whose abort record is still to come.
    dropping: Option<u32>,
}

/// A record to be emitted: its LSN and where its payload lies.
#[derive(Debug)]
pub(in super::super) struct Entry {
    pub(in super::super) lsn: Lsn,
    range: Range<usize>,
}

impl Replay {
    /// Starts before the first record.
    pub(in super::super) fn new(spool: Spool) -> Self {
        Self {
            spool,
            block: Vec::new(),
            at: 0,
            verdict: None,
            dropping: None,
        }
    }

    /// Bytes still held in memory.
    pub(in super::super) fn memory(&self) -> u64 {
        self.spool.memory().saturating_add(self.block.capacity() as u64)
    }

    /// Bytes still held in the file.
    pub(in super::super) fn disk(&self) -> u64 {
        self.spool.disk()
    }

    /// Goes to the next record that counts; none at the end.
    pub(in super::super) fn advance(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            while self.at >= self.block.len() {
                if !self.next_block()? {
                    return Ok(None);
                }
            }
            let entry = self.record()?;
            if self.counts(&entry) {
                return Ok(Some(entry));
            }
        }
    }

    /// The payload of the entry that [`advance`](Self::advance) returned last.
    pub(in super::super) fn payload(&self, entry: &Entry) -> &[u8] {
        self.block.get(entry.range.clone()).unwrap_or_default()
    }

    fn next_block(&mut self) -> Result<bool, Error> {
        self.at = SEGMENT_HEADER;
        if let Some(file) = &mut self.spool.file {
            if file.next(&mut self.block)? {
                return Ok(true);
            }
            self.spool.file = None;
        }
        let Some(block) = self.spool.blocks.pop_front() else {
            self.block = Vec::new();
            return Ok(false);
        };
        self.spool.memory = self.spool.memory.saturating_sub(block.capacity() as u64);
        self.block = block;
        Ok(true)
    }

    fn record(&mut self) -> Result<Entry, Error> {
        let read = || {
            let rest = self.block.get(self.at..)?;
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let (lsn, rest) = rest.split_first_chunk::<8>()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            rest.get(..len)?;
            let start = self.at.checked_add(RECORD_HEADER)?;
            let range = start..start.checked_add(len)?;
            Some(Entry {
                lsn: Lsn(u64::from_be_bytes(*lsn)),
                range,
            })
        };
        let entry = read().ok_or_else(|| {
            let at = self.at;
            Error::new(
                ErrorKind::Io,
                format!("spooled record at byte {at} of its block is damaged"),
            )
        })?;
        self.at = entry.range.end;
        Ok(entry)
    }

    fn counts(&mut self, entry: &Entry) -> bool {
        if self.spool.aborted.ranges() == 0 {
            return true;
        }
        let payload = self.block.get(entry.range.clone()).unwrap_or_default();
        let Some((&tag, rest)) = payload.split_first() else {
            return true;
        };
        let xid = rest.first_chunk().map(|b| u32::from_be_bytes(*b));
        match (tag, xid) {
            (b'A', _) => {
                if self.dropping == xid {
                    self.dropping = None;
                }
                false
            }
            (b'M', _) => self.dropping.is_none(),
            (b'O', _) | (_, None) => true,
            (_, Some(xid)) => {
                let dropped = match self.verdict {
                    Some((judged, dropped)) if judged == xid => dropped,
                    _ => self.spool.aborted.contains(xid),
                };
                self.verdict = Some((xid, dropped));
                if dropped && self.dropping.is_none() {
                    self.dropping = Some(xid);
                }
                !dropped
            }
        }
    }
}
