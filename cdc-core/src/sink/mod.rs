//! Sinks that need no other system: a function, nothing, lines of JSON.

mod for_each;
mod lines;

pub use for_each::ForEach;
pub use lines::{LineForm, Lines};
