//! `pgcdc validate`

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// Arguments of `pgcdc validate`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Configuration file: YAML, or a connector's .properties or .json file.
    pub file: PathBuf,
}

/// Checks a configuration file: syntax, keys, values, and the files that it takes secrets from.
///
/// # Errors
/// With every fault found.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let config = super::load(&args.file)?;
    println!("{}: pipeline `{}` is valid", args.file.display(), config.name);
    Ok(())
}
