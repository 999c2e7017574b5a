//! [`Config`] to [`Validated`]: every rule that the types alone do not hold.

use cdc_core::wire::ConnectOptions;
use regex::RegexBuilder;
use secrecy::ExposeSecret;

use super::{
    Config, Delivery, FilterConfig, HttpConfig, LogConfig, OffsetsConfig, OutputConfig, Problem,
    SourceConfig, secret,
};

/// A configuration that holds together: the only form the program runs with.
#[derive(Clone, Debug)]
pub struct Validated {
    /// Name of the pipeline.
    pub name: String,
    /// Which stages run.
    pub stages: Stages,
    /// The source, when a stage reads from one.
    pub source: Option<Source>,
    /// Form of events.
    pub format: cdc_core::envelope::Format,
    /// What is captured, compiled.
    pub capture: cdc_core::filter::Capture,
    /// What the index stage reads from Kafka, if it does.
    pub consume: Option<cdc_kafka::SourceConfig>,
    /// The Kafka cluster.
    pub kafka: Option<cdc_kafka::KafkaConfig>,
    /// The Elasticsearch or OpenSearch cluster.
    pub index: Option<sink_es::IndexConfig>,
    /// Output without Kafka and index.
    pub output: Option<OutputConfig>,
    /// Where positions are kept.
    pub offsets: OffsetsConfig,
    /// HTTP endpoints.
    pub http: Option<HttpConfig>,
    /// Logging.
    pub log: LogConfig,
}

/// The source, validated.
#[derive(Clone, Debug)]
pub struct Source {
    /// The section.
    pub config: SourceConfig,
    /// The connection.
    pub connect: ConnectOptions,
}

/// Which stages run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stages {
    /// PostgreSQL to Kafka.
    SourceToKafka,
    /// PostgreSQL straight to the index.
    SourceToIndex,
    /// PostgreSQL to Kafka, and from there to the index.
    SourceToKafkaToIndex,
    /// Kafka to the index.
    KafkaToIndex,
    /// PostgreSQL to standard output or a file.
    SourceToOutput,
}

impl Validated {
    /// Checks a configuration and reads the files that hold its secrets.
    ///
    /// # Errors
    /// With every fault found.
    pub fn new(config: Config) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        check_name(&config.name, &mut problems);
        if config.delivery == Delivery::ExactlyOnce {
            problems.push(Problem::new(
                "delivery",
                "exactly_once is not available yet: use at_least_once and let consumers drop repeats by position",
            ));
        }
        let stages = keep(stages(&config), &mut problems);
        let offsets = keep(offsets(&config), &mut problems);
        let parts = [
            (
                "kafka",
                config.kafka.as_ref().map(cdc_kafka::KafkaConfig::validate),
            ),
            ("index", config.index.as_ref().map(sink_es::IndexConfig::validate)),
        ];
        for (section, checked) in parts {
            if let Some(Err(e)) = checked {
                problems.push(of_part(section, &e));
            }
        }
        let format = keep(format(config.format, config.source.as_ref()), &mut problems);
        let consume = keep(consume(config.consume, stages, format.as_ref()), &mut problems);
        let capture = keep(capture(config.source.as_ref()), &mut problems);
        let source = config.source.and_then(|s| source(s, &mut problems));
        match (stages, offsets, format, capture, consume) {
            (Some(stages), Some(offsets), Some(format), Some(capture), Some(consume))
                if problems.is_empty() =>
            {
                Ok(Self {
                    format,
                    capture,
                    consume,
                    name: config.name,
                    stages,
                    source,
                    kafka: config.kafka,
                    index: config.index,
                    output: config.output,
                    offsets,
                    http: config.http,
                    log: config.log,
                })
            }
            _ => Err(problems),
        }
    }
}

fn keep<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|p| problems.push(p)).ok()
}

