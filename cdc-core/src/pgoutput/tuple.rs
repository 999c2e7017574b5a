//! Rows: checked once, then read into column references.

use std::fmt::{self, Display};

use crate::Error;
use crate::row::{ColumnKind, ColumnRef, RowView};

use super::reader::Reader;

/// A row's columns as sent, already checked from end to end.
#[derive(Clone, Copy)]
pub struct Tuple<'a> {
    data: &'a [u8],
    at: u32,
    columns: u16,
    tag: u8,
}

/// What an update or delete says about the row before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldTuple<'a> {
    /// Columns of the replica identity; all others are sent as NULL and mean nothing.
    Key(Tuple<'a>),
    /// The whole row (`REPLICA IDENTITY FULL`).
    Full(Tuple<'a>),
}

impl<'a> OldTuple<'a> {
    /// The columns, whichever they are.
    #[must_use]
    pub fn tuple(&self) -> Tuple<'a> {
        match self {
            Self::Key(t) | Self::Full(t) => *t,
        }
    }
}

impl<'a> Tuple<'a> {
    /// Reads a tuple and remembers where it lies.
    pub(super) fn take(r: &mut Reader<'a>) -> Result<Self, Error> {
        let columns = r.u16("column count")?;
        let (at, start) = (r.at(), r.rest());
        walk(r, columns, |_, _, _| Ok(()))?;
        let len = start.len().saturating_sub(r.rest().len());
        // Reading cannot leave the payload, so neither fallback is ever taken.
        let data = start.get(..len).unwrap_or_default();
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        Ok(Self {
            data,
            at,
            columns,
            tag: r.tag(),
        })
    }

    /// A row on its own, with its column count in front.
    #[cfg(any(test, feature = "testkit"))]
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut r = Reader::new(b'I', 0, bytes);
        let tuple = Self::take(&mut r)?;
        r.finish()?;
        Ok(tuple)
    }

    /// Number of columns.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.columns)
    }

    /// Whether the row has no column.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns == 0
    }

    /// The columns' bytes on the wire, without their number.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.data
    }

    /// Fills `refs`, emptied first, with one entry a column and returns the row.
    ///
    /// Allocates nothing once `refs` has grown to the widest row.
    ///
    /// # Errors
    /// `Protocol` if a column's length or kind is wrong, which decoding has already ruled out, or if a value begins
    /// beyond 4 GiB.
    pub fn read<'r>(&self, refs: &'r mut Vec<ColumnRef>) -> Result<RowView<'r>, Error>
    where
        'a: 'r,
    {
        refs.clear();
        refs.reserve(self.len());
        let base = usize::try_from(self.at).unwrap_or(usize::MAX);
        let mut r = Reader::new(self.tag, base, self.data);
        walk(&mut r, self.columns, |kind, at, len| {
            let (start, len) = match kind {
                ColumnKind::Null | ColumnKind::Unchanged => (0, 0),
                ColumnKind::Text | ColumnKind::Binary => (u32::try_from(at.saturating_sub(base))?, len),
            };
            refs.push(ColumnRef { kind, start, len });
            Ok(())
        })?;
        r.finish()?;
        Ok(RowView::new(self.data, refs))
    }
}

/// Equal if the same columns were sent, wherever they lie.
impl PartialEq for Tuple<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns && self.data == other.data
    }
}

impl Eq for Tuple<'_> {}

/// Shows the extent and never the values, which do not belong in logs.
impl fmt::Debug for Tuple<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tuple({} columns, {} bytes)", self.columns, self.data.len())
    }
}

/// Reads `columns` columns; `each` gets a column's kind, the offset of its value and the value's length.
#[inline]
fn walk(
    r: &mut Reader<'_>,
    columns: u16,
    mut each: impl FnMut(ColumnKind, usize, u32) -> Result<(), std::num::TryFromIntError>,
) -> Result<(), Error> {
    for i in 0..columns {
        let at = r.at();
        let kind = match r.u8(Field("kind", i))? {
            b't' => ColumnKind::Text,
            b'n' => ColumnKind::Null,
            b'u' => ColumnKind::Unchanged,
            b'b' => ColumnKind::Binary,
            other => return Err(r.bad(at, format_args!("kind {other:#04x} of column {i} is unknown"))),
        };
        let (start, len) = match kind {
            ColumnKind::Null | ColumnKind::Unchanged => (0, 0),
            ColumnKind::Text | ColumnKind::Binary => {
                let len = r.u32(Field("length", i))?;
                let start = r.at();
                r.bytes(usize::try_from(len).unwrap_or(usize::MAX), Field("value", i))?;
                (start, len)
            }
        };
        each(kind, start, len).map_err(|_| r.bad(start, format_args!("column {i} begins beyond 4 GiB")))?;
    }
    Ok(())
}

/// Names a column's part in an error; columns are counted from 0 as in the relation.
struct Field(&'static str, u16);

impl Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of column {}", self.0, self.1)
    }
}
