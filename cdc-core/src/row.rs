//! A row's column values, borrowed from the bytes they arrived in.
//!
//! Readers (pgoutput tuples, COPY lines) fill a reused list of [`ColumnRef`]; writers (JSON, index documents) see a
//! [`RowView`]. Neither knows the other, and no row allocates.

use crate::block::Text;

/// How a column's value is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// SQL NULL.
    Null,
    /// An out-of-line value that did not change and was not sent.
    Unchanged,
    /// The type's text output, UTF-8.
    Text,
    /// The type's binary send form.
    Binary,
}

/// Where a column's value lies in the row's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ColumnRef {
    /// Form of the value.
    pub kind: ColumnKind,
    /// First byte; 0 when there is no value.
    pub start: u32,
    /// Length in bytes; 0 when there is no value.
    pub len: u32,
}

/// One column's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datum<'a> {
    /// SQL NULL.
    Null,
    /// An out-of-line value that did not change and was not sent.
    Unchanged,
    /// The type's text output, UTF-8 as the server vouches.
    Text(&'a [u8]),
    /// The type's binary send form.
    Binary(&'a [u8]),
}

/// A row: bytes, and where each column lies in them. Columns are in the relation's order.
#[derive(Clone, Copy, Debug)]
pub struct RowView<'a> {
    data: &'a [u8],
    columns: &'a [ColumnRef],
}

impl RowView<'static> {
    /// A row without columns.
    pub(crate) const EMPTY: &'static Self = &Self {
        data: &[],
        columns: &[],
    };
}

impl<'a> RowView<'a> {
    /// A view over `data`. A reference that points outside reads as NULL: readers check lengths before.
    #[must_use]
    pub fn new(data: &'a [u8], columns: &'a [ColumnRef]) -> Self {
        Self { data, columns }
    }

    /// Number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether the row has no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Bytes that its values lie in.
    #[inline]
    pub(crate) fn bytes_len(&self) -> usize {
        self.data.len()
    }

    /// Text of column `i`, if it has one.
    #[inline(always)]
    pub(crate) fn text(&self, i: usize) -> Option<Text<'a>> {
        let c = self.columns.get(i)?;
        if c.kind != ColumnKind::Text {
            return None;
        }
        let from = self.data.get(usize::try_from(c.start).ok()?..)?;
        Text::first(usize::try_from(c.len).ok()?, from)
    }

    /// Whether column `i` is there and NULL.
    #[inline]
    pub(crate) fn is_null(&self, i: usize) -> bool {
        self.columns.get(i).is_some_and(|c| c.kind == ColumnKind::Null)
    }

    /// Value of column `i`; NULL beyond the end.
    #[inline]
    #[must_use]
    pub fn get(&self, i: usize) -> Datum<'a> {
        let Some(c) = self.columns.get(i) else {
            return Datum::Null;
        };
        let bytes = || {
            let start = usize::try_from(c.start).ok()?;
            let end = start.checked_add(usize::try_from(c.len).ok()?)?;
            self.data.get(start..end)
        };
        match c.kind {
            ColumnKind::Null => Datum::Null,
            ColumnKind::Unchanged => Datum::Unchanged,
            ColumnKind::Text => bytes().map_or(Datum::Null, Datum::Text),
            ColumnKind::Binary => bytes().map_or(Datum::Null, Datum::Binary),
        }
    }
}
