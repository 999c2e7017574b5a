//! Rows as Avro without JSON in between, where neither a transform nor another converter wants to see them.
//!
//! Values whose Avro follows from their text are written so; others, and all that is said of a row besides its columns, by
//! their JSON token. What surrounds the columns is the same for all of a transaction's changes to one table but for the
//! record's own position, and is written once for them, as in [`Tail`](super::tail::Tail).

use std::ops::Range;
use std::sync::Arc;

use foldhash::HashMap;

use super::column::{PlanColumn, RowImage};
use super::encoder::{Encoder, head};
use super::event::{EventContext, Image, RowOp};
use super::format::Operation;
use super::plan::RelationPlan;
use super::reshape::Reshaper;
use super::tail::{Ending, Facts, last_digits, put_last};
use crate::append::{Append as _, Line};
use crate::convert::{AvroForm, AvroMember, ConvertError, Converter, varint};
use crate::row::RowView;
use crate::{Batch, Error, Lsn};

/// Tables remembered; a changed table is another one.
const TABLES: usize = 1024;
/// Members of an envelope before the source block.
const ROWS: usize = 2;

/// The tables by their plans.
#[derive(Clone, Debug, Default)]
pub(super) struct AvroRows {
    /// Places among the rows.
    known: HashMap<u64, usize>,
    rows: Vec<Option<Box<AvroRow>>>,
    /// The plan asked for last, and its place.
    last: Option<(u64, usize)>,
}

/// How the rows of one table are written.
#[derive(Clone, Debug)]
pub(super) struct AvroRow {
    key: Option<AvroForm>,
    value: AvroForm,
    tail: AvroTail,
    scratch: Scratch,
}

impl AvroRows {
    #[inline]
    pub(super) fn of(
        &mut self,
        plan: &RelationPlan,
        key: &mut dyn Converter,
        value: &mut dyn Converter,
    ) -> Option<&mut AvroRow> {
        let at = match self.last {
            Some((id, at)) if id == plan.source.id => at,
            _ => self.find(plan, key, value)?,
        };
        self.rows.get_mut(at)?.as_deref_mut()
    }

    #[inline(never)]
    fn find(
        &mut self,
        plan: &RelationPlan,
        key: &mut dyn Converter,
        value: &mut dyn Converter,
    ) -> Option<usize> {
        let id = plan.source.id;
        let at = match self.known.get(&id) {
            Some(at) => *at,
            None => {
                // A failure is not kept: the registry may answer the next time.
                let row = AvroRow::new(plan, key, value).ok()?;
                if self.known.len() >= TABLES {
                    self.known.clear();
                    self.rows.clear();
                }
                self.rows.push(row.map(Box::new));
                self.known.insert(id, self.rows.len() - 1);
                self.rows.len() - 1
            }
        };
        self.last = Some((id, at));
        Some(at)
    }
}

impl AvroRow {
    fn new(
        plan: &RelationPlan,
        key: &mut dyn Converter,
        value: &mut dyn Converter,
    ) -> Result<Option<Self>, ConvertError> {
        let topic = &plan.topic().name;
        let Some(value) = value.avro_form(topic, plan.value_schema())? else {
            return Ok(None);
        };
        let rows = value.members.iter().take(ROWS);
        if value.members.len() <= ROWS || rows.clone().any(|m| m.members.len() != plan.columns.len()) {
            return Ok(None);
        }
        let key = match &plan.key {
            None => None,
            Some(columns) => match key.avro_form(topic, &columns.schema)? {
                Some(form) if form.members.len() == columns.columns.len() => Some(form),
                _ => return Ok(None),
            },
        };
        Ok(Some(Self {
            key,
            value,
            tail: AvroTail::default(),
            scratch: Scratch::default(),
        }))
    }
}

/// One record of a row.
#[derive(Clone, Copy, Debug)]
struct Change<'a> {
    op: Operation,
    before: Option<Image<'a>>,
    after: Option<Image<'a>>,
}

