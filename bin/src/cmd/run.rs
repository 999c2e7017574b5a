//! `pgcdc run FILE`: runs the pipeline that a file describes.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{load, runtime};
use crate::run;

/// Arguments of `pgcdc run`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Configuration: YAML, or a connector's properties or JSON file as Kafka Connect and Debezium Server read it.
    file: PathBuf,
}

/// Runs until a signal.
///
/// # Errors
/// The configuration's faults, or the pipeline's failure.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = load(&args.file)?;
    run::log::install(&config.log)?;
    runtime()?.block_on(run::run(config))
}
