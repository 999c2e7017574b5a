//! What only Debezium Server's `application.properties` holds, after its prefixes have been taken off (see `input`).

use super::super::draft::Draft;
use super::row::{Given, Row, no_meaning, refused, text, with};

pub(super) const ROWS: &[Row] = &[
    with("debezium.sink.type", "", "kafka", sink),
    refused(
        "debezium.sink.<setting>",
        "only the sink `kafka` is imported: for others write `index` or `output` in YAML",
    ),
    with("debezium.format.<side>", "json", "format", format),
    with("offset.storage", "", "offsets", storage),
    with("offset.storage.file.filename", "", "offsets", file),
    text("quarkus.log.level", "", "log.level"),
    no_meaning(
        "quarkus.http.<setting>",
        "",
        "give `http.listen` in the YAML file",
    ),
    no_meaning("quarkus.log.<setting>", "", "see `log` in the YAML file"),
];

fn sink(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim() {
        "kafka" => Ok(()),
        other => Err(format!(
            "`{other}` is not imported: only kafka is; for others write `index` or `output` in YAML"
        )),
    }
}

fn format(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim().to_ascii_lowercase().as_str() {
        "json" => Ok(()),
        other => Err(format!("`{other}` is not written so far: set it to json")),
    }
}

fn storage(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let class = given.value.rsplit('.').next().unwrap_or_default();
    match class {
        "KafkaOffsetBackingStore" => draft.set("offsets.type", "kafka"),
        "MemoryOffsetBackingStore" => draft.set("offsets.type", "memory"),
        "FileOffsetBackingStore" => draft.set("offsets.type", "file"),
        _ => {
            return Err(
                "offsets are kept in Kafka, a file, memory or PostgreSQL: remove it and write `offsets`"
                    .into(),
            );
        }
    }
    Ok(())
}

/// Our form differs from Debezium's, so its file is left alone and ours lies beside it.
fn file(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.set("offsets.type", "file");
    draft.set("offsets.path", format!("{}.pgcdc", given.value));
    Ok(())
}
