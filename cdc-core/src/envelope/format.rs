//! The format of events, as the user configures it.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use super::naming::{NameAdjustment, TopicNaming};
use crate::types::ValueOptions;

/// The version that `source.version` shows unless configured: the Debezium release whose events these are.
pub const DEBEZIUM_VERSION: &str = "3.6.3.Final";

/// Format of keys, values and headers, and the names of topics.
///
/// Everything that shapes a byte of a record is here; two pipelines with equal formats write equal records.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Format {
    /// Logical name of the server: first part of each topic and `source.name`. Letters, digits, `.`, `_`, `-`.
    pub topic_prefix: String,
    /// Between the parts of topic names.
    pub topic_delimiter: String,
    /// How a table's topic is named.
    pub topic_naming: TopicNaming,
    /// Whether keys carry their schema: `{"schema":…,"payload":…}`.
    pub key_schemas: bool,
    /// Whether values carry their schema.
    pub value_schemas: bool,
    /// How header values are written.
    pub header_format: HeaderFormat,
    /// Whether header values in JSON carry their schema; as `value_schemas` if not given.
    pub header_schemas: Option<bool>,
    /// Whether each row's record has the four `__debezium.context.*` headers.
    pub context_headers: bool,
    /// Whether each record has the header `pgcdc.pos`: commit position, number of the row in its transaction and
    /// number of the record of the row, decimal, separated by colons. Logical messages behind a row are numbered from 16 on. Repeats after a restart have equal positions. A pipeline
    /// that also indexes from Kafka always writes it.
    pub position_header: bool,
    /// Whether a delete is followed by a record without a value, so that compacted topics forget the key.
    pub tombstones_on_delete: bool,
    /// Operations that make no records. A changed key counts as an update first, then as a delete and a create.
    pub skipped_operations: Vec<Operation>,
    /// Whether updates that change no captured column are left out; needs `REPLICA IDENTITY FULL`.
    pub skip_messages_without_change: bool,
    /// How schema names are made valid for Avro.
    pub schema_name_adjustment: NameAdjustment,
    /// How field names are made valid for Avro.
    pub field_name_adjustment: NameAdjustment,
    /// Keys for tables, instead of the primary key; the first rule whose table matches applies.
    pub message_keys: Vec<MessageKey>,
    /// Changes to columns; the first rule that matches a column applies. Keys are never changed.
    pub column_rules: Vec<ColumnRule>,
    /// Whether comments on columns become the `doc` of their schemas.
    pub include_schema_comments: bool,
    /// Whether transaction boundaries are written to a topic of their own and each event says its transaction.
    pub transaction_metadata: bool,
    /// Last part of the name of the topic of transaction boundaries.
    pub transaction_topic: String,
    /// First part of the name of the heartbeat topic.
    pub heartbeat_topic_prefix: String,
    /// Whole name of the heartbeat topic, instead of prefix and `topic_prefix`.
    pub heartbeat_topic: Option<String>,
    /// What happens with a value that cannot be represented.
    pub on_value_error: OnValueError,
    /// What happens with a row or message that cannot be represented, since a value may not become null.
    pub on_event_error: OnEventError,
    /// What `source.version` says.
    pub source_version: String,
    /// How column values are represented.
    pub values: ValueOptions,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            topic_prefix: String::new(),
            topic_delimiter: ".".into(),
            topic_naming: TopicNaming::default(),
            key_schemas: false,
            value_schemas: false,
            header_format: HeaderFormat::default(),
            header_schemas: None,
            context_headers: false,
            position_header: false,
            tombstones_on_delete: true,
            skipped_operations: vec![Operation::Truncate],
            skip_messages_without_change: false,
            schema_name_adjustment: NameAdjustment::None,
            field_name_adjustment: NameAdjustment::None,
            message_keys: Vec::new(),
            column_rules: Vec::new(),
            include_schema_comments: false,
            transaction_metadata: false,
            transaction_topic: "transaction".into(),
            heartbeat_topic_prefix: "__debezium-heartbeat".into(),
            heartbeat_topic: None,
            on_value_error: OnValueError::default(),
            on_event_error: OnEventError::default(),
            source_version: DEBEZIUM_VERSION.into(),
            values: ValueOptions::default(),
        }
    }
}