/// The fault that a component found in its section. Its text may begin with the key's path.
fn of_part(section: &str, error: &cdc_core::Error) -> Problem {
    let text = error.chain();
    let hint = match error.remedy() {
        cdc_core::Remedy::Operator(hint) if hint != "correct the configuration" => format!(": {hint}"),
        _ => String::new(),
    };
    let (first, rest) = text.split_once(' ').unwrap_or((&text, ""));
    let first = first.trim_end_matches(':');
    let key = first.strip_prefix(section).and_then(|k| k.strip_prefix('.'));
    match key.filter(|k| !k.is_empty()) {
        Some(_) => Problem::new(first, format!("{rest}{hint}")),
        None => Problem::new(section, format!("{text}{hint}")),
    }
}

fn check_name(name: &str, problems: &mut Vec<Problem>) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > 200 || !name.bytes().all(plain) {
        problems.push(Problem::new(
            "name",
            "must be 1 to 200 letters, digits, dots, underscores or hyphens",
        ));
    }
}

fn stages(config: &Config) -> Result<Stages, Problem> {
    let (source, kafka, index) = (
        config.source.is_some(),
        config.kafka.is_some(),
        config.index.is_some(),
    );
    if config.output.is_some() && (kafka || index) {
        return Err(Problem::new(
            "output",
            "excludes `kafka` and `index`: remove it, or those",
        ));
    }
    match (source, kafka, index) {
        (true, true, true) => Ok(Stages::SourceToKafkaToIndex),
        (true, true, false) => Ok(Stages::SourceToKafka),
        (true, false, true) => Ok(Stages::SourceToIndex),
        (false, true, true) => Ok(Stages::KafkaToIndex),
        (true, false, false) if config.output.is_some() => Ok(Stages::SourceToOutput),
        (true, false, false) => Err(Problem::new(
            "source",
            "nothing receives its changes: add `kafka`, `index` or `output`",
        )),
        (false, ..) => Err(Problem::new(
            "",
            "nothing to read from: add `source`, or both `kafka` and `index`",
        )),
    }
}

fn offsets(config: &Config) -> Result<OffsetsConfig, Problem> {
    match &config.offsets {
        Some(OffsetsConfig::Kafka) if config.kafka.is_none() => Err(Problem::new(
            "offsets",
            "`type: kafka` needs the `kafka` section: add it, or keep offsets in a file or a table",
        )),
        Some(chosen) => Ok(chosen.clone()),
        None if config.kafka.is_some() => Ok(OffsetsConfig::Kafka),
        None if matches!(config.output, Some(OutputConfig::Stdout | OutputConfig::Null)) => {
            Ok(OffsetsConfig::Memory)
        }
        // The fault lies elsewhere: nothing receives the changes.
        None if config.output.is_none() && config.index.is_none() => Ok(OffsetsConfig::Memory),
        None => Err(Problem::new(
            "offsets",
            "say where positions are kept: `offsets: {type: file, path: …}` or `{type: postgres}`",
        )),
    }
}

/// A topic prefix is needed wherever events are written.
fn format(
    format: cdc_core::envelope::Format,
    source: Option<&SourceConfig>,
) -> Result<cdc_core::envelope::Format, Problem> {
    if source.is_some() && format.topic_prefix.is_empty() {
        return Err(Problem::new(
            "format.topic_prefix",
            "is missing: name the server, such as `shop`",
        ));
    }
    Ok(format)
}

/// What the index stage reads: what is configured, or all topics below the source's prefix.
fn consume(
    given: Option<cdc_kafka::SourceConfig>,
    stages: Option<Stages>,
    format: Option<&cdc_core::envelope::Format>,
) -> Result<Option<cdc_kafka::SourceConfig>, Problem> {
    let reads = matches!(stages, Some(Stages::SourceToKafkaToIndex | Stages::KafkaToIndex));
    match (given, reads) {
        (Some(_), false) if stages.is_some() => Err(Problem::new(
            "consume",
            "needs both `kafka` and `index`: remove it, or add them",
        )),
        (Some(given), _) => {
            given.validate().map_err(|e| Problem::new("consume", e.chain()))?;
            Ok(Some(given))
        }
        (None, false) => Ok(None),
        (None, true) => match format.filter(|f| !f.topic_prefix.is_empty()) {
            Some(format) => {
                let prefix = regex::escape(&format!("{}{}", format.topic_prefix, format.topic_delimiter));
                let mut all = cdc_kafka::SourceConfig::new(Vec::new());
                all.topics_regex = Some(format!("{prefix}.*"));
                Ok(Some(all))
            }
            None => Err(Problem::new("consume", "is missing: name the topics to index")),
        },
    }
}

