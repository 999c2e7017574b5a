//! What the `pgcdc` program is made of besides the crates below it: configuration, import of Debezium's properties, and
//! the commands.
#![forbid(unsafe_code)]

pub mod cmd;
pub mod config;
pub mod doctor;
#[doc(hidden)]
pub mod fuzzing;
pub mod import;
pub mod index;
pub mod run;
