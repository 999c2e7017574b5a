//! The index as a whole: what a run would make there, and an index built anew beside the old one.

mod filling;
pub mod plan;
pub mod rebuild;
pub(crate) mod tables;
