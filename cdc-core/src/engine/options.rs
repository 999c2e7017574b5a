//! What a pipeline is told: server, slot, publication, snapshot, streaming.

use std::path::PathBuf;
use std::time::Duration;

use super::incremental::SignalOptions;
use crate::Lsn;
use crate::wire::ConnectOptions;

/// When the tables are read before streaming (`snapshot.mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum SnapshotMode {
    /// When there is no stored offset, or an earlier snapshot did not finish.
    #[default]
    Initial,
    /// At every start.
    Always,
    /// Never: from the slot's position on.
    NoData,
    /// As `Initial`, then stop without streaming; needs neither slot nor publication.
    InitialOnly,
    /// As `Initial`, and also when changes since the stored offset are gone.
    WhenNeeded,
}

/// Who creates the publication (`publication.autocreate.mode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PublicationMode {
    /// Nobody: it must exist.
    #[default]
    Disabled,
    /// The engine, for the captured tables; an existing one is brought to that set.
    Filtered,
    /// The engine, `FOR ALL TABLES`, if it is missing.
    AllTables,
    /// The engine, for no table (logical messages only), if it is missing.
    NoTables,
}

/// The replication slot.
#[derive(Clone, Debug)]
pub struct SlotOptions {
    /// Name: `[a-z0-9_]{1,63}`.
    pub name: String,
    /// Whether a missing slot may be created.
    pub create: bool,
    /// Whether the slot is dropped at a clean stop, once everything sent is durable (`slot.drop.on.stop`).
    pub drop_on_stop: bool,
    /// Whether the slot is synchronised to standbys (17 and later, `slot.failover`).
    pub failover: bool,
    /// Whether the slot ends with the connection: for looking, not for keeping.
    pub temporary: bool,
}

/// The publication.
#[derive(Clone, Debug)]
pub struct PublicationOptions {
    /// Name, unquoted.
    pub name: String,
    /// Who creates it.
    pub mode: PublicationMode,
    /// `publish_via_partition_root` for a created one.
    pub via_partition_root: bool,
    /// `publish` for a created one, such as `insert,update`; none for the server's default.
    pub publish: Option<String>,
}

/// Heartbeats (`heartbeat.interval.ms`, `heartbeat.action.query`).
#[derive(Clone, Debug)]
pub struct HeartbeatOptions {
    /// Least time between two.
    pub interval: Duration,
    /// SQL run with each, on the catalog connection.
    pub action_query: Option<String>,
}

/// Everything about the source.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// Server, database, role, TLS.
    pub connect: ConnectOptions,
    /// Slot.
    pub slot: SlotOptions,
    /// Publication.
    pub publication: PublicationOptions,
    /// Snapshot mode.
    pub snapshot: SnapshotMode,
    /// Version that rows of the snapshot have for last-writer-wins sinks, where it must not be the snapshot's position:
    /// another pipeline writes the same rows, and every change it brings must win.
    pub snapshot_version: Option<Lsn>,
    /// Whether a stop waits for the end of the transaction whose rows are being written: for a sink that others write to as
    /// well. Otherwise what is left of it comes again at the next start.
    pub whole_transactions: bool,
    /// Whether the server streams transactions in progress (14 and later).
    pub stream_in_progress: bool,
    /// Bytes of such transactions kept in memory before they go to a file.
    pub spool_memory: u64,
    /// Directory of those files; none for the system's.
    pub spool_dir: Option<PathBuf>,
    /// Longest time between two status updates.
    pub status_interval: Duration,
    /// Heartbeats, if any.
    pub heartbeat: Option<HeartbeatOptions>,
    /// More `START_REPLICATION` options (`slot.stream.params`).
    pub stream_params: Vec<(String, String)>,
    /// Statements run on each new ordinary connection (`database.initial.statements`).
    pub initial_statements: Vec<String>,
    /// The signal table, if signals are followed. It is captured whatever the filters say.
    pub signals: Option<SignalOptions>,
}

impl SourceOptions {
    /// Defaults for everything but server, slot and publication.
    #[must_use]
    pub fn new(connect: ConnectOptions, slot: &str, publication: &str) -> Self {
        Self {
            connect,
            slot: SlotOptions {
                name: slot.to_owned(),
                create: true,
                drop_on_stop: false,
                failover: false,
                temporary: false,
            },
            publication: PublicationOptions {
                name: publication.to_owned(),
                mode: PublicationMode::Disabled,
                via_partition_root: false,
                publish: None,
            },
            snapshot: SnapshotMode::Initial,
            snapshot_version: None,
            whole_transactions: false,
            stream_in_progress: true,
            spool_memory: Self::SPOOL_MEMORY,
            spool_dir: None,
            status_interval: Self::STATUS_INTERVAL,
            heartbeat: None,
            stream_params: Vec::new(),
            initial_statements: Vec::new(),
            signals: None,
        }
    }

    /// 8 MiB: with 16 MiB under way to the sink, the client libraries' buffers and the program itself it stays below 64 MiB.
    pub const SPOOL_MEMORY: u64 = 8 << 20;
    /// 10 s, Debezium's `status.update.interval.ms`; a sixth of the server's default `wal_sender_timeout`.
    pub const STATUS_INTERVAL: Duration = Duration::from_secs(10);
}
