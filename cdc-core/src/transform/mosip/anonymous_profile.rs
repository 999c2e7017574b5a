//! Profiles of persons made fit for statistics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Client, Mode, Reply, Search, biometrics, cannot, java_map, nested, path, remove};
use crate::json;
use crate::record::{Record, Value};
use crate::transform::{Build, Side, Transform, TransformError};

/// MOSIP's AnonymousProfileTransform: named functions applied to profile objects of a record, and to the record.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AnonymousProfile {
    /// Side of the record.
    pub side: Side,
    /// Profile objects; dots lead into objects.
    pub profiles_fields_list: Vec<String>,
    /// Age groups such as `0-5`; the last is for all other ages.
    pub age_groups_list: Vec<String>,
    /// Field of the profile that gets the age group.
    pub age_groups_output_field: String,
    /// Labels of channels: both, phone only, email only, and the last for neither.
    pub channel_groups_list: Vec<String>,
    /// Index of the profiles.
    pub kafka_topic_name: String,
    /// Address of the search server.
    pub es_url: String,
    /// Functions for each profile object, in order: processBiometricList, processAgeGroup, processChannel,
    /// processProcessName, processAssister, processLocationList, processUpdateProfile.
    #[serde(alias = "profile_listOfFunctions")]
    pub profile_list_of_functions: Option<Vec<String>>,
    /// Functions for the whole record, in order: processRegistrationCenter.
    #[serde(alias = "listOfFunctions")]
    pub list_of_functions: Vec<String>,
    /// Whether the Java class's flaws are kept.
    pub mode: Mode,
}

impl Default for AnonymousProfile {
    fn default() -> Self {
        Self {
            side: Side::Value,
            profiles_fields_list: vec!["profile".into()],
            age_groups_list: Vec::new(),
            age_groups_output_field: String::new(),
            channel_groups_list: Vec::new(),
            kafka_topic_name: String::new(),
            es_url: String::new(),
            profile_list_of_functions: None,
            list_of_functions: Vec::new(),
            mode: Mode::Strict,
        }
    }
}

const OF_PROFILES: [&str; 7] = [
    "processBiometricList",
    "processAgeGroup",
    "processChannel",
    "processProcessName",
    "processAssister",
    "processLocationList",
    "processUpdateProfile",
];
const OF_RECORDS: [&str; 1] = ["processRegistrationCenter"];

impl Build for AnonymousProfile {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        let filled = |all: &[String]| all.iter().any(|s| !s.trim().is_empty());
        for (name, given) in [
            ("profiles_fields_list", filled(&self.profiles_fields_list)),
            ("age_groups_list", filled(&self.age_groups_list)),
            (
                "age_groups_output_field",
                !self.age_groups_output_field.is_empty(),
            ),
            ("channel_groups_list", filled(&self.channel_groups_list)),
            ("kafka_topic_name", !self.kafka_topic_name.is_empty()),
            ("es_url", !self.es_url.is_empty()),
            (
                "profile_list_of_functions",
                self.profile_list_of_functions.is_some(),
            ),
        ] {
            if !given {
                return Err(format!("{name}: is missing"));
            }
        }
        if self.mode == Mode::Strict {
            let unknown =
                |all: &[String], known: &[&str]| all.iter().find(|f| !known.contains(&f.trim())).cloned();
            for (option, all, known) in [
                (
                    "profile_list_of_functions",
                    self.profile_list_of_functions.as_deref().unwrap_or_default(),
                    &OF_PROFILES[..],
                ),
                (
                    "list_of_functions",
                    self.list_of_functions.as_slice(),
                    &OF_RECORDS[..],
                ),
            ] {
                if let Some(name) = unknown(all, known) {
                    return Err(format!("{option}: `{name}` is none of {}", known.join(", ")));
                }
            }
        }
        Ok(Box::new(Profiles {
            paths: self.profiles_fields_list.iter().map(|f| path(f.trim())).collect(),
            options: Arc::new(self.clone()),
            client: Client::default(),
            prepared: Arc::default(),
        }))
    }
}

#[derive(Clone, Debug)]
struct Profiles {
    options: Arc<AnonymousProfile>,
    client: Client,
    paths: Arc<[Vec<String>]>,
    /// The index was asked for.
    prepared: Arc<AtomicBool>,
}

