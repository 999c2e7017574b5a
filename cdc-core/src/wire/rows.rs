//! The result of a query.

/// Rows as text, as the simple query protocol gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Column names.
    pub columns: Vec<String>,
    /// One value a column; none is SQL's NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The value of a named column in a row counted from 0; none also if there is no such row or column.
    #[must_use]
    pub fn value(&self, row: usize, column: &str) -> Option<&str> {
        let column = self.columns.iter().position(|c| c == column)?;
        self.rows.get(row)?.get(column)?.as_deref()
    }

    /// The first column of the first row.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.rows.first()?.first()?.as_deref()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}
