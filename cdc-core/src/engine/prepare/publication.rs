//! The publication: found, created or brought to the captured set.

use crate::engine::options::{PublicationMode, SourceOptions};
use crate::schema::Table;
use crate::wire::{Session, quote_ident, quote_literal};
use crate::{Error, ErrorKind};

use super::scalar;

/// Sees to the publication, and warns of tables that would do harm in it.
pub(super) async fn ensure(sql: &mut Session, o: &SourceOptions, tables: &[Table]) -> Result<(), Error> {
    warn_without_identity(tables);
    let p = &o.publication;
    let name = quote_ident(&p.name);
    let find = format!(
        "SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = {}",
        quote_literal(&p.name)
    );
    let found = scalar(sql, &find).await?;
    let list = || {
        let names = tables
            .iter()
            .map(|t| format!("{}.{}", quote_ident(&t.schema), quote_ident(&t.name)));
        names.collect::<Vec<_>>().join(", ")
    };
    if let Some(all) = found {
        if p.mode == PublicationMode::Filtered
            && all != "t"
            && !tables.is_empty()
            && differs(sql, o, tables).await?
        {
            sql.query(&format!("ALTER PUBLICATION {name} SET TABLE {}", list()))
                .await?;
        }
        return Ok(());
    }
    let scope = match p.mode {
        PublicationMode::Disabled => {
            let context = format!(
                "publication \"{}\" does not exist in database \"{}\"",
                p.name,
                o.connect.database()
            );
            return Err(Error::new(ErrorKind::Publication, context));
        }
        PublicationMode::Filtered if tables.is_empty() => {
            let context = format!(
                "no table matches the filters, so publication \"{}\" would be empty",
                p.name
            );
            return Err(Error::new(ErrorKind::Publication, context).with_hint("correct the table filters"));
        }
        PublicationMode::Filtered => format!(" FOR TABLE {}", list()),
        PublicationMode::AllTables => " FOR ALL TABLES".to_owned(),
        PublicationMode::NoTables => String::new(),
    };
    let mut with = Vec::new();
    if p.via_partition_root {
        with.push("publish_via_partition_root = true".to_owned());
    }
    if let Some(publish) = &p.publish {
        with.push(format!("publish = {}", quote_literal(publish)));
    }
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(" WITH ({})", with.join(", "))
    };
    sql.query(&format!("CREATE PUBLICATION {name}{scope}{with}"))
        .await?;
    tracing::info!(publication = %p.name, "created the publication");
    Ok(())
}

/// Whether the publication's own table list is another than the captured set.
async fn differs(sql: &mut Session, o: &SourceOptions, tables: &[Table]) -> Result<bool, Error> {
    let query = format!(
        "SELECT r.prrelid FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE p.pubname = {}",
        quote_literal(&o.publication.name)
    );
    let rows = sql.query(&query).await?.rows;
    let mut have: Vec<u32> = rows
        .iter()
        .filter_map(|r| r.first()?.as_deref()?.parse().ok())
        .collect();
    let mut want: Vec<u32> = tables.iter().map(|t| t.oid).collect();
    have.sort_unstable();
    want.sort_unstable();
    Ok(have != want)
}

/// The server refuses updates and deletes of published tables that have no replica identity: the application would be hurt,
/// not the pipeline.
fn warn_without_identity(tables: &[Table]) {
    for table in tables.iter().filter(|t| !t.has_replica_identity()) {
        tracing::warn!(
            table = %format_args!("{}.{}", table.schema, table.name),
            advice = "add a primary key, or ALTER TABLE … REPLICA IDENTITY FULL, or exclude the table",
            "a captured table has no replica identity: while it is published, the server refuses its updates and deletes"
        );
    }
}
