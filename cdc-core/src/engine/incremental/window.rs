//! One chunk, and what the stream changes between its marks.

use std::sync::Arc;

use foldhash::HashSet;

use crate::envelope::RelationPlan;
use crate::incremental::KeyValues;
use crate::row::{ColumnRef, Datum, RowView};
use crate::schema::Table;
use crate::{Error, ErrorKind, Lsn};

/// Bytes of changed keys that are kept while the chunk is still being read; beyond it the stream waits for the chunk, whose
/// keys are all that matters then.
const CHANGED_BYTES: usize = 8 << 20;
/// What an entry of the set takes besides the key itself.
const ENTRY_BYTES: usize = 32;

/// Which transactions a state of the database shows: PostgreSQL's `pg_snapshot`, with 32-bit ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSnapshot {
    /// This one and later ones are not shown.
    next: u32,
    /// Earlier ones that are not shown either.
    in_progress: Vec<u32>,
}

impl ServerSnapshot {
    /// Reads the text form, `xmin:xmax:xip,…`.
    ///
    /// # Errors
    /// Kind `Protocol` if it is no such text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let unreadable = || Error::new(ErrorKind::Protocol, "the server's pg_snapshot cannot be read");
        // The stream tells the lower half of an id.
        let id = |t: &str| {
            t.parse::<u64>()
                .ok()
                .and_then(|x| u32::try_from(x & u64::from(u32::MAX)).ok())
        };
        let mut parts = text.splitn(3, ':').skip(1);
        let next = parts.next().and_then(id).ok_or_else(unreadable)?;
        let list = parts.next().ok_or_else(unreadable)?;
        let in_progress = list.split(',').filter(|t| !t.is_empty()).map(id);
        Ok(Self {
            next,
            in_progress: in_progress.collect::<Option<_>>().ok_or_else(unreadable)?,
        })
    }

    /// Whether it shows what a transaction did, given that this has committed. Ids are compared as the server does, on a
    /// circle.
    #[must_use]
    pub fn shows(&self, xid: u32) -> bool {
        xid.wrapping_sub(self.next).cast_signed() < 0 && !self.in_progress.contains(&xid)
    }
}

/// Rows that were read, and what is needed to write them.
#[derive(Debug)]
pub struct Chunk {
    /// The table as it was when the chunk was read.
    pub table: Table,
    /// How its rows become records.
    pub plan: Arc<RelationPlan>,
    /// Columns by which a row of the chunk is told to be one that the stream has changed.
    pub identity: Vec<usize>,
    /// The column values.
    pub data: Vec<u8>,
    /// Where in `data` they lie: row after row, each with all columns of the table.
    pub columns: Vec<ColumnRef>,
    /// Number of rows.
    pub rows: usize,
    /// Key of the last row.
    pub last: KeyValues,
    /// Highest key of the table when its reading began.
    pub maximum: KeyValues,
    /// Whether no row of the table follows.
    pub done: bool,
    /// What the chunk's state shows.
    pub snapshot: ServerSnapshot,
}

impl Chunk {
    /// A row.
    #[must_use]
    pub fn row(&self, index: usize) -> RowView<'_> {
        let width = self.table.columns.len();
        let start = index.saturating_mul(width);
        let columns = self.columns.get(start..start.saturating_add(width));
        RowView::new(&self.data, columns.unwrap_or_default())
    }

    fn identity_of(&self, index: usize) -> Box<[u8]> {
        let row = self.row(index);
        identity(&self.identity, |i| Some(row.get(i))).unwrap_or_default()
    }

    /// Whether the stream describes the table otherwise than the chunk has found it. A column that the stream leaves out
    /// (a generated one, or one that is not published) makes no difference.
    fn contradicts(&self, relation: &Table) -> bool {
        let known = |name: &str| self.table.columns.iter().find(|c| c.name == name);
        relation
            .columns
            .iter()
            .any(|c| known(&c.name).is_none_or(|k| k.type_oid != c.type_oid || k.typmod != c.typmod))
    }
}

