//! One chunk's transaction.

use std::sync::Arc;

use cdc_core::catalog;
use cdc_core::engine::{Chunk, ChunkJob, ChunkRequest, ServerSnapshot};
use cdc_core::envelope::{Encoder, RelationPlan};
use cdc_core::incremental::{KeyValues, TableRequest};
use cdc_core::schema::{Table, TypeCatalog, TypeKind};
use cdc_core::wire::{Session, quote_ident, quote_literal};
use cdc_core::{Error, ErrorKind};

use super::query::{ChunkQuery, KeyColumn};
use super::rows::{Limit, Rows};
use crate::copy_text::CopyLine;
use crate::select::select_list;

/// A chunk of one key that many rows share cannot be cut; beyond so many times its bytes the key is refused.
const TIES: usize = 16;

/// Why a chunk was not read.
#[derive(Debug)]
pub(super) enum Failure {
    /// The table, or what was asked of it: its owner must mend it.
    Table(Error),
    /// Anything else.
    Other(Error),
}

/// Whether the server refuses for good what it was asked, and not for now.
pub(super) fn is_refusal(error: &Error) -> bool {
    if matches!(
        error.kind(),
        ErrorKind::Io | ErrorKind::ServerUnavailable | ErrorKind::Protocol
    ) {
        return false;
    }
    let code = error.sqlstate().unwrap_or_default();
    // Serialisation failures and deadlocks, lack of resources, an operator's or a timeout's intervention; a mark that is
    // there already.
    let passes = ["40", "53", "55", "57", "58", "23505"];
    !passes.iter().any(|class| code.starts_with(class))
}

/// The failure as one that passes.
pub(super) fn again(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Io | ErrorKind::ServerUnavailable | ErrorKind::Protocol => error,
        _ => Error::new(
            ErrorKind::ServerUnavailable,
            "a chunk of an incremental snapshot could not be read",
        )
        .with_source(error),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if is_refusal(&error) {
            Self::Table(error)
        } else {
            Self::Other(again(error))
        }
    }
}

/// Reads chunks, and keeps what the next one of the same table can use again.
#[derive(Debug)]
pub(super) struct TableReader {
    encoder: Encoder,
    types: TypeCatalog,
    chunk_rows: u32,
    chunk_bytes: usize,
    known: Option<Known>,
    line: CopyLine,
}

/// What is known of the table that was read last.
#[derive(Debug)]
struct Known {
    request: TableRequest,
    table: Table,
    plan: Arc<RelationPlan>,
    /// Columns that chunks are cut by.
    key: Vec<usize>,
    identity: Vec<usize>,
    limit: Limit,
}

impl TableReader {
    pub(super) fn new(job: &ChunkJob) -> Self {
        Self {
            encoder: job.encoder.clone(),
            types: job.types.clone(),
            chunk_rows: job.options.chunk_rows,
            chunk_bytes: job.options.chunk_bytes,
            known: None,
            line: CopyLine::default(),
        }
    }

    /// Reads a chunk; none if no row is left.
    pub(super) async fn read(
        &mut self,
        sql: &mut Session,
        request: &ChunkRequest,
    ) -> Result<Option<Chunk>, Failure> {
        sql.query("BEGIN READ ONLY").await?;
        let chunk = self.in_transaction(sql, request).await?;
        sql.query("COMMIT").await?;
        Ok(chunk)
    }

    async fn in_transaction(
        &mut self,
        sql: &mut Session,
        request: &ChunkRequest,
    ) -> Result<Option<Chunk>, Failure> {
        self.look_up(sql, &request.table).await?;
        let Some(known) = &mut self.known else {
            return Err(Failure::Other(Error::new(
                ErrorKind::Protocol,
                "the table was not looked up",
            )));
        };
        let key: Vec<KeyColumn> = known
            .key
            .iter()
            .filter_map(|i| known.table.columns.get(*i))
            .map(|c| KeyColumn {
                name: c.name.clone(),
                nullable: c.nullable,
            })
            .collect();
        let query = ChunkQuery {
            schema: &request.table.schema,
            table: &request.table.name,
            condition: request.table.condition.as_deref(),
            key: &key,
        };
        sql.query(&format!(
            "SET LOCAL search_path = {}",
            search_path(&self.types, known, query.condition)
        ))
        .await?;
        let maximum = match &request.maximum {
            Some(maximum) => maximum.clone(),
            None => match sql.query(&query.maximum()).await?.rows.into_iter().next() {
                Some(row) => KeyValues(row),
                None => return Ok(None),
            },
        };
        if maximum.0.len() != key.len() || request.after.as_ref().is_some_and(|a| a.0.len() != key.len()) {
            let text = format!(
                "the key of table {} has changed since its reading began: ask for it again",
                request.table.identifier()
            );
            return Err(Failure::Table(Error::new(ErrorKind::Query, text)));
        }
        // Before the rows are read: what this does not show the rows may show, which is safe, but never the other way round.
        let shown = sql.query("SELECT pg_catalog.pg_current_snapshot()").await?;
        let snapshot = ServerSnapshot::parse(shown.first().unwrap_or_default())?;
        let select = select_list(&known.table, |i| {
            known.plan.reads(i) || known.key.contains(&i) || known.identity.contains(&i)
        });
        let width = known.table.columns.len();
        let mut rows = Rows::default();
        let mut asked;
        loop {
            asked = known.limit.rows();
            let statement = query.rows(&select, request.after.as_ref(), &maximum, asked);
            if copy(
                sql,
                &statement,
                &mut self.line,
                width,
                self.chunk_bytes,
                asked,
                &mut rows,
            )
            .await?
            {
                break;
            }
            known.limit.shrink(rows.count);
            rows.clear();
        }
        if rows.count == 0 {
            return Ok(None);
        }
        known.limit.grow(rows.data.len(), self.chunk_bytes);
        let last = rows.last(&known.key, width)?;
        let fewer = usize::try_from(asked).is_ok_and(|asked| rows.count < asked);
        Ok(Some(Chunk {
            table: known.table.clone(),
            plan: Arc::clone(&known.plan),
            identity: known.identity.clone(),
            done: fewer || last == maximum,
            data: rows.data,
            columns: rows.columns,
            rows: rows.count,
            last,
            maximum,
            snapshot,
        }))
    }

