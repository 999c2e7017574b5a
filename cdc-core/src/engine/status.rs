//! What a pipeline tells about itself while it runs, for `/status`, `/metrics`, probes and progress bars.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::Lsn;

/// Phase of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Connecting and checking.
    Starting = 0,
    /// Reading tables.
    Snapshot = 1,
    /// Following the WAL.
    Streaming = 2,
    /// Waiting before the next try.
    Waiting = 3,
    /// Ended.
    Stopped = 4,
}

impl Phase {
    /// Lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Snapshot => "snapshot",
            Self::Streaming => "streaming",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

/// An incremental snapshot that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IncrementalStatus {
    /// Id of the newest signal that asked for it.
    pub signal: String,
    /// `schema.table` of the table that is being read.
    pub table: String,
    /// Tables that are still to be read, this one included.
    pub tables: usize,
    /// Whether a signal has asked it to pause.
    pub paused: bool,
}

/// Live figures. Written by the engine once a batch, never once a row; read by anybody.
#[derive(Debug, Default)]
pub struct Status {
    phase: AtomicU8,
    received: AtomicU64,
    confirmed: AtomicU64,
    durable: AtomicU64,
    server: AtomicU64,
    rows: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    in_flight: AtomicU64,
    commit_us: AtomicI64,
    turned_ms: AtomicI64,
    restarts: AtomicU64,
    timeline: AtomicU32,
    snapshot_rows: AtomicU64,
    snapshot_rows_expected: AtomicU64,
    snapshot_tables: AtomicU64,
    snapshot_tables_done: AtomicU64,
    incremental_rows: AtomicU64,
    incremental: Mutex<Option<IncrementalStatus>>,
    last_error: Mutex<Option<String>>,
}

impl Status {
    /// Current phase.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Snapshot,
            2 => Phase::Streaming,
            3 => Phase::Waiting,
            _ => Phase::Stopped,
        }
    }

    /// The loop waits, for a sink or a server, and is alive.
    pub(crate) fn alive(&self, now_ms: i64) {
        self.turned_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// End of the last WAL received.
    #[must_use]
    pub fn received_lsn(&self) -> Lsn {
        Lsn(self.received.load(Ordering::Relaxed))
    }

    /// Last position acknowledged to the server.
    #[must_use]
    pub fn confirmed_lsn(&self) -> Lsn {
        Lsn(self.confirmed.load(Ordering::Relaxed))
    }

    /// Position up to which all changes are durable in the sink, or concern nothing that is captured. Ahead of
    /// [`confirmed_lsn`](Self::confirmed_lsn), which waits for the offset store, and moves on while the stream is idle.
    #[must_use]
    pub fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Relaxed))
    }

    pub(crate) fn durable_at(&self, lsn: Lsn) {
        self.durable.fetch_max(lsn.0, Ordering::Relaxed);
    }

    /// The server's WAL position when it was last asked; zero before.
    #[must_use]
    pub fn server_lsn(&self) -> Lsn {
        Lsn(self.server.load(Ordering::Relaxed))
    }

    /// Rows read since the start of the process.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Records handed to the sink since the start of the process.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Bytes handed to the sink since the start of the process.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes handed to the sink and not yet durable.
    #[must_use]
    pub fn in_flight_bytes(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Commit time of the last transaction read, microseconds since 1970-01-01 UTC; 0 before.
    #[must_use]
    pub fn last_commit_us(&self) -> i64 {
        self.commit_us.load(Ordering::Relaxed)
    }

    /// When the engine's loop last turned, milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn turned_ms(&self) -> i64 {
        self.turned_ms.load(Ordering::Relaxed)
    }

    /// Times the pipeline has started again after a failure.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// The server's timeline: that of the start, or a later one once a standby was promoted under way.
    #[must_use]
    pub fn timeline(&self) -> u32 {
        self.timeline.load(Ordering::Relaxed)
    }

    /// Snapshot: rows read, rows expected (the planner's estimate), tables, tables done.
    #[must_use]
    pub fn snapshot(&self) -> (u64, u64, u64, u64) {
        let get = |a: &AtomicU64| a.load(Ordering::Relaxed);
        (
            get(&self.snapshot_rows),
            get(&self.snapshot_rows_expected),
            get(&self.snapshot_tables),
            get(&self.snapshot_tables_done),
        )
    }

    /// The incremental snapshot that is under way, if there is one.
    #[must_use]
    pub fn incremental(&self) -> Option<IncrementalStatus> {
        self.incremental
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Rows written by incremental snapshots since the start of the process.
    #[must_use]
    pub fn incremental_rows(&self) -> u64 {
        self.incremental_rows.load(Ordering::Relaxed)
    }

    /// Why the pipeline last failed.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes what a snapshot is about to read.
    pub fn snapshot_begins(&self, tables: u64, rows_expected: u64) {
        self.snapshot_tables.store(tables, Ordering::Relaxed);
        self.snapshot_tables_done.store(0, Ordering::Relaxed);
        self.snapshot_rows.store(0, Ordering::Relaxed);
        self.snapshot_rows_expected
            .store(rows_expected, Ordering::Relaxed);
    }

    /// Notes that a table is done.
    pub fn snapshot_table_done(&self) {
        self.snapshot_tables_done.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn snapshot_rows_add(&self, rows: u64) {
        self.snapshot_rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Notes what became of an incremental snapshot, once a chunk: `rows` more were written.
    pub(crate) fn incremental_at(&self, now: Option<IncrementalStatus>, rows: u64) {
        self.incremental_rows.fetch_add(rows, Ordering::Relaxed);
        *self.incremental.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub(crate) fn sent(&self, rows: u64, records: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn turned(&self, now_ms: i64, received: Lsn, confirmed: Lsn, in_flight: u64, commit_us: i64) {
        self.turned_ms.store(now_ms, Ordering::Relaxed);
        self.received.fetch_max(received.0, Ordering::Relaxed);
        self.confirmed.fetch_max(confirmed.0, Ordering::Relaxed);
        self.in_flight.store(in_flight, Ordering::Relaxed);
        self.commit_us.fetch_max(commit_us, Ordering::Relaxed);
    }

    pub(crate) fn timeline_is(&self, timeline: u32) {
        self.timeline.store(timeline, Ordering::Relaxed);
    }

    pub(crate) fn server_at(&self, lsn: Lsn) {
        self.server.store(lsn.0, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, error: String) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}
