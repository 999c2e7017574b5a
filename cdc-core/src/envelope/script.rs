//! A record's constant bytes and the columns between them, in their order: compiled once a relation, followed for each row.

use std::ops::Range;
use std::sync::Arc;

use super::column::{Failures, PlanColumn, RowImage};
use super::event::Image;
use super::fragment::Fragment;
use super::tail::{Ending, Tail, put_last};
use crate::append::{Append as _, Line, SHORT};
use crate::row::RowView;
use crate::types::Direct;
use crate::{Batch, Error, json};

/// Rows in a record, at most: the key, the old row and the new one.
pub(super) const ROWS: usize = 3;

/// How the records of one kind of change are written, up to their tail.
#[derive(Debug, Default)]
pub(super) struct Script {
    rows: Vec<Row>,
    /// What follows the last column.
    end: Fragment,
    /// Bytes besides the values' texts, or nearly surely more: what does not fit is only slower.
    room: usize,
}

/// Which row of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Old,
    New,
}

/// A row's columns in a record.
#[derive(Debug)]
struct Row {
    side: Side,
    steps: Vec<Step>,
    /// Bytes of what is before the row in its first step.
    lead: usize,
    /// Bytes of the row that are in what follows its last step.
    rest: usize,
}

/// A column, and the constant bytes since the one before.
#[derive(Debug)]
struct Step {
    fragment: Fragment,
    direct: Direct,
    /// Index in the rows.
    index: usize,
    /// The fragment and what follows it where the value is NULL, if nothing else is to be done about it.
    null: Option<Box<Fragment>>,
    /// What else is known of it.
    column: Arc<PlanColumn>,
}

/// Compiles a script.
#[derive(Debug, Default)]
pub(super) struct Compiler {
    script: Script,
    pending: Vec<u8>,
}

impl Compiler {
    /// Goes on with constant bytes.
    pub(super) fn text(mut self, text: &[u8]) -> Self {
        self.pending.extend_from_slice(text);
        self
    }

    /// Goes on with a row as a JSON object that ends with `end`.
    pub(super) fn row(mut self, side: Side, columns: &[Arc<PlanColumn>], end: &[u8]) -> Self {
        let lead = self.pending.len();
        if columns.is_empty() {
            self.pending.push(b'{');
        }
        let steps = columns.iter().map(|column| self.step(column)).collect();
        self.pending.extend_from_slice(end);
        self.script.rows.push(Row {
            side,
            steps,
            lead,
            rest: self.pending.len(),
        });
        self
    }

    fn step(&mut self, column: &Arc<PlanColumn>) -> Step {
        /// What numbers and times become.
        const VALUE: usize = 32;
        self.pending.extend_from_slice(&column.member);
        let fragment = Fragment::new(&self.pending);
        self.script.room += fragment.len() + VALUE;
        let null = column.null.as_ref().map(|null| {
            self.pending.extend_from_slice(null);
            Box::new(Fragment::new(&self.pending))
        });
        self.pending.clear();
        Step {
            fragment,
            direct: column.direct,
            index: column.index,
            null,
            column: Arc::clone(column),
        }
    }

    pub(super) fn finish(mut self) -> Script {
        /// The last blocks.
        const END: usize = 128;
        self.script.room += self.pending.len() + END;
        self.script.end = Fragment::new(&self.pending);
        self.script
    }
}

/// What scripts are followed with.
#[derive(Debug)]
pub(super) struct Pen<'a> {
    /// `schema.table`.
    pub(super) table: &'a str,
    pub(super) failures: &'a Failures,
    pub(super) tail: &'a mut Tail,
    /// Overwritten.
    pub(super) scratch: &'a mut Vec<u8>,
}

