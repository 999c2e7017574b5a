//! Looks relations up in the catalog when the stream describes them.

use std::sync::Arc;

use super::options::SourceOptions;
use super::prepare::{self, open_sql};
use crate::catalog;
use crate::filter::Capture;
use crate::pgoutput::Relation;
use crate::schema::{Table, TypeCatalog};
use crate::wire::{Session, quote_literal};
use crate::{Checkpoint, Error, ErrorKind};

/// Catalog access that survives the loss of its connection: between two uses a firewall may have cut it.
#[derive(Debug)]
pub(crate) struct Describer {
    options: Arc<SourceOptions>,
    session: Option<Session>,
    types: TypeCatalog,
}

impl Describer {
    /// Uses `session` as long as it lives.
    pub(crate) fn new(options: Arc<SourceOptions>, session: Session) -> Self {
        Self {
            options,
            session: Some(session),
            types: TypeCatalog::default(),
        }
    }

    /// Types known so far.
    pub(crate) fn types(&self) -> &TypeCatalog {
        &self.types
    }

    /// Loads the types of these tables.
    pub(crate) async fn load_types(&mut self, tables: &[Table]) -> Result<(), Error> {
        let mut oids: Vec<u32> = tables
            .iter()
            .flat_map(|t| t.columns.iter().map(|c| c.type_oid))
            .collect();
        oids.sort_unstable();
        oids.dedup();
        let session = self.session().await?;
        let mut types = TypeCatalog::default();
        catalog::types(session, &oids, &mut types).await?;
        self.types = types;
        Ok(())
    }

    /// Looks once more, now that nobody else can read from the slot, whether it stands where `from` needs it: while the
    /// tables were read somebody else may have. The server itself says nothing and starts where the slot stands.
    pub(crate) async fn check_slot(&mut self, from: &Checkpoint) -> Result<(), Error> {
        let options = Arc::clone(&self.options);
        prepare::check_slot(&options, self.session().await?, from).await
    }

    /// The relation with what only the catalog knows, and its types loaded.
    pub(crate) async fn describe(&mut self, relation: &Relation) -> Result<Table, Error> {
        match self.try_describe(relation).await {
            Err(e) if matches!(e.kind(), ErrorKind::Io | ErrorKind::ServerUnavailable) => {
                self.session = None;
                self.try_describe(relation).await
            }
            done => done,
        }
    }

    /// The tables that are captured now.
    pub(crate) async fn captured(&mut self, capture: &Capture) -> Result<Vec<Table>, Error> {
        let found = catalog::tables(self.session().await?, capture).await;
        match found {
            Err(e) if matches!(e.kind(), ErrorKind::Io | ErrorKind::ServerUnavailable) => {
                self.session = None;
                catalog::tables(self.session().await?, capture).await
            }
            done => done,
        }
    }

    /// Runs a statement whose answer does not matter; the server ends it after `timeout`, as PostgreSQL writes times.
    pub(crate) async fn execute(&mut self, sql: &str, timeout: &str) -> Result<(), Error> {
        let session = self.session().await?;
        let result = async {
            session
                .query(&format!("SET statement_timeout = {}", quote_literal(timeout)))
                .await?;
            session.query(sql).await?;
            session.query("SET statement_timeout = 0").await
        };
        let result = result.await;
        // A statement with a BEGIN of its own leaves a failed transaction behind, in which nothing else would run.
        if result.is_err() {
            self.session = None;
        }
        result.map(|_| ())
    }

    async fn try_describe(&mut self, relation: &Relation) -> Result<Table, Error> {
        let oid = relation.oid;
        let found = catalog::table(self.session().await?, oid).await?;
        let table = catalog::merge(relation, found.as_ref());
        // Types are read once a run, as Debezium does: an enum's schema shows the labels of that time.
        let types = &self.types;
        let mut oids: Vec<u32> = table.columns.iter().map(|c| c.type_oid).collect();
        oids.retain(|oid| types.get(*oid).is_none());
        oids.sort_unstable();
        oids.dedup();
        if oids.is_empty() {
            return Ok(table);
        }
        let mut types = std::mem::take(&mut self.types);
        let loaded = match self.session().await {
            Ok(session) => catalog::types(session, &oids, &mut types).await,
            Err(e) => Err(e),
        };
        self.types = types;
        loaded.map(|()| table)
    }

    async fn session(&mut self) -> Result<&mut Session, Error> {
        if self.session.is_none() {
            self.session = Some(open_sql(&self.options).await?);
        }
        self.session
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::Io, "catalog connection is gone"))
    }
}
