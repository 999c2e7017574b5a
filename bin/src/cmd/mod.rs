//! The commands, one module each: its arguments, and a `run` that the program calls.

pub mod import;
pub mod schema;
pub mod validate;
