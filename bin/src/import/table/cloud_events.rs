//! Settings of Debezium's CloudEvents converter.

use super::super::draft::Draft;
use super::super::parse;
use super::converters::AVRO_ROWS;
use super::row::{Given, Row, with};

/// The converter's class.
pub(super) const CLOUD_EVENTS: &str = "io.debezium.converters.CloudEventsConverter";

pub(super) const ROWS: &[Row] = &[
    with(
        "<side>.converter.serializer.type",
        "json",
        "converters.*.event",
        |d, g| format(d, g, "event"),
    ),
    with(
        "<side>.converter.data.serializer.type",
        "json",
        "converters.*.data",
        |d, g| format(d, g, "data"),
    ),
    with(
        "<side>.converter.schema.cloudevents.name",
        "",
        "converters.*.schema_name",
        |d, g| set(d, g, "schema_name", g.value.trim()),
    ),
    with(
        "<side>.converter.schema.name.adjustment.mode",
        "avro",
        "converters.*.schema_name_adjustment",
        name_adjustment,
    ),
    with(
        "<side>.converter.extension.attributes.enable",
        "true",
        "converters.*.extension_attributes",
        |d, g| set(d, g, "extension_attributes", parse::flag(g.value)?),
    ),
    with(
        "<side>.converter.opentelemetry.tracing.attributes.enable",
        "false",
        "converters.*.tracing_attributes",
        |d, g| set(d, g, "tracing_attributes", parse::flag(g.value)?),
    ),
    with(
        "<side>.converter.metadata.source",
        "value,id:generate,type:generate,traceparent:header,dataSchemaName:generate",
        "converters.*.metadata",
        metadata,
    ),
    with(
        "<side>.converter.schema.data.name.source.header.enable",
        "false",
        "converters.*.metadata.data_schema_name",
        data_schema_name,
    ),
    with(
        "<side>.converter.json.schemas.enable",
        "true",
        "converters.*.json.schemas",
        |d, g| json(d, g, "schemas"),
    ),
    with(
        "<side>.converter.json.replace.null.with.default",
        "true",
        "converters.*.json.replace_null_with_default",
        |d, g| json(d, g, "replace_null_with_default"),
    ),
    with(
        "<side>.converter.json.decimal.format",
        "BASE64",
        "converters.*.json.decimal_format",
        |d, g| json(d, g, "decimal_format"),
    ),
    with(
        "<side>.converter.json.schemas.cache.size",
        "1000",
        "converters.*.json",
        |d, g| {
            d.note(g.name, "has no effect: a schema is rendered once a table");
            Ok(())
        },
    ),
    with("<side>.converter.avro.<setting>", "", "converters.*.avro", avro),
];

/// Forms of events and data; Debezium's default is JSON for either.
struct Forms {
    event_avro: bool,
    data_avro: bool,
}

fn forms(given: &Given<'_>, side: &str) -> Forms {
    let avro = |name: &str| {
        let form = given
            .all
            .get(&format!("{side}.converter.{name}"))
            .unwrap_or_default();
        form.trim().eq_ignore_ascii_case("avro")
    };
    Forms {
        event_avro: avro("serializer.type"),
        data_avro: avro("data.serializer.type"),
    }
}

/// What the class needs of its other settings, and what it takes for granted.
pub(super) fn check(draft: &mut Draft, given: &Given<'_>, side: &str) -> Result<(), String> {
    if side == "key" {
        return Err(
            "a key is no change event, so that every key would become null, and with it the order of a row's changes be lost: name another converter for keys"
                .into(),
        );
    }
    let forms = forms(given, side);
    let setting = |name: &str| given.all.get(&format!("{side}.converter.{name}"));
    let on = |name: &str| setting(name).is_some_and(|v| v.trim().eq_ignore_ascii_case("true"));
    if forms.event_avro && !forms.data_avro {
        return Err(format!(
            "Avro events have no JSON data: set {side}.converter.data.serializer.type to avro as well"
        ));
    }
    if forms.data_avro && setting("avro.schema.registry.url").is_none() {
        return Err(format!("needs {side}.converter.avro.schema.registry.url: add it"));
    }
    if on("schema.data.name.source.header.enable") && setting("metadata.source").is_none() {
        draft.note(
            &format!("{side}.converter.schema.data.name.source.header.enable"),
            "has no effect: metadata.source does not name the header",
        );
    }
    if forms.event_avro {
        return Ok(());
    }
    for (name, key, default) in [
        ("json.schemas.enable", "schemas", serde_json::Value::from(true)),
        ("json.decimal.format", "decimal_format", "base64".into()),
        (
            "json.replace.null.with.default",
            "replace_null_with_default",
            true.into(),
        ),
    ] {
        if setting(name).is_none() {
            draft.set(&format!("converters.{side}.json.{key}"), default);
        }
    }
    Ok(())
}

/// The side of a setting; none, with a note, if that side has another converter.
fn is_cloud_events<'g>(draft: &mut Draft, given: &'g Given<'_>) -> Option<&'g str> {
    let side = given.captures.first().copied().unwrap_or_default();
    let class = given.all.get(&format!("{side}.converter")).unwrap_or_default();
    if class.trim() == CLOUD_EVENTS {
        return Some(side);
    }
    draft.note(
        given.name,
        format!("has no effect: the converter of the {side} is not CloudEvents'"),
    );
    None
}

