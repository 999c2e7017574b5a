//! The `pgcdc` program.
#![deny(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pgcdc::cmd;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives freed memory back to the system at once. The allocator keeps it for a second, in which a stream that fills and empties
/// buffers comes to hold several times what it uses. `MIMALLOC_PURGE_DELAY` (milliseconds) in the environment comes first.
#[expect(
    unsafe_code,
    reason = "the allocator's options are set by its C interface only"
)]
fn give_memory_back() {
    // As mimalloc.h has it, version 3.
    // SAFETY: so it is declared there.
    unsafe extern "C" {
        fn mi_option_set_default(option: std::ffi::c_int, value: std::ffi::c_long);
    }
    /// `mi_option_purge_delay`.
    const PURGE_DELAY: std::ffi::c_int = 15;
    // SAFETY: stores a number among the allocator's options, at an index that they have; no other thread runs yet.
    unsafe { mi_option_set_default(PURGE_DELAY, 0) };
}

/// Change data capture from PostgreSQL to Kafka, Elasticsearch and OpenSearch, in Debezium's format.
#[derive(Debug, Parser)]
#[command(name = "pgcdc", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the pipeline that a file describes.
    Run(cmd::run::Args),
    /// Looks at everything a pipeline needs and says what to do, with the SQL for the database's owner.
    Doctor(cmd::doctor::Args),
    /// Follows a database: its changes as events on standard output.
    Tail(cmd::tail::Args),
    /// Looks at, makes or drops the replication slot.
    Slot(cmd::slot::Args),
    /// Looks at, moves or clears the stored position.
    Offsets(cmd::offsets::Args),
    /// Shows what a run would make in the index, or builds an index anew beside the old one.
    Index(cmd::index::Args),
    /// Checks a configuration file without connecting anywhere.
    Validate(cmd::validate::Args),
    /// Prints the YAML equivalent of a Debezium connector's properties or JSON.
    Import(cmd::import::Args),
    /// Prints the JSON Schema of the configuration file.
    Schema,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => cmd::run::run(&args, give_memory_back),
        Command::Doctor(args) => cmd::doctor::run(&args),
        Command::Tail(args) => cmd::tail::run(&args),
        Command::Slot(args) => cmd::slot::run(&args),
        Command::Offsets(args) => cmd::offsets::run(&args),
        Command::Index(args) => cmd::index::run(&args),
        Command::Validate(args) => cmd::validate::run(&args),
        Command::Import(args) => cmd::import::run(&args),
        Command::Schema => cmd::schema::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
