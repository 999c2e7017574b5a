//! Log lines: text on a terminal, JSON elsewhere.

use std::io::IsTerminal;

use anyhow::anyhow;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::prelude::*;

use crate::config::{LogConfig, LogFormat};

/// Variable that overrides `log.level`.
const VARIABLE: &str = "PGCDC_LOG";

/// Installs the subscriber, once a process. Lines go to standard error: standard output may carry events.
///
/// # Errors
/// `log.level`, or the variable, is no filter.
pub fn install(config: &LogConfig) -> anyhow::Result<()> {
    let (from, level) = match std::env::var(VARIABLE) {
        Ok(level) if !level.is_empty() => (VARIABLE, level),
        _ => ("log.level", config.level.clone()),
    };
    let filter = EnvFilter::try_new(level)
        .map_err(|e| anyhow!("{from}: {e}: write a level such as `info`, or `info,cdc_core=debug`"))?;
    let json = match config.format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second call (a test, an embedding program) keeps the subscriber that is there.
    let installed = if json {
        registry.with(layer.json().flatten_event(true)).try_init()
    } else {
        registry.with(layer.with_target(false).compact()).try_init()
    };
    drop(installed);
    Ok(())
}
