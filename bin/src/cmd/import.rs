//! `pgcdc import`

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};

use crate::config::load::environment;
use crate::import::{Form, Imported};

/// Arguments of `pgcdc import`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Connector file: properties, the JSON of Connect's REST API, or Debezium Server's application.properties; `-` reads
    /// standard input.
    pub file: PathBuf,
    /// Form of the file; by its first character when not given.
    #[arg(long, value_enum)]
    pub format: Option<FileForm>,
    /// Write passwords and salts into the output instead of `${NAME}` references.
    #[arg(long)]
    pub with_secrets: bool,
}

/// Form of a connector file.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FileForm {
    /// `key=value` lines.
    Properties,
    /// A JSON object.
    Json,
}

/// Prints the YAML on standard output, and on standard error what became of properties that it does not show.
///
/// # Errors
/// When a property is unknown, refused or wrong: all of them are named.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let name = args.file.display();
    let text = if args.file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        text
    } else {
        std::fs::read_to_string(&args.file).with_context(|| format!("cannot read {name}"))?
    };
    let form = args.format.map(|f| match f {
        FileForm::Properties => Form::Properties,
        FileForm::Json => Form::Json,
    });
    let refused = |e: crate::import::ImportError| anyhow::anyhow!("{name} cannot be imported:\n{e}");
    let imported = Imported::read(&text, form, &environment()).map_err(refused)?;
    for note in imported.notes() {
        eprintln!("note: {note}");
    }
    if !args.with_secrets {
        for variable in imported.variables() {
            eprintln!(
                "note: the variable {variable} stands for a secret of the file: set it for `pgcdc run`"
            );
        }
    }
    std::io::stdout().write_all(imported.yaml(args.with_secrets).as_bytes())?;
    Ok(())
}
