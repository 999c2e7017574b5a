//! Sink connectors for Elasticsearch and OpenSearch: Confluent's, and Aiven's where its names differ.

mod batches;
mod connection;
mod documents;
mod records;
mod targets;

use serde_json::json;

use super::super::draft::Draft;
use super::super::parse;

pub(super) use self::batches::BATCHES;
pub(super) use self::connection::CONNECTION;
pub(super) use self::documents::DOCUMENTS;
pub(super) use self::records::WHAT;
pub(super) use self::targets::TARGETS;

/// What needs more than one property, and what Confluent takes for granted.
pub(in super::super) fn complete(
    draft: &mut Draft,
    given: impl Fn(&str) -> Option<String>,
    empty: impl Fn(&str) -> bool,
) -> Result<(), (String, String)> {
    let fault = |name: &str, text: &str| Err((name.to_owned(), text.to_owned()));
    let is = |name: &str, value: &str| given(name).is_some_and(|v| v.trim().eq_ignore_ascii_case(value));
    draft.set("index.document", "value");
    // Aiven's connectors pass over null, Confluent's refuse it.
    if given("behavior.on.null.values").is_none()
        && given("connector.class").is_some_and(|class| class.contains(".aiven."))
    {
        draft.set("index.delete_on", "nothing");
    }
    if draft.get("index.versions").is_none() {
        draft.set("index.versions", "kafka_offset");
    }
    if draft.get("index.resources").is_none() && draft.get("index.data_stream").is_none() {
        draft.set("index.create", true);
    }
    if given("topic.key.ignore").is_some() && is("key.ignore", "true") {
        return fault(
            "topic.key.ignore",
            "has no effect beside key.ignore=true: remove one of them",
        );
    }
    if given("topic.schema.ignore").is_some() && is("schema.ignore", "true") {
        return fault(
            "topic.schema.ignore",
            "has no effect beside schema.ignore=true: remove one of them",
        );
    }
    if given("data.stream.dataset").is_some()
        != given("data.stream.type").is_some_and(|t| !t.eq_ignore_ascii_case("none"))
    {
        return fault(
            "data.stream.dataset",
            "data.stream.type and data.stream.dataset go together",
        );
    }
    let usage = given("external.resource.usage").is_some_and(|u| !u.eq_ignore_ascii_case("disabled"))
        || given("existing.resource.type").is_some();
    let mapped =
        given("topic.to.external.resource.mapping").or_else(|| given("topic.to.existing.resource.mapping"));
    if usage != mapped.is_some() {
        return fault(
            "topic.to.external.resource.mapping",
            "goes together with external.resource.usage",
        );
    }
    // An empty value switches the check off.
    if empty("elastic.https.ssl.endpoint.identification.algorithm") {
        draft.set("index.tls.verify_hostname", false);
    }
    let queue = given("errors.deadletterqueue.topic.name");
    let left_out = || {
        queue
            .clone()
            .map_or_else(|| json!("skip"), |topic| json!({ "dead_letter_topic": topic }))
    };
    let malformed = given("behavior.on.malformed.documents").unwrap_or_else(|| "fail".into());
    match malformed.trim().to_ascii_lowercase().as_str() {
        "fail" => {}
        "ignore" | "warn" | "report" => draft.set("index.on_bad_document", left_out()),
        other => {
            return fault(
                "behavior.on.malformed.documents",
                &format!("`{other}` is none of ignore, warn, fail"),
            );
        }
    }
    let tolerant = match given("errors.tolerance").as_deref().map(str::trim) {
        None | Some("none") => false,
        Some("all") => true,
        Some(other) => return fault("errors.tolerance", &format!("`{other}` is neither none nor all")),
    };
    let drops = match given("drop.invalid.message") {
        Some(text) => parse::flag(&text).map_err(|e| ("drop.invalid.message".to_owned(), e))?,
        None => false,
    };
    // What transforms fail on goes the way of invalid records. The connector tolerates that only if all errors are tolerated.
    if drops && !tolerant && given("transforms").is_some() {
        draft.set("on_record_error", "fail");
    }
    draft.set(
        "index.on_invalid_record",
        if tolerant || drops {
            left_out()
        } else {
            json!("fail")
        },
    );
    Ok(())
}
