//! Names of this crate's metrics, and handles to them.

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// Records acknowledged by Kafka.
pub const RECORDS_DELIVERED: &str = "pgcdc_kafka_records_delivered_total";
/// Bytes of keys and values of the records acknowledged by Kafka.
pub const BYTES_DELIVERED: &str = "pgcdc_kafka_bytes_delivered_total";
/// Bytes of keys and values handed to the client and not yet acknowledged.
pub const BYTES_IN_FLIGHT: &str = "pgcdc_kafka_bytes_in_flight";
/// Times the writer had to wait because the buffer was full.
pub const BUFFER_FULL: &str = "pgcdc_kafka_buffer_full_total";
/// Seconds from the hand-over of a batch to the acknowledgement of its last record.
pub const BATCH_SECONDS: &str = "pgcdc_kafka_batch_seconds";
/// Topics created.
pub const TOPICS_CREATED: &str = "pgcdc_kafka_topics_created_total";
/// Errors that the client reported and goes on after, such as lost connections.
pub const CLIENT_ERRORS: &str = "pgcdc_kafka_client_errors_total";
/// Offset records written.
pub const OFFSETS_SAVED: &str = "pgcdc_kafka_offsets_saved_total";
/// Records read by the consumer.
pub const RECORDS_CONSUMED: &str = "pgcdc_kafka_records_consumed_total";
/// Bytes of keys and values read by the consumer.
pub const BYTES_CONSUMED: &str = "pgcdc_kafka_bytes_consumed_total";
/// Records in the assigned partitions that are not yet committed.
pub const CONSUMER_LAG: &str = "pgcdc_kafka_consumer_lag_records";
/// Partitions assigned to the consumer.
pub const PARTITIONS_ASSIGNED: &str = "pgcdc_kafka_partitions_assigned";

/// Handles of the producing side.
pub(crate) struct ProducerMetrics {
    pub(crate) records: Counter,
    pub(crate) bytes: Counter,
    pub(crate) in_flight: Gauge,
    pub(crate) full: Counter,
    pub(crate) batch_seconds: Histogram,
    pub(crate) topics_created: Counter,
}

impl ProducerMetrics {
    pub(crate) fn new() -> Self {
        Self {
            records: counter!(RECORDS_DELIVERED),
            bytes: counter!(BYTES_DELIVERED),
            in_flight: gauge!(BYTES_IN_FLIGHT),
            full: counter!(BUFFER_FULL),
            batch_seconds: histogram!(BATCH_SECONDS),
            topics_created: counter!(TOPICS_CREATED),
        }
    }
}

/// Handles of the consuming side.
pub(crate) struct ConsumerMetrics {
    pub(crate) records: Counter,
    pub(crate) bytes: Counter,
    pub(crate) lag: Gauge,
    pub(crate) partitions: Gauge,
}

impl ConsumerMetrics {
    pub(crate) fn new() -> Self {
        Self {
            records: counter!(RECORDS_CONSUMED),
            bytes: counter!(BYTES_CONSUMED),
            lag: gauge!(CONSUMER_LAG),
            partitions: gauge!(PARTITIONS_ASSIGNED),
        }
    }
}

pub(crate) fn client_errors() -> Counter {
    counter!(CLIENT_ERRORS)
}

pub(crate) fn offsets_saved() -> Counter {
    counter!(OFFSETS_SAVED)
}
