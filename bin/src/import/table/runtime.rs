//! Queues, retries, metrics.

use super::super::draft::Draft;
use super::super::parse;
use super::row::{Given, Row, millis, no_meaning, refused, refused_unless, with};

const IN_BYTES: &str = "what is in flight is bounded in bytes: `source.memory`";
const AT_ONCE: &str = "changes are taken as they arrive";

pub(super) const ROWS: &[Row] = &[
    no_meaning("max.batch.size", "2048", IN_BYTES),
    no_meaning("max.queue.size", "8192", IN_BYTES),
    with("max.queue.size.in.bytes", "0", "source.memory", queue_bytes),
    no_meaning("poll.interval.ms", "500", AT_ONCE),
    no_meaning("poll.dispatch.interval.ms", "0", AT_ONCE),
    refused_unless(
        "queue.provider.type",
        &["memory"],
        "there is no queue to replace: remove it",
    ),
    no_meaning("query.fetch.size", "0", AT_ONCE),
    with("errors.max.retries", "-1", "source.retry.attempts", retries),
    millis("retriable.restart.connector.wait.ms", "10000", "source.retry.max").always(),
    refused(
        "internal.custom.retriable.exception",
        "failures are told apart by SQLSTATE: remove it",
    ),
    no_meaning(
        "executor.shutdown.timeout.ms",
        "4000",
        "a stop waits until what was read is durable",
    ),
    refused(
        "custom.metric.tags",
        "add labels where the metrics are collected: remove it",
    ),
    no_meaning("statistics.metrics.enabled", "true", "metrics are always there"),
    no_meaning(
        "internal.advanced.metrics.enable",
        "false",
        "metrics are always there",
    ),
    no_meaning(
        "custom.sanitize.pattern",
        "",
        "no value of the configuration is ever logged",
    ),
    no_meaning(
        "memory.management.schemas.class",
        "",
        "there is no Java class to load",
    ),
    no_meaning(
        "memory.management.tables.class",
        "",
        "there is no Java class to load",
    ),
];

fn queue_bytes(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match parse::number(given.value)? {
        0 => Ok(()),
        bytes if bytes < 1 << 20 => {
            draft.note(
                given.name,
                "raised to 1 MiB, the least that `source.memory` takes",
            );
            draft.set("source.memory", "1MiB");
            Ok(())
        }
        bytes => {
            draft.set("source.memory", bytes);
            Ok(())
        }
    }
}

fn retries(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match parse::number(given.value)? {
        n if n < 0 => Ok(()),
        n => {
            draft.set("source.retry.attempts", n);
            Ok(())
        }
    }
}
