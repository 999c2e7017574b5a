//! One column of a plan: where its value is in the row, and how it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::event::Image;
use super::format::OnValueError;
use super::fragment::Fragment;
use super::mapper::Mapper;
use crate::append::{Append as _, Line};
use crate::row::{Datum, RowView};
use crate::telemetry::VALUES_LOST;
use crate::types::{ColumnWriter, Direct};
use crate::{Batch, Error, ErrorKind};

/// What a plan's columns do with values that cannot be represented.
#[derive(Debug)]
pub(super) struct Failures {
    pub(super) mode: OnValueError,
    pub(super) count: AtomicU64,
}

impl Failures {
    /// Counts a value that becomes null: the metric is all that tells of it where nothing is logged.
    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        metrics::counter!(VALUES_LOST).increment(1);
    }
}

/// A column of a key or value.
#[derive(Debug)]
pub(super) struct PlanColumn {
    /// Index in the rows.
    pub(super) index: usize,
    /// Name in the database.
    pub(super) name: String,
    /// Whether old rows that hold only the replica identity have it.
    pub(super) identity: bool,
    /// Whether NULL is allowed.
    pub(super) nullable: bool,
    /// What stands before the value: `{"name":` or `,"name":`.
    pub(super) fragment: Fragment,
    /// Whether only the snapshot has its values.
    pub(super) snapshot_only: bool,
    pub(super) writer: Arc<ColumnWriter>,
    pub(super) mapper: Option<Mapper>,
    /// Whether values go as the writer writes them: no mapper, not only in the snapshot.
    pub(super) plain: bool,
    /// How most values are written, if they go as the writer writes them.
    pub(super) direct: Direct,
    /// The fragment and what follows it where the value is NULL, if nothing else is to be done about it.
    pub(super) null: Option<Fragment>,
    pub(super) reported: AtomicBool,
}

/// A row that is being written: what its columns need besides themselves.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowImage<'a> {
    image: &'a Image<'a>,
    table: &'a str,
    failures: &'a Failures,
}

impl<'a> RowImage<'a> {
    #[inline(always)]
    pub(super) fn new(image: &'a Image<'a>, table: &'a str, failures: &'a Failures) -> Self {
        Self {
            image,
            table,
            failures,
        }
    }

    /// What the image's texts are in.
    #[inline(always)]
    pub(super) fn texts(&self) -> RowView<'a> {
        self.image.row()
    }
}

/// Room that so many columns of a row surely fit into, or nearly surely: what does not is only slower.
#[inline(always)]
pub(super) fn room(columns: usize, texts: RowView<'_>) -> usize {
    /// A name, and what numbers become.
    const COLUMN: usize = 48;
    /// The last block.
    const END: usize = 64;
    /// Rows with more text are written line by line.
    const TEXT: usize = 4096;
    // Strings grow by what is escaped.
    columns * COLUMN + texts.bytes_len().min(TEXT) * 2 + END
}

/// Appends columns of a row as members of a JSON object, or of one that is begun. `scratch` is overwritten.
#[inline(always)]
pub(super) fn write_columns(
    columns: &[PlanColumn],
    row: RowImage<'_>,
    scratch: &mut Vec<u8>,
    out: &mut Batch,
) -> Result<(), Error> {
    let texts = row.texts();
    let mut rest = columns;
    loop {
        let place = out.room(room(rest.len(), texts));
        let (written, filled) = write_run(rest, &texts, place);
        out.fill(filled);
        let Some((column, others)) = rest.get(written..).and_then(<[_]>::split_first) else {
            return Ok(());
        };
        column.write_otherwise(row, scratch, out)?;
        rest = others;
    }
}

/// Appends columns as long as they are written directly and fit: how many, and the bytes of the room that they take.
#[inline(never)]
fn write_run(columns: &[PlanColumn], texts: &RowView<'_>, room: &mut [u8]) -> (usize, usize) {
    let mut line = Line::new(room);
    let mut written = 0;
    for column in columns {
        let start = line.len();
        if !column.write_directly(*texts, &mut line) || line.is_full() {
            return (written, start);
        }
        written += 1;
    }
    (written, line.len())
}