fn capture(source: Option<&SourceConfig>) -> Result<cdc_core::filter::Capture, Problem> {
    let list = |f: &FilterConfig| cdc_core::filter::NameFilter {
        include: f.include.clone(),
        exclude: f.exclude.clone(),
    };
    let filters = source.map_or_else(cdc_core::filter::Filters::default, |s| {
        cdc_core::filter::Filters {
            schemas: list(&s.schemas),
            tables: list(&s.tables),
            columns: list(&s.columns),
            message_prefixes: list(&s.message_prefixes),
            ignore_builtin: s.ignore_builtin,
        }
    });
    cdc_core::filter::Capture::new(&filters).map_err(|e| Problem::new("source", e.chain()))
}

fn source(config: SourceConfig, problems: &mut Vec<Problem>) -> Option<Source> {
    check_slot(&config, problems);
    if config.publication.name.is_empty() || config.publication.name.len() > 63 {
        problems.push(Problem::new("source.publication.name", "must be 1 to 63 bytes"));
    }
    let filters = [
        ("source.tables", &config.tables),
        ("source.schemas", &config.schemas),
        ("source.columns", &config.columns),
        ("source.message_prefixes", &config.message_prefixes),
    ];
    for (path, filter) in filters {
        check_filter(path, filter, problems);
    }
    check_patterns("source.snapshot.include", &config.snapshot.include, problems);
    for table in config.snapshot.overrides.keys() {
        if !table.contains('.') {
            problems.push(Problem::new(
                format!("source.snapshot.overrides.{table}"),
                "must name a table as schema.table",
            ));
        }
    }
    check_numbers(&config, problems);
    let connect = keep(connect(&config), problems)?;
    Some(Source { config, connect })
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

fn check_filter(path: &str, filter: &FilterConfig, problems: &mut Vec<Problem>) {
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
        let built = RegexBuilder::new(&format!("^(?:{pattern})$"))
            .case_insensitive(true)
            .build();
        if let Err(e) = built {
            let text = e.to_string();
            let reason = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            problems.push(Problem::new(
                format!("{path}[{i}]"),
                format!("not a regular expression: {reason}"),
            ));
        }
    }
}

fn connect(config: &SourceConfig) -> Result<ConnectOptions, Problem> {
    let password = secret::resolve(
        "source.password",
        config.password.as_ref(),
        config.password_file.as_deref(),
    )?;
    let (key, options) = if let Some(url) = &config.url {
        if let Some((field, _)) = words(config).into_iter().find(|(_, v)| v.is_some()) {
            let (key, _) = KEYS.iter().find(|(_, word)| *word == field).unwrap_or(&("", ""));
            return Err(Problem::new(
                format!("source.{key}"),
                "`url` is given too: keep one of the two, or put this into the URL",
            ));
        }
        ("source.url", ConnectOptions::parse(url.expose_secret()))
    } else {
        ("source", ConnectOptions::parse(&conninfo(config)))
    };
    let options = options.map_err(|e| Problem::new(key, e.chain()))?;
    Ok(match (&config.password_file, password) {
        // Read again at each connection, so that a changed password needs no restart.
        (Some(file), _) => options.with_password_file(file),
        (None, Some(p)) => options.with_password(p),
        (None, None) => options,
    })
}

/// The single fields in libpq's notation, but for the password.
fn conninfo(config: &SourceConfig) -> String {
    let mut text = String::new();
    for (word, value) in words(config) {
        if let Some(value) = value {
            push_word(&mut text, word, &value);
        }
    }
    text
}

