//! `pgcdc doctor`: looks at everything a pipeline needs, changes nothing, and says what its owner must do.

mod downstream;
mod grants;
mod report;
mod server;
mod signals;
mod tables;

use cdc_core::Error;
use cdc_core::catalog;
use cdc_core::engine::SourceOptions;
use cdc_core::wire::{Purpose, Session};

pub use report::{Finding, Report, State};

use crate::config::Validated;
use crate::index;
use crate::run::assemble;

/// Looks at source, Kafka and index.
///
/// # Errors
/// Only what keeps it from looking at all; what it finds is in the report.
pub async fn examine(config: &Validated) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut topic = None;
    if let Some(source) = &config.source {
        let connect = source.connect.clone();
        let options = assemble::source_options(source, connect);
        match examine_source(&options, config, &mut report).await {
            Ok(first) => topic = first,
            Err(error) => report.fail("server", error.chain(), advice(&error)),
        }
    }
    if let Some(kafka) = &config.kafka {
        downstream::kafka(kafka, &mut report).await;
    }
    if let Some(index) = &config.index {
        let named = || config.consume.as_ref().and_then(|c| c.topics.first().cloned());
        downstream::index(index, topic.or_else(named).as_deref(), &mut report).await;
    }
    Ok(report)
}

/// Returns the topic of one of the tables.
async fn examine_source(
    o: &SourceOptions,
    config: &Validated,
    report: &mut Report,
) -> Result<Option<String>, Error> {
    let mut sql = Session::connect(&o.connect, Purpose::Sql, "pgcdc doctor").await?;
    server::version(&sql, report);
    let role = server::role(&mut sql, report).await?;
    server::settings(&mut sql, o, report).await?;
    match Session::connect(&o.connect, Purpose::Replication, "pgcdc doctor").await {
        Ok(_) => report.ok("replication", "a replication connection can be opened"),
        Err(error) => report.fail("replication", error.chain(), advice(&error)),
    }
    server::slot(&mut sql, o, report).await?;
    let found = catalog::tables(&mut sql, &config.capture).await?;
    tables::publication(&mut sql, o, &found, report).await?;
    tables::identities(&found, report);
    tables::privileges(&mut sql, &found, report).await?;
    signals::examine(&mut sql, o, &found, report).await?;
    report.sql = grants::script(&role, o, &found, report.has_publication);
    let tables = index::tables::captured(config, o.connect.database(), &mut sql).await;
    // Why there is none has been said above, or is not the server's affair.
    Ok(tables.unwrap_or_default().into_iter().next().map(|t| t.topic))
}

pub(crate) fn advice(error: &Error) -> Option<String> {
    Some(error.advice().to_owned())
}
