//! What Kafka Connect itself reads: converters, client settings, topic creation, error handling, and a worker's file.

use serde_json::{Map, Value};

use super::super::draft::Draft;
use super::super::parse;
use super::row::{Given, Row, flag, no_meaning, refused, refused_unless, text, with, word};

const WORKER: &str = "belongs to the worker, and there is none";

pub(super) const ROWS: &[Row] = &[
    text("bootstrap.servers", "", "kafka.bootstrap_servers"),
    flag("key.converter.schemas.enable", "true", "format.key_schemas").always(),
    flag("value.converter.schemas.enable", "true", "format.value_schemas").always(),
    flag("header.converter.schemas.enable", "true", "format.header_schemas"),
    with(
        "converter.schemas.enable",
        "true",
        "format.value_schemas",
        all_schemas,
    ),
    with(
        "<side>.converter.decimal.format",
        "BASE64",
        "format.values.decimal_format",
        decimal_format,
    ),
    with(
        "converter.decimal.format",
        "BASE64",
        "format.values.decimal_format",
        decimal_format,
    ),
    flag(
        "<side>.converter.replace.null.with.default",
        "true",
        "format.values.replace_null_with_default",
    ),
    flag(
        "converter.replace.null.with.default",
        "true",
        "format.values.replace_null_with_default",
    ),
    no_meaning(
        "<side>.converter.schemas.cache.size",
        "1000",
        "a schema is rendered once a table",
    ),
    no_meaning(
        "converter.schemas.cache.size",
        "1000",
        "a schema is rendered once a table",
    ),
    no_meaning("internal.key.converter", "", WORKER),
    no_meaning("internal.key.converter.<setting>", "", WORKER),
    no_meaning("internal.value.converter", "", WORKER),
    no_meaning("internal.value.converter.<setting>", "", WORKER),
    with(
        "producer.override.<setting>",
        "",
        "kafka.properties",
        client_setting,
    ),
    with("producer.<setting>", "", "kafka.properties", client_setting),
    no_meaning("consumer.override.<setting>", "", "a source has no consumer"),
    no_meaning("consumer.<setting>", "", "a source has no consumer"),
    no_meaning(
        "admin.override.<setting>",
        "",
        "topics are created with the producer's settings",
    ),
    no_meaning(
        "admin.<setting>",
        "",
        "topics are created with the producer's settings",
    ),
    with("security.protocol", "", "kafka.properties", plain_setting),
    with("sasl.<setting>", "", "kafka.properties", plain_setting),
    with("ssl.<setting>", "", "kafka.properties", plain_setting),
    with("client.<setting>", "", "kafka.properties", plain_setting),
    flag("topic.creation.enable", "true", "kafka.topics.auto_create"),
    with(
        "topic.creation.default.<setting>",
        "",
        "kafka.topics",
        creation_default,
    ),
    with(
        "topic.creation.groups",
        "",
        "kafka.topics.groups",
        creation_groups,
    ),
    with(
        "topic.creation.<group>.<setting>",
        "",
        "kafka.topics.groups",
        creation_setting,
    ),
    word(
        "errors.tolerance",
        "none",
        "on_record_error",
        &[("none", "fail"), ("all", "skip")],
    ),
    no_meaning("errors.log.enable", "false", "errors are always logged"),
    no_meaning("errors.log.include.messages", "false", "no row is ever logged"),
    no_meaning(
        "errors.retry.timeout",
        "0",
        "failures that may pass are retried as `source.retry` says",
    ),
    no_meaning(
        "errors.retry.delay.max.ms",
        "60000",
        "failures that may pass are retried as `source.retry` says",
    ),
    with("transforms", "", "transforms", super::super::transforms::steps),
    with(
        "transforms.<setting>",
        "",
        "transforms",
        super::super::transforms::setting,
    ),
    with(
        "predicates",
        "",
        "predicates",
        super::super::transforms::predicates,
    ),
    with(
        "predicates.<setting>",
        "",
        "predicates",
        super::super::transforms::predicate_setting,
    ),
    no_meaning(
        "config.action.reload",
        "restart",
        "the file is read once, at the start",
    ),
    refused_unless(
        "exactly.once.support",
        &["requested"],
        "delivery is at least once: set it to requested, and let consumers drop repeats by position",
    ),
    no_meaning("transaction.boundary", "poll", "delivery is at least once"),
    no_meaning(
        "transaction.boundary.interval.ms",
        "",
        "delivery is at least once",
    ),
    refused(
        "offsets.storage.topic",
        "offsets have a form of their own: name another topic with `kafka.offsets_topic` in the YAML file",
    ),
    no_meaning("group.id", "", WORKER),
    no_meaning("plugin.path", "", WORKER),
    no_meaning("plugin.discovery", "", WORKER),
    no_meaning("listeners", "", WORKER),
    no_meaning("rest.<setting>", "", WORKER),
    no_meaning("config.storage.<setting>", "", WORKER),
    no_meaning("status.storage.<setting>", "", WORKER),
    no_meaning(
        "offset.storage.topic",
        "",
        "offsets have a form of their own: `kafka.offsets_topic`",
    ),
    no_meaning("offset.storage.partitions", "", WORKER),
    no_meaning("offset.storage.replication.factor", "", WORKER),
    no_meaning(
        "offset.flush.interval.ms",
        "60000",
        "an offset is stored as soon as its records are durable",
    ),
    no_meaning(
        "offset.flush.timeout.ms",
        "5000",
        "an offset is stored as soon as its records are durable",
    ),
    no_meaning("connector.client.config.override.policy", "", WORKER),
];

