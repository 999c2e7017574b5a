//! The `pgcdc` program.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pgcdc::cmd;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
        Command::Run(args) => cmd::run::run(&args),
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
