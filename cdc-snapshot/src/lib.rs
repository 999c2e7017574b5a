//! The initial snapshot: tables as they stood at the position where streaming begins.
//!
//! `begin` opens connections and lets each take the same exported snapshot; then workers read whole tables by
//! `COPY … TO STDOUT`, encode the rows as `op r`, and an ordering stage gives the last row of each table its marker.
//!
//! `chunk` reads tables in chunks beside the stream, for incremental snapshots.
//!
//! A row goes: `reader` (one table by COPY) → `copy_text` (a line to column values) → the core's encoder → `order`.
#![forbid(unsafe_code)]

mod chunk;
mod copy_text;
mod options;
mod order;
mod reader;
mod select;
mod worker;

pub use options::SnapshotOptions;
pub use reader::CopySnapshotter;
