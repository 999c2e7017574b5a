//! Publication, replica identities, privileges, row security.

use cdc_core::Error;
use cdc_core::engine::{PublicationMode, SourceOptions};
use cdc_core::schema::Table;
use cdc_core::wire::{Session, quote_literal};

use super::report::Report;
use super::server::{first, text};

/// Names shown before "and n more".
const SHOWN: usize = 8;

pub(super) async fn publication(
    sql: &mut Session,
    o: &SourceOptions,
    tables: &[Table],
    report: &mut Report,
) -> Result<(), Error> {
    let name = &o.publication.name;
    let query = format!(
        "SELECT p.pubinsert, p.pubupdate, p.pubdelete FROM pg_catalog.pg_publication p WHERE p.pubname = {}",
        quote_literal(name)
    );
    let Some(row) = sql.query(&query).await?.rows.into_iter().next() else {
        let text = format!("\"{name}\" does not exist");
        if o.publication.mode == PublicationMode::Disabled {
            report.fail(
                "publication",
                text,
                Some("run the CREATE PUBLICATION below".into()),
            );
        } else {
            let advice = "the first run tries to create it, which needs ownership of the tables; otherwise run the SQL below";
            report.warn("publication", text, advice);
        }
        return Ok(());
    };
    report.has_publication = true;
    let silent: Vec<&str> = [("inserts", 0), ("updates", 1), ("deletes", 2)]
        .iter()
        .filter(|(_, i)| text(&row, *i) != "t")
        .map(|(what, _)| *what)
        .collect();
    if !silent.is_empty() {
        let text = format!("\"{name}\" does not publish {}", silent.join(", "));
        report.warn(
            "publication",
            text,
            "ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate')",
        );
    }
    let query = format!(
        "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = {}",
        quote_literal(name)
    );
    let rows = sql.query(&query).await?.rows;
    let published: Vec<(String, String)> = rows.iter().map(|r| (text(r, 0), text(r, 1))).collect();
    let missing: Vec<String> = tables
        .iter()
        .filter(|t| !published.iter().any(|(s, n)| *s == t.schema && *n == t.name))
        .map(full_name)
        .collect();
    if tables.is_empty() {
        report.fail(
            "tables",
            "no table matches the filters",
            Some("correct source.tables or source.schemas".into()),
        );
    } else if missing.is_empty() {
        report.ok(
            "publication",
            format!("\"{name}\" covers all {} captured tables", tables.len()),
        );
    } else if o.publication.mode == PublicationMode::Filtered {
        let text = format!("\"{name}\" lacks {}", shown(&missing));
        report.warn(
            "publication",
            text,
            "the next run adds them, if its role owns the publication and the tables",
        );
    } else {
        let text = format!(
            "\"{name}\" lacks {}: their changes will not come",
            shown(&missing)
        );
        report.warn("publication", text, "ALTER PUBLICATION … ADD TABLE …, or exclude the tables (partitions may be covered by their root)");
    }
    Ok(())
}

pub(super) fn identities(tables: &[Table], report: &mut Report) {
    let bare: Vec<String> = tables
        .iter()
        .filter(|t| !t.has_replica_identity())
        .map(full_name)
        .collect();
    if bare.is_empty() {
        report.ok("replica identity", "every captured table has one");
        return;
    }
    let text = format!(
        "none on {}: once published, the application's own updates and deletes there fail",
        shown(&bare)
    );
    report.warn(
        "replica identity",
        text,
        "add a primary key, or ALTER TABLE … REPLICA IDENTITY FULL, or exclude the table",
    );
}

pub(super) async fn privileges(
    sql: &mut Session,
    tables: &[Table],
    report: &mut Report,
) -> Result<(), Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let oids = tables
        .iter()
        .map(|t| t.oid.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let query = format!(
        "SELECT n.nspname || '.' || c.relname, \
         pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') \
           OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT')), \
         pg_catalog.row_security_active(c.oid) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN ({oids})"
    );
    let rows = sql.query(&query).await?.rows;
    let names = |wanted: &dyn Fn(&[Option<String>]) -> bool| {
        rows.iter()
            .filter(|r| wanted(r.as_slice()))
            .map(|r| text(r, 0))
            .collect::<Vec<String>>()
    };
    let closed = names(&|r| text(r, 1) != "t");
    if closed.is_empty() {
        report.ok("privileges", "every captured table can be read for the snapshot");
    } else {
        let text = format!("no SELECT on {}: the snapshot cannot read them", shown(&closed));
        report.fail("privileges", text, Some("run the GRANTs below".into()));
    }
    let hidden = names(&|r| text(r, 2) == "t");
    if !hidden.is_empty() {
        let text = format!(
            "row security hides rows of {} from the snapshot, but not from the stream",
            shown(&hidden)
        );
        report.fail(
            "row security",
            text,
            Some("ALTER ROLE … BYPASSRLS (a superuser must do it), or exclude the tables".into()),
        );
    }
    let standby = first(sql, "SELECT pg_catalog.pg_is_in_recovery()").await?;
    if text(&standby, 0) == "t" {
        report.warn(
            "standby",
            "the server is a standby",
            "connect to the primary, or use PostgreSQL 16 or later for decoding on standbys",
        );
    }
    Ok(())
}

fn full_name(t: &Table) -> String {
    format!("{}.{}", t.schema, t.name)
}

fn shown(names: &[String]) -> String {
    let head = names
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => format!("{head} and {more} more"),
        _ => head,
    }
}
