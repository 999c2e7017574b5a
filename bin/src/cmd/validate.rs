//! `pgcdc validate`

use std::path::PathBuf;

use clap::Args as ClapArgs;

use crate::config;

/// Arguments of `pgcdc validate`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Configuration file (YAML).
    pub file: PathBuf,
}

/// Checks a configuration file: syntax, keys, values, and the files that it takes secrets from.
///
/// # Errors
/// With every fault found.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = config::load::from_path(&args.file)?;
    println!("{}: pipeline `{}` is valid", args.file.display(), config.name);
    Ok(())
}
