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

/// Runs until a signal. `give_back` has the allocator give freed memory back to the system at once; it is called before there are
/// other threads, and only where an index is filled from Kafka: the way to Kafka took 7.6 us of CPU time an event with it, 4.3 without.
///
/// # Errors
/// The configuration's faults, or the pipeline's failure.
pub fn run(args: &Args, give_back: impl FnOnce()) -> anyhow::Result<()> {
    let config = load(&args.file)?;
    if config.source.is_none() {
        give_back();
    }
    run::log::install(&config.log)?;
    runtime()?.block_on(run::run(config))
}
