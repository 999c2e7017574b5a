//! Debezium's records: keys, envelopes, tombstones, and what surrounds them.
//!
//! An [`Encoder`] compiles a [`RelationPlan`] once a relation: schemas, names and constant parts become byte
//! fragments, columns become writers. A row is then a walk over its columns into the batch's arena: no allocation, no
//! clock, no formatting machinery.
//!
//! # Differences from Debezium
//! - Tables whose columns differ only by case are captured; Debezium stops.
//! - A string is never cut inside a character, so `column.truncate` leaves no half of a surrogate pair.
//! - Logical messages in transactions are counted under the name `message`, not under a Java object's identity.
//! - An update of a key is skipped when updates are, whatever the publication publishes.

mod avro;
mod change;
mod column;
mod digest;
mod encoder;
mod event;
mod format;
mod fragment;
mod header;
mod key;
mod mapper;
mod naming;
mod plan;
mod reshape;
mod schemas;
mod script;
mod service;
mod source;
mod source_type;
mod tail;
mod transaction;

pub use encoder::Encoder;
pub use event::{EventContext, OldRow, RowOp, SnapshotMarker};
pub use format::{
    ColumnRule, DEBEZIUM_VERSION, Format, HashVersion, HeaderFormat, MessageKey, OnEventError, OnValueError,
    Operation,
};
pub use header::POSITION_HEADER;
pub use naming::{NameAdjustment, TopicNaming, TopicRegex};
pub use plan::RelationPlan;
pub use reshape::{OnRecordError, Reshape};

#[cfg(test)]
mod golden;
