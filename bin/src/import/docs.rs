//! `docs/debezium-properties.md`, made from the table.

use std::fmt::Write;

use super::table::{Outcome, SECTIONS};

/// The document.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(HEAD);
    for section in SECTIONS {
        let _ = write!(
            out,
            "\n## {}\n\n| property | Debezium's default | here |\n|---|---|---|\n",
            section.title
        );
        for row in section.rows {
            let here = match &row.outcome {
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
given. `<x>` stands for any text.

`${env:NAME}` in a value is replaced by the variable's value, as is `${NAME}` or `${NAME:default}`. A connector's file does
not name the brokers, since Connect's worker knows them: add `bootstrap.servers`, or set `KAFKA_BOOTSTRAP_SERVERS`.
`pgcdc.PATH` sets a key of the YAML file that no connector has, such as `pgcdc.http.listen`.
`converter.…` without `key.` or `value.` sets one JSON converter for keys, values and headers.
";
