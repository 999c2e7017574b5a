//! The result of a query.

use super::body::Body;
use crate::Error;

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

/// Reads a RowDescription's names.
pub(super) fn described(body: &[u8]) -> Result<Rows, Error> {
    let mut body = Body::new("row description", body);
    let count = body.u16("column count")?;
    let mut rows = Rows::default();
    for _ in 0..count {
        rows.columns.push(body.text("column name")?.to_owned());
        // Table, attribute number, type, size, modifier, format.
        body.take(18, "column description")?;
    }
    Ok(rows)
}

/// Reads a DataRow.
pub(super) fn row(body: &[u8]) -> Result<Vec<Option<String>>, Error> {
    let mut body = Body::new("data row", body);
    let count = body.u16("column count")?;
    let mut values = Vec::new();
    for _ in 0..count {
        let length = body.i32("value length")?;
        values.push(match usize::try_from(length) {
            Ok(length) => {
                let bytes = body.take(length, "value")?;
                let text = std::str::from_utf8(bytes).map_err(|_| body.wrong("value", "is not UTF-8"))?;
                Some(text.to_owned())
            }
            Err(_) if length == -1 => None,
            Err(_) => return Err(body.wrong("value length", "is negative")),
        });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn rows_with_nulls() {
        let d = described(
            b"\0\x02a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        )
        .unwrap();
        assert_eq!(d.columns, ["a", "b"]);
        let r = row(b"\0\x02\xff\xff\xff\xff\0\0\0\x01x").unwrap();
        assert_eq!(r, [None, Some("x".to_owned())]);
    }

    #[test]
    fn broken_rows_are_errors() {
        for bad in [
            &b""[..],
            b"\0\x01",
            b"\0\x01\0\0\0\x05x",
            b"\0\x01\xff\xff\xff\xfe",
            b"\0\x01\0\0\0\x01\xff",
        ] {
            assert_eq!(row(bad).unwrap_err().kind(), ErrorKind::Protocol);
        }
        assert!(described(b"\xff\xff").is_err());
    }
}
