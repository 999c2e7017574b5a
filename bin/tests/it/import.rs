//! Connector files, from outside.

use std::collections::HashMap;

use pgcdc::config::Stages;
use pgcdc::config::load::from_text;
use pgcdc::import::{Form, Imported};

/// A file as connectors have it, with every kind of property.
const TYPICAL: &str = include_str!("../data/connector.properties");
const REST: &str = include_str!("../data/connector.json");
const SERVER: &str = include_str!("../data/application.properties");
pub(super) const LEAST: &str =
    "topic.prefix=srv\ndatabase.hostname=h\ndatabase.user=u\ndatabase.dbname=d\nplugin.name=pgoutput\n";

fn env() -> HashMap<String, String> {
    let set = [
        ("KAFKA_BOOTSTRAP_SERVERS", "k:9092"),
        ("PGCDC_SOURCE_PASSWORD", "pw"),
        ("DB_PASSWORD", "pw"),
    ];
    set.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

pub(super) fn import(text: &str) -> Imported {
    Imported::read(text, None, &env()).unwrap_or_else(|e| panic!("{e}"))
}

pub(super) fn refused(line: &str) -> String {
    let imported = Imported::read(&format!("{LEAST}{line}\n"), Some(Form::Properties), &env());
    match imported.and_then(|i| i.validated().map(|_| i)) {
        Ok(i) => panic!("accepted: {}", i.yaml(false)),
        Err(e) => e.to_string(),
    }
}

#[test]
fn yaml_of_a_typical_file() {
    let imported = import(TYPICAL);
    super::docs::current("bin/tests/data/connector.yaml", &imported.yaml(false));
    let notes: Vec<String> = imported.notes().iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "tasks.max: has no effect: the connector only ever runs one task, and so does pgcdc",
            "max.batch.size: has no effect: what is in flight is bounded in bytes: `source.memory`",
        ]
    );
}

#[test]
fn printed_yaml_means_the_same_as_the_file() {
    for text in [TYPICAL, REST, SERVER, LEAST] {
        let imported = import(text);
        let direct = imported.validated().unwrap_or_else(|e| panic!("{e}"));
        let printed = imported.yaml(true);
        let read = from_text("x.yaml", &printed, &env()).unwrap_or_else(|e| panic!("{e}\n{printed}"));
        assert_eq!(format!("{direct:?}"), format!("{read:?}"));
        assert_eq!(direct.stages, Stages::SourceToKafka);
    }
}

#[test]
fn secrets_are_printed_only_on_request() {
    let imported = import(TYPICAL);
    assert!(!imported.yaml(false).contains("hunter2") && imported.yaml(true).contains("hunter2"));
    let variables: Vec<&str> = imported.variables().collect();
    assert_eq!(
        variables,
        [
            "PGCDC_SOURCE_PASSWORD",
            "PGCDC_KAFKA_SASL_JAAS_CONFIG",
            "PGCDC_COLUMN_SALT_3"
        ]
    );
    assert!(!format!("{:?}", imported.validated().unwrap()).contains("hunter2"));
}

#[test]
fn debeziums_defaults_are_written_where_ours_differ() {
    let yaml = import(LEAST).yaml(false);
    for line in [
        "    name: debezium\n",
        "    name: dbz_publication\n    autocreate: all_tables\n",
        "  sslmode: prefer\n",
        "    max_threads: 1\n",
        "  context_headers: true\n",
        "  key_schemas: true\n  value_schemas: true\n",
        "name: srv\n",
    ] {
        assert!(yaml.contains(line), "{line}{yaml}");
    }
}

#[test]
fn one_converter_for_all_sides() {
    let yaml = import(&format!(
        "{LEAST}converter.schemas.enable=false\nconverter.decimal.format=NUMERIC\n"
    ))
    .yaml(false);
    for line in [
        "key_schemas: false",
        "value_schemas: false",
        "header_schemas: false",
        "header_format: json",
        "decimal_format: numeric",
    ] {
        assert!(yaml.contains(line), "{line}\n{yaml}");
    }
}

