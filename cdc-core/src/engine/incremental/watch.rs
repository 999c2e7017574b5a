//! The machine beside the stream: rows of the signal table and changes of the table under way go in, requests to the
//! reader come out.

use std::collections::VecDeque;
use std::sync::Arc;

use foldhash::HashMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::machine::{AtClose, Machine};
use super::signal::{Execute, Signal};
use super::window::{Chunk, identity};
use super::{ChunkOutcome, ChunkReply, ChunkRequest, SignalOptions, Watermarks};
use crate::engine::status::{IncrementalStatus, Status};
use crate::envelope::Encoder;
use crate::incremental::IncrementalProgress;
use crate::pgoutput::OldTuple;
use crate::row::{Datum, RowView};
use crate::schema::{Oid, Table};
use crate::telemetry::{Meters, number};
use crate::{Error, ErrorKind, Lsn, Position};

/// Transactions that are remembered, to tell whether a chunk could see them. A commit becomes visible within microseconds
/// of its record, or, behind a synchronous standby, after commits that come no sooner than the opening mark's: it is always
/// among the last few.
const REMEMBERED: usize = 1 << 16;

/// Follows signals. There is one only where a signal table is configured.
#[derive(Debug)]
pub(crate) struct Watch {
    options: SignalOptions,
    /// The signal table, once the stream has described it.
    signals: Option<Oid>,
    /// Tables as the stream has described them.
    relations: HashMap<Oid, Table>,
    /// The table under way, and the columns that tell its rows apart.
    followed: Option<(Oid, Vec<usize>)>,
    machine: Machine,
    delivered: VecDeque<(u32, Lsn)>,
    requests: mpsc::UnboundedSender<ChunkRequest>,
    replies: mpsc::Receiver<ChunkReply>,
    /// Rows of the chunk that are still to be written, and how many were.
    rows: VecDeque<usize>,
    written: u64,
    running: bool,
    reader: Option<JoinHandle<()>>,
    status: Arc<Status>,
    meters: Meters,
}

/// What a row of the signal table asks of the stream.
#[derive(Debug)]
pub(crate) enum Reaction {
    /// Nothing.
    None,
    /// Write the chunk's rows before this one.
    Write,
    /// Look up the captured tables for [`Watch::execute`].
    Execute(Execute),
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
    }
}

impl Watch {
    pub(crate) fn new(
        options: SignalOptions,
        progress: Option<Arc<IncrementalProgress>>,
        requests: mpsc::UnboundedSender<ChunkRequest>,
        replies: mpsc::Receiver<ChunkReply>,
        reader: Option<JoinHandle<()>>,
        status: Arc<Status>,
        meters: Meters,
    ) -> Self {
        Self {
            machine: Machine::new(options.watermarks, progress),
            options,
            signals: None,
            relations: HashMap::default(),
            followed: None,
            delivered: VecDeque::new(),
            requests,
            replies,
            rows: VecDeque::new(),
            written: 0,
            running: false,
            reader,
            status,
            meters,
        }
    }

    /// What is stored with the next checkpoint.
    pub(crate) fn progress(&self) -> Option<&Arc<IncrementalProgress>> {
        self.machine.progress()
    }

    /// Asks for the next chunk, if there is one to read and none under way.
    pub(crate) fn proceed(&mut self, encoder: &Encoder) -> Result<(), Error> {
        if let Some(request) = self.machine.next(|| uuid::Uuid::new_v4().to_string()) {
            tracing::debug!(table = %request.table.identifier(), window = %request.window, "reading a chunk");
            self.requests.send(request).map_err(|_| reader_ended())?;
        }
        let running = self.machine.progress().is_some();
        if self.running && !running {
            tracing::info!("the incremental snapshot has ended");
        }
        self.running = running;
        self.tell(0);
        self.follow(encoder);
        Ok(())
    }

    /// Shows where the snapshot stands, `rows` further than before.
    fn tell(&self, rows: u64) {
        let progress = self.machine.progress();
        let now = progress.and_then(|p| {
            Some(IncrementalStatus {
                signal: p.signal.clone(),
                table: p.tables.front()?.identifier(),
                tables: p.tables.len(),
                paused: p.paused,
            })
        });
        let tables = progress.map_or(0, |p| p.tables.len() as u64);
        self.meters.incremental_tables.set(number(tables));
        self.meters.incremental_rows.increment(rows);
        self.status.incremental_at(now, rows);
    }

    /// Finds the table under way among those that the stream has described.
    fn follow(&mut self, encoder: &Encoder) {
        let Some((request, _)) = self.machine.reading() else {
            self.followed = None;
            return;
        };
        let found = self
            .relations
            .values()
            .find(|t| t.schema == request.schema && t.name == request.name);
        self.followed = found.map(|t| (t.oid, encoder.row_identity(t, request.surrogate_key.as_deref())));
    }

