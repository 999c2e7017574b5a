//! Chunks of tables for incremental snapshots: each read in a short transaction of its own between two marks.
//!
//! A request goes: `mark` (the opening one, committed) → `session` (a transaction that locks the table against changes of
//! its columns, looks it up and reads by `query`) → the reply → `mark` (the closing one).

mod mark;
mod query;
mod rows;
mod session;

use std::time::{Duration, SystemTime};

use cdc_core::engine::{ChunkJob, ChunkOutcome, ChunkReply, ChunkRequest, open_session};
use cdc_core::wire::Session;
use cdc_core::{Error, ErrorKind};

use crate::reader::APPLICATION;
use session::{Failure, TableReader};

/// A connection that is not used for so long is closed: the next chunk may be days away.
const IDLE: Duration = Duration::from_secs(5);

/// Serves requests until no more can come.
pub(crate) async fn serve(mut job: ChunkJob) {
    let mut session: Option<Session> = None;
    let mut reader = TableReader::new(&job);
    loop {
        let request = tokio::select! {
            biased;
            request = job.requests.recv() => match request {
                Some(request) => request,
                None => return,
            },
            () = tokio::time::sleep(IDLE), if session.is_some() => {
                session = None;
                continue;
            }
        };
        if !serve_one(&job, &mut reader, &mut session, &request).await {
            return;
        }
    }
}

/// One request; false if nobody listens any more.
async fn serve_one(
    job: &ChunkJob,
    reader: &mut TableReader,
    session: &mut Option<Session>,
    request: &ChunkRequest,
) -> bool {
    let window = &request.window;
    let reply = |outcome: ChunkOutcome| ChunkReply {
        window: window.clone(),
        outcome,
    };
    let opened = SystemTime::now();
    let written = write(job, session, &mark::open(&job.options, window, opened)).await;
    if let Err(outcome) = written {
        return job.replies.send(reply(outcome)).await.is_ok();
    }
    let outcome = match session {
        Some(sql) => reader.read(sql, request).await,
        None => Err(Failure::Other(Error::new(
            ErrorKind::Io,
            "the connection is gone",
        ))),
    };
    let outcome = match outcome {
        Ok(Some(chunk)) => ChunkOutcome::Rows(Box::new(chunk)),
        Ok(None) => ChunkOutcome::Finished,
        Err(failure) => {
            // What is left of the exchange goes with its connection.
            *session = None;
            match failure {
                Failure::Table(error) => ChunkOutcome::Skipped(error),
                Failure::Other(error) => ChunkOutcome::Failed(error),
            }
        }
    };
    if job.replies.send(reply(outcome)).await.is_err() {
        return false;
    }
    let close = mark::close(&job.options, &job.id_column, window, opened, SystemTime::now());
    match write(job, session, &close).await {
        Ok(()) => true,
        Err(outcome) => job.replies.send(reply(outcome)).await.is_ok(),
    }
}

/// Writes a mark, on a new connection if the last one is gone.
async fn write(job: &ChunkJob, session: &mut Option<Session>, statement: &str) -> Result<(), ChunkOutcome> {
    let fresh = session.is_none();
    let done = attempt(job, session, statement).await;
    let done = match done {
        // It may have been cut while nobody used it; whether the statement was done is not known, and a mark that is
        // there twice is one that is refused, which starts the chunk again.
        Err(e) if !fresh && e.kind() == ErrorKind::Io => {
            *session = None;
            attempt(job, session, statement).await
        }
        done => done,
    };
    done.map_err(|e| {
        *session = None;
        let name = mark::name(&job.options);
        match session::is_refusal(&e) {
            true => ChunkOutcome::Refused(
                Error::new(e.kind(), format!("the signal table {name} cannot be written"))
                    .with_hint("GRANT INSERT (with insert_delete also SELECT and DELETE) on the signal table to the role; `pgcdc doctor` prints the SQL")
                    .with_source(e),
            ),
            false => ChunkOutcome::Failed(session::again(e)),
        }
    })
}

async fn attempt(job: &ChunkJob, session: &mut Option<Session>, statement: &str) -> Result<(), Error> {
    let sql = match session {
        Some(sql) => sql,
        none => {
            let opened = open_session(&job.connect, APPLICATION, &job.initial_statements, false);
            none.insert(opened.await?)
        }
    };
    sql.query(statement).await.map(drop)
}
