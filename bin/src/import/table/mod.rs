//! The one table of properties: what becomes of each that a connector's file may hold.
//!
//! A property is honoured, has no meaning here, or is refused; one that has no row is refused as unknown. The
//! documentation (`docs/debezium-properties.md`) is made from these rows.

mod capture;
mod cloud_events;
mod connect;
mod connection;
mod converters;
mod replication;
mod row;
mod runtime;
mod server;
pub(super) mod sink;
mod snapshot;
mod topics;
mod values;

pub(crate) use self::row::{Given, Outcome, Row};

/// A part of the table, under the heading that the documentation gives it.
pub(crate) struct Section {
    /// Heading.
    pub(crate) title: &'static str,
    /// Rows.
    pub(crate) rows: &'static [Row],
}

/// The table.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        title: "Connection and identity",
        rows: connection::ROWS,
    },
    Section {
        title: "Slot, publication, positions",
        rows: replication::ROWS,
    },
    Section {
        title: "What is captured",
        rows: capture::ROWS,
    },
    Section {
        title: "Values",
        rows: values::ROWS,
    },
    Section {
        title: "Topics and auxiliary records",
        rows: topics::ROWS,
    },
    Section {
        title: "Snapshots, signals, notifications",
        rows: snapshot::ROWS,
    },
    Section {
        title: "Runtime",
        rows: runtime::ROWS,
    },
    Section {
        title: "Kafka Connect",
        rows: connect::ROWS,
    },
    Section {
        title: "Converters",
        rows: converters::ROWS,
    },
    Section {
        title: "Avro's converter",
        rows: converters::AVRO_ROWS,
    },
    Section {
        title: "Debezium's CloudEvents converter",
        rows: cloud_events::ROWS,
    },
    Section {
        title: "Debezium Server",
        rows: server::ROWS,
    },
];

/// The table of sink connectors.
pub(crate) const SINK_SECTIONS: &[Section] = &[
    Section {
        title: "Topics and converters",
        rows: sink::WHAT,
    },
    Section {
        title: "Avro's converter",
        rows: converters::AVRO_ROWS,
    },
    Section {
        title: "Connection",
        rows: sink::CONNECTION,
    },
    Section {
        title: "Documents",
        rows: sink::DOCUMENTS,
    },
    Section {
        title: "Indexes, data streams, aliases",
        rows: sink::TARGETS,
    },
    Section {
        title: "Batches and retries",
        rows: sink::BATCHES,
    },
];

/// Which table a file is read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Debezium's connector.
    Source,
    /// A sink for Elasticsearch or OpenSearch.
    Sink,
}

impl Kind {
    /// Tells by the class.
    pub(crate) fn of(class: Option<&str>) -> Self {
        let class = class.unwrap_or_default().to_ascii_lowercase();
        let sink = class.contains("elasticsearchsink") || class.contains("opensearchsink");
        if sink { Self::Sink } else { Self::Source }
    }

    pub(crate) fn sections(self) -> &'static [Section] {
        match self {
            Self::Source => SECTIONS,
            Self::Sink => SINK_SECTIONS,
        }
    }
}

/// All rows.
pub(crate) fn rows(kind: Kind) -> impl Iterator<Item = &'static Row> {
    kind.sections().iter().flat_map(|s| s.rows)
}

/// The row of a property, and what its placeholders stand for. The most literal row wins.
pub(crate) fn find(kind: Kind, name: &str) -> Option<(&'static Row, Vec<&str>)> {
    rows(kind)
        .filter_map(|row| Some((row, row.captures(name)?)))
        .max_by_key(|(row, _)| row.literal_len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the connector's definition, dumped from the connector itself; regular expressions are its own.
    const DEFINED: &str = include_str!("../../../tests/data/debezium-properties.txt");

    #[test]
    fn every_property_of_the_connector_has_a_row() {
        let missing: Vec<&str> = DEFINED
            .lines()
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
            .filter(|name| find(Kind::Source, name).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn no_row_is_there_twice() {
        for kind in [Kind::Source, Kind::Sink] {
            let mut names: Vec<&str> = rows(kind).map(|r| r.name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn placeholders_are_filled_and_the_most_literal_row_wins() {
        let (row, captures) = find(Kind::Source, "column.mask.hash.v2.SHA-256.with.salt.a.b").unwrap();
        assert_eq!(row.name, "column.mask.hash.v2.<algorithm>.with.salt.<salt>");
        assert_eq!(captures, ["SHA-256", "a.b"]);
        let (row, captures) = find(Kind::Source, "column.mask.hash.MD5.with.salt.x").unwrap();
        assert_eq!(
            (row.name, captures),
            ("column.mask.hash.<algorithm>.with.salt.<salt>", vec!["MD5", "x"])
        );
        assert!(find(Kind::Source, "column.truncate.to..chars").is_none());
        assert!(find(Kind::Source, "databse.hostname").is_none());
    }
}
