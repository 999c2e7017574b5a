//! The SQL that reads a table in chunks, by its key.
//!
//! Chunks are cut by the order of the key's columns, NULLs last, as `ORDER BY` has it. A chunk takes in all rows that share
//! its last key (`WITH TIES`), so nothing is lost where a key is not unique.

use std::fmt::Write;

use cdc_core::incremental::KeyValues;
use cdc_core::wire::{quote_ident, quote_literal};

/// A column of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) nullable: bool,
}

/// What is read: the table, which of its rows, by which key.
#[derive(Debug)]
pub(super) struct ChunkQuery<'a> {
    pub(super) schema: &'a str,
    pub(super) table: &'a str,
    /// SQL that a user wrote.
    pub(super) condition: Option<&'a str>,
    pub(super) key: &'a [KeyColumn],
}

impl ChunkQuery<'_> {
    /// The highest key.
    pub(super) fn maximum(&self) -> String {
        let (columns, descending) = (self.names(""), self.names(" DESC"));
        let mut sql = format!("SELECT {columns} FROM {}", self.from());
        if let Some(condition) = self.condition {
            // A newline ends a comment that the condition may end with.
            let _ = write!(sql, " WHERE ({condition}\n)");
        }
        let _ = write!(sql, " ORDER BY {descending} LIMIT 1");
        sql
    }

    /// The rows behind `after` and up to `maximum`, in the order of the key, as a COPY.
    pub(super) fn rows(
        &self,
        select: &str,
        after: Option<&KeyValues>,
        maximum: &KeyValues,
        limit: u32,
    ) -> String {
        let mut conditions = Vec::new();
        if let Some(after) = after {
            conditions.push(self.beyond(after));
            conditions.push(self.up_to(maximum));
        }
        if let Some(condition) = self.condition {
            conditions.push(format!("({condition}\n)"));
        }
        let mut sql = format!("COPY (SELECT {select} FROM {}", self.from());
        if !conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", conditions.join(" AND "));
        }
        let _ = write!(
            sql,
            " ORDER BY {} FETCH FIRST {limit} ROWS WITH TIES) TO STDOUT",
            self.names("")
        );
        sql
    }

    fn from(&self) -> String {
        format!("{}.{}", quote_ident(self.schema), quote_ident(self.table))
    }

    fn names(&self, suffix: &str) -> String {
        let names: Vec<String> = self
            .key
            .iter()
            .map(|k| format!("{}{suffix}", quote_ident(&k.name)))
            .collect();
        names.join(", ")
    }

    /// A key's values as literals. They have no type of their own: each takes that of the column it stands beside.
    fn compared(&self, operator: &str, values: &KeyValues) -> Option<String> {
        let literals: Option<Vec<String>> =
            values.0.iter().map(|v| v.as_deref().map(quote_literal)).collect();
        let plain = !self.key.iter().any(|k| k.nullable);
        let literals = literals.filter(|_| plain)?;
        Some(match (self.key, literals.as_slice()) {
            ([one], [value]) => format!("{} {operator} {value}", quote_ident(&one.name)),
            _ => format!("ROW({}) {operator} ROW({})", self.names(""), literals.join(", ")),
        })
    }

    fn beyond(&self, after: &KeyValues) -> String {
        self.compared(">", after)
            .unwrap_or_else(|| self.expanded(after, Side::Beyond))
    }

    fn up_to(&self, maximum: &KeyValues) -> String {
        self.compared("<=", maximum).unwrap_or_else(|| {
            let equal = self.equal(maximum, self.key.len());
            let below = self.expanded(maximum, Side::Below);
            format!("({below} OR ({equal}))")
        })
    }

    /// The row comparison written out, for keys that may be NULL.
    fn expanded(&self, values: &KeyValues, side: Side) -> String {
        let mut alternatives = Vec::new();
        for (i, (column, value)) in self.key.iter().zip(&values.0).enumerate() {
            let Some(differs) = side.of(column, value.as_deref()) else {
                continue;
            };
            alternatives.push(match i {
                0 => differs,
                _ => format!("({} AND {differs})", self.equal(values, i)),
            });
        }
        match alternatives.len() {
            0 => "false".into(),
            _ => format!("({})", alternatives.join(" OR ")),
        }
    }

    /// The first `count` columns have these values.
    fn equal(&self, values: &KeyValues, count: usize) -> String {
        let terms: Vec<String> = self
            .key
            .iter()
            .zip(&values.0)
            .take(count)
            .map(|(column, value)| match value {
                Some(value) => format!("{} = {}", quote_ident(&column.name), quote_literal(value)),
                None => format!("{} IS NULL", quote_ident(&column.name)),
            })
            .collect();
        terms.join(" AND ")
    }
}