impl Encoder {
    /// Writes the records of a row change as Avro; false, with nothing written, if they must go the other way.
    ///
    /// # Errors
    /// As [`row`](Self::row).
    pub(super) fn row_as_avro(
        &mut self,
        reshaper: &mut Reshaper,
        plan: &RelationPlan,
        op: RowOp<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<bool, Error> {
        let format = &self.shared.format;
        if format.transaction_metadata || format.context_headers || format.skip_messages_without_change {
            return Ok(false);
        }
        let Some(row) = reshaper.avro_row(plan) else {
            return Ok(false);
        };
        let Some(change) = change(plan, &op) else {
            return Ok(false);
        };
        if self.shared.skips(change.op) {
            return Ok(true);
        }
        let written = self.write_avro(row, plan, &change, c, out);
        if !matches!(written, Ok(true)) {
            out.discard();
            return written;
        }
        if change.op == Operation::Delete && self.shared.format.tombstones_on_delete {
            out.tombstone_of_last();
        }
        Ok(true)
    }

    fn write_avro(
        &mut self,
        row: &mut AvroRow,
        plan: &RelationPlan,
        change: &Change<'_>,
        c: &EventContext,
        out: &mut Batch,
    ) -> Result<bool, Error> {
        let failures = &self.shared.failures;
        let row_of = |image| RowImage::new(image, &plan.identifier, failures);
        let scratch = &mut row.scratch;
        self.shared
            .headers
            .position(c.position, c.sub, &mut self.scratch, out);
        let mut key_end = None;
        let newest = change.after.as_ref().or(change.before.as_ref());
        if let (Some(key), Some(form), Some(image)) = (&plan.key, &row.key, newest) {
            out.head(&form.head, form.head.len());
            if !write_columns(&key.columns, &form.members, row_of(image), scratch, out)? {
                return Ok(false);
            }
            key_end = Some(out.bytes_len());
        }
        out.head(&row.value.head, row.value.head.len());
        for (member, image) in row.value.members.iter().zip([&change.before, &change.after]) {
            let written = match image {
                None => member.null(out),
                Some(image) => {
                    member.some(out);
                    write_columns(&plan.columns, &member.members, row_of(image), scratch, out)?
                }
            };
            if !written {
                return Ok(false);
            }
        }
        let ending = Ending {
            block: &self.source,
            table: &plan.source,
            op: change.op,
            context: c,
            close: b"",
        };
        if !row.tail.write(&row.value, &ending, out) {
            return Ok(false);
        }
        out.finish_row(key_end, head(plan.topic(), c));
        Ok(true)
    }
}

/// The one record of a change; none if there may be more, or one that is not a row's.
fn change<'a>(plan: &RelationPlan, op: &'a RowOp<'a>) -> Option<Change<'a>> {
    Some(match op {
        RowOp::Read(new) => fresh(Operation::Read, Image::Read(new)),
        RowOp::Insert(new) => fresh(Operation::Create, Image::New(new, None)),
        RowOp::Update { old, new } => {
            let old = old.as_ref();
            let (before, after) = (old.map(Image::Old), Image::New(new, old));
            if let (Some(before), Some(key)) = (before, &plan.key)
                && !key.same_bytes(before, after)
            {
                return None;
            }
            Change {
                op: Operation::Update,
                before,
                after: Some(after),
            }
        }
        RowOp::Delete(old) => Change {
            op: Operation::Delete,
            before: Some(Image::Old(old)),
            after: None,
        },
        RowOp::Truncate => return None,
    })
}

fn fresh(op: Operation, image: Image<'_>) -> Change<'_> {
    Change {
        op,
        before: None,
        after: Some(image),
    }
}

/// Room that so many columns of a row surely fit into, or nearly surely: what does not is only slower.
#[inline(always)]
fn room(columns: usize, texts: &RowView<'_>) -> usize {
    /// A name, and what numbers become.
    const COLUMN: usize = 48;
    /// The last block.
    const END: usize = 64;
    /// Rows with more text are written line by line.
    const TEXT: usize = 4096;
    // Strings grow by what is escaped.
    columns * COLUMN + texts.bytes_len().min(TEXT) * 2 + END
}

/// Appends the columns of a row; false if one of them must go the other way.
#[inline(always)]
fn write_columns(
    columns: &[Arc<PlanColumn>],
    members: &[AvroMember],
    row: RowImage<'_>,
    scratch: &mut Scratch,
    out: &mut Batch,
) -> Result<bool, Error> {
    let texts = row.texts();
    let mut rest = (columns, members);
    loop {
        let place = out.room(room(rest.0.len(), texts));
        let (written, filled) = write_run(rest, texts, place);
        out.fill(filled);
        let after = |at: usize| Some((rest.0.get(at..)?, rest.1.get(at..)?));
        let (Some(([column, ..], [member, ..])), Some(others)) = (after(written), after(written + 1)) else {
            return Ok(true);
        };
        if !scratch.write(column, member, row, out)? {
            return Ok(false);
        }
        rest = others;
    }
}

/// Appends columns as long as they are written directly and fit: how many, and the bytes of the room that they take.
#[inline(never)]
fn write_run(
    (columns, members): (&[Arc<PlanColumn>], &[AvroMember]),
    texts: &RowView<'_>,
    room: &mut [u8],
) -> (usize, usize) {
    let mut line = Line::new(room);
    let mut written = 0;
    for (column, member) in columns.iter().zip(members) {
        let start = line.len();
        let Some(text) = texts.text(column.index) else {
            return (written, start);
        };
        if !column.direct.write_avro(text, member, &mut line) || line.is_full() {
            return (written, start);
        }
        written += 1;
    }
    (written, line.len())
}

/// A value's JSON token, and what becomes of it.
#[derive(Clone, Debug, Default)]
struct Scratch {
    token: Vec<u8>,
    avro: Vec<u8>,
}

impl Scratch {
    /// Appends a value by its token; false if it must go the other way.
    #[inline(never)]
    fn write(
        &mut self,
        column: &PlanColumn,
        member: &AvroMember,
        row: RowImage<'_>,
        out: &mut Batch,
    ) -> Result<bool, Error> {
        self.token.clear();
        match row.texts().text(column.index) {
            Some(text) if column.plain => {
                // If there is something to say about it, the other way says it, once.
                if !column.writer.write_text(text.as_bytes(), &mut self.token) {
                    return Ok(false);
                }
            }
            _ => column.write_value(row, &mut self.token)?,
        }
        self.avro.clear();
        let written = member.token(&self.token, &mut self.avro);
        out.bytes(&self.avro);
        Ok(written)
    }
}

/// The tail written last, see [`Tail`](super::tail::Tail).
#[derive(Clone, Debug, Default)]
struct AvroTail {
    of: Option<Facts>,
    bytes: Vec<u8>,
    /// The position in the bytes; where its digits end in `sequence`, and where its number is in `lsn`.
    lsn: Lsn,
    digits: usize,
    number: Range<usize>,
    json: Vec<u8>,
}

impl AvroTail {
    /// Appends the tail; false, with nothing appended, if it must go the other way.
    #[inline]
    fn write(&mut self, form: &AvroForm, ending: &Ending<'_>, out: &mut Batch) -> bool {
        let lsn = ending.context.lsn;
        if ending.has(self.of.as_ref()) {
            if lsn == self.lsn {
                out.bytes(&self.bytes);
                return true;
            }
            let number = varint(lsn.0.cast_signed());
            let number = number.as_bytes();
            if let Some(digits) = last_digits(lsn, self.lsn)
                && number.len() == self.number.len()
            {
                let bytes = out.append(&self.bytes);
                put_last(digits, bytes.get_mut(..self.digits));
                if let Some(place) = bytes.get_mut(self.number.clone()) {
                    place.copy_from_slice(number);
                }
                return true;
            }
        }
        let rendered = self.render(form, ending);
        if rendered {
            out.bytes(&self.bytes);
        }
        rendered
    }

    fn render(&mut self, form: &AvroForm, ending: &Ending<'_>) -> bool {
        self.of = None;
        self.json.clear();
        self.bytes.clear();
        ending.render(&mut self.json);
        let own = ("source", ["sequence", "lsn"]);
        let Some([sequence, lsn]) = form.rest(ROWS, &self.json, own, &mut self.bytes) else {
            return false;
        };
        self.lsn = ending.context.lsn;
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(self.lsn.0).as_bytes();
        let number = varint(self.lsn.0.cast_signed());
        // `…"12345"]`, and the number behind its union's branch.
        self.digits = sequence.end.saturating_sub(2);
        self.number = lsn.end.saturating_sub(number.as_bytes().len())..lsn.end;
        let there = |end: usize, bytes: &[u8]| self.bytes.get(..end).is_some_and(|b| b.ends_with(bytes));
        self.of = ending
            .facts()
            .filter(|_| there(self.digits, digits) && there(self.number.end, number.as_bytes()));
        true
    }
}
