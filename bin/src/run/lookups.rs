//! What transforms look up: in indexes over HTTP, in tables of PostgreSQL databases.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cdc_core::transform::mosip::{LookupTable, Reply, Search};
use cdc_core::wire::{Purpose, Session};
use cdc_core::{Error, ErrorKind, Remedy};
use sink_es::HttpSearch;
use tokio::runtime::Handle;

/// Longest wait for a database's answer, the connection included.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks, and waits for the answers: to be used where blocking is allowed ([`tokio::task::block_in_place`]).
#[derive(Debug)]
pub struct Lookups {
    http: HttpSearch,
    /// An open connection for each table. One that failed is not there any more.
    sessions: Mutex<HashMap<LookupTable, Session>>,
    runtime: Handle,
}

impl Lookups {
    /// Connects to nothing yet. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// As [`HttpSearch::new`].
    pub fn new() -> Result<Self, Error> {
        let runtime = Handle::try_current()
            .map_err(|e| Error::new(ErrorKind::Config, "lookups need a runtime").with_source(e))?;
        Ok(Self {
            http: HttpSearch::new()?,
            sessions: Mutex::default(),
            runtime,
        })
    }
}

impl Search for Lookups {
    fn request(&self, method: &str, url: &str, body: Option<&str>) -> Result<Reply, String> {
        self.http.request(method, url, body)
    }

    fn query(&self, table: &LookupTable, sql: &str) -> Result<Option<String>, Error> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let open = sessions.remove(table);
        let asked = async {
            // A connection may have died since the last question, which says nothing of the server.
            if let Some(session) = open
                && let Ok(answered) = ask(session, sql).await
            {
                return Ok(answered);
            }
            ask(connect(table).await?, sql).await
        };
        let silent = |_| Error::new(ErrorKind::ServerUnavailable, "no answer within 10 s");
        let answered = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, asked).await })
            .map_err(silent)??;
        sessions.insert(table.clone(), answered.0);
        answered.1
    }
}

/// A connection that changes nothing.
async fn connect(table: &LookupTable) -> Result<Session, Error> {
    let mut session = Session::connect(&table.connect_options()?, Purpose::Sql, "pgcdc lookup").await?;
    session
        .query("SET default_transaction_read_only = on; SET statement_timeout = '10s'")
        .await?;
    Ok(session)
}

/// The answer, or what the server refused, with the session; without it where that is of no more use.
async fn ask(mut session: Session, sql: &str) -> Result<(Session, Result<Option<String>, Error>), Error> {
    let rows = match session.query(sql).await {
        Ok(rows) => rows,
        Err(e) if e.remedy() == Remedy::RetryLater || e.kind() == ErrorKind::Protocol => return Err(e),
        Err(e) => return Ok((session, Err(e))),
    };
    let first = rows
        .rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next());
    Ok((session, Ok(first.flatten())))
}