/// `converter.*` without a side: one JSON converter for keys, values and headers.
fn all_schemas(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let on = parse::flag(given.value)?;
    for path in [
        "format.key_schemas",
        "format.value_schemas",
        "format.header_schemas",
    ] {
        draft.set(path, on);
    }
    draft.set("format.header_format", "json");
    Ok(())
}

fn decimal_format(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let ours = match given.value.trim().to_ascii_uppercase().as_str() {
        "BASE64" => "base64",
        "NUMERIC" => "numeric",
        other => return Err(format!("`{other}` is neither BASE64 nor NUMERIC")),
    };
    let path = "format.values.decimal_format";
    if draft.get(path).is_some_and(|v| v != ours) {
        return Err("differs between key and value: set both alike".into());
    }
    draft.set(path, ours);
    Ok(())
}

pub(super) fn client_setting(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let setting = given.captures.first().copied().unwrap_or_default();
    kafka_property(draft, setting, given.value);
    Ok(())
}

pub(super) fn plain_setting(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    kafka_property(draft, given.name, given.value);
    Ok(())
}

/// Sets a client property; the Kafka client translates the Java client's names, or says why it cannot.
fn kafka_property(draft: &mut Draft, name: &str, value: &str) {
    if name == "bootstrap.servers" {
        draft.set("kafka.bootstrap_servers", value);
    } else if cdc_kafka::is_secret(name) {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let variable: String = "PGCDC_KAFKA_".chars().chain(name.chars().map(plain)).collect();
        draft.set_secret("kafka.properties", name, value, variable);
    } else {
        draft.set_under("kafka.properties", name, value);
    }
}

fn creation_default(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let setting = given.captures.first().copied().unwrap_or_default();
    match setting {
        "partitions" => draft.set("kafka.topics.partitions", parse::number(given.value)?),
        "replication.factor" => draft.set("kafka.topics.replication_factor", parse::number(given.value)?),
        "include" | "exclude" => return Err("the default group takes every topic: remove it".into()),
        other => draft.set_under("kafka.topics.config", other, given.value),
    }
    Ok(())
}

/// The groups in their order, each with its settings.
fn creation_groups(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for group in parse::list(given.value).iter().filter(|g| *g != "default") {
        let prefix = format!("topic.creation.{group}.");
        let mut entry = Map::new();
        let mut config = Map::new();
        for (name, value) in given.all.iter() {
            let Some(setting) = name.strip_prefix(&prefix) else {
                continue;
            };
            match setting {
                "include" => drop(entry.insert("include".into(), parse::list(value).into())),
                "exclude" => drop(entry.insert("exclude".into(), parse::list(value).into())),
                "partitions" => drop(entry.insert("partitions".into(), parse::number(value)?.into())),
                "replication.factor" => {
                    entry.insert("replication_factor".into(), parse::number(value)?.into());
                }
                other => drop(config.insert(other.to_owned(), value.into())),
            }
        }
        if !entry.contains_key("include") {
            return Err(format!("group {group} needs {prefix}include"));
        }
        if !config.is_empty() {
            entry.insert("config".into(), Value::Object(config));
        }
        draft.push("kafka.topics.groups", Value::Object(entry));
    }
    Ok(())
}

/// Read together with its group; alone it would be without effect.
fn creation_setting(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let group = given.captures.first().copied().unwrap_or_default();
    let groups = given
        .all
        .get("topic.creation.groups")
        .map(parse::list)
        .unwrap_or_default();
    if groups.iter().any(|g| g == group) {
        return Ok(());
    }
    Err(format!(
        "group {group} is not listed in topic.creation.groups: add it there"
    ))
}
