//! What can go wrong with a value.

use crate::error::{Error, ErrorKind};
use std::sync::Arc;

/// A value that cannot be represented. It names column and type, never the value.
#[derive(Clone, Debug, thiserror::Error)]
#[error("column {column} of type {type_name}: {reason}")]
pub struct ValueError {
    column: Arc<str>,
    type_name: Arc<str>,
    reason: &'static str,
}

impl ValueError {
    pub(super) fn new(column: &Arc<str>, type_name: &Arc<str>, reason: &'static str) -> Self {
        Self {
            column: Arc::clone(column),
            type_name: Arc::clone(type_name),
            reason,
        }
    }

    /// The column's name.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.column
    }

    /// What is wrong, without the value.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl From<ValueError> for Error {
    fn from(e: ValueError) -> Self {
        Error::new(ErrorKind::Value, e.to_string())
    }
}

/// Why a codec wrote no value. Codecs know neither column nor type; the column's writer adds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is not what the type's output function writes, or the value is outside the representation's range.
    Malformed(&'static str),
    /// The representation has no form for this value: Debezium writes null, and so do we, but counted.
    Lost(&'static str),
    /// The array is written, but for elements that have no form: these are null.
    LostElement(&'static str),
}

pub(crate) type Written = Result<(), Fault>;
