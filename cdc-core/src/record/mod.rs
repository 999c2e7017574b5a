//! The record model: Kafka Connect's schemas and values, one record at a time.
//!
//! The direct encoder writes bytes without it. Records take this form only where something changes them (a
//! [`Transform`](crate::transform::Transform)) or writes them as something other than JSON
//! (a [`Converter`](crate::convert::Converter)); both stages use it, for rows on their way to Kafka and for records
//! consumed from it. Schemas are shared by reference, so what depends on a schema alone is worked out once.

mod decimal;
mod interner;
mod schema_cache;
mod value;

use std::sync::Arc;

pub use self::decimal::Decimal;
pub use self::interner::SchemaInterner;
pub use self::schema_cache::SchemaCache;
pub use self::value::{Text, Value};
use crate::connect::{Kind, Schema};
use crate::{RecordHead, Topic};

/// A value with its schema; without one it is what JSON without schemas gives: maps, arrays, strings, numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SchemaAndValue {
    /// Schema.
    pub schema: Option<Arc<Schema>>,
    /// Value. A struct's members are in the order of its schema's fields.
    pub value: Value,
}

impl SchemaAndValue {
    /// A value of `schema`.
    #[must_use]
    pub fn new(schema: impl Into<Arc<Schema>>, value: Value) -> Self {
        Self {
            schema: Some(schema.into()),
            value,
        }
    }

    /// A value without a schema.
    #[must_use]
    pub fn schemaless(value: Value) -> Self {
        Self { schema: None, value }
    }

    /// Neither schema nor value: Kafka's null.
    #[must_use]
    pub fn null() -> Self {
        Self::default()
    }

    /// A required string.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self::new(Schema::new(Kind::String), Value::String(text.into()))
    }
}

/// A header.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Name. Several headers may have the same.
    pub name: Text,
    /// Value.
    pub data: SchemaAndValue,
}

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Topic, partition, timestamp and position.
    pub head: RecordHead,
    /// Key.
    pub key: SchemaAndValue,
    /// Value; null is a tombstone.
    pub value: SchemaAndValue,
    /// Headers in order.
    pub headers: Vec<Header>,
}

impl Record {
    /// Name of the topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.head.topic.name
    }

    /// Sends the record to another topic.
    pub fn set_topic(&mut self, name: &str) {
        if self.topic() != name {
            self.head.topic = Arc::new(Topic {
                name: name.to_owned(),
            });
        }
    }

    /// The last header called `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Header> {
        self.headers.iter().rev().find(|h| h.name == name)
    }

    /// Appends a header.
    pub fn add_header(&mut self, name: &str, data: SchemaAndValue) {
        self.headers.push(Header {
            name: name.into(),
            data,
        });
    }

    /// Offset in the topic's partition, for a record consumed from Kafka.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        let at = self.head.position;
        at.commit_lsn
            .is_zero()
            .then(|| i64::try_from(at.seq).unwrap_or(i64::MAX))
    }
}
