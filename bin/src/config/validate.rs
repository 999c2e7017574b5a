//! [`Config`] to [`Validated`]: every rule that the types alone do not hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_core::envelope::{Encoder, Format, OnRecordError, Reshape, TopicNaming};
use cdc_core::filter::Capture;
use cdc_core::transform::StepConfig;
use cdc_core::types::ValueOptions;
use cdc_core::wire::ConnectOptions;
use sink_es::BadDocument;

use super::check;
use super::{
    Config, ConverterConfig, ConvertersConfig, Delivery, HttpConfig, LogConfig, OffsetsConfig, OutputConfig,
    Problem, SourceConfig,
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
    /// Form of the records. With a source its topic prefix is not empty.
    pub format: Format,
    /// Transforms and converters.
    pub reshape: Reshape,
    /// Converters by which the index stage reads what the source stage wrote.
    pub read_back: Reshape,
    /// What is captured.
    pub capture: Capture,
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
        let mut config = config;
        if let (Some(index), true) = (&mut config.index, config.source.is_some()) {
            let given = &config.format.values.unavailable_value_placeholder;
            if index.unavailable_value == ValueOptions::PLACEHOLDER {
                index.unavailable_value.clone_from(given);
            }
        }
        if config.source.is_some()
            && let Some((at, key)) = looks_up(&config.transforms)
        {
            problems.push(Problem::new(
                format!("transforms[{at}].{key}"),
                "looks things up in an index, which only a pipeline without `source` does: put it between Kafka and the index",
            ));
        }
        problems.extend(
            config
                .index
                .as_ref()
                .and_then(|i| check_index(i, stages, config.writes_schemas())),
        );
        let (source, capture) = match config.source {
            Some(section) => {
                let capture = check::source(&section, &mut problems);
                let connect = keep(super::connect::connect(&section), &mut problems);
                (
                    connect.map(|connect| Source {
                        config: section,
                        connect,
                    }),
                    capture,
                )
            }
            None => (None, Capture::new(&cdc_core::filter::Filters::default()).ok()),
        };
        let mut format = config.format;
        if stages == Some(Stages::SourceToKafkaToIndex) {
            // The index tells newer from older by it: an envelope alone does not always say (see `Floors` in sink-es).
            format.position_header = true;
        }
        if stages == Some(Stages::SourceToKafkaToIndex) {
            problems.extend(config.converters.not_for_index());
            problems.extend(renamed_topics(&config.transforms, config.consume.as_ref()));
        }
        let read_back = read_back(
            &config.converters,
            &format,
            config.index.as_ref(),
            stages,
            &mut problems,
        );
        let converters = if stages == Some(Stages::KafkaToIndex) && config.transforms.is_empty() {
            config.converters.without_json()
        } else {
            config.converters
        };
        let reshape = super::converters::reshape(config.transforms, config.predicates, &converters, &format);
        let reshape = keep(reshape, &mut problems).map(|reshape| Reshape {
            on_error: on_record_error(config.on_record_error, stages, config.index.as_ref()),
            keep_originals: before_index(stages)
                && config
                    .index
                    .as_ref()
                    .is_some_and(sink_es::IndexConfig::keeps_letters),
            ..reshape
        });
        if let (Some(source), Some(capture)) = (&source, &capture) {
            problems.extend(check_format(&format, capture, source.connect.database()));
        }
        let dead_letters = config.index.as_ref().map(|i| i.dead_letter_topics());
        let dead_letters = dead_letters.unwrap_or_default();
        let consume = keep(
            consume(config.consume, stages, &format, &dead_letters),
            &mut problems,
        );
        match (stages, offsets, capture, consume, reshape) {
            (Some(stages), Some(offsets), Some(capture), Some(consume), Some(reshape))
                if problems.is_empty() =>
            {
                Ok(Self {
                    name: config.name,
                    stages,
                    source,
                    format,
                    reshape,
                    read_back,
                    capture,
                    consume,
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

impl Validated {
    /// What records go through between Kafka and the index. With a source, the transforms stand before Kafka, and what it
    /// wrote is read by the same converters.
    #[must_use]
    pub fn before_index(&self) -> Reshape {
        if self.source.is_none() {
            return self.reshape.clone();
        }
        Reshape {
            header: None,
            ..self.read_back.clone()
        }
    }
}

impl Config {
    /// Whether values come with their schemas.
    fn writes_schemas(&self) -> bool {
        match &self.converters.value {
            Some(ConverterConfig::Json(json)) => json.schemas.unwrap_or(self.format.value_schemas),
            Some(_) => true,
            None => self.format.value_schemas,
        }
    }
}

/// What the index needs of other sections.
fn check_index(
    index: &sink_es::IndexConfig,
    stages: Option<Stages>,
    writes_schemas: bool,
) -> Option<Problem> {
    let consumes = matches!(stages, Some(Stages::SourceToKafkaToIndex | Stages::KafkaToIndex));
    if !index.dead_letter_topics().is_empty() && !consumes {
        return Some(Problem::new(
            "index.on_bad_document",
            "a dead letter topic needs the `kafka` section: add it, or use `dead_letter: FILE`",
        ));
    }
    let offsets = index.versions == sink_es::Versions::KafkaOffset;
    if offsets && !consumes {
        return Some(Problem::new(
            "index.versions",
            "kafka_offset needs records from Kafka: use external_from_wal",
        ));
    }
    let from_source = matches!(stages, Some(Stages::SourceToIndex | Stages::SourceToKafkaToIndex));
    if index.uses_schemas() && from_source && !writes_schemas {
        return Some(Problem::new(
            "index.mapping",
            "mappings and conversions are made from schemas: set `format.value_schemas: true`, or write values with `converters.value: avro`",
        ));
    }
    None
}

/// The converters by which the index stage reads what the source stage writes: those of the file, but JSON, which it reads
/// without any.
fn read_back(
    converters: &ConvertersConfig,
    format: &Format,
    index: Option<&sink_es::IndexConfig>,
    stages: Option<Stages>,
    problems: &mut Vec<Problem>,
) -> Reshape {
    if stages != Some(Stages::SourceToKafkaToIndex) {
        return Reshape::default();
    }
    let others = converters.without_json();
    let built = super::converters::reshape(Vec::new(), BTreeMap::new(), &others, format);
    let built = keep(built, problems).unwrap_or_default();
    Reshape {
        on_error: on_record_error(None, Some(Stages::KafkaToIndex), index),
        keep_originals: index.is_some_and(sink_es::IndexConfig::keeps_letters),
        ..built
    }
}

/// The first transform that looks something up.
fn looks_up(transforms: &[StepConfig]) -> Option<(usize, &'static str)> {
    let found = |(at, step): (usize, &StepConfig)| Some((at, step.looks_up()?));
    transforms.iter().enumerate().find_map(found)
}

/// Transforms that send records to other topics than those of their tables, where nothing says which topics to index.
fn renamed_topics(transforms: &[StepConfig], consume: Option<&cdc_kafka::SourceConfig>) -> Option<Problem> {
    let (at, key) = transforms
        .iter()
        .enumerate()
        .find_map(|(at, step)| Some((at, step.routes()?)))?;
    consume.is_none().then(|| {
        let text = format!(
            "is missing: transforms[{at}].{key} sends records to topics that only you know: name them under `topics` or `topics_regex`"
        );
        Problem::new("consume", text)
    })
}

/// Whether the records that come out of the transforms go straight to the index.
fn before_index(stages: Option<Stages>) -> bool {
    matches!(stages, Some(Stages::SourceToIndex | Stages::KafkaToIndex))
}

/// A record that does not get through the transforms is one that cannot be made into a document, if they stand before the
/// index.
fn on_record_error(
    given: Option<OnRecordError>,
    stages: Option<Stages>,
    index: Option<&sink_es::IndexConfig>,
) -> OnRecordError {
    let leaves_out = index.is_some_and(|i| *i.for_invalid_records() != BadDocument::Fail);
    match given {
        Some(given) => given,
        None if before_index(stages) && leaves_out => OnRecordError::HandOn,
        None => OnRecordError::Fail,
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
    if section == "format" && matches!(first, "topic_prefix" | "topic_delimiter") {
        return Problem::new(format!("format.{first}"), format!("{rest}{hint}"));
    }
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

/// The encoder's own checks; without a prefix no topic has a name.
fn check_format(format: &Format, capture: &Capture, database: &str) -> Option<Problem> {
    if format.topic_prefix.is_empty() {
        return Some(Problem::new(
            "format.topic_prefix",
            "is missing: name the server, such as `shop`",
        ));
    }
    let built = Encoder::new(Arc::new(format.clone()), Arc::new(capture.clone()), database);
    built.err().map(|e| of_part("format", &e))
}

/// What the index stage reads: what is configured, or the topics of the source's tables.
fn consume(
    given: Option<cdc_kafka::SourceConfig>,
    stages: Option<Stages>,
    format: &Format,
    dead_letters: &[&str],
) -> Result<Option<cdc_kafka::SourceConfig>, Problem> {
    let reads = matches!(stages, Some(Stages::SourceToKafkaToIndex | Stages::KafkaToIndex));
    // A regular expression may match them.
    let left_out: Vec<String> = dead_letters.iter().map(|&topic| topic.to_owned()).collect();
    match (given, reads) {
        (Some(_), false) if stages.is_some() => Err(Problem::new(
            "consume",
            "needs both `kafka` and `index`: remove it, or add them",
        )),
        (Some(given), _) => {
            given.validate().map_err(|e| of_part("consume", &e))?;
            if let Some(letters) = left_out.iter().find(|l| given.topics.contains(l)) {
                return Err(Problem::new(
                    "consume.topics",
                    format!("{letters} takes the dead letters, which would come back without end: remove it"),
                ));
            }
            Ok(Some(cdc_kafka::SourceConfig { left_out, ..given }))
        }
        (None, false) => Ok(None),
        (None, true) if format.topic_prefix.is_empty() => {
            Err(Problem::new("consume", "is missing: name the topics to index"))
        }
        (None, true) => {
            let prefix = regex::escape(&format!("{}{}", format.topic_prefix, format.topic_delimiter));
            let delimiter = regex::escape(&format.topic_delimiter);
            let mut tables = cdc_kafka::SourceConfig::new(Vec::new());
            tables.left_out = left_out;
            // With the schema in the name, the topic of transaction boundaries has one part less.
            tables.topics_regex = Some(match format.topic_naming {
                TopicNaming::Schema | TopicNaming::SchemaUnicode if !delimiter.is_empty() => {
                    format!("{prefix}.+{delimiter}.+")
                }
                _ => format!("{prefix}.*"),
            });
            Ok(Some(tables))
        }
    }
}
