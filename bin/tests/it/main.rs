//! Tests of the program from outside.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod config;
mod docs;
mod import;
mod import_sink;