    /// The stream describes a table.
    pub(crate) fn describe(&mut self, table: &Table, encoder: &Encoder) -> Result<(), Error> {
        if self.options.is(&table.schema, &table.name) {
            if table.columns.len() < 3 {
                let context = format!(
                    "the stream has {} columns of the signal table {}.{}, which needs three",
                    table.columns.len(),
                    table.schema,
                    table.name
                );
                return Err(Error::new(ErrorKind::Config, context)
                    .with_hint("publish the columns id, type and data of the signal table"));
            }
            self.signals = Some(table.oid);
        }
        if let Some((request, window)) = self.machine.reading()
            && request.schema == table.schema
            && request.name == table.name
            && window.is_open()
        {
            window.describe(table, self.relations.get(&table.oid));
        }
        self.relations.insert(table.oid, table.clone());
        self.follow(encoder);
        Ok(())
    }

    /// A transaction is delivered.
    pub(crate) fn begin(&mut self, xid: u32, commit: Lsn) {
        if self.delivered.len() >= REMEMBERED {
            self.delivered.pop_front();
        }
        self.delivered.push_back((xid, commit));
    }

    /// Whether this is the signal table.
    pub(crate) fn is_signals(&self, relation: Oid) -> bool {
        self.signals == Some(relation)
    }

    /// A row was inserted into the signal table.
    pub(crate) fn inserted(
        &mut self,
        row: RowView<'_>,
        at: Position,
        encoder: &Encoder,
    ) -> Result<Reaction, Error> {
        let text = |i| match row.get(i) {
            Datum::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let (Some(id), Some(kind)) = (text(0), text(1)) else {
            tracing::warn!(%at.commit_lsn, "a row of the signal table has no id or no type, and is no signal");
            return Ok(Reaction::None);
        };
        match kind {
            "snapshot-window-open" => {
                self.machine.opened(id, at.commit_lsn);
                Ok(Reaction::None)
            }
            "snapshot-window-close" => {
                if self.machine.watermarks() == Watermarks::InsertInsert {
                    return self.close(id, encoder);
                }
                Ok(Reaction::None)
            }
            _ => self.signal(id, kind, text(2), at, encoder),
        }
    }

    /// A row was deleted from the signal table.
    pub(crate) fn deleted(&mut self, row: RowView<'_>, encoder: &Encoder) -> Result<Reaction, Error> {
        match row.get(0) {
            Datum::Text(id) if self.machine.watermarks() == Watermarks::InsertDelete => {
                self.close(std::str::from_utf8(id).unwrap_or_default(), encoder)
            }
            _ => Ok(Reaction::None),
        }
    }

    fn signal(
        &mut self,
        id: &str,
        kind: &str,
        data: Option<&str>,
        at: Position,
        encoder: &Encoder,
    ) -> Result<Reaction, Error> {
        let signal = match Signal::read(id, kind, data) {
            Ok(signal) => signal,
            Err(reason) => {
                tracing::warn!(signal = id, reason, "a signal is passed over");
                return Ok(Reaction::None);
            }
        };
        match signal {
            Signal::Execute(execute) => return Ok(Reaction::Execute(execute)),
            Signal::Log(message) => {
                let position = format!("{}:{}", at.commit_lsn, at.seq);
                tracing::info!(signal = id, "{}", message.replace("{}", &position));
                return Ok(Reaction::None);
            }
            _ if self.machine.progress().is_none() => {
                tracing::warn!(
                    signal = id,
                    kind,
                    "no incremental snapshot is under way: the signal does nothing"
                );
                return Ok(Reaction::None);
            }
            Signal::Stop(tables) => {
                self.machine.stop(tables.as_ref());
                tracing::info!(
                    signal = id,
                    "the incremental snapshot is stopped, as far as the signal says"
                );
            }
            Signal::Pause => {
                self.machine.pause(true);
                tracing::info!(
                    signal = id,
                    "the incremental snapshot pauses after the chunk under way"
                );
            }
            Signal::Resume => {
                self.machine.pause(false);
                tracing::info!(signal = id, "the incremental snapshot goes on");
            }
        }
        self.proceed(encoder)?;
        Ok(Reaction::None)
    }

    /// Takes a request to read tables, with those that are captured now.
    pub(crate) fn execute(
        &mut self,
        execute: &Execute,
        captured: &[Table],
        encoder: &Encoder,
    ) -> Result<(), Error> {
        let (mut tables, unmatched) = execute.resolve(captured);
        tables.retain(|t| !self.options.is(&t.schema, &t.name));
        for pattern in unmatched {
            tracing::warn!(
                signal = %execute.id,
                pattern,
                "no captured table matches an expression of the signal"
            );
        }
        tracing::info!(signal = %execute.id, tables = tables.len(), "an incremental snapshot is asked for");
        self.machine.add(&execute.id, tables);
        self.proceed(encoder)
    }

    /// Whether the rows of this relation are those of the table under way, and its window is open.
    pub(crate) fn follows(&mut self, relation: Oid) -> bool {
        matches!(&self.followed, Some((oid, _)) if *oid == relation)
            && self.machine.reading().is_some_and(|(_, window)| window.is_open())
    }

    /// A row of the table under way is changed: its old or new state, as far as the stream tells it.
    pub(crate) fn changed<'a>(&mut self, value: impl Fn(usize) -> Option<Datum<'a>>) {
        let Some((_, columns)) = &self.followed else {
            return;
        };
        if let Some(identity) = identity(columns, value)
            && let Some((_, window)) = self.machine.reading()
        {
            window.change(identity);
        }
    }

