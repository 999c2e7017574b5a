//! Converters other than JSON, and the settings of Avro's.

use super::super::draft::Draft;
use super::super::parse;
use super::cloud_events::{self, CLOUD_EVENTS};
use super::row::{Given, Row, no_meaning, refused_unless, with};

pub(super) const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
pub(super) const AVRO: &str = "io.confluent.connect.avro.AvroConverter";
pub(super) const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const BYTES: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
const SIMPLE: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

pub(super) const ROWS: &[Row] = &[
    with("key.converter", "", "converters.key.type", converter),
    with("value.converter", "", "converters.value.type", converter),
    with("header.converter", "", "format.header_format", header_converter),
];

/// Settings of Avro's converter; those of CloudEvents have them too, behind `avro.`.
pub(super) const AVRO_ROWS: &[Row] = &[
    with(
        "<side>.converter.schema.registry.url",
        "",
        "converters.*.registry.urls",
        registry_urls,
    ),
    with(
        "<side>.converter.basic.auth.credentials.source",
        "URL",
        "converters.*.registry.username",
        credentials_source,
    ),
    with(
        "<side>.converter.basic.auth.user.info",
        "",
        "converters.*.registry.password",
        user_info,
    ),
    with(
        "<side>.converter.schema.registry.basic.auth.user.info",
        "",
        "converters.*.registry.password",
        user_info,
    ),
    with(
        "<side>.converter.auto.register.schemas",
        "true",
        "converters.*.auto_register",
        auto_register,
    ),
    with(
        "<side>.converter.use.latest.version",
        "false",
        "converters.*.use_latest_version",
        use_latest,
    ),
    with(
        "<side>.converter.key.subject.name.strategy",
        "io.confluent.kafka.serializers.subject.TopicNameStrategy",
        "converters.*.subjects",
        key_strategy,
    ),
    with(
        "<side>.converter.value.subject.name.strategy",
        "io.confluent.kafka.serializers.subject.TopicNameStrategy",
        "converters.*.subjects",
        value_strategy,
    ),
    no_meaning(
        "<side>.converter.latest.compatibility.strict",
        "true",
        "the latest schema must always be the records' own",
    ),
    no_meaning(
        "<side>.converter.schemas.cache.config",
        "1000",
        "a schema is registered once a topic",
    ),
    no_meaning(
        "<side>.converter.max.schemas.per.subject",
        "1000",
        "a schema is registered once a topic",
    ),
    refused_unless(
        "<side>.converter.enhanced.avro.schema.support",
        &["false"],
        "schemas are those of the converter without it: set it to false",
    ),
    refused_unless(
        "<side>.converter.connect.meta.data",
        &["true"],
        "Connect's properties are always written beside the types: set it to true",
    ),
    refused_unless(
        "<side>.converter.scrub.invalid.names",
        &["false"],
        "set schema.name.adjustment.mode and field.name.adjustment.mode to avro instead",
    ),
    refused_unless(
        "<side>.converter.ignore.default.for.nullables",
        &["false"],
        "null becomes the column's default, as without it: set it to false",
    ),
    refused_unless(
        "<side>.converter.allow.optional.map.keys",
        &["false"],
        "maps never have optional keys: set it to false",
    ),
    refused_unless(
        "<side>.converter.generalized.sum.type.support",
        &["false"],
        "there are no unions of several types: set it to false",
    ),
];

/// Avro's converter, which needs a registry.
pub(super) fn avro(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let side = given.name.split('.').next().unwrap_or_default();
    let url = format!("{}.schema.registry.url", given.name);
    if given.all.get(&url).is_none() {
        return Err(format!("needs {url}: add it"));
    }
    draft.set(&format!("converters.{side}.type"), "avro");
    Ok(())
}

fn converter(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let side = given.name.split('.').next().unwrap_or_default();
    let kind = match given.value.trim() {
        JSON => return Ok(()),
        AVRO => return avro(draft, given),
        CLOUD_EVENTS => {
            cloud_events::check(draft, given, side)?;
            "cloud_events"
        }
        STRING => "string",
        BYTES => "bytes",
        other => {
            return Err(format!(
                "there is no Java class to load, and {other} has no counterpart here: name one of {JSON}, {AVRO}, {CLOUD_EVENTS}, {STRING}, {BYTES}"
            ));
        }
    };
    draft.set(&format!("converters.{side}.type"), kind);
    Ok(())
}

