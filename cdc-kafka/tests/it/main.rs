//! Tests against a real broker, named by `PGCDC_TEST_KAFKA` (`host:port`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod offsets;
mod secured;
mod sink;
mod source;
