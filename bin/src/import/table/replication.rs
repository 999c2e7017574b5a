//! Slot, publication, positions.

use super::super::draft::Draft;
use super::row::{Given, Row, flag, list, millis, no_meaning, refused, refused_unless, text, with, word};

pub(super) const ROWS: &[Row] = &[
    with("plugin.name", "decoderbufs", "source", plugin),
    text("slot.name", "debezium", "source.slot.name").always(),
    flag("slot.drop.on.stop", "false", "source.slot.drop_on_stop"),
    flag("slot.failover", "false", "source.slot.failover"),
    with("slot.stream.params", "", "source.streaming.params", stream_params),
    no_meaning(
        "slot.max.retries",
        "6",
        "a slot in use is tried again as `source.retry` says",
    ),
    no_meaning(
        "slot.retry.delay.ms",
        "10000",
        "a slot in use is tried again as `source.retry` says",
    ),
    no_meaning(
        "internal.create.slot.command.timeout",
        "90000",
        "creating a slot waits for running transactions as long as they last",
    ),
    text("publication.name", "dbz_publication", "source.publication.name").always(),
    word(
        "publication.autocreate.mode",
        "all_tables",
        "source.publication.autocreate",
        &[
            ("all_tables", "all_tables"),
            ("disabled", "disabled"),
            ("filtered", "filtered"),
            ("no_tables", "no_tables"),
        ],
    )
    .always(),
    flag(
        "publish.via.partition.root",
        "false",
        "source.publication.via_partition_root",
    ),
    refused(
        "replica.identity.autoset.values",
        "tables are not altered: run ALTER TABLE … REPLICA IDENTITY once (`pgcdc doctor` prints it)",
    ),
    millis(
        "status.update.interval.ms",
        "10000",
        "source.streaming.status_interval",
    )
    .always(),
    refused_unless(
        "offset.mismatch.strategy",
        &["no_validation", "trust_greater_lsn"],
        "the stored offset is always checked against the slot, and a gap stops the pipeline: remove it",
    ),
    refused_unless(
        "lsn.flush.mode",
        &["connector", "connector_and_driver"],
        "positions are always acknowledged, once they are durable downstream: remove it",
    ),
    refused_unless(
        "flush.lsn.source",
        &["true"],
        "positions are always acknowledged, once they are durable downstream: remove it",
    ),
    no_meaning("lsn.flush.timeout.ms", "30000", "acknowledging never blocks"),
    no_meaning("lsn.flush.timeout.action", "fail", "acknowledging never blocks"),
    refused_unless(
        "xmin.fetch.interval.ms",
        &["0"],
        "source.xmin is always null: set it to 0",
    ),
    no_meaning(
        "schema.refresh.mode",
        "columns_diff",
        "the stream itself says a table's columns at each position",
    ),
    list("message.prefix.include.list", "source.message_prefixes.include"),
    list("message.prefix.exclude.list", "source.message_prefixes.exclude"),
    no_meaning(
        "internal.log.position.check.enable",
        "true",
        "positions are always checked",
    ),
    no_meaning(
        "internal.offset.activity.monitor.interval.ms",
        "600000",
        "metrics show how far the slot is behind",
    ),
];

fn plugin(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if given.value.trim().eq_ignore_ascii_case("pgoutput") {
        return Ok(());
    }
    Err("only pgoutput is read, which every server has: set it to pgoutput, and name a new slot".into())
}

fn stream_params(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for pair in given.value.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("`{pair}` is not of the form name=value"))?;
        draft.set_under("source.streaming.params", name.trim(), value.trim());
    }
    Ok(())
}
