//! The source section: connection, slot, publication, what is captured, streaming.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use cdc_core::filter::NameFilter;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::signals::SignalsConfig;
use super::snapshot::SnapshotConfig;

/// The database to read from, and how.
///
/// The connection is either `url` or the single fields; what is missing comes from the `PG*` variables and
/// `~/.pgpass`, as with psql.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// Connection as a `postgres://` URL or as libpq's `key=value` words. Excludes the fields below, except
    /// `password` and `password_file`.
    #[schemars(with = "Option<String>")]
    pub url: Option<SecretString>,
    /// Host name, address or directory of the Unix socket; several as `a,b` or `a:5432,b:5433`.
    pub host: Option<String>,
    /// Port; libpq's default is 5432.
    pub port: Option<u16>,
    /// User to log in as. It needs the REPLICATION attribute.
    pub user: Option<String>,
    /// Password. Prefer `password_file` or `${PGCDC_PASSWORD}`.
    #[schemars(with = "Option<String>")]
    pub password: Option<SecretString>,
    /// File whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// Database to capture.
    pub database: Option<String>,
    /// Whether and how TLS is used; libpq's default is `prefer`.
    pub sslmode: Option<SslMode>,
    /// File of trusted certificates (PEM), or `system` for the operating system's.
    pub sslrootcert: Option<String>,
    /// Client certificate (PEM).
    pub sslcert: Option<PathBuf>,
    /// Key of the client certificate (PEM).
    pub sslkey: Option<PathBuf>,
    /// Which of several hosts is acceptable.
    pub target_session_attrs: Option<TargetSessionAttrs>,
    /// Whether SCRAM is bound to the TLS channel.
    pub channel_binding: Option<ChannelBinding>,
    /// Statements to run on each new connection but the stream's.
    pub initial_statements: Vec<String>,
    /// Replication slot.
    pub slot: SlotConfig,
    /// Publication.
    pub publication: PublicationConfig,
    /// Tables to capture: regular expressions on `schema.table`.
    pub tables: NameFilter,
    /// Schemas to capture: regular expressions on the schema's name.
    pub schemas: NameFilter,
    /// Columns to capture: regular expressions on `schema.table.column`. Key columns stay in the key.
    pub columns: NameFilter,
    /// Prefixes of logical messages (`pg_logical_emit_message`) to capture: regular expressions.
    pub message_prefixes: NameFilter,
    /// Leave out system tables and `spatial_ref_sys`.
    pub ignore_builtin: bool,
    /// Initial snapshot.
    pub snapshot: SnapshotConfig,
    /// Signals, which ask for incremental snapshots. Without this section none are followed.
    pub signals: Option<SignalsConfig>,
    /// Streaming.
    pub streaming: StreamingConfig,
    /// Heartbeats.
    pub heartbeat: HeartbeatConfig,
    /// Records in flight between reading and durable, in bytes of encoded records.
    #[schemars(with = "Size")]
    pub memory: Budget,
    /// Restart after a failure that may pass.
    pub retry: RetryConfig,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: None,
            port: None,
            user: None,
            password: None,
            password_file: None,
            database: None,
            sslmode: None,
            sslrootcert: None,
            sslcert: None,
            sslkey: None,
            target_session_attrs: None,
            channel_binding: None,
            initial_statements: Vec::new(),
            slot: SlotConfig::default(),
            publication: PublicationConfig::default(),
            tables: NameFilter::default(),
            schemas: NameFilter::default(),
            columns: NameFilter::default(),
            message_prefixes: NameFilter::default(),
            ignore_builtin: true,
            snapshot: SnapshotConfig::default(),
            signals: None,
            streaming: StreamingConfig::default(),
            heartbeat: HeartbeatConfig::default(),
            memory: Budget::default(),
            retry: RetryConfig::default(),
        }
    }
}

/// TLS modes of libpq.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server insists.
    Allow,
    /// TLS if the server offers it; the certificate is not checked.
    Prefer,
    /// TLS; the certificate is checked only when `sslrootcert` is given.
    Require,
    /// TLS with a certificate from a trusted authority.
    VerifyCa,
    /// As `verify-ca`, and the certificate names the host.
    VerifyFull,
}

