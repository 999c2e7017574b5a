//! The checks that need neither files nor the network.

use std::collections::HashSet;

use cdc_core::Error;
use regex::Regex;
use reqwest::Url;

use super::{
    AuthConfig, BadDocument, DataStreamConfig, DeleteOn, IdFrom, IndexConfig, ResourcesConfig, TopicOverride,
    Versions, Write, config,
};
use crate::template::Template;

impl IndexConfig {
    /// Checks what can be checked without files or the network.
    ///
    /// # Errors
    /// [`cdc_core::ErrorKind::Config`] that names the first option that is wrong.
    pub fn validate(&self) -> Result<(), Error> {
        self.parsed_urls()?;
        self.check_name()?;
        if self.id_separator == '\\' || self.id_separator.is_control() {
            return Err(config(
                "index.id_separator must be a printable character other than a backslash",
            ));
        }
        let b = &self.bulk;
        let positive: [(&str, u64); 9] = [
            ("bulk.max_bytes", as_u64(b.max_bytes)),
            ("bulk.max_docs", as_u64(b.max_docs)),
            ("bulk.max_in_flight", as_u64(b.max_in_flight)),
            ("bulk.max_buffered_bytes", as_u64(b.max_buffered_bytes)),
            ("request_timeout_ms", self.request_timeout_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("first_backoff_ms", self.first_backoff_ms),
            ("max_backoff_ms", self.max_backoff_ms),
            ("bulk.target_latency_ms", b.target_latency_ms),
        ];
        for (name, value) in positive {
            if value == 0 {
                return Err(config(format!("index.{name} must be at least 1")));
            }
        }
        if b.max_in_flight > Self::MOST_IN_FLIGHT {
            return Err(config(format!(
                "index.bulk.max_in_flight must be at most {}",
                Self::MOST_IN_FLIGHT
            )));
        }
        if !self.create && self.template.is_none() && (self.settings.is_some() || self.mappings.is_some()) {
            return Err(config(
                "index.settings and index.mappings need index.create: true, or index.template",
            ));
        }
        if self.mapping.json != super::JsonMapping::Text && !self.mapping.convert.json {
            return Err(config(
                "index.mapping.json: object and flattened need index.mapping.convert.json: true, since a string fits neither",
            ));
        }
        self.check_documents()?;
        self.check_targets()?;
        self.overrides.iter().try_for_each(TopicOverride::validate)?;
        if let Some(proxy) = &self.proxy {
            proxy.validate()?;
        }
        if self.tls.certificate_file.is_some() != self.tls.key_file.is_some() {
            return Err(config(
                "index.tls.certificate_file and index.tls.key_file go together",
            ));
        }
        self.auth.as_ref().map_or(Ok(()), AuthConfig::validate)
    }

    /// Whether schemas are looked at, for mappings or conversions.
    #[must_use]
    pub fn uses_schemas(&self) -> bool {
        self.mapping.infer
            || self.mapping.convert != super::ConvertConfig::default()
            || self.overrides.iter().any(|o| o.infer == Some(true))
    }

    /// What happens to a record that cannot be made into a document.
    #[must_use]
    pub fn for_invalid_records(&self) -> &BadDocument {
        self.on_invalid_record.as_ref().unwrap_or(&self.on_bad_document)
    }

    /// Whether anything becomes a dead letter.
    #[must_use]
    pub fn keeps_letters(&self) -> bool {
        [&self.on_bad_document, self.for_invalid_records()]
            .iter()
            .any(|p| matches!(p, BadDocument::DeadLetter(_) | BadDocument::DeadLetterTopic(_)))
    }

    /// The Kafka topics that dead letters go to.
    #[must_use]
    pub fn dead_letter_topics(&self) -> Vec<&str> {
        let policies = [Some(&self.on_bad_document), self.on_invalid_record.as_ref()];
        let mut topics: Vec<&str> = policies
            .into_iter()
            .flatten()
            .filter_map(|p| match p {
                BadDocument::DeadLetterTopic(topic) => Some(topic.as_str()),
                _ => None,
            })
            .collect();
        topics.dedup();
        topics
    }

    /// More lanes than this bring no server anything and cost a task and a buffer each.
    const MOST_IN_FLIGHT: usize = 64;

    pub(crate) fn parsed_urls(&self) -> Result<Vec<Url>, Error> {
        if self.urls.is_empty() {
            return Err(config("index.urls must name at least one address"));
        }
        let mut seen = HashSet::new();
        let mut urls = Vec::with_capacity(self.urls.len());
        for text in &self.urls {
            let url = parse_url(text)?;
            if !seen.insert(url.clone()) {
                return Err(config("index.urls names one address twice"));
            }
            urls.push(url);
        }
        Ok(urls)
    }

    fn check_name(&self) -> Result<(), Error> {
        check_name("name", &self.name)?;
        self.alias.as_deref().map_or(Ok(()), |a| check_name("alias", a))
    }

    fn check_documents(&self) -> Result<(), Error> {
        if let Some(text) = &self.id_template {
            check_template("id_template", text)?;
            if self.id_from != IdFrom::Key {
                return Err(config(
                    "index.id_template and index.id_from exclude each other: keep one",
                ));
            }
        }
        if let Some(text) = &self.routing {
            check_template("routing", text)?;
        }
        let ids = self
            .overrides
            .iter()
            .map(|o| &o.id_template)
            .chain([&self.id_template]);
        let needs_row = |text: &String| Template::parse(text).is_ok_and(|t| t.needs_row());
        if self.delete_on == DeleteOn::Tombstone && ids.flatten().any(needs_row) {
            return Err(config(
                "index.id_template cannot have {value.…} with delete_on: tombstone, which has no row: make the `_id` of the key",
            ));
        }
        if cdc_core::types::unavailable_tokens(&self.unavailable_value).is_none() {
            return Err(config(
                "index.unavailable_value: an even number of hexadecimal digits must follow hex:",
            ));
        }
        if matches!(&self.versions, Versions::Header(name) if name.is_empty()) {
            return Err(config("index.versions.header must name a header"));
        }
        for (name, policy) in [
            ("on_bad_document", Some(&self.on_bad_document)),
            ("on_invalid_record", self.on_invalid_record.as_ref()),
        ] {
            if matches!(policy, Some(BadDocument::DeadLetterTopic(topic)) if topic.is_empty()) {
                return Err(config(format!(
                    "index.{name}.dead_letter_topic must name a topic"
                )));
            }
        }
        if let (BadDocument::DeadLetter(a), Some(BadDocument::DeadLetter(b))) =
            (&self.on_bad_document, &self.on_invalid_record)
            && a != b
        {
            return Err(config(
                "index.on_invalid_record.dead_letter must be the file of index.on_bad_document",
            ));
        }
        let upserts =
            self.write == Write::Upsert || self.overrides.iter().any(|o| o.write == Some(Write::Upsert));
        if upserts && (self.pipeline.is_some() || self.overrides.iter().any(|o| o.pipeline.is_some())) {
            return Err(config(
                "index.pipeline cannot go with write: upsert: the servers pass no partial document through it",
            ));
        }
        if upserts && self.streams() {
            return Err(config(
                "index.write: upsert cannot go with a data stream: documents there are only added",
            ));
        }
        Ok(())
    }

    fn check_targets(&self) -> Result<(), Error> {
        if let Some(stream) = &self.data_stream {
            if self.resources.is_some() {
                return Err(config(
                    "index.data_stream and index.resources exclude each other: keep one",
                ));
            }
            stream.validate()?;
        }
        if let Some(resources) = &self.resources {
            if self.create || self.alias.is_some() {
                return Err(config(
                    "index.resources are made by others: remove index.create and index.alias",
                ));
            }
            resources.validate()?;
        }
        if self.streams() && !matches!(self.delete_on, DeleteOn::Nothing | DeleteOn::Refuse) {
            return Err(config(
                "index.delete_on must be nothing or refuse with a data stream: documents there are only added",
            ));
        }
        if self.require_alias && self.create {
            return Err(config(
                "index.require_alias cannot go with index.create: what is created has the name itself, and is no alias of it",
            ));
        }
        if self.alias.is_some() && (!self.create || self.data_stream.is_some()) {
            return Err(config(
                "index.alias is given to created indexes: set index.create: true, without index.data_stream",
            ));
        }
        if let Some(template) = &self.template {
            if template.name.is_empty() || template.patterns.iter().all(String::is_empty) {
                return Err(config("index.template needs a name and patterns"));
            }
            if self.settings.is_none() && self.mappings.is_none() && !template.data_stream {
                return Err(config(
                    "index.template needs index.settings or index.mappings to put into it",
                ));
            }
        }
        Ok(())
    }

    /// Whether documents are only ever added.
    pub(crate) fn streams(&self) -> bool {
        self.data_stream.is_some() || self.resources.as_ref().is_some_and(|r| r.kind.is_data_stream())
    }
}

impl TopicOverride {
    fn validate(&self) -> Result<(), Error> {
        if self.topics.is_empty() && self.topics_regex.is_none() {
            return Err(config("index.overrides: an entry needs topics or topics_regex"));
        }
        if let Some(pattern) = &self.topics_regex {
            Regex::new(pattern).map_err(|e| {
                config("index.overrides.topics_regex is no valid regular expression").with_source(e)
            })?;
        }
        if let Some(name) = &self.name {
            check_name("overrides.name", name)?;
        }
        for (name, text) in [("id_template", &self.id_template), ("routing", &self.routing)] {
            if let Some(text) = text {
                check_template(&format!("overrides.{name}"), text)?;
            }
        }
        Ok(())
    }

