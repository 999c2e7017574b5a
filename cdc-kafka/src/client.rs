//! Reaching the brokers, the same for every client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_core::{Error, ErrorKind};
use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::report::{self, Reports};

/// How long the first answer of a broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a client that waits for its first answer looks whether log-in was refused.
const GLANCE: Duration = Duration::from_millis(250);

/// Waits for the first answer of a broker; returns the cluster's id. `serve` brings the client's errors to the reports, if no
/// other thread does.
///
/// # Errors
/// Why there was none: refused log-in and TLS at once, everything else after ten seconds.
pub(crate) fn reach<C: ClientContext>(
    client: &Client<C>,
    reports: &Reports,
    servers: &str,
    serve: impl Fn(),
) -> Result<String, Error> {
    let timed_out = KafkaError::Global(Code::BrokerTransportFailure);
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(id) = client.fetch_cluster_id(GLANCE) {
            return Ok(id);
        }
        serve();
        let error = reports.unreachable(servers, &timed_out);
        if matches!(error.kind(), ErrorKind::Auth | ErrorKind::Tls) || Instant::now() >= deadline {
            return Err(error);
        }
    }
}

/// Context of clients that only report.
pub(crate) struct Quiet {
    pub(crate) reports: Arc<Reports>,
}

impl Quiet {
    pub(crate) fn new() -> Self {
        Self {
            reports: Arc::new(Reports::new()),
        }
    }
}

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        report::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reports.note(&error, reason);
    }
}

impl ConsumerContext for Quiet {}