impl Profiles {
    fn strict(&self) -> bool {
        self.options.mode == Mode::Strict
    }

    /// Makes the index with the two fields that need a mapping of their own. If the server refuses, it maps them as it likes,
    /// as it does for the Java class.
    fn prepare(&self) -> Result<(), TransformError> {
        if self.prepared.load(Ordering::Relaxed) {
            return Ok(());
        }
        let base = match self.options.mode {
            Mode::Strict => self.options.es_url.trim_end_matches('/'),
            Mode::Compatible => self.options.es_url.as_str(),
        };
        let url = format!("{base}/{}/", self.options.kafka_topic_name);
        let body = r#"{"mappings":{"properties":{"registrationCenterGeoLocation":{"type":"geo_point"},"profile":{"properties":{"updateId":{"type":"keyword"}}}}}}"#;
        match self.client.request("PUT", &url, Some(body)) {
            Ok(reply) if reply.status == 200 => {}
            Ok(reply) if self.strict() && passes(reply.status) => {
                return Err(self.failed("made", &format!("status {}", reply.status)));
            }
            Ok(reply) => tracing::debug!(status = reply.status, "the index of profiles was not made"),
            Err(error) if self.strict() => return Err(self.failed("made", &error)),
            Err(error) => tracing::debug!(error, "the index of profiles was not made"),
        }
        self.prepared.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A failure that may pass.
    fn failed(&self, what: &str, why: &str) -> TransformError {
        TransformError::transient(format!(
            "index {} cannot be {what}: {why}",
            self.options.kafka_topic_name
        ))
    }

    /// Sends a request of [`update`](Self::update); none if what it is about is not there.
    fn ask(
        &self,
        what: &str,
        method: &str,
        url: &str,
        body: Option<&str>,
    ) -> Result<Option<Reply>, TransformError> {
        let reply = self
            .client
            .request(method, url, body)
            .map_err(|e| self.failed(what, &e))?;
        match reply.status {
            200..=299 => Ok(Some(reply)),
            404 => Ok(None),
            // The Java class does not look at it.
            _ if !self.strict() => Ok(Some(reply)),
            status if passes(status) => Err(self.failed(what, &format!("status {status}"))),
            status => {
                let name = &self.options.kafka_topic_name;
                Err(TransformError::new(format!(
                    "index {name} cannot be {what}: status {status}"
                )))
            }
        }
    }

    fn profile(&self, profile: &mut Value, date: Option<&str>) -> Result<(), TransformError> {
        if !matches!(profile, Value::Map(_)) {
            return Err(cannot("a profile", profile));
        }
        for function in self.options.profile_list_of_functions.iter().flatten() {
            match function.trim() {
                "processBiometricList" => {
                    if let Some(list) = profile.entry("biometricInfo").filter(|v| !v.is_null()) {
                        let summary = biometrics::summarise(list, self.options.mode)?;
                        profile.set_entry("biometricInfo", summary);
                    }
                }
                "processAgeGroup" => self.age_group(profile, date)?,
                "processChannel" => self.channel(profile)?,
                "processProcessName" => self.process_name(profile)?,
                "processAssister" => assister(profile)?,
                "processLocationList" => location(profile)?,
                "processUpdateProfile" => self.update(profile)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn age_group(&self, profile: &mut Value, date: Option<&str>) -> Result<(), TransformError> {
        let born = match profile.entry("yearOfBirth") {
            Some(Value::String(text)) => match text.parse::<i64>() {
                Ok(year) => year,
                Err(_) if self.strict() => return Ok(()),
                Err(_) => return Err(TransformError::new("yearOfBirth is a text that is no number")),
            },
            Some(Value::Int32(year)) => i64::from(*year),
            Some(Value::Int64(year)) if self.strict() => *year,
            _ => return Ok(()),
        };
        let Some(date) = date else { return Ok(()) };
        let year = date.get(..4).and_then(|y| y.parse::<i64>().ok());
        let year = year.ok_or_else(|| TransformError::new("profile.date does not begin with a year"))?;
        let groups: Vec<&str> = self.options.age_groups_list.iter().map(|g| g.trim()).collect();
        let age = year.saturating_sub(born);
        let (last, ranges) = groups
            .split_last()
            .ok_or_else(|| TransformError::new("age_groups_list: is empty"))?;
        let holds = |group: &&&str| {
            let bounds = group
                .split_once('-')
                .and_then(|(lo, hi)| Some((lo.trim().parse::<i64>().ok()?, hi.trim().parse::<i64>().ok()?)));
            bounds.is_some_and(|(lo, hi)| lo <= age && age < hi)
        };
        let group = ranges.iter().find(holds).unwrap_or(last);
        profile.set_entry(
            &self.options.age_groups_output_field,
            Value::String((*group).into()),
        );
        Ok(())
    }

    fn channel(&self, profile: &mut Value) -> Result<(), TransformError> {
        let (mut phone, mut email) = (false, false);
        match profile.entry("channel") {
            None | Some(Value::Null) => {}
            Some(Value::Array(all)) => {
                let has = |name: &str| {
                    all.iter()
                        .any(|c| c.as_str().is_some_and(|c| c.eq_ignore_ascii_case(name)))
                };
                (phone, email) = (has("phone"), has("email"));
            }
            Some(other) => return Err(cannot("channel", other)),
        }
        let labels = &self.options.channel_groups_list;
        let label = match (phone, email) {
            (true, true) => labels.first(),
            (true, false) => labels.get(1),
            (false, true) => labels.get(2),
            (false, false) => labels.last(),
        };
        let label = label.ok_or_else(|| TransformError::new("channel_groups_list: has too few labels"))?;
        profile.set_entry("channel", Value::String(label.trim().into()));
        Ok(())
    }

    fn process_name(&self, profile: &mut Value) -> Result<(), TransformError> {
        let name = match profile.entry("processName") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::String(name)) if name.is_empty() && self.strict() => return Ok(()),
            Some(Value::String(name)) => name,
            Some(other) => return Err(cannot("processName", other)),
        };
        let mut chars = name.chars();
        let first = chars
            .next()
            .ok_or_else(|| TransformError::new("processName is empty"))?;
        let name: String = first
            .to_uppercase()
            .chain(chars.flat_map(char::to_lowercase))
            .collect();
        profile.set_entry("processName", Value::String(name.into()));
        Ok(())
    }

    /// Gives the state of a person an id made of its text, and deletes the document of the state before it.
    fn update(&self, profile: &mut Value) -> Result<(), TransformError> {
        let id = |value: Option<&Value>| match value {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Map(entries)) => {
                let mut text = String::new();
                java_map::text_of_map(entries, &mut text);
                Ok(Some(base64_simd::STANDARD.encode_to_string(text.as_bytes())))
            }
            Some(other) => Err(cannot("a profile", other)),
        };
        let Some(new) = id(profile.entry("newProfile"))? else {
            return Ok(());
        };
        let old = id(profile.entry("oldProfile"))?;
        profile.set_entry("updateId", Value::String(new.into()));
        let Some(old) = old else { return Ok(()) };
        if let Err(error) = self.forget(&old) {
            if self.strict() {
                return Err(error);
            }
            tracing::warn!(error = %error, "the former state of a profile was not deleted");
        }
        Ok(())
    }

    fn forget(&self, id: &str) -> Result<(), TransformError> {
        let base = format!(
            "{}/{}",
            self.options.es_url.trim_end_matches('/'),
            self.options.kafka_topic_name
        );
        if self.strict() {
            // A state that was written a moment ago is not searchable before a refresh.
            self.ask("refreshed", "POST", &format!("{base}/_refresh"), None)?;
        }
        let mut query = b"{\"size\":1,\"query\":{\"term\":{\"profile.updateId\":".to_vec();
        json::write_str(&mut query, id.as_bytes());
        query.extend_from_slice(b"}}}");
        let query = String::from_utf8_lossy(&query);
        let found = self.ask("searched", "POST", &format!("{base}/_search"), Some(&query))?;
        let Some(found) = found else { return Ok(()) };
        let hit = crate::convert::read_schemaless(found.body.as_bytes()).ok();
        let hit = hit.as_ref().and_then(|r| match r.entry("hits")?.entry("hits")? {
            Value::Array(hits) => hits.first()?.entry("_id")?.as_str().map(str::to_owned),
            _ => None,
        });
        let Some(hit) = hit else { return Ok(()) };
        let mut segment = String::new();
        for b in hit.bytes() {
            if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
                segment.push(char::from(b));
            } else {
                segment.push_str(&format!("%{b:02X}"));
            }
        }
        self.ask("changed", "DELETE", &format!("{base}/_doc/{segment}"), None)
            .map(drop)
    }
}

