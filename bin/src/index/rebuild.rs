//! A new index beside the old one, filled from the topic while the pipeline goes on, compared, and put in its place.
//!
//! The new index is filled by a consumer group of its own, from the beginning of the topic and then with every change, as the
//! old one is by the pipeline's. Versions make the order of the two irrelevant. After the switch the pipeline itself writes to
//! the new index; what it wrote to the old one until then has come, or comes, to the new one by the group, which is read on
//! until it has passed the moment of the switch.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cdc_core::{Error, ErrorKind};
use cdc_kafka::{GroupWatch, SourceConfig};
use sink_es::{IndexConfig, Rebuild};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::Validated;
use crate::run::fence::Fence;
use crate::run::relay::Relay;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The topic.
    pub topic: String,
    /// Name of the new index.
    pub new_index: Option<String>,
    /// Whether documents are compared, not only their `_id`s and versions.
    pub content: bool,
    /// Whether the alias is switched.
    pub switch: bool,
    /// Longest wait for the new index to catch up.
    pub patience: Duration,
}

/// How often the group is looked at.
const GLANCE: Duration = Duration::from_millis(500);

/// Builds, compares, switches.
///
/// # Errors
/// When the two differ in the end, and what the parts refuse. The alias is as it was then.
pub async fn run(config: &Validated, order: &Order) -> Result<(), Error> {
    let missing = |text: &str| Error::new(ErrorKind::Config, text.to_owned());
    let index = config
        .index
        .as_ref()
        .ok_or_else(|| missing("there is no `index` section"))?;
    let kafka = config
        .kafka
        .as_ref()
        .ok_or_else(|| missing("a rebuild reads the topic: it needs the `kafka` section"))?;
    let admin = Rebuild::new(index)?;
    let (alias, old) = admin.target(index, &order.topic).await?;
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let new = order
        .new_index
        .clone()
        .unwrap_or_else(|| format!("{alias}-{seconds}"));
    if new == old || new == alias {
        return Err(missing(
            "the new index must have another name than the old one and the alias",
        ));
    }
    let group = format!("pgcdc-{}-rebuild-{new}", config.name);
    let topics = SourceConfig {
        group_id: Some(group.clone()),
        ..SourceConfig::new(vec![order.topic.clone()])
    };
    let watch = GroupWatch::new(kafka, &topics, &group)?;
    let relay = Relay {
        name: config.name.clone(),
        kafka: kafka.clone(),
        topics,
        group,
        index: beside(index, &new),
        reshape: if config.source.is_some() {
            cdc_core::envelope::Reshape::default()
        } else {
            config.reshape.clone()
        },
        status: Arc::default(),
        fence: Fence::default(),
    };
    tracing::info!(topic = order.topic, old, new, "filling the new index");
    let stop = CancellationToken::new();
    let filling = {
        let (relay, stop) = (relay.clone(), stop.clone());
        tokio::spawn(async move { relay.run(stop).await })
    };
    let done = tokio::select! {
        done = finish(&admin, &watch, order, (&alias, &old, &new)) => done,
        ended = ended(&relay, &stop) => Err(ended),
    };
    stop.cancel();
    let filled = filling
        .await
        .map_err(|e| missing(&format!("the filling of the new index was interrupted: {e}")))?;
    done.and(filled)
}

/// Waits, compares, switches, waits again.
async fn finish(
    admin: &Rebuild,
    watch: &GroupWatch,
    order: &Order,
    (alias, old, new): (&str, &str, &str),
) -> Result<(), Error> {
    catch_up(watch, order.patience).await?;
    let difference = admin.compare(old, new, order.content).await?;
    println!(
        "{} documents in {old}; in {new}: {} missing, {} more, {} different",
        difference.documents, difference.missing, difference.extra, difference.changed
    );
    if !difference.is_none() {
        let text = format!("{new} does not hold what {old} does: the alias {alias} stays as it is");
        return Err(Error::new(ErrorKind::SinkRejected, text).with_hint(
            "missing documents: the topic no longer holds all rows; different ones: other conversions, then --ignore-content compares versions only",
        ));
    }
    if !order.switch {
        println!("{new} is ready; the alias {alias} still names {old}");
        return Ok(());
    }
    admin.switch(alias, old, new).await?;
    println!("{alias} now names {new}; {old} is kept");
    // What the pipeline wrote to the old index until now lies before these ends.
    catch_up(watch, order.patience).await
}

async fn catch_up(watch: &GroupWatch, patience: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + patience;
    let mut open = watch.ends().await?;
    loop {
        open = watch.open(open).await?;
        if open.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::new(
                ErrorKind::SinkUnavailable,
                "the new index did not catch up in time",
            ));
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Returns when the filling has failed for good.
async fn ended(relay: &Relay, stop: &CancellationToken) -> Error {
    loop {
        tokio::time::sleep(GLANCE).await;
        if relay.status.has_ended() && !stop.is_cancelled() {
            return Error::new(ErrorKind::SinkRejected, "the new index cannot be filled");
        }
    }
}

/// The configuration for the new index.
fn beside(index: &IndexConfig, new: &str) -> IndexConfig {
    let mut beside = index.clone();
    beside.name = new.to_owned();
    beside.create = true;
    beside.alias = None;
    beside.require_alias = false;
    beside.resources = None;
    beside.template = None;
    for o in &mut beside.overrides {
        o.name = None;
    }
    beside
}
