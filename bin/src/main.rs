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
    /// Checks a configuration file without connecting anywhere.
    Validate(cmd::validate::Args),
    /// Prints the YAML equivalent of a Debezium connector's properties or JSON.
    Import(cmd::import::Args),
    /// Prints the JSON Schema of the configuration file.
    Schema,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
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