/// Whether what a server answers so may be answered otherwise later.
fn passes(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

fn assister(profile: &mut Value) -> Result<(), TransformError> {
    let officers = match profile.entry("assisted") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(all)) => {
            let names = ["Operator", "Supervisor"];
            names
                .iter()
                .zip(all)
                .map(|(n, v)| ((*n).into(), v.clone()))
                .collect::<Vec<_>>()
        }
        Some(other) => return Err(cannot("assisted", other)),
    };
    if !officers.is_empty() {
        profile.set_entry("registrationOfficers", java_map::map(officers));
    }
    Ok(())
}

fn location(profile: &mut Value) -> Result<(), TransformError> {
    let levels = match profile.entry("location") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(all)) => {
            let level = |(i, v): (usize, &Value)| (format!("hierarchy{}", i + 1).into(), v.clone());
            all.iter().enumerate().map(level).collect::<Vec<_>>()
        }
        Some(other) => return Err(cannot("location", other)),
    };
    profile.set_entry("location", java_map::map(levels));
    Ok(())
}

/// Latitude and longitude of the centre to one point.
fn registration_center(record: &mut Value) {
    let text = |name: &str| match record.entry(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.to_string()),
        Some(other) => Some(other.as_i64().map_or_else(String::new, |n| n.to_string())),
    };
    let (Some(lat), Some(lon)) = (text("temp_latitude"), text("temp_longitude")) else {
        return;
    };
    if lat.trim().parse::<f64>().is_ok() && lon.trim().parse::<f64>().is_ok() {
        record.set_entry(
            "registrationCenterGeoLocation",
            Value::String(format!("{lat},{lon}").into()),
        );
    }
    remove(record, "temp_latitude");
    remove(record, "temp_longitude");
}

