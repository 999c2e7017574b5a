//! Output without Kafka, the offset store, HTTP and logging.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Output without Kafka and without an index.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum OutputConfig {
    /// One JSON object a record on standard output.
    Stdout,
    /// One JSON object a line in a file.
    Ndjson(FileOutput),
    /// Nowhere: to measure the rest.
    Null,
}

/// A file of records.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileOutput {
    /// The file; it is created, or appended to.
    pub path: PathBuf,
}

/// Where positions are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum OffsetsConfig {
    /// In a compacted topic: `offsets_topic` of the `kafka` section.
    Kafka,
    /// In a file.
    File(FileOffsets),
    /// In a table of the source database, or of another one.
    Postgres(PostgresOffsets),
    /// Nowhere: each start begins anew.
    Memory,
}

/// Offsets in a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileOffsets {
    /// The file; it is replaced atomically. Its directory must exist.
    pub path: PathBuf,
}

/// Offsets in a table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresOffsets {
    /// Connection, as `source.url`; the source's when not given.
    #[schemars(with = "Option<String>")]
    pub url: Option<secrecy::SecretString>,
    /// Schema of the table; created if it is missing.
    pub schema: String,
    /// The table; created if it is missing.
    pub table: String,
}

impl Default for PostgresOffsets {
    fn default() -> Self {
        Self {
            url: None,
            schema: "pgcdc".into(),
            table: "offsets".into(),
        }
    }
}

/// HTTP endpoints: `/metrics`, `/livez`, `/readyz`, `/status`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Address and port, for example `127.0.0.1:9187`.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

/// Logging, on standard error.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Level, or a filter such as `info,cdc_core=debug`. The variable `PGCDC_LOG` overrides it.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Auto,
        }
    }
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// Text.
    Text,
    /// JSON, one object a line.
    Json,
}
