//! Which indexes can be built anew beside the old one.

use cdc_core::{Error, ErrorKind};

use super::FilledFrom;
use crate::bulk::Op;
use crate::config::{IdFrom, IndexConfig, Versions};
use crate::route::Route;

/// Refuses documents that two writers cannot bring to the same state, and those that another source would give other `_id`s.
pub(super) fn check(config: &IndexConfig, route: &Route, from: FilledFrom) -> Result<(), Error> {
    let refuse = |why: &str, hint: &'static str| {
        let text = format!(
            "the index of topic {} cannot be built anew: {why}",
            route.topic.name
        );
        Err(Error::new(ErrorKind::Config, text).with_hint(hint))
    };
    if config.streams() {
        return refuse(
            "it is a data stream",
            "data streams only grow, and take no other index in their place",
        );
    }
    let coordinates = route.id_from == IdFrom::Coordinates;
    if route.put == Op::Update || (config.versions == Versions::None && !coordinates) {
        return refuse(
            "its documents have no versions, so that what is written to it from two sides ends in no certain order",
            "set index.write to insert and index.versions to external_from_wal",
        );
    }
    if route.id_from == IdFrom::Auto {
        return refuse(
            "the server chooses its `_id`s, so that nothing tells which documents are the same",
            "set index.id_from to key",
        );
    }
    if from == FilledFrom::Table && (coordinates || config.versions == Versions::KafkaOffset) {
        return refuse(
            "its `_id`s or versions are those of Kafka's records, which the table does not tell",
            "fill it from the topic: --topic without --table",
        );
    }
    Ok(())
}