impl SslMode {
    /// libpq's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Which server of several is acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetSessionAttrs {
    /// Any.
    Any,
    /// One that accepts writes.
    ReadWrite,
    /// One that refuses writes.
    ReadOnly,
    /// A primary.
    Primary,
    /// A standby.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

impl TargetSessionAttrs {
    /// libpq's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

/// Channel binding of SCRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If the server offers it.
    Prefer,
    /// Or no log-in.
    Require,
}

impl ChannelBinding {
    /// libpq's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }
}

/// The replication slot.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlotConfig {
    /// Name: lower-case letters, digits and underscores, at most 63.
    pub name: String,
    /// Create the slot when it is missing and no offset is stored.
    pub create: bool,
    /// Drop the slot at a clean stop, after everything read is durable. Changes made before the next start are lost.
    pub drop_on_stop: bool,
    /// Create it as a failover slot (PostgreSQL 17 and later).
    pub failover: bool,
    /// Create it as a temporary slot, which the server drops when the connection ends.
    pub temporary: bool,
}

impl Default for SlotConfig {
    fn default() -> Self {
        Self {
            name: "pgcdc".into(),
            create: true,
            drop_on_stop: false,
            failover: false,
            temporary: false,
        }
    }
}

/// The publication.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PublicationConfig {
    /// Name.
    pub name: String,
    /// What to create when it is missing.
    pub autocreate: PublicationAutocreate,
    /// Publish changes of partitions under the name of the partitioned table (only when it is created here).
    pub via_partition_root: bool,
    /// Operations to publish, such as `insert,update` (only when it is created here); the server's default when not given.
    pub publish: Option<String>,
}

impl Default for PublicationConfig {
    fn default() -> Self {
        Self {
            name: "pgcdc".into(),
            autocreate: PublicationAutocreate::Filtered,
            via_partition_root: false,
            publish: None,
        }
    }
}

/// What to do when the publication is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PublicationAutocreate {
    /// Stop with the SQL that creates it.
    Disabled,
    /// Create it for the captured tables, and alter it when these change.
    Filtered,
    /// Create it for all tables (the role must be superuser).
    AllTables,
    /// Create it without tables.
    NoTables,
}

/// Streaming from the slot.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamingConfig {
    /// Receive large transactions while they are still in progress (PostgreSQL 14 and later), so that the server
    /// need not keep them on its disk.
    pub in_progress: bool,
    /// Memory for transactions in progress; what exceeds it goes to `spill_dir`.
    #[schemars(with = "Size")]
    pub memory: ByteSize,
    /// Directory for what exceeds `memory`. Default: the system's directory for temporary files.
    pub spill_dir: Option<PathBuf>,
    /// How often the position is reported to the server when nothing else is sent.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub status_interval: Duration,
    /// More options of the server's START_REPLICATION, by name.
    pub params: BTreeMap<String, String>,
}

impl Default for StreamingConfig {
    fn default() -> Self {
        Self {
            in_progress: true,
            memory: ByteSize::mib(8),
            spill_dir: None,
            status_interval: Duration::from_secs(10),
            params: BTreeMap::new(),
        }
    }
}

/// Heartbeat records, for consumers that watch liveness. An idle database's WAL is released without them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeartbeatConfig {
    /// How often; `0s` sends none.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub interval: Duration,
    /// SQL to run with each heartbeat.
    pub action_query: Option<String>,
}

/// Restart after a failure that may pass: a lost connection, a busy slot.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// First pause; it doubles with each failure in a row.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub initial: Duration,
    /// Longest pause.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "Span")]
    pub max: Duration,
    /// Failures in a row after which the program gives up; none for never.
    pub attempts: Option<u32>,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(10),
            attempts: None,
        }
    }
}

/// A byte budget; 16 MiB unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Budget(pub ByteSize);

impl Default for Budget {
    fn default() -> Self {
        Self(ByteSize::mib(16))
    }
}

/// Schema of a size in bytes.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Size(
    /// A number of bytes, or a number with a unit: `16MiB`, `64kB`.
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)? *([kKmMgGtTpP]i?)?[bB]?$"))]
    #[expect(dead_code, reason = "only its schema is used")]
    String,
);

/// Schema of a duration.
#[derive(JsonSchema)]
#[schemars(transparent)]
pub(crate) struct Span(
    /// A duration: `200ms`, `10s`, `1m 30s`.
    #[expect(dead_code, reason = "only its schema is used")]
    String,
);