impl Pen<'_> {
    /// Appends what a script says, and a tail if one is given; says where each row stands in the batch.
    ///
    /// # Errors
    /// If a value cannot be represented and may not become null.
    #[inline(always)]
    pub(super) fn follow(
        self,
        script: &Script,
        [old, new]: [&Image<'_>; 2],
        tail: Option<&Ending<'_>>,
        out: &mut Batch,
    ) -> Result<[Range<usize>; ROWS], Error> {
        /// Of rows with more text some columns do not fit.
        const TEXT: usize = 4096;
        let digits = tail.and_then(|ending| self.tail.digits(ending));
        let text = self.tail.text();
        // Strings grow by what is escaped, and some are in the key, too.
        let texts = old.row().bytes_len() + new.row().bytes_len();
        let room = script.room + texts.min(TEXT) * 3 + text.len();
        let rest = script.room + texts.min(TEXT) + text.len();
        let mut spans = [const { 0..0 }; ROWS];
        let mut begin = out.bytes_len();
        let mut line = Line::new(out.room(room));
        for (row, span) in script.rows.iter().zip(&mut spans) {
            let image = match row.side {
                Side::Old => old,
                Side::New => new,
            };
            span.start = begin + line.len() + row.lead;
            let mut steps = &*row.steps;
            loop {
                let len = line.len();
                let (done, len) = run(steps, image.row(), line.room(), len);
                line.set_len(len);
                let Some((step, others)) = steps.get(done..).and_then(<[_]>::split_first) else {
                    break;
                };
                let row = RowImage::new(image, self.table, self.failures);
                out.fill(len);
                step.write(row, self.scratch, out)?;
                begin = out.bytes_len();
                line = Line::new(out.room(rest));
                steps = others;
            }
            span.end = begin + line.len() + row.rest;
        }
        let filled = line.len();
        script.end.append(&mut line);
        let ended = line.len();
        if let Some(digits) = digits {
            line.bytes(text);
            if let Some(place) = line.since(ended) {
                let [first, second] = self.tail.own();
                put_last(digits, place.get_mut(..first));
                put_last(digits, place.get_mut(..second));
                let filled = line.len();
                out.fill(filled);
                return Ok(spans);
            }
        }
        out.fill(filled);
        script.end.append(out);
        if let Some(ending) = tail {
            self.tail.write(ending, out);
        }
        Ok(spans)
    }
}

/// Appends columns behind the first bytes of a room as long as they are written directly and fit: how many, and all bytes.
#[inline(never)]
fn run(steps: &[Step], texts: &RowView<'_>, room: &mut [u8], len: usize) -> (usize, usize) {
    let mut line = Line::from(room, len);
    for (done, step) in steps.iter().enumerate() {
        let start = line.len();
        if !step.write_directly(texts, &mut line) {
            return (done, start);
        }
    }
    (steps.len(), line.len())
}

impl Step {
    /// Appends the constant bytes and the value; false, with something of them appended, if they must be written otherwise or
    /// do not fit.
    #[inline(always)]
    fn write_directly(&self, texts: &RowView<'_>, line: &mut Line<'_>) -> bool {
        let Some(text) = texts.text(self.index) else {
            return self.write_null(texts, line);
        };
        let block = self.fragment.block();
        if block.is_none() {
            self.fragment.append(line);
        }
        let start = line.len();
        let Some(place) = line.next::<{ 3 * SHORT }>() else {
            return false;
        };
        let lead = block.map_or(0, |_| self.fragment.len()) % (2 * SHORT);
        if let (Some(block), Some(place)) = (block, place.first_chunk_mut()) {
            *place = *block;
        }
        if self.direct == Direct::Text {
            line.set_len(start + lead);
            json::write_text(line, text);
            return !line.is_full();
        }
        let value = place
            .get_mut(lead..lead + SHORT)
            .and_then(<[u8]>::first_chunk_mut);
        let Some(value) = value.and_then(|place| self.direct.write_short(text, place)) else {
            return false;
        };
        line.set_len(start + lead + value);
        true
    }

    #[inline(always)]
    fn write_null(&self, texts: &RowView<'_>, line: &mut Line<'_>) -> bool {
        match &self.null {
            Some(null) if texts.is_null(self.index) => {
                null.append(line);
                !line.is_full()
            }
            _ => false,
        }
    }

    /// Appends the constant bytes and the value, whatever it is. `scratch` is overwritten.
    #[inline(never)]
    fn write(&self, row: RowImage<'_>, scratch: &mut Vec<u8>, out: &mut Batch) -> Result<(), Error> {
        /// Longer texts are not copied once more.
        const LONG: usize = 1024;
        self.fragment.append(out);
        if row.texts().text(self.index).is_some_and(|text| text.len() > LONG) {
            return self.column.write_value(row, out.buf());
        }
        scratch.clear();
        self.column.write_value(row, scratch)?;
        out.bytes(scratch);
        Ok(())
    }
}
