//! The sink against a real OpenSearch or Elasticsearch, whose address is in `PGCDC_TEST_INDEX`; and against a scripted
//! server where the faults are ones that a real one does not make on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may")]

#[cfg(feature = "aws")]
mod amazon;
mod bad_documents;
mod documents;
mod events;
mod faults;
mod mapping;
mod node;
mod order;
mod rebuild;
mod restart;
mod scripted;
mod secured;
mod sizes;
mod states;
mod targets;
mod tombstones;