fn header_converter(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    match given.value.trim() {
        JSON => {
            draft.set("format.header_format", "json");
            if draft.get("format.header_schemas").is_none() {
                draft.set("format.header_schemas", true);
            }
        }
        SIMPLE => draft.set("format.header_format", "simple"),
        STRING => draft.set("converters.header.type", "string"),
        BYTES => draft.set("converters.header.type", "bytes"),
        other => {
            return Err(format!(
                "there is no Java class to load, and {other} has no counterpart here: name one of {JSON}, {SIMPLE}, {STRING}, {BYTES}"
            ));
        }
    }
    Ok(())
}

/// A setting of Avro's converter: its side, and where the converter's section is. None, with a note, if that side has
/// no Avro.
fn avro_section<'g>(draft: &mut Draft, given: &'g Given<'_>) -> Option<(&'g str, String)> {
    let side = given.captures.first().copied().unwrap_or_default();
    let class = given.all.get(&format!("{side}.converter")).unwrap_or_default();
    // Settings of CloudEvents come here only where that converter writes Avro.
    if given.name.starts_with(&format!("{side}.converter.avro.")) {
        return Some((side, format!("converters.{side}.avro")));
    }
    if class.trim() == AVRO {
        return Some((side, format!("converters.{side}")));
    }
    draft.note(
        given.name,
        format!("has no effect: the converter of the {side} is not Avro's"),
    );
    None
}

fn registry_urls(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if let Some((_, section)) = avro_section(draft, given) {
        draft.set(&format!("{section}.registry.urls"), parse::list(given.value));
    }
    Ok(())
}

fn credentials_source(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    if avro_section(draft, given).is_none() || given.value.trim().eq_ignore_ascii_case("USER_INFO") {
        return Ok(());
    }
    Err("credentials are taken from basic.auth.user.info: set it to USER_INFO".into())
}

fn user_info(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let Some((side, section)) = avro_section(draft, given) else {
        return Ok(());
    };
    let Some((user, password)) = given.value.trim().split_once(':') else {
        return Err("is not of the form user:password".into());
    };
    let path = format!("{section}.registry");
    draft.set_under(&path, "username", user);
    let variable = format!("PGCDC_{}_REGISTRY_PASSWORD", side.to_ascii_uppercase());
    draft.set_secret(&path, "password", password, variable);
    Ok(())
}

fn avro_flag(draft: &mut Draft, given: &Given<'_>, key: &str) -> Result<(), String> {
    let on = parse::flag(given.value)?;
    if let Some((_, section)) = avro_section(draft, given) {
        draft.set(&format!("{section}.{key}"), on);
    }
    Ok(())
}

fn auto_register(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    avro_flag(draft, given, "auto_register")
}

fn use_latest(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    avro_flag(draft, given, "use_latest_version")
}

fn key_strategy(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    strategy(draft, given, "key")
}

fn value_strategy(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    strategy(draft, given, "value")
}

/// A naming of subjects; it counts for its own side.
fn strategy(draft: &mut Draft, given: &Given<'_>, of: &str) -> Result<(), String> {
    let Some((side, section)) = avro_section(draft, given) else {
        return Ok(());
    };
    let subjects = match given.value.trim().rsplit('.').next().unwrap_or_default() {
        "TopicNameStrategy" => "topic",
        "RecordNameStrategy" => "record",
        "TopicRecordNameStrategy" => "topic_record",
        other => {
            return Err(format!(
                "there is no Java class to load, and {other} is none of TopicNameStrategy, RecordNameStrategy, TopicRecordNameStrategy"
            ));
        }
    };
    if side == of {
        draft.set(&format!("{section}.subjects"), subjects);
    } else {
        draft.note(
            given.name,
            format!("has no effect: it names the subjects of the {of}"),
        );
    }
    Ok(())
}
