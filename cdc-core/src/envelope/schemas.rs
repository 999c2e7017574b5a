//! Connect schemas of what Debezium adds around a table's columns.

use std::sync::Arc;

use crate::connect::{Field, Kind, Schema};

/// A required struct.
pub(super) fn structure(name: &str, version: Option<i32>, fields: Vec<Field>) -> Schema {
    let mut schema = Schema::new(Kind::Struct(fields));
    schema.name = Some(name.to_owned());
    schema.version = version;
    schema
}

fn required(name: &str, kind: Kind) -> Field {
    Field::new(name, Schema::new(kind))
}

fn optional(name: &str, kind: Kind) -> Field {
    Field::new(name, Schema::new(kind).optional())
}

/// The envelope of a table, around the schema of its rows.
pub(super) fn envelope(name: &str, row: &Arc<Schema>) -> Schema {
    let fields = vec![
        Field::new("before", Arc::clone(row)),
        Field::new("after", Arc::clone(row)),
        Field::new("source", source()),
        Field::new("transaction", transaction_block()),
        required("op", Kind::String),
        optional("ts_ms", Kind::Int64),
        optional("ts_us", Kind::Int64),
        optional("ts_ns", Kind::Int64),
    ];
    structure(name, Some(2), fields)
}

/// The `source` block.
pub(super) fn source() -> Schema {
    let mut snapshot = Schema::new(Kind::String)
        .optional()
        .named("io.debezium.data.Enum", 1)
        .with_parameter(
            "allowed",
            "true,first,first_in_data_collection,last_in_data_collection,last,false,incremental",
        );
    snapshot.default_json = Some("\"false\"".into());
    let fields = vec![
        required("version", Kind::String),
        required("connector", Kind::String),
        required("name", Kind::String),
        required("ts_ms", Kind::Int64),
        Field::new("snapshot", snapshot),
        required("db", Kind::String),
        optional("sequence", Kind::String),
        optional("ts_us", Kind::Int64),
        optional("ts_ns", Kind::Int64),
        required("schema", Kind::String),
        required("table", Kind::String),
        optional("txId", Kind::Int64),
        optional("lsn", Kind::Int64),
        optional("xmin", Kind::Int64),
        optional("origin", Kind::String),
        optional("origin_lsn", Kind::Int64),
    ];
    structure("io.debezium.connector.postgresql.Source", Some(1), fields)
}

/// The `transaction` block of an event.
fn transaction_block() -> Schema {
    let fields = vec![
        required("id", Kind::String),
        required("total_order", Kind::Int64),
        required("data_collection_order", Kind::Int64),
    ];
    structure("event.block", Some(1), fields).optional()
}

/// Key of a transaction boundary.
pub(super) fn transaction_key() -> Schema {
    let fields = vec![required("id", Kind::String)];
    structure(
        "io.debezium.connector.common.TransactionMetadataKey",
        Some(1),
        fields,
    )
}

/// Value of a transaction boundary.
pub(super) fn transaction_value() -> Schema {
    let counts = vec![
        required("data_collection", Kind::String),
        required("event_count", Kind::Int64),
    ];
    let collection = structure("event.collection", Some(1), counts).optional();
    let fields = vec![
        required("status", Kind::String),
        required("id", Kind::String),
        optional("event_count", Kind::Int64),
        optional("data_collections", Kind::Array(Arc::new(collection))),
        required("ts_ms", Kind::Int64),
    ];
    structure(
        "io.debezium.connector.common.TransactionMetadataValue",
        Some(1),
        fields,
    )
}

/// Key of a logical message.
pub(super) fn message_key() -> Schema {
    let fields = vec![optional("prefix", Kind::String)];
    structure("io.debezium.connector.postgresql.MessageKey", Some(1), fields)
}

/// Value of a logical message; `content` is the kind of its content.
pub(super) fn message_value(content: Kind) -> Schema {
    let message = vec![optional("prefix", Kind::String), optional("content", content)];
    let fields = vec![
        required("op", Kind::String),
        optional("ts_ms", Kind::Int64),
        Field::new("source", source()),
        Field::new("transaction", transaction_block()),
        Field::new(
            "message",
            structure("io.debezium.connector.postgresql.Message", Some(1), message),
        ),
    ];
    structure("io.debezium.connector.postgresql.MessageValue", Some(1), fields)
}

/// Key of a heartbeat.
pub(super) fn heartbeat_key() -> Schema {
    let fields = vec![required("serverName", Kind::String)];
    structure("io.debezium.connector.common.ServerNameKey", Some(1), fields)
}

/// Value of a heartbeat.
pub(super) fn heartbeat_value() -> Schema {
    structure(
        "io.debezium.connector.common.Heartbeat",
        Some(1),
        vec![required("ts_ms", Kind::Int64)],
    )
}

/// What stands before and after a payload: nothing, or its schema.
#[derive(Clone, Debug)]
pub(super) struct Wrapper {
    pub(super) open: Box<[u8]>,
    pub(super) close: &'static [u8],
}

impl Wrapper {
    pub(super) fn new(schema: &Schema, wrapped: bool) -> Self {
        if !wrapped {
            return Self {
                open: Box::default(),
                close: b"",
            };
        }
        let mut open = b"{\"schema\":".to_vec();
        schema.render(None, &mut open);
        open.extend_from_slice(b",\"payload\":");
        Self {
            open: open.into(),
            close: b"}",
        }
    }
}
