//! Where positions are kept.

pub mod record;