#[derive(Clone, Copy)]
enum Side {
    Beyond,
    Below,
}

impl Side {
    /// The column lies on this side of the value; none if nothing does. NULL lies beyond everything.
    fn of(self, column: &KeyColumn, value: Option<&str>) -> Option<String> {
        let name = quote_ident(&column.name);
        match (self, value) {
            (Self::Beyond, None) => None,
            (Self::Beyond, Some(v)) if column.nullable => {
                Some(format!("({name} > {} OR {name} IS NULL)", quote_literal(v)))
            }
            (Self::Beyond, Some(v)) => Some(format!("{name} > {}", quote_literal(v))),
            (Self::Below, None) => Some(format!("{name} IS NOT NULL")),
            (Self::Below, Some(v)) => Some(format!("{name} < {}", quote_literal(v))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(columns: &[(&str, bool)]) -> Vec<KeyColumn> {
        let column = |(name, nullable): &(&str, bool)| KeyColumn {
            name: (*name).into(),
            nullable: *nullable,
        };
        columns.iter().map(column).collect()
    }

    fn values(values: &[Option<&str>]) -> KeyValues {
        KeyValues(values.iter().map(|v| v.map(str::to_owned)).collect())
    }

    fn query<'a>(key: &'a [KeyColumn], condition: Option<&'a str>) -> ChunkQuery<'a> {
        ChunkQuery {
            schema: "My Schema",
            table: "t\"1",
            condition,
            key,
        }
    }

    fn rows(q: &ChunkQuery<'_>, after: Option<&[Option<&str>]>, maximum: &[Option<&str>]) -> String {
        let after = after.map(values);
        let sql = q.rows(r#""a", "v""#, after.as_ref(), &values(maximum), 3);
        let sql = sql
            .strip_prefix(r#"COPY (SELECT "a", "v" FROM "My Schema"."t""1""#)
            .unwrap();
        sql.strip_suffix(" FETCH FIRST 3 ROWS WITH TIES) TO STDOUT")
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_single_key_and_a_row_of_keys() {
        let one = key(&[("a", false)]);
        let q = query(&one, None);
        assert_eq!(
            q.maximum(),
            r#"SELECT "a" FROM "My Schema"."t""1" ORDER BY "a" DESC LIMIT 1"#
        );
        assert_eq!(rows(&q, None, &[Some("9")]), r#" ORDER BY "a""#);
        assert_eq!(
            rows(&q, Some(&[Some("it's")]), &[Some(r"\")]),
            r#" WHERE "a" > 'it''s' AND "a" <=  E'\\' ORDER BY "a""#
        );
        let two = key(&[("B", false), ("a", false)]);
        let q = query(&two, Some("n > 1 -- one"));
        assert_eq!(
            rows(&q, Some(&[Some("1"), Some("x")]), &[Some("9"), Some("y")]),
            "\u{20}WHERE ROW(\"B\", \"a\") > ROW('1', 'x') AND ROW(\"B\", \"a\") <= ROW('9', 'y') AND (n > 1 -- one\n) ORDER BY \"B\", \"a\""
        );
        assert!(
            q.maximum()
                .contains("WHERE (n > 1 -- one\n) ORDER BY \"B\" DESC, \"a\" DESC LIMIT 1")
        );
    }

    #[test]
    fn keys_that_may_be_null_are_compared_column_by_column() {
        let k = key(&[("a", true), ("b", false)]);
        let q = query(&k, None);
        assert_eq!(
            rows(&q, Some(&[Some("1"), Some("2")]), &[None, Some("8")]),
            r#" WHERE (("a" > '1' OR "a" IS NULL) OR ("a" = '1' AND "b" > '2')) AND (("a" IS NOT NULL OR ("a" IS NULL AND "b" < '8')) OR ("a" IS NULL AND "b" = '8')) ORDER BY "a", "b""#
        );
        let single = key(&[("a", true)]);
        let q = query(&single, None);
        assert!(rows(&q, Some(&[None]), &[None]).starts_with(" WHERE false AND"));
    }
}
