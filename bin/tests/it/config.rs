//! What a wrong configuration is told.

use std::collections::HashMap;

use pgcdc::config::load::from_text;
use pgcdc::config::{OffsetsConfig, Stages};

const GOOD: &str = "\
source:
  host: db.example
  database: shop
  user: pgcdc
  password: ${PW}
  tables:
    include: ['public\\..*']
output:
  type: stdout
format: {topic_prefix: shop}
";

fn env() -> HashMap<String, String> {
    [("PW", "s3cret"), ("PORT", "x")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into()
}

fn refused(text: &str) -> String {
    from_text("pgcdc.yaml", text, &env()).unwrap_err().to_string()
}

#[test]
fn a_good_file_is_taken_with_variables_and_defaults() {
    let got = from_text("pgcdc.yaml", GOOD, &env()).unwrap();
    assert_eq!(got.stages, Stages::SourceToOutput);
    assert!(matches!(got.offsets, OffsetsConfig::Memory));
    let source = got.source.unwrap();
    assert_eq!(source.connect.describe(), "pgcdc@db.example:5432/shop");
    assert!(source.config.streaming.in_progress);
    assert_eq!(source.config.memory.0.as_u64(), 16 << 20);
}

#[test]
fn unknown_key() {
    let text = GOOD.replace("  tables:", "  tabels:");
    assert_eq!(
        refused(&text).split(" (known here").next().unwrap(),
        "pgcdc.yaml:6:3: source.tabels: unknown key `tabels`; did you mean `tables`?"
    );
}

#[test]
fn unknown_value() {
    let text = GOOD.replace("  tables:", "  sslmode: verify_full\n  tables:");
    let got = refused(&text);
    assert!(
        got.starts_with(
            "pgcdc.yaml:6:12: source.sslmode: unknown value `verify_full`; did you mean `verify-full`? (one of: "
        ),
        "{got}"
    );
    assert!(
        got.ends_with("\n  |\n6 |   sslmode: verify_full\n  |            ^"),
        "{got}"
    );
}

#[test]
fn wrong_type() {
    let text = GOOD.replace("  tables:", "  port: many\n  tables:");
    let got = refused(&text);
    assert!(got.starts_with("pgcdc.yaml:6:9: source.port: "), "{got}");
}

#[test]
fn wrong_value_of_a_variable_is_not_shown() {
    let text = GOOD.replace("  tables:", "  port: ${PW}\n  tables:");
    let got = refused(&text);
    assert!(
        got.starts_with("pgcdc.yaml:6:9: source.port: ") && !got.contains("s3cret"),
        "{got}"
    );
}

#[test]
fn missing_key() {
    let text = GOOD.replace("type: stdout", "path: /tmp/x");
    assert!(refused(&text).contains("`type`"), "{}", refused(&text));
    let got = refused("source: {}\noutput: {type: 'null'}\noffsets: {type: file}\n");
    assert!(
        got.starts_with("pgcdc.yaml:3:1: offsets: key `path` is missing: add it here"),
        "{got}"
    );
}

#[test]
fn unset_variable() {
    let got = refused(&GOOD.replace("${PW}", "${NOT_SET}"));
    assert_eq!(
        got,
        "pgcdc.yaml:5:13: source.password: variable `NOT_SET` is not set: set it, or write `${NOT_SET:-default}`"
    );
    let got = refused(&GOOD.replace("${PW}", "${NOT_SET:?put it into the unit file}"));
    assert!(got.contains("put it into the unit file"), "{got}");
}

#[test]
fn all_faults_of_the_second_stage_come_at_once() {
    let text = GOOD
        .replace("include: ['public\\..*']", "include: ['a(', b]\n    exclude: [c]")
        .replace("output:", "delivery: exactly_once\noutput:");
    assert_eq!(
        refused(&text),
        "\
pgcdc.yaml:6:3: source.tables: both `include` and `exclude` are given: keep one of the two
  |
6 |   tables:
  |   ^

pgcdc.yaml:7:15: source.tables.include[0]: `a(` is not a valid regular expression: unclosed group
  |
7 |     include: ['a(', b]
  |               ^

pgcdc.yaml:9:1: delivery: exactly_once is not available yet: use at_least_once and let consumers drop repeats by position
  |
9 | delivery: exactly_once
  | ^"
    );
}

#[test]
fn a_line_with_a_secret_is_not_shown() {
    let got = refused(&GOOD.replace("  password: ${PW}", "  password: hunter2\n  password_file: /x"));
    assert!(
        got.starts_with("pgcdc.yaml:6:3: source.password_file: `source.password` is given too"),
        "{got}"
    );
    assert!(!got.contains("hunter2") && !got.contains(" | "), "{got}");
}

#[test]
fn nothing_to_write_to() {
    let got = refused("source: {host: h}\n");
    assert!(got.contains("nothing receives its changes"), "{got}");
}

#[test]
fn a_url_excludes_the_single_fields() {
    let got = refused(&GOOD.replace("  host: db.example", "  url: postgres://h/d\n  host: db.example"));
    assert!(got.contains("source.host: `url` is given too"), "{got}");
}

#[test]
fn faults_of_a_component_are_placed_at_their_key() {
    let text = GOOD.replace(
        "output:\n  type: stdout\nformat: {topic_prefix: shop}",
        "format:\n  topic_prefix: a b\nkafka:\n  bootstrap_servers: k:1\n  properties:\n    acks: 0",
    );
    let got = refused(&text);
    assert!(
        got.contains("pgcdc.yaml:9:3: format.topic_prefix: `a b` is not valid"),
        "{got}"
    );
    assert!(got.contains(": kafka: ") && got.contains("acks"), "{got}");
}

#[test]
fn a_topic_prefix_is_required() {
    let got = refused(&GOOD.replace("format: {topic_prefix: shop}\n", ""));
    assert_eq!(
        got,
        "pgcdc.yaml: format.topic_prefix: is missing: name the server, such as `shop`"
    );
}

#[test]
fn cloud_events_that_cannot_be_are_refused() {
    let registry = "registry: {urls: ['http://r']}";
    for (converters, want) in [
        (
            "key: {type: cloud_events}",
            "converters.key.type: only a value is a change event",
        ),
        (
            "value: {type: cloud_events, data: avro}",
            "converters.value.avro: is missing",
        ),
        (
            &format!("value: {{type: cloud_events, avro: {{{registry}}}}}"),
            "converters.value.avro: neither events nor data are Avro",
        ),
        (
            &format!("value: {{type: cloud_events, event: avro, data: json, avro: {{{registry}}}}}"),
            "converters.value.data: Avro events have no JSON data",
        ),
        (
            &format!(
                "value: {{type: cloud_events, event: avro, json: {{schemas: true}}, avro: {{{registry}}}}}"
            ),
            "converters.value.json: events and data are Avro",
        ),
        (
            "value: {type: cloud_events, data: avro, avro: {registry: {urls: ['ftp://r']}}}",
            "converters.value.avro: registry.urls",
        ),
    ] {
        let got = refused(&format!("{GOOD}converters:\n  {converters}\n"));
        assert!(got.contains(want), "{converters}\n{got}");
    }
    let good =
        format!("{GOOD}converters:\n  value: {{type: cloud_events, event: avro, avro: {{{registry}}}}}\n");
    from_text("pgcdc.yaml", &good, &env()).unwrap_or_else(|e| panic!("{e}"));
}

/// A file of all three stages, with more lines.
fn through_kafka(more: &str) -> String {
    GOOD.replace(
        "output:\n  type: stdout\n",
        "kafka: {bootstrap_servers: 'k:9092'}\n",
    ) + more
}

const INDEX: &str = "index: {urls: ['http://h']}\n";

#[test]
fn the_index_stage_reads_what_the_source_stage_writes() {
    let registry = "converters: {key: {type: string}, value: {type: avro, registry: {urls: ['http://r']}}}\n";
    let config = through_kafka(&format!("{INDEX}{registry}"));
    let got = from_text("pgcdc.yaml", &config, &env()).unwrap();
    let before = got.before_index();
    assert!(before.key.is_some() && before.value.is_some() && before.chain.is_empty());
    // The records say their place, since an envelope does not always.
    assert!(got.format.position_header);
    let json = through_kafka(&format!("{INDEX}converters: {{value: {{type: json}}}}\n"));
    assert!(
        from_text("pgcdc.yaml", &json, &env())
            .unwrap()
            .before_index()
            .is_direct()
    );
    for kind in ["cloud_events", "string", "bytes"] {
        let text = through_kafka(&format!("{INDEX}converters: {{value: {{type: {kind}}}}}\n"));
        let got = refused(&text);
        assert!(
            got.contains("converters.value.type: the index stage makes no documents of"),
            "{got}"
        );
    }
}

#[test]
fn topics_that_only_the_transforms_know_must_be_named() {
    let router = "transforms: [{regex_router: {regex: 'shop\\.public\\.(.*)', replacement: 'x-$1'}}]\n";
    let text = through_kafka(&format!("{INDEX}{router}"));
    let got = refused(&text);
    assert!(
        got.contains("consume: is missing: transforms[0].regex_router"),
        "{got}"
    );
    let named = format!("{text}consume: {{topics_regex: 'x-.*'}}\n");
    assert!(from_text("pgcdc.yaml", &named, &env()).is_ok());
    // Straight to the index their names are those of the indexes.
    let direct = GOOD.replace("output:\n  type: stdout\n", INDEX) + router + "offsets: {type: postgres}\n";
    assert!(from_text("pgcdc.yaml", &direct, &env()).is_ok());
}

#[test]
fn dead_letters_are_not_read() {
    let index = "index: {urls: ['http://h'], on_bad_document: {dead_letter_topic: shop.public.dead}}\n";
    let got = from_text("pgcdc.yaml", &through_kafka(index), &env()).unwrap();
    assert_eq!(got.consume.unwrap().left_out, ["shop.public.dead"]);
    let listed = through_kafka(&format!("{index}consume: {{topics: [shop.public.dead]}}\n"));
    assert!(refused(&listed).contains("consume.topics: shop.public.dead takes the dead letters"));
}

#[test]
fn neither_topic_of_dead_letters_is_read() {
    let index = "index: {urls: ['http://h'], on_bad_document: {dead_letter_topic: shop.public.bad}, \
                 on_invalid_record: {dead_letter_topic: shop.public.invalid}}\n";
    let got = from_text("pgcdc.yaml", &through_kafka(index), &env()).unwrap();
    let both = ["shop.public.bad", "shop.public.invalid"];
    assert_eq!(got.consume.unwrap().left_out, both);
    for topic in both {
        let listed = through_kafka(&format!("{index}consume: {{topics: [a, {topic}]}}\n"));
        assert!(refused(&listed).contains(&format!("consume.topics: {topic} takes the dead letters")));
    }
}

#[test]
fn mappings_need_schemas_on_either_way_to_the_index() {
    for option in [
        "mapping: {infer: true}",
        "overrides: [{topics: [a], infer: true}]",
    ] {
        let index = format!("index: {{urls: ['http://h'], {option}}}\n");
        let bare = through_kafka(&index);
        assert!(refused(&bare).contains("index.mapping: mappings and conversions are made from schemas"));
        let with = bare.replace(
            "{topic_prefix: shop}",
            "{topic_prefix: shop, value_schemas: true}",
        );
        from_text("pgcdc.yaml", &with, &env()).unwrap();
        // Other forms bring them along.
        for value in [
            "{type: avro, registry: {urls: ['http://r']}}",
            "{type: json, schemas: true}",
        ] {
            let text = format!("{bare}converters: {{value: {value}}}\n");
            from_text("pgcdc.yaml", &text, &env()).unwrap();
        }
        let without = format!("{with}converters: {{value: {{type: json, schemas: false}}}}\n");
        assert!(refused(&without).contains("index.mapping"));
    }
}

#[test]
fn lookups_stand_between_kafka_and_the_index() {
    let lookup = "transforms: [{dynamic_new_field: {es_url: 'http://h', es_index: i, es_input_fields: [a], \
                  es_output_field: b, input_fields: [a], input_default_values: [x], output_field: c}}]\n";
    let got = refused(&(GOOD.to_owned() + lookup));
    assert!(
        got.contains("transforms[0].dynamic_new_field: looks things up"),
        "{got}"
    );
    let sink = format!("kafka: {{bootstrap_servers: 'k:9092'}}\n{INDEX}consume: {{topics: [t]}}\n{lookup}");
    from_text("pgcdc.yaml", &sink, &env()).unwrap();
}

#[test]
fn the_index_knows_the_sources_placeholder() {
    let text = through_kafka(INDEX).replace(
        "format: {topic_prefix: shop}",
        "format: {topic_prefix: shop, values: {unavailable_value_placeholder: gone}}",
    );
    let got = from_text("pgcdc.yaml", &text, &env()).unwrap();
    assert_eq!(got.index.unwrap().unavailable_value, "gone");
}