impl PlanColumn {
    /// Appends name and value; false, with something of them appended, if they must be written otherwise.
    #[inline(always)]
    fn write_directly(&self, texts: RowView<'_>, line: &mut Line<'_>) -> bool {
        if let Some(text) = texts.text(self.index) {
            self.fragment.append(line);
            return self.direct.write_json(text, line);
        }
        match &self.null {
            Some(null) if texts.is_null(self.index) => {
                null.append(line);
                true
            }
            _ => false,
        }
    }

    /// Appends name and value, whatever it is. `scratch` is overwritten.
    #[inline(never)]
    fn write_otherwise(
        &self,
        row: RowImage<'_>,
        scratch: &mut Vec<u8>,
        out: &mut Batch,
    ) -> Result<(), Error> {
        /// Longer texts are not copied once more.
        const LONG: usize = 1024;
        if row.texts().text(self.index).is_some_and(|text| text.len() > LONG) {
            return self.write(row, out.buf());
        }
        scratch.clear();
        self.write(row, scratch)?;
        out.bytes(scratch);
        Ok(())
    }

    /// Appends name and value to what is no batch.
    pub(super) fn write(&self, row: RowImage<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.fragment.append(out);
        self.write_value(row, out)
    }

    /// Appends a value, whatever it is.
    pub(super) fn write_value(&self, row: RowImage<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        let (image, table, failures) = (row.image, row.table, row.failures);
        let datum = match image.get(self.index, self.identity) {
            Some(datum) if self.snapshot_only && !matches!(image, Image::Read(_)) => {
                if !matches!(datum, Datum::Null) {
                    self.withheld(table, failures);
                }
                Some(Datum::Null)
            }
            datum => datum,
        };
        let start = out.len();
        if let Some(mapper) = &self.mapper
            && mapper.write(datum, self.nullable, out)
        {
            return Ok(());
        }
        let written = match datum {
            None | Some(Datum::Null) if !self.nullable => {
                self.writer.write_filler(out);
                Ok(())
            }
            None => self.writer.write(Datum::Null, out),
            Some(datum) => self.writer.write(datum, out),
        };
        if let Err(cause) = written {
            out.truncate(start);
            return self.failed(cause.into(), table, failures, out);
        }
        // What stands for NULL is put in by the converter, after the rules; what a required column needs, before them.
        let absent = matches!(datum, None | Some(Datum::Null));
        if let Some(mapper) = &self.mapper
            && !(absent && self.nullable)
        {
            mapper.finish(start, out);
        }
        Ok(())
    }

    /// Counts a value that only the snapshot has.
    #[cold]
    fn withheld(&self, table: &str, failures: &Failures) {
        failures.add();
        if !self.reported.swap(true, Ordering::Relaxed) {
            let column = &self.name;
            tracing::warn!(
                table,
                column,
                "values of type name are null in the stream, as in Debezium: set format.values.null_names_in_stream to false to have them; further ones are only counted"
            );
        }
    }

    #[cold]
    fn failed(
        &self,
        cause: Box<dyn std::error::Error + Send + Sync>,
        table: &str,
        failures: &Failures,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let column = &self.name;
        if failures.mode == OnValueError::Fail || !self.nullable {
            let text = format!("a value of column {column} of table {table} cannot be represented");
            return Err(Error::new(ErrorKind::Value, text).with_source(cause));
        }
        failures.add();
        if failures.mode == OnValueError::Warn && !self.reported.swap(true, Ordering::Relaxed) {
            tracing::warn!(table, column, error = %cause, "a value cannot be represented and becomes null; further ones are only counted");
        }
        out.extend_from_slice(b"null");
        Ok(())
    }
}
