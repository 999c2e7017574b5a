//! The one table of properties: what becomes of each that a connector's file may hold.
//!
//! A property is honoured, has no meaning here, or is refused; one that has no row is refused as unknown. The
//! documentation (`docs/debezium-properties.md`) is made from these rows.

mod capture;
mod connect;
mod connection;
mod converters;
mod replication;
mod row;
mod runtime;
mod server;
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
        title: "Debezium Server",
        rows: server::ROWS,
    },
];

/// All rows.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    SECTIONS.iter().flat_map(|s| s.rows)
}

/// The row of a property, and what its placeholders stand for. The most literal row wins.
pub(crate) fn find(name: &str) -> Option<(&'static Row, Vec<&str>)> {
    rows()
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
            .filter(|name| find(name).is_none())
            .collect();
        assert!(missing.is_empty(), "{missing:#?}");
    }

    #[test]
    fn no_row_is_there_twice() {
        let mut names: Vec<&str> = rows().map(|r| r.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn placeholders_are_filled_and_the_most_literal_row_wins() {
        let (row, captures) = find("column.mask.hash.v2.SHA-256.with.salt.a.b").unwrap();
        assert_eq!(row.name, "column.mask.hash.v2.<algorithm>.with.salt.<salt>");
        assert_eq!(captures, ["SHA-256", "a.b"]);
        let (row, captures) = find("column.mask.hash.MD5.with.salt.x").unwrap();
        assert_eq!(
            (row.name, captures),
            ("column.mask.hash.<algorithm>.with.salt.<salt>", vec!["MD5", "x"])
        );
        assert!(find("column.truncate.to..chars").is_none());
        assert!(find("databse.hostname").is_none());
    }
}