/// The identity of a row: the texts of these columns, each with its length. None if one of them is not known.
///
/// Texts are compared, not the keys that are written from them: two rows whose written keys are equal are still two rows,
/// and both are sent.
pub(crate) fn identity<'a>(
    columns: &[usize],
    value: impl Fn(usize) -> Option<Datum<'a>>,
) -> Option<Box<[u8]>> {
    let mut out = Vec::new();
    for &i in columns {
        match value(i)? {
            Datum::Null => out.push(0),
            Datum::Text(bytes) | Datum::Binary(bytes) => {
                out.push(1);
                out.extend_from_slice(&bytes.len().to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Datum::Unchanged => return None,
        }
    }
    Some(out.into())
}

/// What tells rows apart, for several of them.
type Identities = HashSet<Box<[u8]>>;

/// The table's rows that change between the marks, and the chunk once it has been read.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Commit of the opening mark, once the stream has delivered it.
    opened: Option<Lsn>,
    changed: Identities,
    changed_bytes: usize,
    truncated: bool,
    /// The table was described anew, and otherwise than before.
    altered: bool,
    /// As the stream last described it between the marks.
    described: Option<Table>,
    /// The chunk, and the identities of its rows.
    chunk: Option<(Box<Chunk>, Identities)>,
}

/// What there is to do with a chunk whose closing mark has come.
#[derive(Debug)]
pub(crate) enum Closed {
    /// Write these rows of it, in this order.
    Write(Box<Chunk>, Vec<usize>),
    /// Read it again, for this reason.
    Again(&'static str),
}

impl Window {
    /// The opening mark has come.
    pub(crate) fn open(&mut self, commit: Lsn) {
        self.opened = Some(commit);
    }

    /// Whether what changes now matters.
    pub(crate) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    /// A row of the table has changed, or gone.
    pub(crate) fn change(&mut self, identity: Box<[u8]>) {
        if let Some((_, keys)) = &self.chunk
            && !keys.contains(&identity)
        {
            return;
        }
        let bytes = identity.len().saturating_add(ENTRY_BYTES);
        if self.changed.insert(identity) {
            self.changed_bytes = self.changed_bytes.saturating_add(bytes);
        }
    }

    /// All rows of the table have gone.
    pub(crate) fn truncate(&mut self) {
        self.truncated = true;
    }

    /// The stream describes the table. `before`: as it did so the last time.
    pub(crate) fn describe(&mut self, table: &Table, before: Option<&Table>) {
        self.altered |= before.is_some_and(|b| b.columns != table.columns || b.key != table.key);
        self.described = Some(table.clone());
    }

    /// Whether the stream has to wait until the chunk has been read.
    pub(crate) fn is_full(&self) -> bool {
        self.chunk.is_none() && self.changed_bytes > CHANGED_BYTES
    }

    /// The chunk has been read. Keys that it does not hold no longer matter.
    pub(crate) fn fill(&mut self, chunk: Box<Chunk>) {
        let keys: Identities = (0..chunk.rows).map(|i| chunk.identity_of(i)).collect();
        self.changed.retain(|k| keys.contains(k));
        self.chunk = Some((chunk, keys));
    }

    /// The closing mark has come. `delivered`: transactions of late, with their commits.
    ///
    /// # Errors
    /// Kind `Protocol` if the chunk is not there, which is sent before its mark is written.
    pub(crate) fn close<'a>(
        self,
        delivered: impl IntoIterator<Item = &'a (u32, Lsn)>,
    ) -> Result<Closed, Error> {
        let Some((chunk, _)) = self.chunk else {
            let context = "the closing mark of an incremental snapshot's window came before its rows";
            return Err(Error::new(ErrorKind::Protocol, context));
        };
        // A publication that shows no row of the signal table's opening mark tells nothing of what lies between.
        let Some(opened) = self.opened else {
            return Ok(Closed::Again("its opening mark has not come"));
        };
        if self.altered || self.described.is_some_and(|t| chunk.contradicts(&t)) {
            return Ok(Closed::Again("the table was altered meanwhile"));
        }
        let hidden = |(xid, commit): &&(u32, Lsn)| *commit < opened && !chunk.snapshot.shows(*xid);
        if delivered.into_iter().any(|d| hidden(&d)) {
            return Ok(Closed::Again("a transaction before it was not visible yet"));
        }
        if self.truncated {
            return Ok(Closed::Write(chunk, Vec::new()));
        }
        let kept = |i: &usize| self.changed.is_empty() || !self.changed.contains(&chunk.identity_of(*i));
        let rows = (0..chunk.rows).filter(kept).collect();
        Ok(Closed::Write(chunk, rows))
    }
}

#[cfg(test)]
pub(in crate::engine) mod tests {
    use super::*;
    use crate::envelope::{Encoder, Format};
    use crate::filter::{Capture, Filters};
    use crate::row::ColumnKind;
    use crate::schema::{Column, TypeCatalog, TypeInfo, TypeKind};

    pub(in crate::engine) fn column(name: &str, nullable: bool) -> Column {
        Column {
            name: name.into(),
            type_oid: 25,
            typmod: -1,
            identity: !nullable,
            nullable,
            default: None,
            generated: false,
            identity_column: false,
            comment: None,
        }
    }

    /// A table with the key `k` and a value `v`.
    pub(in crate::engine) fn table() -> Table {
        Table {
            oid: 7,
            schema: "public".into(),
            name: "t".into(),
            columns: vec![column("k", false), column("v", true)],
            key: vec![0],
            ..Table::default()
        }
    }

    pub(in crate::engine) fn types() -> TypeCatalog {
        let mut types = TypeCatalog::default();
        types.insert(TypeInfo {
            oid: 25,
            schema: "pg_catalog".into(),
            name: "text".into(),
            kind: TypeKind::Base,
        });
        types
    }

    pub(in crate::engine) fn encoder() -> Encoder {
        let everything = Capture::new(&Filters::default()).unwrap();
        let format = Format {
            topic_prefix: "srv".into(),
            value_schemas: false,
            key_schemas: false,
            position_header: true,
            ..Format::default()
        };
        Encoder::new(Arc::new(format), Arc::new(everything), "db").unwrap()
    }

    /// A chunk of rows with these keys.
    pub(in crate::engine) fn chunk(keys: &[&str]) -> Box<Chunk> {
        let table = table();
        let plan = encoder().plan(&table, &types()).unwrap().unwrap();
        let (mut data, mut columns) = (Vec::new(), Vec::new());
        for text in keys.iter().flat_map(|k| [*k, "v"]) {
            columns.push(ColumnRef {
                kind: ColumnKind::Text,
                start: u32::try_from(data.len()).unwrap(),
                len: u32::try_from(text.len()).unwrap(),
            });
            data.extend_from_slice(text.as_bytes());
        }
        let key = |k: Option<&&str>| KeyValues(vec![k.map(|k| (*k).to_owned())]);
        Box::new(Chunk {
            table,
            plan,
            identity: vec![0],
            data,
            columns,
            rows: keys.len(),
            last: key(keys.last()),
            maximum: key(Some(&"z")),
            done: false,
            snapshot: ServerSnapshot::parse("90:100:95,97").unwrap(),
        })
    }

    fn of(key: &str) -> Box<[u8]> {
        identity(&[0], |_| Some(Datum::Text(key.as_bytes()))).unwrap()
    }

    fn rows(window: Window) -> Vec<usize> {
        match window.close(&[]).unwrap() {
            Closed::Write(_, rows) => rows,
            Closed::Again(why) => panic!("{why}"),
        }
    }

    #[test]
    fn what_changes_between_the_marks_is_left_out_whenever_the_chunk_comes() {
        for early in [true, false] {
            let mut w = Window::default();
            w.open(Lsn(10));
            if early {
                w.fill(chunk(&["a", "b", "c"]));
            }
            w.change(of("b"));
            w.change(of("x"));
            if !early {
                w.fill(chunk(&["a", "b", "c"]));
            }
            w.change(of("c"));
            assert_eq!(rows(w), [0], "{early}");
        }
    }

    #[test]
    fn a_truncate_clears_it() {
        let mut w = Window::default();
        w.open(Lsn(10));
        w.fill(chunk(&["a", "b"]));
        w.truncate();
        assert_eq!(rows(w), [0_usize; 0]);
    }

    #[test]
    fn a_transaction_that_the_chunk_could_not_see_makes_it_read_again() {
        let closed = |delivered: &[(u32, Lsn)]| {
            let mut w = Window::default();
            w.open(Lsn(10));
            w.fill(chunk(&["a"]));
            matches!(w.close(delivered).unwrap(), Closed::Again(_))
        };
        assert!(!closed(&[(94, Lsn(9)), (96, Lsn(8))]));
        assert!(closed(&[(95, Lsn(9))]), "in progress, and before the mark");
        assert!(!closed(&[(95, Lsn(11))]), "behind the mark it changes the window");
        assert!(closed(&[(100, Lsn(9))]));
        assert!(closed(&[(4_000_000_000, Lsn(9)), (2_000_000_000, Lsn(9))]));
    }

    #[test]
    fn snapshots_are_read_with_their_epoch() {
        let s = ServerSnapshot::parse("4294967290:4294967300:4294967295").unwrap();
        assert!(s.shows(u32::MAX - 1) && !s.shows(u32::MAX));
        assert!(s.shows(3) && !s.shows(4));
        assert!(ServerSnapshot::parse("5:5:").unwrap().shows(4));
        for bad in ["", "1:2", "a:b:c", "1:2:x"] {
            assert!(ServerSnapshot::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_altered_table_is_read_again() {
        let again = |before: Option<&Table>, now: &Table| {
            let mut w = Window::default();
            w.open(Lsn(10));
            w.describe(now, before);
            w.fill(chunk(&["a"]));
            matches!(w.close(&[]).unwrap(), Closed::Again(_))
        };
        let same = table();
        let mut wider = table();
        wider.columns.push(column("new", true));
        let mut narrower = table();
        narrower.columns.pop();
        assert!(!again(None, &same) && !again(Some(&same), &same));
        assert!(!again(None, &narrower), "a generated column is not in the stream");
        assert!(again(None, &wider));
        assert!(again(Some(&wider), &same) && again(Some(&same), &narrower));
    }

    #[test]
    fn changed_keys_are_bounded_until_the_chunk_has_come() {
        let mut w = Window::default();
        w.open(Lsn(10));
        let mut n = 0_u32;
        while !w.is_full() {
            n += 1;
            w.change(of(&n.to_string()));
        }
        assert!(n > 100_000);
        w.fill(chunk(&["1", "a"]));
        assert!(!w.is_full());
        assert_eq!(w.changed.len(), 1);
        assert_eq!(rows(w), [1]);
    }

    #[test]
    fn identities_do_not_run_into_each_other() {
        let two =
            |a: Datum<'static>, b: Datum<'static>| identity(&[0, 1], |i| Some(if i == 0 { a } else { b }));
        let (ab, a_b) = (
            two(Datum::Text(b"ab"), Datum::Text(b"")),
            two(Datum::Text(b"a"), Datum::Text(b"b")),
        );
        assert_ne!(ab, a_b);
        assert_ne!(
            two(Datum::Null, Datum::Text(b"")),
            two(Datum::Text(b""), Datum::Null)
        );
        assert_eq!(two(Datum::Unchanged, Datum::Null), None);
        assert_eq!(identity(&[0], |_| None), None);
    }
}
