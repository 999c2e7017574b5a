//! Where documents go: indexes, data streams, aliases.

use serde_json::{Value, json};

use super::super::super::draft::Draft;
use super::super::super::parse;
use super::super::row::{Given, Row, list, no_meaning, refused, refused_unless, text, with, word};

pub(in super::super) const TARGETS: &[Row] = &[
    with("data.stream.type", "none", "index.data_stream.type", stream_type),
    text("data.stream.dataset", "", "index.data_stream.dataset"),
    with(
        "data.stream.namespace",
        "${topic}",
        "index.data_stream.namespace",
        stream_namespace,
    ),
    list(
        "data.stream.timestamp.field",
        "index.data_stream.timestamp_fields",
    ),
    refused_unless(
        "data.stream.enabled",
        &["false"],
        "set data.stream.type and data.stream.dataset, which name the stream type-dataset-topic",
    ),
    refused(
        "data.stream.prefix",
        "set data.stream.type and data.stream.dataset instead",
    ),
    refused(
        "data.streams.existing.index.template.name",
        "the server finds templates by the stream's name: remove it",
    ),
    with(
        "external.resource.usage",
        "disabled",
        "index.resources.kind",
        resource_kind,
    ),
    with(
        "existing.resource.type",
        "",
        "index.resources.kind",
        resource_kind,
    ),
    with(
        "topic.to.external.resource.mapping",
        "",
        "index.resources.by_topic",
        resources,
    ),
    with(
        "topic.to.existing.resource.mapping",
        "",
        "index.resources.by_topic",
        resources,
    ),
    with(
        "max.external.resource.mappings",
        "15",
        "index.resources.by_topic",
        most_resources,
    ),
    with("topic.index.map", "", "index.overrides", topic_index_map),
    no_meaning("type.name", "", "servers of today have one type"),
    no_meaning(
        "auto.create.indices.at.start",
        "true",
        "an index is created before its first document",
    ),
    refused(
        "connection.trust.all.certificates",
        "certificates are always checked: name their authority in `index.tls.ca_file`",
    ),
    refused(
        "connection.ssl.<setting>",
        "name PEM files in the YAML file: `index.tls`",
    ),
    text("aws.region", "", "index.auth.aws.region"),
    word(
        "aws.service.signing.name",
        "es",
        "index.auth.aws.service",
        &[("es", "es"), ("aoss", "aoss")],
    ),
    refused(
        "aws.<setting>",
        "keys are taken from where AWS's tools have them: environment, profile, web identity, instance",
    ),
];

fn stream_type(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let kind = given.value.trim().to_ascii_lowercase();
    match kind.as_str() {
        "none" => Ok(()),
        "logs" | "metrics" => {
            draft.set("index.data_stream.type", kind);
            Ok(())
        }
        _ => Err(format!("`{}` is none of logs, metrics, none", given.value)),
    }
}

fn stream_namespace(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    draft.set(
        "index.data_stream.namespace",
        given.value.replace("${topic}", "{topic}"),
    );
    Ok(())
}

fn resource_kind(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let kind = match given.value.trim().to_ascii_lowercase().as_str() {
        "disabled" | "none" => return Ok(()),
        "index" => "index",
        "datastream" | "data_stream" => "data_stream",
        "alias_index" | "index_alias" | "alias" => "alias_index",
        "alias_datastream" => "alias_data_stream",
        other => {
            return Err(format!(
                "`{other}` is none of index, datastream, alias_index, alias_datastream, disabled"
            ));
        }
    };
    draft.set("index.resources.kind", kind);
    Ok(())
}

fn pairs(value: &str) -> Result<Vec<(String, String)>, String> {
    parse::list(value)
        .iter()
        .map(|pair| match pair.split_once(':') {
            Some((topic, name)) if !topic.trim().is_empty() && !name.trim().is_empty() => {
                Ok((topic.trim().to_owned(), name.trim().to_owned()))
            }
            _ => Err(format!("`{pair}` is not of the form topic:name")),
        })
        .collect()
}

fn resources(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for (topic, name) in pairs(given.value)? {
        draft.set_under("index.resources.by_topic", &topic, name);
    }
    Ok(())
}

fn most_resources(_: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let most = usize::try_from(parse::number(given.value)?).unwrap_or(0);
    let mapping = given
        .all
        .get("topic.to.external.resource.mapping")
        .unwrap_or_default();
    let count = parse::list(mapping).len();
    if count > most {
        return Err(format!(
            "topic.to.external.resource.mapping has {count} entries: allow as many"
        ));
    }
    Ok(())
}

fn topic_index_map(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for (topic, name) in pairs(given.value)? {
        draft.push(
            "index.overrides",
            Value::from_iter([("topics", json!([topic])), ("name", json!(name))]),
        );
    }
    Ok(())
}
