//! Size and number of bulk requests.

use schemars::JsonSchema;
use serde::Deserialize;

/// Size and number of bulk requests.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BulkConfig {
    /// Size in bytes at which a request is sent. A larger single document is sent alone.
    pub max_bytes: usize,
    /// Number of documents at which a request is sent.
    pub max_docs: usize,
    /// Longest wait for more documents, in milliseconds, while no request is on its way.
    pub linger_ms: u64,
    /// Requests on their way at once. Documents with one `_id` always go one after the other.
    pub max_in_flight: usize,
    /// Bytes of encoded documents, waiting or on their way, above which no more are taken.
    pub max_buffered_bytes: usize,
    /// Milliseconds that a request should take at most. Requests become smaller while they take longer, and grow again up to
    /// `max_bytes` while they take less than half of it.
    pub target_latency_ms: u64,
}

impl Default for BulkConfig {
    fn default() -> Self {
        Self {
            // With documents of 1 KB this is 1000 of them. Larger requests were no faster beside a raw loader, and memory is
            // two for each request on its way: max_buffered_bytes.
            max_bytes: 1 << 20,
            max_docs: 5000,
            // Nothing beside the second after which documents are searchable; but with less, each request brings a document
            // or two where there are some hundred changes a second.
            linger_ms: 20,
            max_in_flight: 4,
            // Four requests of the usual size, and as much gathering behind them, within a 64 MB process.
            max_buffered_bytes: 8 << 20,
            target_latency_ms: 2_000,
        }
    }
}
