//! One column of a plan: where its value is in the row, and how it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::event::Image;
use super::format::OnValueError;
use super::mapper::Mapper;
use crate::row::{Datum, RowView};
use crate::telemetry::VALUES_LOST;
use crate::types::{ColumnWriter, Direct};
use crate::{Error, ErrorKind};

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
    pub(super) member: Box<[u8]>,
    /// Whether only the snapshot has its values.
    pub(super) snapshot_only: bool,
    pub(super) writer: Arc<ColumnWriter>,
    pub(super) mapper: Option<Mapper>,
    /// Whether values go as the writer writes them: no mapper, not only in the snapshot.
    pub(super) plain: bool,
    /// How most values are written, if they go as the writer writes them.
    pub(super) direct: Direct,
    /// What NULL is written as, if nothing else is to be done about it.
    pub(super) null: Option<Box<[u8]>>,
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
    pub(super) fn texts(&self) -> &'a RowView<'a> {
        self.image.row()
    }
}

impl PlanColumn {
    /// Appends name and value to what is no batch.
    pub(super) fn write(&self, row: RowImage<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend_from_slice(&self.member);
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
