//! What an event is made from: the operation and its rows, and what is known besides them.

use std::sync::Arc;

use crate::row::{Datum, RowView};
use crate::{Lsn, Position};

/// `source.snapshot`: which row of a snapshot it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SnapshotMarker {
    /// Not from a snapshot; rendered `false`.
    #[default]
    None,
    /// The very first row.
    First,
    /// The first row of a further table.
    FirstInDataCollection,
    /// Any other row.
    True,
    /// The last row of a table that is not the last one.
    LastInDataCollection,
    /// The very last row.
    Last,
    /// A row of an incremental snapshot.
    Incremental,
}

impl SnapshotMarker {
    /// Debezium's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "false",
            Self::First => "first",
            Self::FirstInDataCollection => "first_in_data_collection",
            Self::True => "true",
            Self::LastInDataCollection => "last_in_data_collection",
            Self::Last => "last",
            Self::Incremental => "incremental",
        }
    }
}

/// What is known of an event besides its rows.
#[derive(Clone, Debug, Default)]
pub struct EventContext {
    /// Start of the message that the event arrived in (`source.lsn`); the snapshot's LSN for its rows.
    pub lsn: Lsn,
    /// End of the last commit seen before this transaction, if any (`source.sequence`).
    pub last_commit_lsn: Option<Lsn>,
    /// Version for last-writer-wins sinks, see [`RecordHead::version_lsn`](crate::RecordHead::version_lsn).
    pub version_lsn: Lsn,
    /// Position of the row.
    pub position: Position,
    /// Number of its first record among those at this position: 0, unless rows of a chunk or messages stand there too.
    pub sub: u64,
    /// Transaction id; none for non-transactional messages and incremental snapshots.
    pub xid: Option<u32>,
    /// Commit time of the transaction, or of the snapshot: microseconds since 1970-01-01 UTC.
    pub commit_us: i64,
    /// Wall clock: nanoseconds since 1970-01-01 UTC.
    pub now_ns: i64,
    /// Which row of a snapshot it is.
    pub snapshot: SnapshotMarker,
    /// Replication origin of the transaction and its commit there.
    pub origin: Option<(Arc<str>, Lsn)>,
}

/// The old row of an update or delete, as far as the replica identity gives it.
#[derive(Clone, Copy, Debug)]
pub enum OldRow<'a> {
    /// Only the columns of the replica identity; the others read as NULL.
    Key(RowView<'a>),
    /// The whole row.
    Full(RowView<'a>),
}

/// A row change.
#[derive(Clone, Copy, Debug)]
pub enum RowOp<'a> {
    /// Read by a snapshot (`r`).
    Read(RowView<'a>),
    /// Inserted (`c`).
    Insert(RowView<'a>),
    /// Updated (`u`, or `d` and `c` when the key changed).
    Update {
        /// The old row, if it was sent.
        old: Option<OldRow<'a>>,
        /// The new row.
        new: RowView<'a>,
    },
    /// Deleted (`d` and its tombstone).
    Delete(OldRow<'a>),
    /// The table was truncated (`t`).
    Truncate,
}

/// One side of an event: where its column values come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Image<'a> {
    /// A new row, with the old one for values that did not change and were not sent.
    New(&'a RowView<'a>, Option<&'a OldRow<'a>>),
    /// A row of a snapshot.
    Read(&'a RowView<'a>),
    /// An old row.
    Old(&'a OldRow<'a>),
}

impl<'a> Image<'a> {
    /// A row without columns.
    pub(super) const EMPTY: Self = Self::Read(RowView::EMPTY);

    /// A row whose texts are the image's: the whole row if there is one, else an empty one.
    #[inline(always)]
    pub(super) fn row(self) -> &'a RowView<'a> {
        match self {
            Self::New(row, _) | Self::Read(row) | Self::Old(OldRow::Full(row)) => row,
            Self::Old(OldRow::Key(_)) => RowView::EMPTY,
        }
    }

    /// Value of column `index`, or none if the old row does not have it. `identity`: the column is part of the
    /// replica identity.
    #[inline]
    pub(super) fn get(self, index: usize, identity: bool) -> Option<Datum<'a>> {
        match self {
            Self::Old(OldRow::Full(row)) | Self::Read(row) => Some(row.get(index)),
            Self::Old(OldRow::Key(row)) => identity.then(|| row.get(index)),
            Self::New(row, old) => Some(match (row.get(index), old) {
                (Datum::Unchanged, Some(old)) => {
                    Self::Old(old).get(index, identity).unwrap_or(Datum::Unchanged)
                }
                (datum, _) => datum,
            }),
        }
    }
}
