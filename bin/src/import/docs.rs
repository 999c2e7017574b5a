//! `docs/debezium-properties.md`, made from the table.

use std::fmt::Write;

use super::table::{Kind, Outcome};

/// The document.
#[must_use]
pub fn markdown() -> String {
    tables(Kind::Source, HEAD, "Debezium's default")
}

/// `docs/sink-properties.md`.
#[must_use]
pub fn sink_markdown() -> String {
    tables(Kind::Sink, SINK_HEAD, "the connector's default")
}

fn tables(kind: Kind, head: &str, default: &str) -> String {
    let mut out = String::from(head);
    for section in kind.sections() {
        let _ = write!(
            out,
            "\n## {}\n\n| property | {default} | here |\n|---|---|---|\n",
            section.title
        );
        for row in section.rows {
            let here = match &row.outcome {
                Outcome::NoMeaning(reason) if !row.joined.is_empty() => format!("`{}`; {reason}", row.joined),
                Outcome::Honoured(take) => format!("`{}`", take.path()),
                Outcome::NoMeaning(reason) => format!("no effect: {reason}"),
                Outcome::Refused(reason, []) => format!("**refused**: {reason}"),
                Outcome::Refused(reason, unless) => {
                    let values: Vec<String> = unless.iter().map(|u| format!("`{u}`")).collect();
                    format!("**refused** unless {}: {reason}", values.join(" or "))
                }
            };
            let default = if row.default.is_empty() {
                String::new()
            } else {
                format!("`{}`", row.default)
            };
            let _ = writeln!(
                out,
                "| `{}` | {default} | {} |",
                row.name,
                here.replace('|', "\\|")
            );
        }
    }
    out.push_str(&super::transforms::markdown());
    out
}

const HEAD: &str = "\
# Debezium and Kafka Connect properties

Generated from the table in `bin/src/import/table/`; do not edit. `pgcdc import FILE` reads a connector's properties, the
JSON of Connect's REST API, or Debezium Server's `application.properties`, and prints the equivalent YAML;
`pgcdc run FILE` takes such a file as it is.

Each property is honoured (the column shows the key in the YAML file that it sets), has no effect (and is named on standard
error), or is refused with the reason. A property that is not listed is refused as unknown. An empty value counts as not
given, except where an option of a transform may be empty (`add.fields.prefix`). `<x>` stands for any text.

`${env:NAME}` in a value is replaced by the variable's value, as is `${NAME}` or `${NAME:default}`. A connector's file does
not name the brokers, since Connect's worker knows them: add `bootstrap.servers`, or set `KAFKA_BOOTSTRAP_SERVERS`.
`pgcdc.PATH` sets a key of the YAML file that no connector has, such as `pgcdc.http.listen`.
`converter.…` without `key.` or `value.` sets one JSON converter for keys, values and headers.
";

const SINK_HEAD: &str = "\
# Elasticsearch and OpenSearch sink connector properties

Generated from the table in `bin/src/import/table/sink.rs`; do not edit. `pgcdc import FILE` reads the properties or the JSON
of Confluent's Elasticsearch sink connector, or of Aiven's OpenSearch one where its names differ, and prints the equivalent
YAML; `pgcdc run FILE` takes such a file as it is. Which kind a file is, `connector.class` tells.

Each property is honoured (the column shows the key in the YAML file that it sets), has no effect (and is named on standard
error), or is refused with the reason. A property that is not listed is refused as unknown. An empty value counts as not
given. `<x>` stands for any text; `pgcdc.PATH` sets a key of the YAML file that no connector has.

The consumer group is `connect-NAME`, as Connect names it: stop the connector, start pgcdc, and it goes on where the connector
has stopped. Differences from the connector:

- Items that the server refuses for the moment are tried again without end; only they, not the whole request.
- Keys with several fields are accepted: their parts are joined by `index.id_separator`. An `_id` longer than 512 bytes is
  replaced by its SHA-256.
- A NULL stays null; the connector writes a field's default in its place.
- Decimals become exact numbers, where the connector rounds them to a double.
- A record without a key, where keys are not ignored, gets its coordinates as `_id`, and one with an empty key the SHA-256 of nothing;
  the connector stops.
- A TRUNCATE event is left out, with a warning.
- An offset of the group that is no longer in the topic stops the index stage; the connector goes on at the topic's beginning.
- `read.timeout.ms` bounds the silence of a socket there, `index.request_timeout_ms` the wait for a whole answer: only a longer one than
  ours is taken over.
- Fields of Debezium's semantic types get the mapping that they mean, and new fields are mapped when a schema changes.
";
