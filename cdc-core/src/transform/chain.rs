//! Transforms in order, each under its predicate.

use std::fmt;
use std::sync::Arc;

use super::predicate::Predicate;
use super::{HeaderUse, Transform, TransformError};
use crate::record::{Header, Record};
use crate::{Position, Topic};

/// One transform of a chain.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: Arc<str>,
    /// Predicate, and whether the transform applies where it does not hold.
    pub(super) when: Option<(Predicate, bool)>,
    pub(super) transform: Box<dyn Transform>,
}

/// Transforms in order. A clone has state of its own.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    steps: Vec<Step>,
}

/// A transform that failed on a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepFailure {
    /// Name of the transform.
    pub step: Arc<str>,
    /// Topic that the record came to the chain with.
    pub topic: Arc<Topic>,
    /// Position of the record.
    pub position: Position,
    /// Why.
    pub reason: TransformError,
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.position;
        write!(
            f,
            "transform {} failed on a record of topic {} at ",
            self.step, self.topic.name
        )?;
        if at.commit_lsn.is_zero() {
            write!(f, "offset {}", at.seq)?;
        } else {
            write!(f, "position {}/{}", at.commit_lsn, at.seq)?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for StepFailure {}

impl Chain {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// Whether there is no transform.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Gives the transforms what sends their requests.
    pub fn connect(&mut self, search: &Arc<dyn super::mosip::Search>) {
        for step in &mut self.steps {
            step.transform.connect(search);
        }
    }

    /// Sends a record through all transforms; none if one of them dropped it.
    ///
    /// # Errors
    /// Which transform failed, on which record and why.
    pub fn apply(&mut self, record: Record) -> Result<Option<Record>, StepFailure> {
        self.apply_sharing(record, None)
    }

    /// As [`apply`](Self::apply); adds to `shared` the headers that the record's tombstone has from it, see [`HeaderUse`].
    ///
    /// # Errors
    /// As `apply`.
    pub fn apply_sharing(
        &mut self,
        record: Record,
        mut shared: Option<&mut Vec<Header>>,
    ) -> Result<Option<Record>, StepFailure> {
        let (topic, position) = (Arc::clone(&record.head.topic), record.head.position);
        let mut record = record;
        for step in &mut self.steps {
            if let Some((predicate, negate)) = &step.when
                && predicate.holds(&record) == *negate
            {
                continue;
            }
            let (headers, with_headers) = (record.headers.len(), step.transform.header_use());
            // Only a delete with a tombstone asks for it.
            let before = shared.as_ref().map(|_| Arc::clone(&record.head.topic));
            match step.transform.apply(record) {
                Ok(Some(changed)) => {
                    if let Some(shared) = &mut shared
                        && matches!(with_headers, HeaderUse::Adds | HeaderUse::AddsThenCopies)
                    {
                        shared.extend(changed.headers.iter().skip(headers).cloned());
                    }
                    let copied = match with_headers {
                        HeaderUse::Adds => false,
                        HeaderUse::CopiesIfRouted => {
                            before.is_some_and(|before| !Arc::ptr_eq(&before, &changed.head.topic))
                        }
                        HeaderUse::Copies | HeaderUse::AddsThenCopies => true,
                    };
                    if copied {
                        shared = None;
                    }
                    record = changed;
                }
                Ok(None) => return Ok(None),
                Err(reason) => {
                    return Err(StepFailure {
                        step: Arc::clone(&step.name),
                        topic,
                        position,
                        reason,
                    });
                }
            }
        }
        Ok(Some(record))
    }
}
