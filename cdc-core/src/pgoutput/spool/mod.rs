//! Where the chunks of an in-progress transaction wait for its commit.
//!
//! A transaction is a queue of blocks of whole records. The oldest blocks may be in a temporary file, the newer ones
//! are in memory. Which transaction has to give a block to its file is the [`Assembler`](super::Assembler)'s choice.
//!
//! Record: length of the payload `u32`, LSN `u64`, payload as received. A Stream Abort of a sub-transaction is kept
//! as a record too, shortened to its tag and the sub-transaction: see [`replay`].

mod aborted;
mod file;
pub(super) mod replay;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, Lsn};

use aborted::Aborted;
use file::{SEGMENT_HEADER, SpoolFile};

/// Records are gathered into blocks of this size, and files are written and read by blocks: large enough that the
/// system call and the checksum's start-up do not count, small enough that one write does not stall its thread.
const BLOCK: usize = 256 * 1024;

/// Length and LSN.
const RECORD_HEADER: usize = 4 + 8;

/// Sub-transaction ranges kept for one transaction before its rolled-back rows are removed and the list starts anew, which
/// takes a copy of all of it: seldom, as a million ranges that do not touch are, at 8 bytes each.
const MAX_ABORTED: usize = if cfg!(test) { 4096 } else { 1 << 20 };

/// Where streamed in-progress transactions are kept until they commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", default)]
pub struct SpoolOptions {
    /// Bytes kept in memory over all transactions; what is more goes to temporary files.
    pub memory_bytes: u64,
    /// Directory of the temporary files; the system's (`TMPDIR`, else `/tmp`) if unset. The files have no name there
    /// and vanish with the process. They need not survive it: the server sends such a transaction again.
    pub directory: Option<PathBuf>,
}

impl SpoolOptions {
    /// Default of `memory_bytes`: several of the server's chunks at a small `logical_decoding_work_mem`, and a quarter
    /// of what the whole process may take.
    pub const MEMORY_BYTES: u64 = 16 * 1024 * 1024;

    /// The directory in use.
    pub(super) fn directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(std::env::temp_dir)
    }
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            memory_bytes: Self::MEMORY_BYTES,
            directory: None,
        }
    }
}

/// One in-progress transaction.
#[derive(Debug, Default)]
pub(super) struct Spool {
    file: Option<SpoolFile>,
    blocks: VecDeque<Vec<u8>>,
    /// Sum of the blocks' capacities.
    memory: u64,
    aborted: Aborted,
}

impl Spool {
    /// Bytes of memory held by the blocks.
    pub(super) fn memory(&self) -> u64 {
        self.memory
    }

    /// Bytes in the file.
    pub(super) fn disk(&self) -> u64 {
        self.file.as_ref().map_or(0, SpoolFile::written)
    }

    /// Appends a record.
    pub(super) fn append(&mut self, lsn: Lsn, payload: &[u8]) {
        let size = RECORD_HEADER.saturating_add(payload.len());
        let fits = |b: &Vec<u8>| b.len().saturating_add(size) <= BLOCK;
        if !self.blocks.back().is_some_and(fits) {
            // The room in front is for the segment header, so that a block is written by one call.
            self.blocks.push_back(vec![0; SEGMENT_HEADER]);
        }
        let Some(block) = self.blocks.back_mut() else {
            return;
        };
        let before = if block.len() == SEGMENT_HEADER {
            0
        } else {
            block.capacity()
        };
        // Frames are capped at 1 GiB where they are received.
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        block.reserve(size);
        block.extend_from_slice(&len.to_be_bytes());
        block.extend_from_slice(&lsn.0.to_be_bytes());
        block.extend_from_slice(payload);
        let grown = block.capacity().saturating_sub(before);
        self.memory = self.memory.saturating_add(grown as u64);
    }

    /// Notes that a sub-transaction was rolled back; true if so many were that [`Spool`] should be compacted.
    pub(super) fn abort(&mut self, subxid: u32) -> bool {
        self.aborted.insert(subxid);
        let [a, b, c, d] = subxid.to_be_bytes();
        self.append(Lsn::ZERO, &[b'A', a, b, c, d]);
        self.aborted.ranges() > MAX_ABORTED
    }

    /// Moves the oldest block to the file, which is created in `directory` if there is none yet.
    pub(super) fn spill(&mut self, directory: &Path) -> Result<(), Error> {
        let Some(mut block) = self.blocks.pop_front() else {
            return Ok(());
        };
        self.memory = self.memory.saturating_sub(block.capacity() as u64);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(SpoolFile::create(directory)?),
        };
        file.append(&mut block)
    }
}
