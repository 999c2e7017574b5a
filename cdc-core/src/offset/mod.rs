//! Where positions are kept.
//!
//! Every store keeps the bytes of [`record`]. A crash leaves the former offset or the new one, never half of one.

mod file;
mod memory;
mod postgres;
pub mod record;

pub use file::FileStore;
pub use memory::MemoryStore;
pub use postgres::PostgresStore;