/// Keys of the section whose libpq word differs.
const KEYS: [(&str, &str); 10] = [
    ("host", "host"),
    ("port", "port"),
    ("user", "user"),
    ("database", "dbname"),
    ("sslmode", "sslmode"),
    ("sslrootcert", "sslrootcert"),
    ("sslcert", "sslcert"),
    ("sslkey", "sslkey"),
    ("target_session_attrs", "target_session_attrs"),
    ("channel_binding", "channel_binding"),
];

fn words(c: &SourceConfig) -> [(&'static str, Option<String>); 10] {
    let (host, port) = match &c.host {
        Some(hosts) => {
            let (hosts, ports) = split_hosts(hosts, c.port);
            (Some(hosts), ports)
        }
        None => (None, c.port.map(|p| p.to_string())),
    };
    let path = |p: &Option<std::path::PathBuf>| p.as_ref().map(|p| p.display().to_string());
    [
        ("host", host),
        ("port", port),
        ("user", c.user.clone()),
        ("dbname", c.database.clone()),
        ("sslmode", c.sslmode.map(|m| m.as_str().to_owned())),
        ("sslrootcert", c.sslrootcert.clone()),
        ("sslcert", path(&c.sslcert)),
        ("sslkey", path(&c.sslkey)),
        (
            "target_session_attrs",
            c.target_session_attrs.map(|m| m.as_str().to_owned()),
        ),
        (
            "channel_binding",
            c.channel_binding.map(|m| m.as_str().to_owned()),
        ),
    ]
}

/// Splits `a:1,b,[::1]:2` into libpq's two lists; hosts without a port of their own have the common one.
fn split_hosts(hosts: &str, port: Option<u16>) -> (String, Option<String>) {
    let common = port.map(|p| p.to_string());
    let split = |one: &str| {
        let bare = |host: &str| host.trim_matches(['[', ']']).to_owned();
        let with_port = one
            .rsplit_once(':')
            .filter(|(host, _)| host.ends_with(']') || !host.contains(':'));
        match with_port.filter(|_| !one.starts_with('/')) {
            Some((host, port)) => (bare(host), Some(port.to_owned())),
            None => (bare(one), None),
        }
    };
    let (hosts, own): (Vec<String>, Vec<Option<String>>) = hosts.split(',').map(|h| split(h.trim())).unzip();
    let ports = if own.iter().all(Option::is_none) {
        common
    } else {
        let port = |own: Option<String>| own.or_else(|| common.clone()).unwrap_or_else(|| "5432".into());
        Some(own.into_iter().map(port).collect::<Vec<_>>().join(","))
    };
    (hosts.join(","), ports)
}

/// Appends `word='value'` in libpq's quoting.
fn push_word(text: &mut String, word: &str, value: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(word);
    text.push_str("='");
    for c in value.chars() {
        if matches!(c, '\'' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_libpq_reads_them() {
        let config = SourceConfig {
            host: Some("/var/run/it's".into()),
            database: Some(r"a\b".into()),
            ..SourceConfig::default()
        };
        assert_eq!(conninfo(&config), r"host='/var/run/it\'s' dbname='a\\b'");
    }

    #[test]
    fn hosts_may_have_ports_of_their_own() {
        let config = SourceConfig {
            host: Some("a:1, b ,::1,[::2]:3".into()),
            port: Some(9),
            ..SourceConfig::default()
        };
        assert_eq!(conninfo(&config), "host='a,b,::1,::2' port='1,9,9,3'");
    }

    #[test]
    fn a_password_file_goes_with_a_url() {
        let config = SourceConfig {
            url: Some("postgres://u@h/d?sslmode=disable".to_owned().into()),
            password: Some("p w".to_owned().into()),
            ..SourceConfig::default()
        };
        assert_eq!(connect(&config).unwrap().describe(), "u@h:5432/d");
    }
}
