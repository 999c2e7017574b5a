//! `pgcdc doctor FILE`: looks at everything the pipeline needs and says what to do.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args as ClapArgs;

use super::{load, runtime};
use crate::{doctor, run};

/// Arguments of `pgcdc doctor`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Configuration: YAML or a connector's file.
    file: PathBuf,
}

/// Prints the report.
///
/// # Errors
/// If the pipeline could not run as things stand.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = load(&args.file)?;
    let report = runtime()?
        .block_on(doctor::examine(&config))
        .map_err(run::explain)?;
    print!("{report}");
    if !report.is_healthy() {
        bail!("the pipeline cannot run as things stand: see FAILED above");
    }
    Ok(())
}
