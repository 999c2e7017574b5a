//! Converters in connector files.

use super::import::{LEAST, import, refused};

const CLASS: &str = "value.converter=io.debezium.converters.CloudEventsConverter\n";
const AVRO: &str =
    "value.converter.data.serializer.type=avro\nvalue.converter.avro.schema.registry.url=http://a,http://b\n";

/// The section of the converters in the YAML of a file with these lines.
fn section(lines: &str) -> String {
    let imported = import(&format!("{LEAST}{CLASS}{lines}"));
    imported.validated().unwrap_or_else(|e| panic!("{e}"));
    let yaml = imported.yaml(false);
    let section = yaml.split("\nconverters:\n").nth(1).unwrap();
    let end = section.find("\nkafka:").unwrap();
    section[..=end].to_owned()
}

#[test]
fn cloud_events_have_debeziums_defaults() {
    let want = "  value:\n    type: cloud_events\n    json:\n      schemas: true\n      decimal_format: base64\n      replace_null_with_default: true\n";
    let got = section("");
    for line in want.lines() {
        assert!(got.contains(line), "{line}\n{got}");
    }
    let own =
        section("value.converter.json.schemas.enable=false\nvalue.converter.json.decimal.format=NUMERIC\n");
    assert!(
        own.contains("schemas: false") && own.contains("decimal_format: numeric"),
        "{own}"
    );
}

#[test]
fn cloud_events_take_every_setting() {
    let got = section(
        "value.converter.extension.attributes.enable=false\nvalue.converter.schema.cloudevents.name=my.Event\n\
         value.converter.schema.name.adjustment.mode=none\nvalue.converter.opentelemetry.tracing.attributes.enable=true\n\
         value.converter.schema.data.name.source.header.enable=true\nvalue.converter.metadata.source=header, id:generate,dataSchemaName:header\n",
    );
    for line in [
        "extension_attributes: false",
        "schema_name: my.Event",
        "schema_name_adjustment: none",
        "tracing_attributes: true",
        "source: header",
        "id: generate",
        "type: header",
        "data_schema_name: header",
    ] {
        assert!(got.contains(line), "{line}\n{got}");
    }
}

#[test]
fn cloud_events_have_avros_settings_behind_a_prefix() {
    let lines = format!(
        "{AVRO}value.converter.serializer.type=AVRO\nvalue.converter.avro.basic.auth.credentials.source=USER_INFO\n\
         value.converter.avro.basic.auth.user.info=u:hunter2\nvalue.converter.avro.auto.register.schemas=false\n\
         value.converter.avro.connect.meta.data=true\nvalue.converter.avro.value.subject.name.strategy=x.RecordNameStrategy\n"
    );
    let got = section(&lines);
    for line in [
        "event: avro",
        "data: avro",
        "- \"http://a\"",
        "- \"http://b\"",
        "username: u",
        "password: ${PGCDC_VALUE_REGISTRY_PASSWORD:?",
        "auto_register: false",
        "subjects: record",
    ] {
        assert!(got.contains(line), "{line}\n{got}");
    }
    assert!(!got.contains("json:"), "{got}");
}

#[test]
fn what_cloud_events_cannot_be_is_refused() {
    let value = |line: &str| format!("{CLASS}{line}");
    for (lines, want) in [
        (
            "key.converter=io.debezium.converters.CloudEventsConverter".to_owned(),
            "key.converter: a key is no change event",
        ),
        (
            "header.converter=io.debezium.converters.CloudEventsConverter".to_owned(),
            "has no counterpart here",
        ),
        (
            value("value.converter.serializer.type=avro"),
            "Avro events have no JSON data",
        ),
        (
            value("value.converter.data.serializer.type=avro"),
            "value.converter: needs value.converter.avro.schema.registry.url: add it",
        ),
        (
            value("value.converter.serializer.type=xml"),
            "`xml` is neither json nor avro",
        ),
        (
            value("value.converter.metadata.source=value,type:generate"),
            "a value has no id of an event",
        ),
        (
            value("value.converter.metadata.source=value,id:value"),
            "`id:value` names neither header nor generate",
        ),
        (
            value("value.converter.metadata.source=value,subject:header"),
            "`subject` is none of id, type, traceparent, dataSchemaName",
        ),
        (
            value("value.converter.metadata.source=generate"),
            "`generate` is neither value nor header",
        ),
        (
            value(
                "value.converter.opentelemetry.tracing.attributes.enable=true\nvalue.converter.metadata.source=value,id:generate,type:generate",
            ),
            "add traceparent:header",
        ),
        (
            value(&format!("{AVRO}value.converter.avro.apicurio.registry.url=x")),
            "Apicurio's own protocol",
        ),
        (
            value(&format!("{AVRO}value.converter.avro.scrub.invalid.names=true")),
            "value.converter.avro.scrub.invalid.names: set schema.name.adjustment.mode",
        ),
        (
            value(&format!("{AVRO}value.converter.avro.nonsense=true")),
            "nonsense is no known setting of Avro's converter",
        ),
    ] {
        let got = refused(&lines);
        assert!(got.contains(want), "{lines}\n{got}");
    }
}

#[test]
fn settings_of_a_converter_that_is_not_there_are_named() {
    let imported = import(&format!(
        "{LEAST}value.converter.extension.attributes.enable=false\nvalue.converter.avro.schema.registry.url=x\n"
    ));
    let notes: Vec<String> = imported.notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "value.converter.extension.attributes.enable: has no effect: the converter of the value is not CloudEvents'",
            "value.converter.avro.schema.registry.url: has no effect: the converter of the value is not CloudEvents'",
        ]
    );
}
