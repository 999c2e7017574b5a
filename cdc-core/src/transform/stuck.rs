//! A record that does not get through converters and transforms.

use std::fmt;

use super::StepFailure;
use crate::convert::ConvertError;
use crate::{Error, ErrorKind, FailedStage, Failure, HeadRef};

/// Where and why a record does not get through: for an error that stops, and for a record that goes on as it came.
#[derive(Debug)]
pub struct Stuck {
    stage: FailedStage,
    reason: String,
    transient: bool,
    error: Error,
}

impl Stuck {
    /// A converter failed; `what` it could not do, as a clause.
    #[must_use]
    pub fn at_converter(stage: FailedStage, what: &str, head: HeadRef<'_>, cause: &ConvertError) -> Self {
        let transient = cause.is_transient();
        let error =
            Error::new(kind(transient), format!("{what}: {}", Place(head))).with_source(cause.clone());
        Self {
            stage,
            reason: format!("{what}: {cause}"),
            transient,
            error,
        }
    }

    /// A transform failed.
    #[must_use]
    pub fn at_step(failure: &StepFailure) -> Self {
        let transient = failure.reason.is_transient();
        Self {
            stage: FailedStage::Transformation,
            reason: format!("transform {}: {}", failure.step, failure.reason),
            transient,
            error: Error::new(kind(transient), failure.to_string()),
        }
    }

    /// Whether trying again later may help: the record is then neither left out nor handed on.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// The error that stops.
    #[must_use]
    pub fn into_error(self) -> Error {
        self.error
    }

    /// The reason that goes on with the record.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        Failure {
            stage: self.stage,
            reason: self.reason,
        }
    }
}

fn kind(transient: bool) -> ErrorKind {
    if transient {
        ErrorKind::SinkUnavailable
    } else {
        ErrorKind::Transform
    }
}

/// Which record it is.
struct Place<'a>(HeadRef<'a>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (topic, at) = (&self.0.topic.name, self.0.position);
        match self.0.partition {
            Some(partition) if at.commit_lsn.is_zero() => {
                write!(
                    f,
                    "record of topic {topic} at offset {} of partition {partition}",
                    at.seq
                )
            }
            _ => write!(
                f,
                "record of topic {topic} at position {}/{}",
                at.commit_lsn, at.seq
            ),
        }
    }
}
