//! What is asked for of a table's columns.

use cdc_core::schema::Table;
use cdc_core::wire::quote_ident;

/// The select list of a table, all columns in its order. One that is not to be read is NULL: its values need not cross the
/// wire, and the role may have no right to them.
pub(crate) fn select_list(table: &Table, is_read: impl Fn(usize) -> bool) -> String {
    let columns = table.columns.iter().enumerate().map(|(i, c)| match is_read(i) {
        true => quote_ident(&c.name),
        false => "NULL".to_owned(),
    });
    columns.collect::<Vec<_>>().join(", ")
}
