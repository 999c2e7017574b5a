//! `pgcdc index`: what a run would make there, and an index built anew.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, Subcommand};

use super::{load, runtime};
use crate::index::{plan, rebuild, reset};
use crate::run::explain;

/// Arguments of `pgcdc index`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Prints the requests that a run would send before its first documents. Changes nothing.
    Plan {
        /// Configuration: YAML or a connector's file.
        file: PathBuf,
    },
    /// Builds a new index beside the old one from the topic or the table, while the pipeline goes on; compares both; then
    /// switches the alias. The old index stays.
    Rebuild {
        /// Configuration: YAML or a connector's file, with the settings and mappings that the new index is to have.
        file: PathBuf,
        /// The topic whose index it is, and that fills the new one unless --table does.
        #[arg(long, required_unless_present = "table")]
        topic: Option<String>,
        /// Fills the new index from this table, as SCHEMA.TABLE, instead of from the topic. Repeat it where several tables
        /// share an index.
        #[arg(long, value_name = "SCHEMA.TABLE")]
        table: Vec<String>,
        /// Name of the new index. Default: the alias's name with the time behind it.
        #[arg(long)]
        new_index: Option<String>,
        /// Switches the alias although the new mapping makes documents differ: compares `_id` and version only, or with
        /// --table `_id` only.
        #[arg(long)]
        ignore_content: bool,
        /// Switches the alias whatever the comparison finds, such as where the old index has lost documents.
        #[arg(long)]
        accept_differences: bool,
        /// Leaves the alias as it is, to be switched by hand.
        #[arg(long)]
        no_switch: bool,
        /// Longest wait for the new index to catch up, in seconds.
        #[arg(long, default_value_t = 86_400)]
        patience: u64,
    },
    /// Moves the consumer group of the index stage, which must not run: what it reads next. Prints where it is and where it
    /// would be.
    Reset {
        /// Configuration: YAML or a connector's file.
        file: PathBuf,
        /// `earliest`, `latest`, or a time such as 2026-01-31T12:00:00Z: the first records with that timestamp or a later one.
        #[arg(long, value_name = "PLACE")]
        to: reset::Place,
        /// Says that this is meant.
        #[arg(long)]
        yes: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// What cannot be read or is refused; for a rebuild, that the two indexes differ.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let (Action::Plan { file } | Action::Rebuild { file, .. } | Action::Reset { file, .. }) = &args.action;
    let config = load(file)?;
    crate::run::log::install(&config.log)?;
    if config.index.is_none() {
        bail!("this pipeline has no index: there is nothing to plan, rebuild or reset");
    }
    runtime()?.block_on(async {
        match &args.action {
            Action::Reset { to, yes, .. } => reset::run(&config, *to, *yes).await.map_err(explain),
            Action::Plan { .. } => plan::print(&config).await.context("the plan cannot be made"),
            Action::Rebuild {
                topic,
                table,
                new_index,
                ignore_content,
                accept_differences,
                no_switch,
                patience,
                ..
            } => {
                let order = rebuild::Order {
                    topic: topic.clone(),
                    tables: table.clone(),
                    new_index: new_index.clone(),
                    content: !ignore_content,
                    accept_differences: *accept_differences,
                    switch: !no_switch,
                    patience: Duration::from_secs(*patience),
                };
                rebuild::run(&config, &order).await.map_err(explain)
            }
        }
    })
}