/// How header values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeaderFormat {
    /// As Connect's `SimpleHeaderConverter`: strings bare, structures as JSON.
    #[default]
    Simple,
    /// As Connect's `JsonConverter`.
    Json,
}

/// A row operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A row read by a snapshot.
    #[serde(alias = "r")]
    Read,
    /// An insert.
    #[serde(alias = "c")]
    Create,
    /// An update.
    #[serde(alias = "u")]
    Update,
    /// A delete.
    #[serde(alias = "d")]
    Delete,
    /// A truncate.
    #[serde(alias = "t")]
    Truncate,
}

impl Operation {
    /// The letter in `op`.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Read => b'r',
            Self::Create => b'c',
            Self::Update => b'u',
            Self::Delete => b'd',
            Self::Truncate => b't',
        }
    }

    /// The operation of a letter.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            b'r' => Self::Read,
            b'c' => Self::Create,
            b'u' => Self::Update,
            b'd' => Self::Delete,
            b't' => Self::Truncate,
            _ => return None,
        })
    }
}

/// What happens with a value that cannot be represented (`event.converting.failure.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnValueError {
    /// It becomes null, is counted, and is logged once a column.
    #[default]
    Warn,
    /// The pipeline stops.
    Fail,
    /// It becomes null and is counted.
    Skip,
}

/// What happens with a row or message that cannot be represented (`event.processing.failure.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnEventError {
    /// The pipeline stops.
    #[default]
    Fail,
    /// It is left out, logged and counted.
    Warn,
    /// It is left out and counted.
    Skip,
}

/// Key columns of the tables that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageKey {
    /// Regular expression for the whole of `schema.table`.
    pub table: String,
    /// Columns, in the order of the key. They may be nullable.
    pub columns: Vec<String>,
}

/// A change to the columns whose `schema.table.column` matches one of the regular expressions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ColumnRule {
    /// Cuts strings after `chars` characters (UTF-16 units).
    Truncate {
        /// Regular expressions for columns.
        columns: Vec<String>,
        /// Characters that stay.
        chars: u32,
    },
    /// Replaces character columns by `chars` asterisks, NULL too.
    Mask {
        /// Regular expressions for columns.
        columns: Vec<String>,
        /// Number of asterisks.
        chars: u32,
    },
    /// Replaces character columns by a salted digest in hexadecimal, cut to the column's length.
    Hash {
        /// Regular expressions for columns.
        columns: Vec<String>,
        /// Java's name of the digest: MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, SHA-512/256,
        /// SHA3-224, SHA3-256, SHA3-384, SHA3-512.
        algorithm: String,
        /// Salt, put before the value.
        #[serde(serialize_with = "expose")]
        #[schemars(with = "String")]
        salt: SecretString,
        /// What is hashed after the salt.
        #[serde(default)]
        version: HashVersion,
    },
    /// Adds the column's type, length, scale and name to its schema as parameters.
    PropagateSourceType {
        /// Regular expressions for columns.
        #[serde(default)]
        columns: Vec<String>,
        /// Regular expressions for `schema.table.TYPE`, the type's name in upper case.
        #[serde(default)]
        types: Vec<String>,
    },
}

/// What is hashed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HashVersion {
    /// The value as Java serialises a string.
    V1,
    /// The value's UTF-8.
    #[default]
    V2,
}

/// The configuration is written back where it was read from; logs go through `Debug`, which hides the salt.
fn expose<S: Serializer>(salt: &SecretString, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(salt.expose_secret())
}