fn set(
    draft: &mut Draft,
    given: &Given<'_>,
    key: &str,
    value: impl Into<serde_json::Value>,
) -> Result<(), String> {
    if let Some(side) = is_cloud_events(draft, given) {
        draft.set(&format!("converters.{side}.{key}"), value);
    }
    Ok(())
}

fn format(draft: &mut Draft, given: &Given<'_>, key: &str) -> Result<(), String> {
    match given.value.trim().to_ascii_lowercase().as_str() {
        word @ ("json" | "avro") => set(draft, given, key, word),
        other => Err(format!("`{other}` is neither json nor avro")),
    }
}

fn name_adjustment(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim().to_ascii_lowercase().as_str() {
        word @ ("none" | "avro" | "avro_unicode") => set(draft, given, "schema_name_adjustment", word),
        other => Err(format!("`{other}` is none of none, avro, avro_unicode")),
    }
}

fn json(draft: &mut Draft, given: &Given<'_>, key: &str) -> Result<(), String> {
    let value = match key {
        "decimal_format" => match given.value.trim().to_ascii_uppercase().as_str() {
            "BASE64" => "base64".into(),
            "NUMERIC" => "numeric".into(),
            other => return Err(format!("`{other}` is neither BASE64 nor NUMERIC")),
        },
        _ => serde_json::Value::from(parse::flag(given.value)?),
    };
    let side = given.captures.first().copied().unwrap_or_default();
    if forms(given, side).event_avro {
        draft.note(given.name, "has no effect: events are Avro");
        return Ok(());
    }
    set(draft, given, &format!("json.{key}"), value)
}

/// It counts together with `metadata.source`, which reads it.
fn data_schema_name(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    parse::flag(given.value)?;
    is_cloud_events(draft, given);
    Ok(())
}

/// A setting of the Avro converter behind this one.
fn avro(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let Some(side) = is_cloud_events(draft, given) else {
        return Ok(());
    };
    let setting = given.captures.get(1).copied().unwrap_or_default();
    if setting.starts_with("apicurio.") {
        return Err(
            "is of Apicurio's own protocol: name the registry's Confluent-compatible address in avro.schema.registry.url"
                .into(),
        );
    }
    let name = format!("<side>.converter.{setting}");
    let row = AVRO_ROWS.iter().find(|row| row.name == name);
    let row = row.ok_or_else(|| format!("{setting} is no known setting of Avro's converter: remove it"))?;
    if !forms(given, side).data_avro {
        draft.note(given.name, "has no effect: neither events nor data are Avro");
        return Ok(());
    }
    row.apply(draft, given)
}

/// `metadata.source`: where all metadata are, then where single ones are.
fn metadata(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let Some(side) = is_cloud_events(draft, given) else {
        return Ok(());
    };
    let on = |name: &str| {
        let value = given
            .all
            .get(&format!("{side}.converter.{name}"))
            .unwrap_or_default();
        value.trim().eq_ignore_ascii_case("true")
    };
    let items = parse::list(given.value);
    let (first, rest) = items.split_first().ok_or("names no source")?;
    let global = first.to_ascii_lowercase();
    if !matches!(global.as_str(), "value" | "header") {
        return Err(format!("`{first}` is neither value nor header"));
    }
    let (mut id, mut kind, mut trace, mut name) = (None, None, None, None);
    for item in rest {
        let (field, source) = item.split_once(':').unwrap_or((item, ""));
        let source = source.trim().to_ascii_lowercase();
        if !matches!(source.as_str(), "header" | "generate") {
            return Err(format!(
                "`{item}` names neither header nor generate behind the colon"
            ));
        }
        let place = match field {
            "id" => &mut id,
            "type" => &mut kind,
            "traceparent" => &mut trace,
            "dataSchemaName" => &mut name,
            other => {
                return Err(format!(
                    "`{other}` is none of id, type, traceparent, dataSchemaName"
                ));
            }
        };
        *place = Some(source);
    }
    let or_global = |own: Option<String>| own.unwrap_or_else(|| global.clone());
    let (id, kind) = (or_global(id), or_global(kind));
    for (what, source) in [("id", &id), ("type", &kind)] {
        if source == "value" {
            return Err(format!(
                "a value has no {what} of an event: add {what}:generate or {what}:header"
            ));
        }
    }
    if on("opentelemetry.tracing.attributes.enable") && or_global(trace) != "header" {
        return Err("the attribute traceparent comes from a header alone: add traceparent:header, or set opentelemetry.tracing.attributes.enable to false".into());
    }
    let section = format!("converters.{side}.metadata");
    draft.set(&format!("{section}.source"), global.as_str());
    draft.set(&format!("{section}.id"), id);
    draft.set(&format!("{section}.type"), kind);
    let from_header = or_global(name) == "header";
    if from_header && on("schema.data.name.source.header.enable") {
        draft.set(&format!("{section}.data_schema_name"), "header");
    }
    Ok(())
}
