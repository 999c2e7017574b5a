//! Builders of what a server sends, for tests, benches and fuzz targets. Behind the feature `testkit`.
//!
//! Written apart from the decoders, straight from the protocol's description: a round trip through both proves
//! something. The builders panic on what cannot be sent, such as a name with a NUL in it.

pub mod capture;
pub mod pgoutput;
