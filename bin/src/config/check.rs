//! Rules of the source section.

use cdc_core::filter::{Capture, Filters, NameFilter, RegexList};

use super::{Problem, SourceConfig};

/// Checks everything but the connection; gives what is captured, none if a filter is wrong.
pub(super) fn source(config: &SourceConfig, problems: &mut Vec<Problem>) -> Option<Capture> {
    check_slot(config, problems);
    if config.publication.name.is_empty() || config.publication.name.len() > 63 {
        problems.push(Problem::new("source.publication.name", "must be 1 to 63 bytes"));
    }
    check_numbers(config, problems);
    super::signals::check(config, problems);
    check_patterns("source.snapshot.include", &config.snapshot.include, problems);
    for table in config.snapshot.overrides.keys().filter(|t| !t.contains('.')) {
        let path = format!("source.snapshot.overrides.{table}");
        problems.push(Problem::new(path, "must name a table as schema.table"));
    }
    let before = problems.len();
    let filters = [
        ("source.tables", &config.tables),
        ("source.schemas", &config.schemas),
        ("source.columns", &config.columns),
        ("source.message_prefixes", &config.message_prefixes),
    ];
    for (path, filter) in filters {
        check_filter(path, filter, problems);
    }
    if problems.len() > before {
        return None;
    }
    let capture = Capture::new(&Filters {
        schemas: config.schemas.clone(),
        tables: config.tables.clone(),
        columns: config.columns.clone(),
        message_prefixes: config.message_prefixes.clone(),
        ignore_builtin: config.ignore_builtin,
    });
    let capture = match config.signal_options() {
        Some(signals) => capture.map(|c| c.with_signals(&signals.schema, &signals.table)),
        None => capture,
    };
    capture
        .map_err(|e| problems.push(Problem::new("source", e.chain())))
        .ok()
}

fn check_slot(config: &SourceConfig, problems: &mut Vec<Problem>) {
    let slot = &config.slot;
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if slot.name.is_empty() || slot.name.len() > 63 || !slot.name.bytes().all(legal) {
        problems.push(Problem::new(
            "source.slot.name",
            "must be 1 to 63 lower-case letters, digits or underscores",
        ));
    }
    if slot.temporary && slot.failover {
        problems.push(Problem::new(
            "source.slot.failover",
            "a temporary slot cannot be a failover slot: set one of the two to false",
        ));
    }
    if slot.temporary && !slot.create {
        problems.push(Problem::new(
            "source.slot.create",
            "a temporary slot must be created at each start: set `create: true`",
        ));
    }
}

fn check_numbers(config: &SourceConfig, problems: &mut Vec<Problem>) {
    let rules = [
        (config.port == Some(0), "source.port", "must be 1 to 65535"),
        (
            !(1..=64).contains(&config.snapshot.max_threads),
            "source.snapshot.max_threads",
            "must be 1 to 64",
        ),
        (
            config.memory.0.as_u64() < 1 << 20,
            "source.memory",
            "must be at least 1MiB",
        ),
        (
            config.streaming.memory.as_u64() < 64 << 10,
            "source.streaming.memory",
            "must be at least 64KiB",
        ),
        (
            config.streaming.status_interval.is_zero(),
            "source.streaming.status_interval",
            "must be longer than zero",
        ),
        (
            config.retry.initial.is_zero(),
            "source.retry.initial",
            "must be longer than zero",
        ),
        (
            config.retry.max < config.retry.initial,
            "source.retry.max",
            "must not be shorter than `initial`",
        ),
    ];
    problems.extend(
        rules
            .into_iter()
            .filter(|r| r.0)
            .map(|(_, path, text)| Problem::new(path, text)),
    );
}

fn check_filter(path: &str, filter: &NameFilter, problems: &mut Vec<Problem>) {
    if !filter.include.is_empty() && !filter.exclude.is_empty() {
        problems.push(Problem::new(
            path,
            "both `include` and `exclude` are given: keep one of the two",
        ));
    }
    check_patterns(&format!("{path}.include"), &filter.include, problems);
    check_patterns(&format!("{path}.exclude"), &filter.exclude, problems);
}

fn check_patterns(path: &str, patterns: &[String], problems: &mut Vec<Problem>) {
    for (i, pattern) in patterns.iter().enumerate() {
        let item = format!("{path}[{i}]");
        if let Err(e) = RegexList::new(&item, &[pattern]) {
            let text = e.to_string();
            let text = text
                .strip_prefix(&item)
                .unwrap_or(&text)
                .trim_start_matches([':', ' ']);
            // The cause draws the expression over several lines; the last one says what is wrong.
            let cause = std::error::Error::source(&e)
                .map(ToString::to_string)
                .unwrap_or_default();
            let reason = cause
                .lines()
                .last()
                .unwrap_or_default()
                .replacen("error: ", ": ", 1);
            problems.push(Problem::new(item, format!("{text}{reason}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_java_has_is_refused_by_name() {
        let mut config = SourceConfig::default();
        config.tables.include = vec!["ok".into(), "(?!x).*".into(), "a(".into()];
        let mut problems = Vec::new();
        assert!(source(&config, &mut problems).is_none());
        let got: Vec<_> = problems
            .iter()
            .map(|p| (p.path.as_str(), p.message.as_str()))
            .collect();
        assert_eq!(
            got,
            [
                (
                    "source.tables.include[1]",
                    "`(?!x).*` uses look-around, which is not supported: rewrite it without"
                ),
                (
                    "source.tables.include[2]",
                    "`a(` is not a valid regular expression: unclosed group"
                ),
            ]
        );
    }
}
