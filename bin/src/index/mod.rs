//! The index as a whole: what a run would make there, an index built anew beside the old one, and from where it is filled.

mod filling;
pub mod plan;
pub mod rebuild;
pub mod reset;
pub(crate) mod tables;
mod writer;