    /// Whether it is for a topic.
    pub(crate) fn is_for(&self, topic: &str) -> bool {
        self.topics.iter().any(|t| t == topic)
            || self
                .topics_regex
                .as_ref()
                .is_some_and(|p| Regex::new(&format!("^(?:{p})$")).is_ok_and(|r| r.is_match(topic)))
    }
}

impl DataStreamConfig {
    fn validate(&self) -> Result<(), Error> {
        const REFUSED: [char; 15] = [
            '\\', '/', '*', '?', '"', '<', '>', '|', ' ', ',', '#', ':', '-', '{', '}',
        ];
        for (name, text) in [("type", &self.kind), ("dataset", &self.dataset)] {
            if text.is_empty() || text.len() > 100 || text.contains(REFUSED) || *text != text.to_lowercase() {
                return Err(config(format!(
                    "index.data_stream.{name} must be 1 to 100 bytes of lower case without any of \\ / * ? \" < > | , # : - or spaces"
                )));
            }
        }
        check_name("data_stream.namespace", &self.namespace)
    }
}

impl ResourcesConfig {
    fn validate(&self) -> Result<(), Error> {
        if self.by_topic.is_empty() {
            return Err(config("index.resources.by_topic must name at least one topic"));
        }
        let mut seen = HashSet::new();
        match self.by_topic.values().find(|name| !seen.insert(name.as_str())) {
            Some(name) => Err(config(format!(
                "index.resources.by_topic gives {name} to two topics: each needs one of its own"
            ))),
            None => Ok(()),
        }
    }
}

fn check_name(option: &str, text: &str) -> Result<(), Error> {
    if text.replace("{topic}", "").contains(['{', '}']) {
        return Err(config(format!(
            "index.{option} knows no placeholder but {{topic}}: write it as in \"cdc-{{topic}}\""
        )));
    }
    if text.is_empty() {
        return Err(config(format!("index.{option} must not be empty")));
    }
    Ok(())
}

fn check_template(option: &str, text: &str) -> Result<(), Error> {
    Template::parse(text)
        .map(drop)
        .map_err(|why| config(format!("index.{option}: {why}")))
}

/// An address without credentials in it: those would end up in logs.
fn parse_url(text: &str) -> Result<Url, Error> {
    let bad = |why: &str| config(format!("index.urls: {why}"));
    let mut url = Url::parse(text)
        .map_err(|e| bad("an address is no URL such as http://localhost:9200").with_source(e))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad(
            "an address must begin with http:// or https:// and name a host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("credentials belong in index.auth, not in the address"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("an address must have no ? or # part"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
