//! One connection's share of the reading: tables, one after the other, each by one COPY.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cdc_core::engine::Status;
use cdc_core::envelope::{Encoder, EventContext, RelationPlan, RowOp, SnapshotMarker};
use cdc_core::schema::{Table, TypeCatalog};
use cdc_core::wire::{Session, quote_ident};
use cdc_core::{Batch, Error, Lsn, Position};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::copy_text::CopyLine;
use crate::order::{Piece, Tail};
use crate::select::select_list;

/// A batch is handed on at this size, as in the stream.
const BATCH_BYTES: usize = 256 << 10;
/// Rows of one table have numbers below this: a table's place in the order is counted in these steps, so that positions
/// are unique and sort as the tables do.
const TABLE_STEP: u64 = 1 << 40;

/// A table to read and the query that reads it.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) table: Table,
    /// A SELECT; none: the whole table.
    pub(crate) select: Option<String>,
}

impl Task {
    /// The query. A column that no record shows is not read.
    fn copy(&self, plan: &RelationPlan) -> String {
        let select = match &self.select {
            Some(select) => select.trim().trim_end_matches(';').to_owned(),
            None => {
                let (schema, name) = (quote_ident(&self.table.schema), quote_ident(&self.table.name));
                let columns = select_list(&self.table, |i| plan.reads(i));
                format!("SELECT {columns} FROM {schema}.{name}")
            }
        };
        format!("COPY ({select}) TO STDOUT")
    }
}

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) tasks: Vec<Task>,
    pub(crate) next: AtomicUsize,
    pub(crate) types: Arc<TypeCatalog>,
    pub(crate) context: EventContext,
    pub(crate) status: Arc<Status>,
    pub(crate) stop: CancellationToken,
}

/// Encodes lines of COPY.
#[derive(Debug)]
pub(crate) struct RowWriter {
    encoder: Encoder,
    line: CopyLine,
}

impl RowWriter {
    pub(crate) fn new(encoder: Encoder) -> Self {
        Self {
            encoder,
            line: CopyLine::default(),
        }
    }

    fn write(
        &mut self,
        plan: &RelationPlan,
        columns: usize,
        line: &[u8],
        context: &EventContext,
        out: &mut Batch,
    ) -> Result<(), Error> {
        let row = self.line.read(line, columns)?;
        out.rows += 1;
        self.encoder.row(plan, RowOp::Read(row), context, out)
    }

    /// A row held back, as a batch of its own.
    pub(crate) fn batch_of(&mut self, tail: Tail, marker: SnapshotMarker) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        let context = EventContext {
            snapshot: marker,
            ..tail.context
        };
        self.write(&tail.plan, tail.columns, &tail.line, &context, &mut batch)?;
        Ok(batch)
    }
}

/// Reads tables until none is left. A failure goes to the channel as its last piece.
pub(crate) async fn work(
    shared: Arc<Shared>,
    mut session: Session,
    mut writer: RowWriter,
    out: mpsc::Sender<Piece>,
) {
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(task) = shared.tasks.get(index) else {
            // Nobody listens any more after a stop.
            drop(out.send(Piece::Done).await);
            return;
        };
        if let Err(error) = read(&shared, index, task, &mut session, &mut writer, &out).await {
            // Nobody listens any more after a stop.
            drop(out.send(Piece::Failed(error)).await);
            return;
        }
        if shared.stop.is_cancelled() || out.is_closed() {
            return;
        }
        shared.status.snapshot_table_done();
    }
}

async fn read(
    shared: &Shared,
    index: usize,
    task: &Task,
    session: &mut Session,
    writer: &mut RowWriter,
    out: &mpsc::Sender<Piece>,
) -> Result<(), Error> {
    let Some(plan) = writer.encoder.plan(&task.table, &shared.types)? else {
        return Ok(());
    };
    let columns = task.table.columns.len();
    let mut context = EventContext {
        now_ns: now_ns(),
        ..shared.context.clone()
    };
    context.position.seq = TABLE_STEP.saturating_mul(index as u64);
    let mut batch = Batch::with_capacity(BATCH_BYTES + BATCH_BYTES / 4);
    let (mut held, mut rows, mut first_of_all) = (Vec::new(), 0u64, false);
    let mut copy = session.copy_out(&task.copy(&plan)).await?;
    while let Some(line) = copy.next().await? {
        if rows == 0 {
            // As in Debezium: if the first table is empty, no row is the first of all.
            first_of_all = index == 0;
        } else {
            context.snapshot = marker(rows, first_of_all);
            context.position.seq += 1;
            writer.write(&plan, columns, &held, &context, &mut batch)?;
        }
        rows += 1;
        held.clear();
        held.extend_from_slice(line);
        if batch.bytes_len() >= BATCH_BYTES {
            let next = Batch::with_capacity(BATCH_BYTES + BATCH_BYTES / 4);
            if shared.stop.is_cancelled()
                || out
                    .send(Piece::Rows(std::mem::replace(&mut batch, next)))
                    .await
                    .is_err()
            {
                return Ok(());
            }
            context.now_ns = now_ns();
        }
    }
    if !batch.is_empty() && out.send(Piece::Rows(batch)).await.is_err() {
        return Ok(());
    }
    if rows > 0 {
        context.position.seq += 1;
        let tail = Tail {
            line: held,
            plan,
            columns,
            context,
            first_of_all: first_of_all && rows == 1,
        };
        drop(out.send(Piece::Tail(tail)).await);
    }
    Ok(())
}

/// Marker of the row written when `rows` have been read, that is, of the last but one.
fn marker(rows: u64, first_of_all: bool) -> SnapshotMarker {
    match (rows, first_of_all) {
        (1, true) => SnapshotMarker::First,
        (1, false) => SnapshotMarker::FirstInDataCollection,
        _ => SnapshotMarker::True,
    }
}

fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Context of all rows of a snapshot.
pub(crate) fn context(lsn: Lsn, version: Option<Lsn>, xid: Option<u32>, at_us: i64) -> EventContext {
    EventContext {
        lsn,
        last_commit_lsn: None,
        version_lsn: version.unwrap_or(lsn),
        position: Position {
            commit_lsn: lsn,
            seq: 0,
        },
        sub: 0,
        xid,
        commit_us: at_us,
        now_ns: 0,
        snapshot: SnapshotMarker::True,
        origin: None,
    }
}