/// The value at a path, to change.
///
/// # Errors
/// When the path leads through what is not there or no map.
fn nested_mut<'a>(value: &'a mut Value, path: &[String]) -> Result<Option<&'a mut Value>, TransformError> {
    let mut at = value;
    for name in path {
        let Value::Map(entries) = at else {
            return Err(TransformError::new(format!(
                "profiles_fields_list: {name} is looked for in {}",
                at.kind_name()
            )));
        };
        match entries.iter_mut().find(|(k, _)| k.as_str() == Some(name)) {
            Some((_, next)) => at = next,
            None if path.last() == Some(name) => return Ok(None),
            None => {
                return Err(TransformError::new(format!(
                    "profiles_fields_list: {name} is not there"
                )));
            }
        }
    }
    Ok(Some(at))
}

impl Transform for Profiles {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let side = self.options.side;
        let data = side.of_mut(&mut record);
        if data.value.is_null() || data.schema.is_some() && !self.strict() {
            return Ok(Some(record));
        }
        if data.schema.is_some() {
            let text =
                "the value has a schema, and its profile would fit none: read the topic without schemas";
            return Err(TransformError::new(text));
        }
        self.prepare()?;
        let date = match nested(&data.value, &["profile".to_owned(), "date".to_owned()])? {
            Value::Null => None,
            Value::String(date) => Some(date.to_string()),
            other => return Err(cannot("profile.date", other)),
        };
        for path in self.paths.iter() {
            let found = match nested_mut(&mut data.value, path) {
                Err(_) if self.strict() => None,
                found => found?,
            };
            if let Some(profile) = found.filter(|p| !p.is_null()) {
                self.profile(profile, date.as_deref())?;
            }
        }
        for function in &self.options.list_of_functions {
            if function.trim() == "processRegistrationCenter" {
                registration_center(&mut data.value);
            }
        }
        Ok(Some(record))
    }

    fn connect(&mut self, search: &Arc<dyn Search>) {
        self.client = Client(Some(Arc::clone(search)));
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }
}
