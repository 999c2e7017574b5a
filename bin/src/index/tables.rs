//! The captured tables, with the topics that their rows go to.

use std::sync::Arc;

use cdc_core::envelope::Encoder;
use cdc_core::schema::{Table, TypeCatalog};
use cdc_core::wire::Session;
use cdc_core::{Error, catalog};

use crate::config::Validated;

/// A captured table.
#[derive(Debug)]
pub(crate) struct Captured {
    /// As the catalog describes it.
    pub(crate) table: Table,
    /// Topic of its rows, before any transform.
    pub(crate) topic: String,
    /// Schema of their values, as the encoder would write it.
    pub(crate) value_schema: Vec<u8>,
}

/// Asks the catalog for the tables that the configuration captures.
///
/// # Errors
/// Those of [`catalog::tables`] and of [`Encoder::plan`].
pub(crate) async fn captured(
    config: &Validated,
    database: &str,
    sql: &mut Session,
) -> Result<Vec<Captured>, Error> {
    let tables = catalog::tables(sql, &config.capture).await?;
    let oids: Vec<_> = tables
        .iter()
        .flat_map(|t| t.columns.iter().map(|c| c.type_oid))
        .collect();
    let mut types = TypeCatalog::default();
    catalog::types(sql, &oids, &mut types).await?;
    let encoder = Encoder::new(
        Arc::new(config.format.clone()),
        Arc::new(config.capture.clone()),
        database,
    )?;
    let mut found = Vec::new();
    for table in tables {
        if let Some(plan) = encoder.plan(&table, &types)? {
            let mut value_schema = Vec::new();
            plan.value_schema().render(None, &mut value_schema);
            found.push(Captured {
                topic: plan.topic().name.clone(),
                table,
                value_schema,
            });
        }
    }
    Ok(found)
}
