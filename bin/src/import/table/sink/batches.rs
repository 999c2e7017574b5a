//! How many documents a request takes, and when it is tried again.

use super::super::super::draft::Draft;
use super::super::super::parse;
use super::super::row::{Given, Row, no_meaning, number, with};

const BYTES: &str = "what waits is bounded in bytes: `index.bulk.max_buffered_bytes`";
const ENDLESS: &str = "what may pass is tried again without end";

pub(in super::super) const BATCHES: &[Row] = &[
    number("batch.size", "2000", "index.bulk.max_docs").always(),
    with("bulk.size.bytes", "5242880", "index.bulk.max_bytes", bulk_bytes),
    with(
        "max.in.flight.requests",
        "5",
        "index.bulk.max_in_flight",
        in_flight,
    )
    .always(),
    number("linger.ms", "1", "index.bulk.linger_ms").always(),
    no_meaning("max.buffered.records", "20000", BYTES),
    no_meaning(
        "flush.timeout.ms",
        "180000",
        "the topics are paused while the index takes nothing, however long",
    ),
    no_meaning(
        "flush.synchronously",
        "false",
        "offsets are those of the topics, whatever the documents' names",
    ),
    no_meaning("max.retries", "5", ENDLESS),
    number("retry.backoff.ms", "100", "index.first_backoff_ms").always(),
    no_meaning("errors.retry.timeout", "0", ENDLESS),
    no_meaning("errors.retry.delay.max.ms", "60000", ENDLESS),
];

fn bulk_bytes(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match parse::number(given.value)? {
        // Without a limit of the connector's, the servers' own holds.
        -1 => draft.set("index.bulk.max_bytes", 100 << 20),
        n => draft.set("index.bulk.max_bytes", n),
    }
    Ok(())
}

fn in_flight(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let n = parse::number(given.value)?;
    if n > 64 {
        draft.note(
            given.name,
            "is taken as 64: more requests at once bring no server anything",
        );
    }
    draft.set("index.bulk.max_in_flight", n.min(64));
    Ok(())
}
