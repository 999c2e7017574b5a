//! Tests of the program from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what fails here fails the test"
)]

mod bench;
mod config;
mod connector;
mod docs;
mod errors;
mod import;
mod import_converters;
mod import_sink;
mod incremental;
mod index_errors;
mod index_letters;
mod index_rebuild;
mod lookups;
mod relay;
mod runs;
mod search;
mod unrepresentable;
