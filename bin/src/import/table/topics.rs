//! Topics and auxiliary records.

use serde_json::json;

use super::super::draft::Draft;
use super::row::{Given, Row, flag, millis, no_meaning, refused_unless, text, with};

pub(super) const ROWS: &[Row] = &[
    with(
        "topic.naming.strategy",
        "io.debezium.schema.SchemaTopicNamingStrategy",
        "format.topic_naming",
        naming,
    ),
    with("topic.regex", "", "format.topic_naming", naming_detail),
    with("topic.replacement", "", "format.topic_naming", naming_detail),
    text("topic.delimiter", ".", "format.topic_delimiter"),
    no_meaning("topic.cache.size", "10000", "a topic's name is made once a table"),
    flag("tombstones.on.delete", "true", "format.tombstones_on_delete"),
    millis("heartbeat.interval.ms", "0", "source.heartbeat.interval"),
    text("heartbeat.action.query", "", "source.heartbeat.action_query"),
    text(
        "topic.heartbeat.prefix",
        "__debezium-heartbeat",
        "format.heartbeat_topic_prefix",
    ),
    text(
        "heartbeat.topics.prefix",
        "__debezium-heartbeat",
        "format.heartbeat_topic_prefix",
    ),
    text("topic.heartbeat.name", "", "format.heartbeat_topic"),
    flag(
        "provide.transaction.metadata",
        "false",
        "format.transaction_metadata",
    ),
    text("topic.transaction", "transaction", "format.transaction_topic"),
    refused_unless(
        "transaction.metadata.factory",
        &["io.debezium.pipeline.txmetadata.DefaultTransactionMetadataFactory"],
        "there is no Java class to load: remove it",
    ),
];

fn naming(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let class = given.value.trim();
    let short = class.strip_prefix("io.debezium.schema.").unwrap_or(class);
    let detail = || {
        let get = |name: &str| {
            given
                .all
                .get(name)
                .ok_or_else(|| format!("needs the property {name}"))
        };
        Ok::<_, String>(json!({"regex": get("topic.regex")?, "replacement": get("topic.replacement")?}))
    };
    let value = match short {
        "SchemaTopicNamingStrategy" => json!("schema"),
        "DefaultTopicNamingStrategy" => json!("database"),
        "SchemaUnicodeTopicNamingStrategy" => json!("schema_unicode"),
        "DefaultUnicodeTopicNamingStrategy" => json!("database_unicode"),
        "SchemaRegexTopicNamingStrategy" => json!({"schema_regex": detail()?}),
        "DefaultRegexTopicNamingStrategy" => json!({"database_regex": detail()?}),
        other => {
            return Err(format!(
                "there is no Java class to load, and `{other}` is none of Debezium's own"
            ));
        }
    };
    draft.set("format.topic_naming", value);
    Ok(())
}

fn naming_detail(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.all.get("topic.naming.strategy") {
        Some(class) if class.contains("Regex") => Ok(()),
        _ => Err("needs a topic.naming.strategy that uses it, such as \
                  io.debezium.schema.SchemaRegexTopicNamingStrategy"
            .into()),
    }
}