    /// As [`changed`](Self::changed), by an old row: one that holds only the replica identity says nothing of other columns.
    pub(crate) fn changed_from(&mut self, old: &OldTuple<'_>, row: RowView<'_>) {
        let whole = matches!(old, OldTuple::Full(_));
        let Some((oid, columns)) = &self.followed else {
            return;
        };
        let table = self.relations.get(oid);
        let known = |i: usize| whole || table.and_then(|t| t.columns.get(i)).is_some_and(|c| c.identity);
        let identity = identity(columns, |i| known(i).then(|| row.get(i)));
        if let Some(identity) = identity
            && let Some((_, window)) = self.machine.reading()
        {
            window.change(identity);
        }
    }

    /// The table under way is truncated.
    pub(crate) fn truncated(&mut self) {
        if let Some((_, window)) = self.machine.reading() {
            window.truncate();
        }
    }

    /// Whether the stream has to wait for the chunk.
    pub(crate) fn is_full(&mut self) -> bool {
        self.machine.reading().is_some_and(|(_, window)| window.is_full())
    }

    /// The next reply of the reader. Cancel safe.
    pub(crate) async fn reply(&mut self) -> Result<ChunkReply, Error> {
        self.replies.recv().await.ok_or_else(reader_ended)
    }

    /// Takes a reply; one for a window that was given up means nothing.
    pub(crate) fn take(&mut self, reply: ChunkReply, encoder: &Encoder) -> Result<(), Error> {
        // A reader that cannot go on is of importance whatever it was reading.
        if let ChunkOutcome::Failed(error) = reply.outcome {
            return Err(error);
        }
        if !self.machine.awaits(&reply.window) {
            return Ok(());
        }
        match reply.outcome {
            ChunkOutcome::Rows(chunk) => {
                if let Some((_, window)) = self.machine.reading() {
                    window.fill(chunk);
                }
                return Ok(());
            }
            ChunkOutcome::Finished => {
                let table = self.machine.drop_table().map(|t| t.identifier());
                tracing::info!(table, "all rows of the table have been read");
            }
            ChunkOutcome::Skipped(error) => {
                let table = self.machine.drop_table().map(|t| t.identifier());
                tracing::error!(table, error = %error.chain(), "the incremental snapshot leaves a table out");
            }
            ChunkOutcome::Refused(error) => {
                self.machine.stop(None);
                tracing::error!(
                    error = %error.chain(),
                    advice = error.advice(),
                    "the incremental snapshot ends: its marks cannot be written into the signal table"
                );
            }
            ChunkOutcome::Failed(error) => return Err(error),
        }
        self.proceed(encoder)
    }

    /// A closing mark has come. If it is that of the window under way, the reader has sent the chunk before it wrote the
    /// mark, so it is there.
    fn close(&mut self, mark: &str, encoder: &Encoder) -> Result<Reaction, Error> {
        while let Ok(reply) = self.replies.try_recv() {
            self.take(reply, encoder)?;
        }
        if !self.machine.is_close(mark) {
            return Ok(Reaction::None);
        }
        match self.machine.close(&self.delivered)? {
            AtClose::Write(rows) => {
                (self.rows, self.written) = (rows.into(), 0);
                Ok(Reaction::Write)
            }
            AtClose::Again(reason) => {
                tracing::info!(reason, "a chunk is read again");
                self.proceed(encoder)?;
                Ok(Reaction::None)
            }
        }
    }

    /// The next row to be written, and its number among those of the chunk that are, from 0; none: all are.
    pub(crate) fn next_row(&mut self) -> Option<(&Chunk, usize, u64)> {
        let row = self.rows.pop_front()?;
        let number = self.written;
        self.written += 1;
        Some((self.machine.writing()?, row, number))
    }

    /// All rows of the chunk are written.
    pub(crate) fn written(&mut self, encoder: &Encoder) -> Result<(), Error> {
        self.tell(self.written);
        if let Some(table) = self.machine.written() {
            tracing::info!(table = %table.identifier(), "all rows of the table have been read");
        }
        self.proceed(encoder)
    }
}

fn reader_ended() -> Error {
    Error::new(
        ErrorKind::Protocol,
        "the reader of incremental snapshots has ended by itself",
    )
}
