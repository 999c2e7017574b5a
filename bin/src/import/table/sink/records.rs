//! Which records are read, and how: topics, converters, the client.

use serde_json::json;

use super::super::super::draft::Draft;
use super::super::super::parse;
use super::super::connect::client_setting;
use super::super::converters::{AVRO, JSON, STRING, avro};
use super::super::row::{Given, Row, list, no_meaning, text, with};

pub(in super::super) const WHAT: &[Row] = &[
    text("name", "", "name"),
    with("connector.class", "", "index", |_, _| Ok(())),
    no_meaning(
        "tasks.max",
        "1",
        "one process reads all partitions; start more with the same group to share them",
    ),
    list("topics", "consume.topics"),
    text("topics.regex", "", "consume.topics_regex"),
    with("key.converter", "", "index.id_from", key_converter),
    with("value.converter", "", "index.document", value_converter),
    no_meaning("header.converter", "", "headers are read as they are"),
    with(
        "<side>.converter.schemas.enable",
        "true",
        "converters.value.schemas",
        converter_schemas,
    ),
    no_meaning(
        "<side>.converter.<setting>",
        "",
        "a schema beside the payload is recognised in each record",
    ),
    with(
        "consumer.override.<setting>",
        "",
        "kafka.properties",
        consumer_setting,
    ),
    with("consumer.<setting>", "", "kafka.properties", consumer_setting),
    text("bootstrap.servers", "", "kafka.bootstrap_servers"),
    with(
        "security.protocol",
        "",
        "kafka.properties",
        super::super::connect::plain_setting,
    ),
    with(
        "sasl.<setting>",
        "",
        "kafka.properties",
        super::super::connect::plain_setting,
    ),
    with(
        "ssl.<setting>",
        "",
        "kafka.properties",
        super::super::connect::plain_setting,
    ),
    with(
        "client.<setting>",
        "",
        "kafka.properties",
        super::super::connect::plain_setting,
    ),
    no_meaning(
        "producer.override.<setting>",
        "",
        "dead letters go by `kafka.properties`",
    ),
    no_meaning(
        "admin.override.<setting>",
        "",
        "topics are created by `kafka.properties`",
    ),
    with(
        "transforms",
        "",
        "transforms",
        super::super::super::transforms::steps,
    ),
    with(
        "transforms.<setting>",
        "",
        "transforms",
        super::super::super::transforms::setting,
    ),
    with(
        "predicates",
        "",
        "predicates",
        super::super::super::transforms::predicates,
    ),
    with(
        "predicates.<setting>",
        "",
        "predicates",
        super::super::super::transforms::predicate_setting,
    ),
    no_meaning(
        "config.action.reload",
        "restart",
        "the file is read once, at the start",
    ),
];

fn key_converter(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim() {
        JSON => Ok(()),
        AVRO => avro(draft, given),
        STRING => {
            if draft.get("index.id_from").is_none() {
                draft.set("index.id_from", "key_text");
            }
            Ok(())
        }
        _ => Err(format!(
            "keys are read as JSON, Avro or text: name one of {JSON}, {AVRO}, {STRING}"
        )),
    }
}

fn value_converter(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim() {
        JSON => Ok(()),
        AVRO => avro(draft, given),
        _ => Err(format!("values are read as JSON or Avro: name {JSON} or {AVRO}")),
    }
}

/// Matters where transforms look at whole values: without schemas these hold `schema` and `payload`.
fn converter_schemas(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let schemas = parse::flag(given.value)?;
    let side = given.captures.first().copied().unwrap_or_default();
    let json = given
        .all
        .get(&format!("{side}.converter"))
        .is_none_or(|c| c.trim().ends_with("JsonConverter"));
    if given.all.get("transforms").is_some() && matches!(side, "key" | "value") && json {
        draft.set(
            &format!("converters.{side}"),
            json!({ "type": "json", "schemas": schemas }),
        );
    }
    Ok(())
}

fn consumer_setting(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if given.captures.first() == Some(&"group.id") {
        draft.set("consume.group_id", given.value);
        return Ok(());
    }
    client_setting(draft, given)
}
