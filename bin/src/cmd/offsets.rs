//! `pgcdc offsets`: looks at, sets and clears the stored position of a pipeline.

use std::path::PathBuf;

use anyhow::{Context, bail};
use cdc_core::Lsn;
use cdc_core::offset::record;
use cdc_core::seam::{OffsetStore, PipelineKey};
use clap::{Args as ClapArgs, Subcommand};

use super::{load, runtime};
use crate::config::OffsetsConfig;
use crate::run::{assemble, explain};

/// Arguments of `pgcdc offsets`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Prints the stored offset as JSON.
    Show {
        /// Configuration: YAML or a connector's file.
        file: PathBuf,
    },
    /// Moves the position where streaming starts. Changes between the old and a later position are left out.
    Set {
        /// Configuration: YAML or a connector's file.
        file: PathBuf,
        /// WAL position as the server prints it, such as 16/B374D848: the end of a commit.
        #[arg(long)]
        lsn: Lsn,
        /// Says that this is meant.
        #[arg(long)]
        yes: bool,
    },
    /// Forgets the offset: the next run begins anew.
    Clear {
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
/// The store's refusal.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (Action::Show { file } | Action::Set { file, .. } | Action::Clear { file, .. }) = &args.action;
    let config = load(file)?;
    if matches!(config.offsets, OffsetsConfig::Memory) {
        bail!("this pipeline keeps its offsets in memory: there is nothing to look at");
    }
    let source = config
        .source
        .as_ref()
        .context("the configuration has no source")?;
    let connect = source.connect.clone();
    let key = PipelineKey {
        pipeline: config.name.clone(),
        server: config.format.topic_prefix.clone(),
    };
    let open = assemble::offsets(&config, &connect, &key).map_err(explain)?;
    runtime()?.block_on(async {
        let mut store = open().await.map_err(explain)?;
        match &args.action {
            Action::Show { .. } => show(store.as_mut(), &key).await,
            Action::Set { lsn, yes, .. } => set(store.as_mut(), *lsn, *yes).await,
            Action::Clear { yes, .. } => clear(store.as_mut(), *yes).await,
        }
    })
}

async fn show(store: &mut dyn OffsetStore, key: &PipelineKey) -> anyhow::Result<()> {
    match store.load().await.map_err(explain)? {
        Some(offset) => println!("{}", String::from_utf8_lossy(&record::encode(key, &offset))),
        None => println!("no offset is stored"),
    }
    Ok(())
}

async fn set(store: &mut dyn OffsetStore, lsn: Lsn, yes: bool) -> anyhow::Result<()> {
    let Some(mut offset) = store.load().await.map_err(explain)? else {
        bail!("no offset is stored: run the pipeline once first")
    };
    let was = offset.checkpoint.resume_lsn;
    if !yes {
        bail!(
            "moving the offset from {was} to {lsn} may leave changes out or repeat them: say --yes if that is meant"
        );
    }
    offset.checkpoint.resume_lsn = lsn;
    offset.checkpoint.position = cdc_core::Position::default();
    store.save(&offset).await.map_err(explain)?;
    println!("moved from {was} to {lsn}");
    Ok(())
}

async fn clear(store: &mut dyn OffsetStore, yes: bool) -> anyhow::Result<()> {
    if !yes {
        bail!(
            "without its offset the pipeline begins anew, with a snapshot if its mode says so: say --yes if that is meant"
        );
    }
    store.clear().await.map_err(explain)?;
    println!("the offset is cleared");
    Ok(())
}
