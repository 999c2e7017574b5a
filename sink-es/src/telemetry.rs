//! Names of the metrics, and handles to them.

use metrics::{Counter, Gauge, Histogram};

/// Items settled, by `result`: `done`, `stale` (the index had this or a newer state), `missing` (nothing to delete),
/// `superseded` (a later change of the same document was in the same request), `bad`.
pub const ITEMS: &str = "pgcdc_index_items_total";
/// Records left out, by `reason`: `truncate`, `message`, `heartbeat`, `transaction`, `tombstone`, `delete`, `no_key`,
/// `no_position`.
pub const SKIPPED: &str = "pgcdc_index_skipped_records_total";
/// Bulk requests sent, by `result`: `ok`, `unavailable`, `too_large`, `refused`.
pub const REQUESTS: &str = "pgcdc_index_requests_total";
/// Items sent again, since the server refused them for the moment.
pub const RETRIED: &str = "pgcdc_index_retried_items_total";
/// Seconds from a bulk request to its answer.
pub const REQUEST_SECONDS: &str = "pgcdc_index_request_seconds";
/// Bytes of bulk requests before compression.
pub const BYTES: &str = "pgcdc_index_bytes_total";
/// Bytes of encoded documents waiting or on their way.
pub const BUFFERED: &str = "pgcdc_index_buffered_bytes";

/// Bulk requests that may be on their way at once: fewer than configured after refusals.
pub const LIMIT: &str = "pgcdc_index_request_limit";

/// Seconds from one stage to the next, by `step`, of one record of each batch.
pub const LATENCY_SECONDS: &str = "pgcdc_index_latency_seconds";

/// Handles, looked up once.
#[derive(Clone)]
pub(crate) struct Telemetry {
    pub(crate) done: Counter,
    pub(crate) stale: Counter,
    pub(crate) missing: Counter,
    pub(crate) superseded: Counter,
    pub(crate) bad: Counter,
    pub(crate) skipped: [Counter; Skipped::ALL.len()],
    pub(crate) ok: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) too_large: Counter,
    pub(crate) refused: Counter,
    pub(crate) retried: Counter,
    pub(crate) seconds: Histogram,
    pub(crate) bytes: Counter,
    pub(crate) buffered: Gauge,
    pub(crate) limit: Gauge,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}

/// Why a record is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skipped {
    Truncate,
    Message,
    Heartbeat,
    Transaction,
    Tombstone,
    Delete,
    NoKey,
    NoPosition,
}

impl Skipped {
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (Self::Truncate, "truncate"),
        (Self::Message, "message"),
        (Self::Heartbeat, "heartbeat"),
        (Self::Transaction, "transaction"),
        (Self::Tombstone, "tombstone"),
        (Self::Delete, "delete"),
        (Self::NoKey, "no_key"),
        (Self::NoPosition, "no_position"),
    ];
}

impl Telemetry {
    pub(crate) fn new() -> Self {
        let item = |result: &'static str| metrics::counter!(ITEMS, "result" => result);
        let request = |result: &'static str| metrics::counter!(REQUESTS, "result" => result);
        Self {
            done: item("done"),
            stale: item("stale"),
            missing: item("missing"),
            superseded: item("superseded"),
            bad: item("bad"),
            skipped: Skipped::ALL.map(|(_, reason)| metrics::counter!(SKIPPED, "reason" => reason)),
            ok: request("ok"),
            unavailable: request("unavailable"),
            too_large: request("too_large"),
            refused: request("refused"),
            retried: metrics::counter!(RETRIED),
            seconds: metrics::histogram!(REQUEST_SECONDS),
            bytes: metrics::counter!(BYTES),
            buffered: metrics::gauge!(BUFFERED),
            limit: metrics::gauge!(LIMIT),
        }
    }

    /// Counts a record that is left out.
    pub(crate) fn skip(&self, why: Skipped) {
        let i = Skipped::ALL.iter().position(|(s, _)| *s == why);
        if let Some(counter) = i.and_then(|i| self.skipped.get(i)) {
            counter.increment(1);
        }
    }
}

/// A count as the facade's floating point number; exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no buffer is that large")]
pub(crate) fn gauge_value(n: usize) -> f64 {
    n as f64
}
