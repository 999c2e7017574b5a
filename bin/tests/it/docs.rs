//! What is written in `docs/` is true.

use std::collections::HashMap;

use pgcdc::config::Stages;
use pgcdc::config::load::from_text;

/// The committed file has this text; PGCDC_BLESS=1 writes it.
pub(crate) fn current(file: &str, want: &str) {
    let path = format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("PGCDC_BLESS").is_some() {
        std::fs::write(&path, want).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        have == want,
        "{file} is stale: run the tests once with PGCDC_BLESS=1 and look at the difference\n{want}"
    );
}

#[test]
fn the_schema_is_current() {
    current("docs/config.schema.json", &pgcdc::config::schema::json());
}

#[test]
fn the_list_of_properties_is_current() {
    current("docs/debezium-properties.md", &pgcdc::import::markdown());
}

#[test]
fn the_list_of_sink_properties_is_current() {
    current("docs/sink-properties.md", &pgcdc::import::sink_markdown());
}

#[test]
fn the_example_is_valid() {
    let guide = include_str!("../../../docs/configuration.md");
    let example = guide
        .split("```yaml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let env = ["PGCDC_PASSWORD", "INDEX_PASSWORD"].map(|n| (n.to_owned(), "x".to_owned()));
    let got = from_text("example", example, &HashMap::from(env)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(got.stages, Stages::SourceToKafkaToIndex);
    assert_eq!(
        got.consume.unwrap().topics_regex.as_deref(),
        Some(r"shop\..+\..+")
    );
}
