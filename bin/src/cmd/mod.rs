//! The commands, one module each: its arguments, and a `run` that the program calls.

pub mod doctor;
pub mod import;
pub mod index;
pub mod offsets;
pub mod run;
pub mod schema;
pub mod slot;
pub mod tail;
pub mod validate;

use std::path::Path;

use anyhow::{Context, anyhow};

use crate::config::{self, Validated};
use crate::import::Imported;

/// Reads a configuration: YAML, or a connector's properties or JSON, told apart by the name's ending.
///
/// # Errors
/// With every fault found.
pub fn load(path: &Path) -> anyhow::Result<Validated> {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !matches!(ending, "properties" | "json") {
        return Ok(config::load::from_path(path)?);
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let imported = Imported::read(&text, None, &config::load::environment());
    let imported = imported.map_err(|e| anyhow!("{}:\n{e}", path.display()))?;
    for note in imported.notes() {
        // The log is not set up yet: what it looks like stands in this very file.
        eprintln!("note: {note}");
    }
    imported
        .validated()
        .map_err(|e| anyhow!("{}:\n{e}", path.display()))
}

/// Two workers: one for the stream, one for everything else. librdkafka has threads of its own.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}
