//! What several benches measure.

pub mod rows;
