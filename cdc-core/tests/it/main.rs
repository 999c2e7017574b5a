//! Tests against real servers; `make test` starts them and sets the variables that say where they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod catalog;
mod engine;
mod own_server;
mod pgoutput;
mod server;
mod wire_login;
mod wire_session;
mod wire_stream;