#[test]
fn what_is_refused_says_why() {
    for (line, want) in [
        (
            "databse.port=1",
            "databse.port: unknown property: remove it; did you mean database.port?",
        ),
        ("converters=a", "converters: there is no Java class to load"),
        (
            "transforms=unwrap\ntransforms.unwrap.type=com.example.Own",
            "transforms: transforms.unwrap.type: there is no Java class to load, and com.example.Own has no counterpart here",
        ),
        ("plugin.name=decoderbufs", "plugin.name: only pgoutput is read"),
        (
            "value.converter=io.confluent.connect.avro.AvroConverter",
            "value.converter: needs value.converter.schema.registry.url: add it",
        ),
        (
            "value.converter=com.example.Own",
            "value.converter: there is no Java class to load, and com.example.Own has no counterpart here",
        ),
        (
            "transforms=a\ntransforms.a.type=org.apache.kafka.connect.transforms.MaskField",
            "transforms.a.type: say which side: org.apache.kafka.connect.transforms.MaskField$Key or ",
        ),
        (
            "transforms=a\ntransforms.a.type=org.apache.kafka.connect.transforms.Cast$Value\ntransforms.a.sepc=int8",
            "transforms.a.sepc: the class has no such option: remove it; did you mean spec?",
        ),
        (
            "transforms=a\ntransforms.a.type=org.apache.kafka.connect.transforms.Cast$Value\ntransforms.a.spec=x:bytes",
            "spec",
        ),
        (
            "transforms=a\ntransforms.a.type=io.debezium.transforms.Filter\ntransforms.a.language=jsr223.groovy",
            "transforms.a.language: jsr223.groovy: there is no script engine: write the expression in CEL",
        ),
        (
            "decimal.handling.mode=exact",
            "decimal.handling.mode: `exact` is none of precise, double, string",
        ),
        (
            "database.port=many",
            "database.port: `many` is not a whole number",
        ),
        (
            "snapshot.isolation.mode=read_committed",
            "snapshot.isolation.mode: ",
        ),
        (
            "snapshot.select.statement.overrides=a.b",
            "lists a.b, but there is no property",
        ),
        (
            "snapshot.select.statement.overrides.a.b=select 1",
            "does not list a.b",
        ),
        (
            "table.include.list=a\ntable.exclude.list=b",
            "table.include.list: both `include` and `exclude` are given",
        ),
        ("table.include.list=a(", "table.include.list: "),
        ("slot.name=Upper", "slot.name: must be 1 to 63 lower-case letters"),
        ("topic.creation.g.partitions=1", "group g is not listed"),
        ("message.key.columns=public.t", "is not of the form"),
        ("exactly.once.support=required", "delivery is at least once"),
        ("database.password=${file:/x:y}", "provider"),
        ("database.password=${env:NOT_THERE}", "NOT_THERE is not set"),
    ] {
        let got = refused(line);
        assert!(got.contains(want), "{line}\n{got}");
    }
    let none = Imported::read("topic.prefix=x\n", None, &env())
        .unwrap_err()
        .to_string();
    assert!(
        none.contains("database.hostname: is required") && none.contains("database.dbname: is required"),
        "{none}"
    );
}

#[test]
fn brokers_must_be_named_somewhere() {
    let imported = Imported::read(LEAST, None, &HashMap::new()).unwrap();
    assert!(
        imported
            .yaml(false)
            .contains("bootstrap_servers: ${KAFKA_BOOTSTRAP_SERVERS:?")
    );
    assert!(
        imported
            .config()
            .unwrap_err()
            .to_string()
            .contains("does not name the brokers")
    );
}

/// The conformance cases.
#[test]
fn conformance_cases_are_imported() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../conformance/cases");
    let mut imported = 0;
    for case in std::fs::read_dir(cases).unwrap() {
        let Ok(text) = std::fs::read_to_string(case.unwrap().path().join("connector.properties")) else {
            continue;
        };
        let text = text.replace("${registry}", "http://registry:8081");
        let read = Imported::read(&format!("{LEAST}{text}"), None, &env());
        match read.and_then(|i| i.validated()) {
            Ok(_) => imported += 1,
            Err(e) => panic!("{text}\n{e}"),
        }
    }
    assert!(imported >= 20, "{imported}");
}
