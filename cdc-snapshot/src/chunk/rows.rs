//! The rows of a chunk as they come in, bounded in bytes.

use cdc_core::incremental::KeyValues;
use cdc_core::row::{ColumnKind, ColumnRef, Datum, RowView};
use cdc_core::{Error, ErrorKind};

/// Column values of rows, one after the other.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) data: Vec<u8>,
    pub(super) columns: Vec<ColumnRef>,
    pub(super) count: usize,
}

impl Rows {
    /// Adds a row.
    pub(super) fn push(&mut self, row: RowView<'_>) -> Result<(), Error> {
        let long = || Error::new(ErrorKind::Value, "a chunk's rows are longer than 4 GiB");
        for i in 0..row.len() {
            let start = u32::try_from(self.data.len()).map_err(|_| long())?;
            let (kind, bytes) = match row.get(i) {
                Datum::Text(bytes) => (ColumnKind::Text, bytes),
                _ => (ColumnKind::Null, &[][..]),
            };
            self.data.extend_from_slice(bytes);
            let len = u32::try_from(bytes.len()).map_err(|_| long())?;
            self.columns.push(ColumnRef { kind, start, len });
        }
        self.count += 1;
        Ok(())
    }

    /// Empties it and keeps no more memory than it needs for the next chunk.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The values of these columns in the last row.
    pub(super) fn last(&self, key: &[usize], width: usize) -> Result<KeyValues, Error> {
        let start = self.columns.len().saturating_sub(width);
        let row = RowView::new(&self.data, self.columns.get(start..).unwrap_or_default());
        let text = |i: &usize| match row.get(*i) {
            Datum::Text(bytes) => std::str::from_utf8(bytes)
                .map(|t| Some(t.to_owned()))
                .map_err(|_| Error::new(ErrorKind::Value, "a key column is not UTF-8")),
            _ => Ok(None),
        };
        key.iter().map(text).collect::<Result<_, _>>().map(KeyValues)
    }
}

/// How many rows are asked for at once: as many as are wanted, fewer while they are so long that these would exceed the
/// bytes of a chunk.
#[derive(Debug)]
pub(super) struct Limit {
    most: u32,
    now: u32,
}

impl Limit {
    pub(super) fn new(most: u32) -> Self {
        Self { most, now: most }
    }

    pub(super) fn rows(&self) -> u32 {
        self.now
    }

    /// So many rows exceeded the bytes: half of them is asked for next. False if it was one already.
    pub(super) fn shrink(&mut self, rows: usize) -> bool {
        if self.now == 1 {
            return false;
        }
        self.now = u32::try_from(rows / 2).unwrap_or(u32::MAX).clamp(1, self.now / 2);
        true
    }

    /// A chunk took this share of its bytes.
    pub(super) fn grow(&mut self, bytes: usize, of: usize) {
        if bytes < of / 4 {
            self.now = self.now.saturating_mul(2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_rows_are_asked_for_while_they_are_long() {
        let mut limit = Limit::new(1000);
        assert!(limit.shrink(900));
        assert_eq!(limit.rows(), 450);
        assert!(limit.shrink(1));
        assert_eq!(limit.rows(), 1);
        assert!(!limit.shrink(5));
        limit.grow(50, 100);
        assert_eq!(limit.rows(), 1);
        for _ in 0..20 {
            limit.grow(10, 100);
        }
        assert_eq!(limit.rows(), 1000);
    }

    #[test]
    fn the_last_key_is_that_of_the_last_row() {
        let mut rows = Rows::default();
        for (a, b) in [("1", Some("x")), ("22", None)] {
            let data = [a, b.unwrap_or_default()].concat();
            let end = u32::try_from(a.len()).unwrap();
            let first = ColumnRef {
                kind: ColumnKind::Text,
                start: 0,
                len: end,
            };
            let second = ColumnRef {
                kind: if b.is_some() {
                    ColumnKind::Text
                } else {
                    ColumnKind::Null
                },
                start: end,
                len: u32::try_from(b.map_or(0, str::len)).unwrap(),
            };
            rows.push(RowView::new(data.as_bytes(), &[first, second]))
                .unwrap();
        }
        let last = rows.last(&[1, 0], 2).unwrap();
        assert_eq!(last, KeyValues(vec![None, Some("22".into())]));
        assert_eq!(rows.count, 2);
    }
}
