//! Offsets in a table of a PostgreSQL database, the source's or another.

use super::record;
use crate::seam::{BoxFuture, OffsetStore, PipelineKey, StoredOffset};
use crate::wire::{ConnectOptions, Purpose, Session, quote_ident, quote_literal};
use crate::{Error, ErrorKind, Remedy};

/// A commit that is not flushed may be forgotten in a crash, while the slot remembers what was acknowledged after it.
const DURABLE: &str = "SELECT pg_catalog.set_config('synchronous_commit', 'local', false) \
                       WHERE pg_catalog.current_setting('synchronous_commit') = 'off'";

/// Keeps the offset in a row of a table; schema and table are created if they are missing:
/// `(pipeline text primary key, record text, updated_at timestamptz)`.
///
/// A published table would feed itself: keep it out of the publication.
#[derive(Debug)]
pub struct PostgresStore {
    connect: ConnectOptions,
    schema: String,
    table: String,
    key: PipelineKey,
    session: Option<Session>,
}

impl PostgresStore {
    /// A store in `schema.table`.
    #[must_use]
    pub fn new(connect: ConnectOptions, schema: &str, table: &str, key: PipelineKey) -> Self {
        let schema = quote_ident(schema);
        let table = format!("{schema}.{}", quote_ident(table));
        Self {
            connect,
            schema,
            table,
            key,
            session: None,
        }
    }

    async fn query(&mut self, sql: &str) -> Result<Option<String>, Error> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => {
                let mut session = Session::connect(&self.connect, Purpose::Sql, "pgcdc offsets").await?;
                session.query(DURABLE).await.map_err(|e| self.failed(e))?;
                session
            }
        };
        let rows = session.query(sql).await.map_err(|e| self.failed(e))?;
        self.session = Some(session);
        Ok(rows
            .rows
            .into_iter()
            .next()
            .and_then(|row| row.into_iter().next())
            .flatten())
    }

    fn failed(&self, e: Error) -> Error {
        let kind = match e.remedy() {
            Remedy::RetryLater => e.kind(),
            _ => ErrorKind::Offset,
        };
        Error::new(kind, format!("cannot use offset table {}", self.table)).with_source(e)
    }

    async fn ensure(&mut self) -> Result<(), Error> {
        // Asked for first: a role that may use the table need not be one that may create it.
        let found = format!("SELECT pg_catalog.to_regclass({})", quote_literal(&self.table));
        if self.query(&found).await?.is_none() {
            let schema = format!(
                "SELECT pg_catalog.to_regnamespace({})",
                quote_literal(&self.schema)
            );
            if self.query(&schema).await?.is_none() {
                self.query(&format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema))
                    .await?;
            }
            let create = format!(
                "CREATE TABLE IF NOT EXISTS {} (pipeline text PRIMARY KEY, record text NOT NULL, \
                 updated_at timestamptz NOT NULL DEFAULT pg_catalog.now())",
                self.table
            );
            self.query(&create).await?;
        }
        Ok(())
    }
}

impl OffsetStore for PostgresStore {
    fn load(&mut self) -> BoxFuture<'_, Result<Option<StoredOffset>, Error>> {
        Box::pin(async move {
            self.ensure().await?;
            let id = quote_literal(&record::key_text(&self.key));
            let sql = format!("SELECT record FROM {} WHERE pipeline = {id}", self.table);
            let Some(text) = self.query(&sql).await? else {
                return Ok(None);
            };
            record::decode(&self.key, text.as_bytes()).map(Some)
        })
    }

    fn save<'a>(&'a mut self, offset: &'a StoredOffset) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let id = quote_literal(&record::key_text(&self.key));
            let bytes = record::encode(&self.key, offset);
            let text = String::from_utf8(bytes)
                .map_err(|e| Error::new(ErrorKind::Offset, "offset is not UTF-8").with_source(e))?;
            let sql = format!(
                "INSERT INTO {} (pipeline, record) VALUES ({id}, {}) ON CONFLICT (pipeline) \
                 DO UPDATE SET record = excluded.record, updated_at = pg_catalog.now()",
                self.table,
                quote_literal(&text)
            );
            self.query(&sql).await.map(|_| ())
        })
    }

    fn clear(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            self.ensure().await?;
            let id = quote_literal(&record::key_text(&self.key));
            self.query(&format!("DELETE FROM {} WHERE pipeline = {id}", self.table))
                .await
                .map(|_| ())
        })
    }
}
