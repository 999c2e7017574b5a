//! A table of a PostgreSQL database that values are looked up in.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wire::{ConnectOptions, quote_ident, quote_literal};

/// A table of a PostgreSQL database that values are looked up in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookupTable {
    /// The database, as a `postgres://` URL or `key=value` text without a password; what it leaves out comes from the `PG*`
    /// variables and `~/.pgpass`, as for the source.
    pub url: String,
    /// File that holds the password and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The table, as `schema.table`.
    pub table: String,
    /// Its columns that are compared.
    pub columns: Vec<String>,
    /// Its column whose value is taken.
    pub output_column: String,
}

impl LookupTable {
    /// Checks what can be checked without the database.
    pub(super) fn check(&self) -> Result<(), String> {
        if ConnectOptions::holds_password(&self.url) {
            return Err("postgres.url: holds a password: put it into password_file or ~/.pgpass".into());
        }
        self.connect_options()
            .map_err(|e| format!("postgres.url: {}", e.chain()))?;
        match self.table.split_once('.') {
            Some((schema, table)) if !schema.is_empty() && !table.is_empty() => {}
            _ => return Err("postgres.table: must be schema.table".into()),
        }
        if self.output_column.is_empty() {
            return Err("postgres.output_column: is missing".into());
        }
        Ok(())
    }

    /// How to reach the database.
    ///
    /// # Errors
    /// As [`ConnectOptions::parse`].
    pub fn connect_options(&self) -> Result<ConnectOptions, crate::Error> {
        let options = ConnectOptions::parse(&self.url)?;
        Ok(match &self.password_file {
            Some(file) => options.with_password_file(file),
            None => options,
        })
    }

    /// Asks for the value as JSON, of one row whose columns are these. The literals have no type, so that an index on the
    /// columns can be used whatever theirs is.
    pub(super) fn query(&self, values: &[String]) -> String {
        let (schema, table) = self.table.split_once('.').unwrap_or(("", &self.table));
        let equal = self.columns.iter().zip(values);
        let equal = equal
            .map(|(column, value)| format!("t.{} = {}", quote_ident(column.trim()), quote_literal(value)));
        format!(
            "SELECT pg_catalog.to_jsonb(t.{}) FROM {}.{} AS t WHERE {} LIMIT 1",
            quote_ident(&self.output_column),
            quote_ident(schema),
            quote_ident(table),
            equal.collect::<Vec<_>>().join(" AND ")
        )
    }
}
