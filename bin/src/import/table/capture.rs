//! What is captured.

use serde_json::{Value, json};

use super::super::draft::Draft;
use super::super::parse;
use super::row::{Given, Row, flag, list, no_meaning, refused_unless, with};

pub(super) const ROWS: &[Row] = &[
    list("table.include.list", "source.tables.include"),
    list("table.exclude.list", "source.tables.exclude"),
    list("table.whitelist", "source.tables.include"),
    list("table.blacklist", "source.tables.exclude"),
    list("schema.include.list", "source.schemas.include"),
    list("schema.exclude.list", "source.schemas.exclude"),
    list("schema.whitelist", "source.schemas.include"),
    list("schema.blacklist", "source.schemas.exclude"),
    list("column.include.list", "source.columns.include"),
    list("column.exclude.list", "source.columns.exclude"),
    list("column.whitelist", "source.columns.include"),
    list("column.blacklist", "source.columns.exclude"),
    flag("table.ignore.builtin", "true", "source.ignore_builtin"),
    with("message.key.columns", "", "format.message_keys", message_keys),
    flag(
        "skip.messages.without.change",
        "false",
        "format.skip_messages_without_change",
    ),
    with(
        "skipped.operations",
        "t",
        "format.skipped_operations",
        skipped_operations,
    ),
    flag(
        "include.unknown.datatypes",
        "false",
        "format.values.include_unknown_datatypes",
    ),
    refused_unless(
        "guardrail.collections.max",
        &["0"],
        "the number of tables is not limited: set it to 0, or narrow table.include.list",
    ),
    no_meaning(
        "guardrail.collections.limit.action",
        "warn",
        "the number of tables is not limited",
    ),
];

fn message_keys(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for item in given.value.split(';').map(str::trim).filter(|i| !i.is_empty()) {
        let parts = item
            .rsplit_once(':')
            .filter(|(table, columns)| !table.is_empty() && !columns.is_empty());
        let (table, columns) =
            parts.ok_or_else(|| format!("`{item}` is not of the form tables:column,column"))?;
        let columns: Vec<&str> = columns.split(',').map(str::trim).collect();
        draft.push(
            "format.message_keys",
            json!({"table": table.trim(), "columns": columns}),
        );
    }
    Ok(())
}

fn skipped_operations(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let mut operations = Vec::new();
    for letter in parse::list(given.value) {
        operations.push(Value::from(match letter.as_str() {
            "none" => continue,
            "c" => "create",
            "u" => "update",
            "d" => "delete",
            "t" => "truncate",
            "r" => {
                draft.note(
                    given.name,
                    "`r` has no effect, as in Debezium: set `snapshot.mode` to `no_data` to leave the snapshot's rows out",
                );
                continue;
            }
            other => return Err(format!("`{other}` is none of c, u, d, t, r, none")),
        }));
    }
    // An explicit list also limits what a publication made by the connector publishes.
    let published: Vec<&str> = ["create", "update", "delete", "truncate"]
        .into_iter()
        .filter(|o| !operations.iter().any(|skipped| skipped == o))
        .map(|o| if o == "create" { "insert" } else { o })
        .collect();
    if (1..4).contains(&published.len()) {
        draft.set("source.publication.publish", published.join(","));
    }
    draft.set("format.skipped_operations", operations);
    Ok(())
}