    /// Locks the table against changes of its columns, and finds out what it is now.
    async fn look_up(&mut self, sql: &mut Session, request: &TableRequest) -> Result<(), Failure> {
        let refuse = |text: String| Failure::Table(Error::new(ErrorKind::Config, text));
        let name = request.identifier();
        let query = format!(
            "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND n.nspname = {} AND c.relname = {}",
            quote_literal(&request.schema),
            quote_literal(&request.name)
        );
        let found = sql.query(&query).await?;
        let Some(oid) = found.first().and_then(|oid| oid.parse().ok()) else {
            return Err(refuse(format!("table {name} is not there any more")));
        };
        let quoted = format!("{}.{}", quote_ident(&request.schema), quote_ident(&request.name));
        // Takes the lock that LOCK TABLE does, and needs a right to some column only.
        sql.query(&format!("SELECT FROM {quoted} LIMIT 0")).await?;
        let Some(table) = catalog::table(sql, oid).await? else {
            return Err(refuse(format!("table {name} is not there any more")));
        };
        if self
            .known
            .as_ref()
            .is_some_and(|k| k.request == *request && k.table == table)
        {
            return Ok(());
        }
        self.known = None;
        let mut missing: Vec<u32> = table.columns.iter().map(|c| c.type_oid).collect();
        missing.retain(|oid| self.types.get(*oid).is_none());
        if !missing.is_empty() {
            catalog::types(sql, &missing, &mut self.types).await?;
        }
        let Some(plan) = self.encoder.plan(&table, &self.types)? else {
            return Err(refuse(format!("table {name} is not captured any more")));
        };
        let key = match &request.surrogate_key {
            Some(column) => match table.columns.iter().position(|c| c.name == *column) {
                Some(at) => vec![at],
                None => {
                    return Err(refuse(format!(
                        "table {name} has no column {column:?}, the surrogate key"
                    )));
                }
            },
            None => self.encoder.key_columns(&table),
        };
        if key.is_empty() {
            return Err(refuse(format!(
                "table {name} has no key to read it by: name a surrogate-key in the signal, or configure message keys"
            )));
        }
        let identity = self
            .encoder
            .row_identity(&table, request.surrogate_key.as_deref());
        self.known = Some(Known {
            request: request.clone(),
            table,
            plan,
            key,
            identity,
            limit: Limit::new(self.chunk_rows),
        });
        Ok(())
    }
}

/// Reads rows until there is none left; false, and the rest passed over, if there are too many bytes for a chunk.
async fn copy(
    sql: &mut Session,
    statement: &str,
    line: &mut CopyLine,
    width: usize,
    bytes: usize,
    asked: u32,
    rows: &mut Rows,
) -> Result<bool, Failure> {
    let mut copy = sql.copy_out(statement).await?;
    let mut fits = true;
    while let Some(text) = copy.next().await? {
        // The first row is taken whatever its size.
        let full = rows.count > 0 && rows.data.len().saturating_add(text.len()) > bytes;
        if full && asked > 1 {
            fits = false;
        }
        if full && asked == 1 && rows.data.len() > bytes.saturating_mul(TIES) {
            let text = "too many rows have one value of the key that the table is read by: choose another surrogate-key";
            return Err(Failure::Table(Error::new(ErrorKind::Config, text)));
        }
        if fits {
            rows.push(line.read(text, width)?)?;
        }
    }
    Ok(fits)
}

/// Where operators are looked for. Those of a key's type are needed in its own schema, for otherwise a key of an extension's
/// type is compared as text, in another order than it is sorted in. A condition is a user's, written for a user's path.
fn search_path(types: &TypeCatalog, known: &Known, condition: Option<&str>) -> String {
    let mut schemas: Vec<String> = Vec::new();
    let mut add = |schema: String| {
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    };
    add("pg_catalog".into());
    for i in &known.key {
        let column = known.table.columns.get(*i);
        let mut kind = column.and_then(|c| types.get(c.type_oid));
        while let Some(found) = kind {
            add(quote_ident(&found.schema));
            kind = match found.kind {
                TypeKind::Domain { base, .. } => types.get(base),
                _ => None,
            };
        }
    }
    if condition.is_some() {
        add("\"$user\"".into());
        add("public".into());
    }
    schemas.join(", ")
}
