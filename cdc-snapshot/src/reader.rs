//! Takes the snapshot on every connection and starts the workers.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use cdc_core::engine::{ChunkJob, SnapshotJob, Snapshotter, open_session};
use cdc_core::filter::RegexList;
use cdc_core::seam::BoxFuture;
use cdc_core::wire::{Session, quote_literal};
use cdc_core::{Batch, Error, ErrorKind, Lsn};
use tokio::sync::mpsc;

use crate::chunk;
use crate::options::SnapshotOptions;
use crate::order::forward;
use crate::worker::{RowWriter, Shared, Task, context, work};

/// Name under which the connections show in `pg_stat_activity`.
pub(crate) const APPLICATION: &str = "pgcdc snapshot";
/// Pieces on their way: with batches of 256 KiB at most 2 MiB.
const QUEUE: usize = 4;

/// Reads whole tables by COPY.
#[derive(Debug)]
pub struct CopySnapshotter {
    options: SnapshotOptions,
    include: Option<RegexList>,
}

impl CopySnapshotter {
    /// A reader with these options.
    ///
    /// # Errors
    /// Kind `Config` if an `include` pattern is no regular expression.
    pub fn new(options: SnapshotOptions) -> Result<Self, Error> {
        let include = match options.include.as_slice() {
            [] => None,
            patterns => Some(RegexList::new("snapshot.include.collection.list", patterns)?),
        };
        Ok(Self { options, include })
    }

    async fn start(&self, job: SnapshotJob) -> Result<mpsc::Receiver<Result<Batch, Error>>, Error> {
        let tasks = self.tasks(&job);
        let count = self.options.threads.clamp(1, tasks.len().max(1));
        let users_sql = tasks.iter().any(|t| t.select.is_some());
        let mut first = open(&job, users_sql).await?;
        let facts = Facts::of(&mut first, &job).await?;
        let mut sessions = vec![first];
        for _ in 1..count {
            let mut session = open(&job, users_sql).await?;
            take(&mut session, &facts.snapshot).await?;
            sessions.push(session);
        }
        let expected = expected_rows(sessions.first_mut(), &tasks).await?;
        job.status.snapshot_begins(tasks.len() as u64, expected);
        let shared = Arc::new(Shared {
            tasks,
            next: AtomicUsize::new(0),
            types: job.types,
            context: context(facts.lsn, job.version, facts.xid, facts.at_us),
            status: job.status,
            stop: job.stop,
        });
        let (pieces, from_workers) = mpsc::channel(QUEUE);
        let workers = sessions.len();
        for session in sessions {
            let writer = RowWriter::new(job.encoder.clone());
            tokio::spawn(work(Arc::clone(&shared), session, writer, pieces.clone()));
        }
        drop(pieces);
        let (out, batches) = mpsc::channel(QUEUE);
        tokio::spawn(forward(from_workers, workers, RowWriter::new(job.encoder), out));
        Ok(batches)
    }

    fn tasks(&self, job: &SnapshotJob) -> Vec<Task> {
        let name = |t: &cdc_core::schema::Table| format!("{}.{}", t.schema, t.name);
        let wanted = job
            .tables
            .iter()
            .filter(|t| self.include.as_ref().is_none_or(|list| list.is_match(&name(t))));
        for table in self.options.overrides.keys() {
            if !job.tables.iter().any(|t| name(t) == *table) {
                tracing::warn!(
                    table,
                    "the snapshot override is of no captured table: write the name as the catalog has it"
                );
            }
        }
        let task = |t: &cdc_core::schema::Table| Task {
            select: self.options.overrides.get(&name(t)).cloned(),
            table: t.clone(),
        };
        wanted.map(task).collect()
    }
}

impl Snapshotter for CopySnapshotter {
    fn begin(&self, job: SnapshotJob) -> BoxFuture<'_, Result<mpsc::Receiver<Result<Batch, Error>>, Error>> {
        Box::pin(self.start(job))
    }

    fn read_chunks(&self, job: ChunkJob) -> BoxFuture<'static, ()> {
        Box::pin(chunk::serve(job))
    }
}

async fn open(job: &SnapshotJob, users_sql: bool) -> Result<Session, Error> {
    open_session(&job.connect, APPLICATION, &job.initial_statements, users_sql).await
}

async fn take(session: &mut Session, snapshot: &str) -> Result<(), Error> {
    session
        .query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    session
        .query(&format!("SET TRANSACTION SNAPSHOT {}", quote_literal(snapshot)))
        .await?;
    Ok(())
}

/// What holds for the whole snapshot.
struct Facts {
    snapshot: String,
    lsn: Lsn,
    /// The reading transaction's id, as Debezium shows it; none on a standby, which cannot assign one.
    xid: Option<u32>,
    at_us: i64,
}

impl Facts {
    /// Takes the snapshot on the first connection: the exported one, or a new one that the others can take.
    async fn of(session: &mut Session, job: &SnapshotJob) -> Result<Self, Error> {
        // Outside the snapshot's transaction: a transaction id held for hours would keep every new logical slot of the
        // server waiting.
        let standby = value(session, "SELECT pg_catalog.pg_is_in_recovery()").await? == "t";
        let (position, xid) = if standby {
            ("pg_catalog.pg_last_wal_replay_lsn()", None)
        } else {
            (
                "pg_catalog.pg_current_wal_lsn()",
                Some(value(session, "SELECT pg_catalog.txid_current() & 4294967295").await?),
            )
        };
        let snapshot = match &job.exported {
            Some(name) => {
                take(session, name).await?;
                name.clone()
            }
            None => {
                session
                    .query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                    .await?;
                value(session, "SELECT pg_catalog.pg_export_snapshot()").await?
            }
        };
        let lsn = match job.lsn {
            Some(lsn) => lsn,
            None => parse(&value(session, &format!("SELECT {position}")).await?)?,
        };
        let at = value(
            session,
            "SELECT (extract(epoch FROM pg_catalog.now()) * 1000000)::int8",
        )
        .await?;
        Ok(Self {
            snapshot,
            lsn,
            xid: xid.map(|x| parse(&x)).transpose()?,
            at_us: parse(&at)?,
        })
    }
}

async fn expected_rows(session: Option<&mut Session>, tasks: &[Task]) -> Result<u64, Error> {
    let (Some(session), false) = (session, tasks.is_empty()) else {
        return Ok(0);
    };
    let oids = tasks
        .iter()
        .map(|t| t.table.oid.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let sql = format!(
        "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::int8 FROM pg_catalog.pg_class WHERE oid IN ({oids}) AND relkind <> 'p'"
    );
    parse(&value(session, &sql).await?)
}

async fn value(session: &mut Session, sql: &str) -> Result<String, Error> {
    let rows = session.query(sql).await?.rows;
    let first = rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next())
        .flatten();
    first.ok_or_else(|| Error::new(ErrorKind::Protocol, format!("no answer to: {sql}")))
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|_| Error::new(ErrorKind::Protocol, "the server's answer is no number"))
}
