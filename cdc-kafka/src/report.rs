//! What the client library tells besides the outcome of records: log lines and errors it goes on after.

use std::sync::{Mutex, PoisonError};

use cdc_core::Error;
use metrics::Counter;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::{error, telemetry};

/// Keeps the last error that a client reported, so that a time-out can be explained.
pub(crate) struct Reports {
    last: Mutex<Option<(RDKafkaErrorCode, String)>>,
    errors: Counter,
}

impl Reports {
    pub(crate) fn new() -> Self {
        Self {
            last: Mutex::new(None),
            errors: telemetry::client_errors(),
        }
    }

    /// Takes note of an error that the client goes on after.
    pub(crate) fn note(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        // No failure: it is how a reader learns that it has all there is.
        if code == RDKafkaErrorCode::PartitionEOF {
            return;
        }
        self.errors.increment(1);
        tracing::warn!(code = ?code, "kafka client: {reason}");
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // "All brokers down" follows the error that says why.
        if code != RDKafkaErrorCode::AllBrokersDown || last.is_none() {
            *last = Some((code, reason.to_owned()));
        }
    }

    /// Explains why brokers were not reached in time: by the last error reported, or by the time-out.
    pub(crate) fn unreachable(&self, servers: &str, fallback: &KafkaError) -> Error {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let context = format!("kafka at {servers} cannot be reached");
        match last {
            Some((code, reason)) => {
                let (kind, hint) = error::classify(code);
                let told = Error::new(kind, context).with_source(reason);
                match hint {
                    Some(hint) => told.with_hint(hint),
                    None => told,
                }
            }
            None => error::from_kafka(fallback, context),
        }
    }
}

/// Hands one of librdkafka's log lines on.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => {
            tracing::warn!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{line}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{line}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{line}"),
    }
}
