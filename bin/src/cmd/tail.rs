//! `pgcdc tail URL`: a database's changes as Debezium events on standard output, and nothing left behind.

use anyhow::{Context, bail};
use cdc_core::engine::{Pipeline, PublicationMode, SnapshotMode, SourceOptions};
use cdc_core::envelope::Format;
use cdc_core::filter::{Capture, Filters, NameFilter};
use cdc_core::schema::Table;
use cdc_core::sink::LineForm;
use cdc_core::wire::{ConnectOptions, Purpose, Session, quote_ident, quote_literal};
use cdc_core::{Error, catalog};
use cdc_snapshot::{CopySnapshotter, SnapshotOptions};
use clap::Args as ClapArgs;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use super::runtime;
use crate::config::{LogConfig, LogFormat};
use crate::run::{self, assemble};

/// Arguments of `pgcdc tail`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Database: a postgres:// URL or libpq's `key=value` words. What is missing comes from PG* variables and ~/.pgpass.
    url: String,
    /// Only these tables: regular expressions on `schema.table`, separated by commas.
    #[arg(long, value_delimiter = ',')]
    tables: Vec<String>,
    /// Read the rows that are there first.
    #[arg(long)]
    snapshot: bool,
    /// Write the schema with every event, as Kafka Connect does by default.
    #[arg(long)]
    schemas: bool,
    /// Write topic, key and headers too, one object a line.
    #[arg(long)]
    records: bool,
    /// Use this publication instead of one made for the time being.
    #[arg(long)]
    publication: Option<String>,
    /// First element of topic names, and `source.name`.
    #[arg(long, default_value = "pgcdc")]
    prefix: String,
}

/// Follows the database until a signal.
///
/// # Errors
/// What keeps the stream from starting or going on.
pub fn run(args: &Args) -> anyhow::Result<()> {
    run::log::install(&LogConfig {
        level: "warn".into(),
        format: LogFormat::Auto,
    })?;
    runtime()?.block_on(follow(args))
}

async fn follow(args: &Args) -> anyhow::Result<()> {
    let connect = ConnectOptions::parse(&args.url).map_err(run::explain)?;
    let tables = NameFilter {
        include: args.tables.clone(),
        exclude: Vec::new(),
    };
    let capture = Capture::new(&Filters {
        tables,
        ..Filters::default()
    })
    .map_err(run::explain)?;
    let own = run::unique("pgcdc_tail");
    let mut source = SourceOptions::new(connect.clone(), &own, "");
    source.slot.temporary = true;
    source.snapshot = if args.snapshot {
        SnapshotMode::Initial
    } else {
        SnapshotMode::NoData
    };
    source.publication.mode = PublicationMode::Disabled;
    let made = match &args.publication {
        Some(name) => {
            source.publication.name.clone_from(name);
            None
        }
        None => {
            publish(&connect, &capture, &own).await?;
            source.publication.name.clone_from(&own);
            Some(own)
        }
    };
    let stop = CancellationToken::new();
    run::stop_on_signal(stop.clone())?;
    let result = stream(args, source, capture, stop).await;
    if let Some(name) = made {
        let dropped = unpublish(&connect, &name).await;
        dropped
            .map_err(run::explain)
            .with_context(|| format!("publication \"{name}\" is left behind: drop it"))?;
    }
    result.map_err(run::explain)
}

async fn stream(
    args: &Args,
    source: SourceOptions,
    capture: Capture,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut format = Format {
        topic_prefix: args.prefix.clone(),
        ..Format::default()
    };
    (format.key_schemas, format.value_schemas) = (args.schemas, args.schemas);
    let form = if args.records {
        LineForm::Record
    } else {
        LineForm::Value
    };
    let pipeline = Pipeline::builder(source)
        .format(format)
        .capture(capture)
        .snapshotter(Arc::new(CopySnapshotter::new(SnapshotOptions::default())?))
        .sink(assemble::to_stdout(form))
        .build()?;
    pipeline.run(stop).await
}

/// Makes a publication of the tables that can be published without harm: on one without a replica identity, the
/// application's own updates and deletes would fail.
async fn publish(connect: &ConnectOptions, capture: &Capture, name: &str) -> anyhow::Result<()> {
    let mut sql = Session::connect(connect, Purpose::Sql, "pgcdc tail")
        .await
        .map_err(run::explain)?;
    let tables = catalog::tables(&mut sql, capture).await.map_err(run::explain)?;
    let (safe, unsafe_): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|t| t.has_replica_identity());
    for t in unsafe_ {
        eprintln!(
            "left out {}.{}: it has no primary key and no replica identity",
            t.schema, t.name
        );
    }
    if safe.is_empty() {
        bail!("no table to follow: none matches, or none has a primary key or a replica identity");
    }
    let list = safe
        .iter()
        .map(|t| format!("{}.{}", quote_ident(&t.schema), quote_ident(&t.name)));
    let list = list.collect::<Vec<_>>().join(", ");
    let made = sql
        .query(&format!(
            "CREATE PUBLICATION {} FOR TABLE {list}",
            quote_ident(name)
        ))
        .await;
    made.map_err(run::explain).context(
        "cannot make a publication for the time being: name an existing one with --publication, or connect as the owner of the tables",
    )?;
    Ok(())
}

async fn unpublish(connect: &ConnectOptions, name: &str) -> Result<(), Error> {
    let mut sql = Session::connect(connect, Purpose::Sql, "pgcdc tail").await?;
    let found = format!(
        "SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = {}",
        quote_literal(name)
    );
    if !sql.query(&found).await?.rows.is_empty() {
        sql.query(&format!("DROP PUBLICATION {}", quote_ident(name)))
            .await?;
    }
    Ok(())
}
