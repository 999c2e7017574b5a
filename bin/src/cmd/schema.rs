//! `pgcdc schema`

use std::io::Write;

use crate::config;

/// Prints the JSON Schema of the configuration file.
///
/// # Errors
/// When standard output cannot be written.
pub fn run() -> anyhow::Result<()> {
    std::io::stdout().write_all(config::schema::json().as_bytes())?;
    Ok(())
}
