//! Runs what a configuration describes: the source stage, the index stage, the HTTP endpoints, until a signal.

pub mod assemble;
pub mod boundary;
pub mod fence;
pub mod http;
pub mod log;
pub mod lookups;
pub mod progress;
pub mod relay;
pub mod transformed;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use anyhow::Context;
use cdc_core::Error;
use cdc_core::telemetry;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Validated;

/// Runs until SIGTERM, SIGINT or SIGHUP, or until a stage ends.
///
/// # Errors
/// The first stage's failure, with what to do about it.
pub async fn run(config: Validated) -> anyhow::Result<()> {
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("metrics recorder")?;
    telemetry::describe();
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let mut fence = fence::Fence::default();
    let pipeline = assemble::pipeline(&config, &fence).map_err(explain)?;
    let relay = relay_of(&config, &fence);
    fence.source = pipeline.as_ref().map(cdc_core::engine::Pipeline::status);
    if let (Some(relay), Some(_)) = (&relay, &config.http) {
        let group = cdc_kafka::GroupWatch::new(&relay.kafka, &relay.topics, &relay.group);
        fence.group = Some(group.map_err(explain)?);
    }
    if let Some(http) = &config.http {
        let board = http::Board {
            name: Arc::from(config.name.as_str()),
            source: pipeline.as_ref().map(cdc_core::engine::Pipeline::status),
            index: relay.as_ref().map(|r| Arc::clone(&r.status)),
            fence: config.index.is_some().then(|| fence.clone()),
            metrics,
        };
        let address = http::serve(http.listen, board, stop.child_token()).await?;
        tracing::info!(%address, "http endpoints");
    }
    if let Some(pipeline) = &pipeline {
        progress::show(pipeline.status(), stop.child_token());
    }
    let source = async {
        match &pipeline {
            Some(pipeline) => pipeline.run(stop.clone()).await,
            None => Ok(()),
        }
    };
    // When one stage ends for good, the other finishes what it has and ends too.
    let source = async {
        let result = source.await;
        if pipeline.is_some() && (result.is_err() || relay.is_none()) {
            stop.cancel();
        }
        result
    };
    let index = async {
        let Some(relay) = &relay else { return Ok(()) };
        let result = relay.run(stop.clone()).await;
        stop.cancel();
        result
    };
    let (source, index) = tokio::join!(source, index);
    source.and(index).map_err(explain)
}

/// The index stage, if Kafka stands between source and index.
fn relay_of(config: &Validated, fence: &fence::Fence) -> Option<relay::Relay> {
    let (kafka, index) = (config.kafka.clone()?, config.index.clone()?);
    Some(relay::Relay {
        name: config.name.clone(),
        kafka,
        topics: config.consume.clone()?,
        group: group_of(config),
        index,
        reshape: config.before_index(),
        status: Arc::default(),
        fence: fence.clone(),
        whole_transactions: None,
    })
}

/// The consumer group that the index stage reads by if none is configured.
pub(crate) fn group_of(config: &Validated) -> String {
    format!("pgcdc-{}", config.name)
}

/// A name that no other process takes: in containers all have the same process id.
pub(crate) fn unique(stem: &str) -> String {
    let random = RandomState::new().hash_one(std::process::id());
    format!("{stem}_{random:016x}")
}

pub(crate) fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM handler")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT handler")?;
    // The terminal is gone, and there is no file to be read again.
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP handler")?;
    tokio::spawn(async move {
        let mut signal = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
        };
        signal().await;
        tracing::info!("stopping: what has been read is finished first");
        stop.cancel();
        // A second signal does not wait. Nothing is lost: the next start goes on from the stored offset.
        signal().await;
        std::process::exit(130);
    });
    Ok(())
}

/// An engine's error as one sentence with its causes and what to do.
#[must_use]
#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub fn explain(error: Error) -> anyhow::Error {
    anyhow::anyhow!("{} ({})", error.chain(), error.advice())
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_for_the_time_being_differ_within_one_process() {
        let (a, b) = (super::unique("pgcdc_tail"), super::unique("pgcdc_tail"));
        assert_ne!(a, b);
        // What PostgreSQL takes as the name of a slot.
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(a.len() <= 63 && a.chars().all(allowed), "{a}");
    }
}
