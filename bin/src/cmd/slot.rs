//! `pgcdc slot`: looks at, makes and drops the replication slot of a pipeline.

use std::path::PathBuf;

use anyhow::{Context, bail};
use cdc_core::engine::SourceOptions;
use cdc_core::wire::{CreateSlot, Purpose, Session, SlotSnapshot, quote_literal};
use clap::{Args as ClapArgs, Subcommand};

use super::{load, runtime};
use crate::run::{assemble, explain};

/// Arguments of `pgcdc slot`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows the slot's position and health.
    Status {
        /// Configuration: YAML or a connector's file.
        file: PathBuf,
    },
    /// Makes the slot, so that changes are kept from now on.
    Create {
        /// Configuration: YAML or a connector's file.
        file: PathBuf,
    },
    /// Drops the slot: changes that nobody has read are gone.
    Drop {
        /// Configuration: YAML or a connector's file.
        file: PathBuf,
        /// Says that this is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// The server's refusal.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (Action::Status { file } | Action::Create { file } | Action::Drop { file, .. }) = &args.action;
    let config = load(file)?;
    let source = config
        .source
        .as_ref()
        .context("the configuration has no source")?;
    let connect = source.connect.clone();
    let options = assemble::source_options(source, connect);
    runtime()?.block_on(async {
        match &args.action {
            Action::Status { .. } => status(&options).await,
            Action::Create { .. } => create(&options).await,
            Action::Drop { yes, .. } => drop_slot(&options, *yes).await,
        }
    })
}

async fn status(o: &SourceOptions) -> anyhow::Result<()> {
    let mut sql = Session::connect(&o.connect, Purpose::Sql, "pgcdc slot")
        .await
        .map_err(explain)?;
    let query = format!(
        "SELECT s.plugin, s.database, s.active, s.wal_status, s.restart_lsn, s.confirmed_flush_lsn, s.safe_wal_size, \
         pg_catalog.pg_size_pretty(pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() \
           THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn)) AS kept_wal \
         FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = {}",
        quote_literal(&o.slot.name)
    );
    let rows = sql.query(&query).await.map_err(explain)?;
    let Some(row) = rows.rows.first() else {
        bail!("slot \"{}\" does not exist", o.slot.name)
    };
    println!("{:<20} {}", "slot", o.slot.name);
    for (name, value) in rows.columns.iter().zip(row) {
        println!("{name:<20} {}", value.as_deref().unwrap_or("-"));
    }
    Ok(())
}

async fn create(o: &SourceOptions) -> anyhow::Result<()> {
    let mut session = Session::connect(&o.connect, Purpose::Replication, "pgcdc slot")
        .await
        .map_err(explain)?;
    let create = CreateSlot {
        name: o.slot.name.clone(),
        temporary: false,
        snapshot: SlotSnapshot::Nothing,
        two_phase: false,
        failover: o.slot.failover,
    };
    let created = session.create_slot(&create).await.map_err(explain)?;
    println!("slot \"{}\" stands at {}", o.slot.name, created.consistent_point);
    Ok(())
}

async fn drop_slot(o: &SourceOptions, yes: bool) -> anyhow::Result<()> {
    if !yes {
        bail!(
            "dropping slot \"{}\" loses every change that has not been read: say --yes if that is meant",
            o.slot.name
        );
    }
    let mut session = Session::connect(&o.connect, Purpose::Replication, "pgcdc slot")
        .await
        .map_err(explain)?;
    session.drop_slot(&o.slot.name, false).await.map_err(explain)?;
    println!("slot \"{}\" is dropped", o.slot.name);
    Ok(())
}
