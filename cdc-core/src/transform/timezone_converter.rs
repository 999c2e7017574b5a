//! Times in another time zone.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::{is_envelope_schema, member};
use super::{Build, HeaderUse, Transform, TransformError};
use crate::connect::Schema;
use crate::convert::default_value;
use crate::record::{Record, Value};

/// Debezium's TimezoneConverter. Times with a zone become the same instant in the zone; timestamps without one are taken as local
/// time of the zone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimezoneConverter {
    /// Name of a zone such as `Europe/Paris`, or an offset such as `+08:00`.
    pub converted_timezone: String,
    /// Rules `source:table[:field]`, `topic:topic[:field]` or `name:field` for what is converted; everything if there are none.
    #[serde(default)]
    pub include_list: Vec<String>,
    /// Such rules for what is not converted.
    #[serde(default)]
    pub exclude_list: Vec<String>,
}

/// Fields by the name of a table or topic; none named means all.
type Rules = BTreeMap<String, Vec<String>>;

impl Build for TimezoneConverter {
    fn build(&self) -> Result<Box<dyn Transform>, String> {
        if !self.include_list.is_empty() && !self.exclude_list.is_empty() {
            return Err("exclude_list: excludes include_list: keep one of the two".into());
        }
        let zone = zone(&self.converted_timezone).ok_or_else(|| {
            let name = &self.converted_timezone;
            format!("converted_timezone: `{name}` is neither a time zone such as Europe/Paris nor an offset such as +08:00")
        })?;
        let mut converter = Converter {
            zone,
            includes: !self.include_list.is_empty(),
            topics: Rules::new(),
            tables: Rules::new(),
            names: Rules::new(),
        };
        let (option, list) = match converter.includes {
            true => ("include_list", &self.include_list),
            false => ("exclude_list", &self.exclude_list),
        };
        // As in Debezium a prefix holds for the rules after it too.
        let mut prefix = None;
        for rule in list {
            let parts: Vec<&str> = rule.split(':').map(str::trim).collect();
            let (name, field) = match parts.as_slice() {
                [kind, name] if is_prefix(kind) => {
                    prefix = Some(kind.to_ascii_lowercase());
                    (*name, None)
                }
                [kind, name, field] if is_prefix(kind) => {
                    prefix = Some(kind.to_ascii_lowercase());
                    (*name, Some(*field))
                }
                [name, field] => (*name, Some(*field)),
                _ => {
                    return Err(format!(
                        "{option}: `{rule}` is not of the form source:table[:field], topic:topic[:field] or name:field"
                    ));
                }
            };
            let rules = match prefix.as_deref() {
                Some("topic") => &mut converter.topics,
                Some(_) => &mut converter.tables,
                None => &mut converter.names,
            };
            rules
                .entry(name.to_owned())
                .or_default()
                .extend(field.map(str::to_owned));
        }
        Ok(Box::new(converter))
    }
}

fn is_prefix(text: &str) -> bool {
    text.eq_ignore_ascii_case("source") || text.eq_ignore_ascii_case("topic")
}

/// The zone of a name or an offset `±hh:mm[:ss]`.
fn zone(name: &str) -> Option<TimeZone> {
    let (sign, rest) = match name.as_bytes().first()? {
        b'+' => (1, name.get(1..)?),
        b'-' => (-1, name.get(1..)?),
        _ => return TimeZone::get(name).ok(),
    };
    let parts: Vec<&str> = rest.split(':').collect();
    let mut seconds = 0_i32;
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    for (part, unit) in parts.iter().zip([3600, 60, 1]) {
        let digits = (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten()?;
        seconds += i32::from(digits) * unit;
    }
    Offset::from_seconds(sign * seconds).ok().map(TimeZone::fixed)
}

#[derive(Clone, Debug)]
struct Converter {
    zone: TimeZone,
    includes: bool,
    topics: Rules,
    tables: Rules,
    names: Rules,
}

/// Which fields of a struct are converted.
enum Selection<'a> {
    All,
    Only(Vec<&'a str>),
    Except(Vec<&'a str>),
}

impl Selection<'_> {
    fn takes(&self, field: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(fields) => fields.contains(&field),
            Self::Except(fields) => !fields.contains(&field),
        }
    }
}

impl Transform for Converter {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, TransformError> {
        let Some(schema) = record.value.schema.clone().filter(|s| is_envelope_schema(s)) else {
            return Ok(Some(record));
        };
        let table = table(&record);
        let rule = self.rule(&table, record.topic());
        let fields = match (self.includes, rule) {
            (true, None) => return Ok(Some(record)),
            (false, Some(fields)) if fields.is_empty() => return Ok(Some(record)),
            (_, None) => &[][..],
            (_, Some(fields)) => fields.as_slice(),
        };
        let Value::Struct(parts) = &mut record.value.value else {
            return Ok(Some(record));
        };
        for (part, field) in parts.iter_mut().zip(schema.fields()) {
            let name = field.name.as_str();
            let source = name == "source";
            if !source && name != "before" && name != "after" {
                continue;
            }
            let named = named(fields, name);
            if source && named.is_empty() {
                continue;
            }
            let selection = match (fields.is_empty(), self.includes) {
                (true, _) => Selection::All,
                (false, true) => Selection::Only(named),
                (false, false) => Selection::Except(named),
            };
            self.convert_struct(&field.schema, part, &selection, source)?;
        }
        Ok(Some(record))
    }

    fn clone_box(&self) -> Box<dyn Transform> {
        Box::new(self.clone())
    }

    fn header_use(&self) -> HeaderUse {
        HeaderUse::Adds
    }
}

/// Name of the event's table, or nothing.
fn table(record: &Record) -> String {
    let source = record.value.schema.as_deref().and_then(|s| s.field("source"));
    let table = source.and_then(|(_, source)| {
        let (index, _) = source.schema.field("table")?;
        member(&record.value, "source")?.member(index).as_str()
    });
    table.unwrap_or_default().to_owned()
}

/// Fields of a part of the envelope: those named with its prefix, and for rows those without one.
fn named<'f>(fields: &'f [String], part: &str) -> Vec<&'f str> {
    let mut all = Vec::new();
    for field in fields {
        match field.split_once('.') {
            Some((prefix, rest)) if prefix == part => all.push(rest),
            Some(("source" | "before" | "after", _)) => {}
            _ if part != "source" => all.push(field.as_str()),
            _ => {}
        }
    }
    all
}

impl Converter {
    /// The fields of the first rule for an event.
    fn rule(&self, table: &str, topic: &str) -> Option<&Vec<String>> {
        let by_topic = self.topics.get(topic);
        let by_table = || self.tables.get(table);
        let by_name = || self.names.get(topic).or_else(|| self.names.get(table));
        by_topic.or_else(by_table).or_else(by_name)
    }

    fn convert_struct(
        &self,
        schema: &Schema,
        value: &mut Value,
        selection: &Selection<'_>,
        source: bool,
    ) -> Result<(), TransformError> {
        let Value::Struct(members) = value else {
            return Ok(());
        };
        for (member, field) in members.iter_mut().zip(schema.fields()) {
            if !selection.takes(&field.name) {
                continue;
            }
            // As in Debezium what stands for NULL is converted and stays.
            if member.is_null() && is_time(&field.schema) {
                *member = default_value(&field.schema)?.unwrap_or_default();
            }
            let wrong =
                || TransformError::new(format!("the time in the field {} is out of range", field.name));
            match (field.schema.name.as_deref(), &mut *member) {
                (Some("io.debezium.time.ZonedTimestamp"), Value::String(text)) => {
                    *text = self.zoned_timestamp(text).ok_or_else(wrong)?.into();
                }
                (Some("io.debezium.time.ZonedTime"), Value::String(text)) => {
                    *text = self.zoned_time(text).ok_or_else(wrong)?.into();
                }
                (
                    Some("io.debezium.time.Timestamp" | "org.apache.kafka.connect.data.Timestamp"),
                    Value::Int64(n),
                ) => {
                    *n = self.local(*n, 1000).ok_or_else(wrong)?;
                }
                (Some("io.debezium.time.MicroTimestamp"), Value::Int64(n)) => {
                    *n = self.local(*n, 1_000_000).ok_or_else(wrong)?;
                }
                (Some("io.debezium.time.NanoTimestamp"), Value::Int64(n)) => {
                    *n = self.local(*n, 1_000_000_000).ok_or_else(wrong)?;
                }
                (None, Value::Int64(n)) if source => {
                    let unit = match field.name.as_str() {
                        "ts_ms" => 1000,
                        "ts_us" => 1_000_000,
                        "ts_ns" => 1_000_000_000,
                        _ => continue,
                    };
                    let at = within_calendar(n.div_euclid(unit)).ok_or_else(wrong)?;
                    let shift = i64::from(self.zone.to_offset(at).seconds());
                    *n = shift
                        .checked_mul(unit)
                        .and_then(|s| n.checked_add(s))
                        .ok_or_else(wrong)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Offset of a local time; the one before, where clocks change.
    fn offset(&self, local: DateTime) -> Offset {
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        }
    }

    /// A number of units since 1970 that is taken as local time.
    fn local(&self, n: i64, unit: i64) -> Option<i64> {
        let at = within_calendar(n.div_euclid(unit))?;
        let offset = self.offset(Offset::UTC.to_datetime(at));
        n.checked_sub(i64::from(offset.seconds()).checked_mul(unit)?)
    }

    /// The same instant in the zone. As in Debezium the offset is that of the text's own local time.
    fn zoned_timestamp(&self, text: &str) -> Option<String> {
        let (text, cycles) = near_year(text)?;
        let at: Timestamp = text.parse().ok()?;
        let (local, _) = split_offset(&text)?;
        let offset = self.offset(local.parse().ok()?);
        Some(format!(
            "{}{}",
            iso(offset.to_datetime(at), cycles),
            iso_offset(offset)
        ))
    }

    /// The same time of day in the zone, with the offset that it has now.
    fn zoned_time(&self, text: &str) -> Option<String> {
        let at: Timestamp = format!("1970-01-02T{text}").parse().ok()?;
        let offset = self.zone.to_offset(Timestamp::now());
        let local = iso(offset.to_datetime(at), 0);
        let (_, time) = local.split_once('T')?;
        Some(format!("{time}{}", iso_offset(offset)))
    }
}

/// Date and time, and offset, of an ISO text.
fn split_offset(text: &str) -> Option<(&str, &str)> {
    let time = text.find('T')?;
    let at = text.get(time..)?.find(['Z', '+', '-'])?;
    text.split_at_checked(time + at)
}

/// Years after which the calendar is the same again, weekdays too, and with it the rules of time zones.
const CYCLE: i64 = 400;
/// The same in seconds.
const CYCLE_SECONDS: i64 = 146_097 * 86_400;
/// Years below and above this are moved by cycles: the calendar at hand ends at 9999.
const FAR: i64 = 9000;

/// The instant so many seconds after 1970, moved by cycles into the calendar.
fn within_calendar(seconds: i64) -> Option<Timestamp> {
    let far = (FAR - 1970) / CYCLE * CYCLE_SECONDS;
    let cycles = match seconds {
        s if s > far => (s - far) / CYCLE_SECONDS + 1,
        s if s < -far => (s + far) / CYCLE_SECONDS - 1,
        _ => 0,
    };
    Timestamp::from_second(seconds - cycles * CYCLE_SECONDS).ok()
}

/// An ISO text with its year moved by cycles into the calendar, and by how many.
fn near_year(text: &str) -> Option<(String, i64)> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).split('-').next()?;
    let end = text.find(digits)? + digits.len();
    let year: i64 = text.get(..end)?.parse().ok()?;
    let cycles = match year {
        y if y > FAR => (y - FAR) / CYCLE + 1,
        y if y < -FAR => (y + FAR) / CYCLE - 1,
        _ => 0,
    };
    let near = year - cycles * CYCLE;
    let sign = if near < 0 { '-' } else { '+' };
    Some((format!("{sign}{:06}{}", near.abs(), text.get(end..)?), cycles))
}

/// Whether a schema is one of the times that are converted.
fn is_time(schema: &Schema) -> bool {
    schema
        .name
        .as_deref()
        .is_some_and(|n| n.starts_with("io.debezium.time.") || n == "org.apache.kafka.connect.data.Timestamp")
}

/// Java's ISO form: as many digits of the fraction as there are. The year is so many cycles away.
fn iso(at: DateTime, cycles: i64) -> String {
    let date = at.date();
    let base = format!(
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}",
        iso_year(i64::from(date.year()) + cycles * CYCLE),
        date.month(),
        date.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    match at.subsec_nanosecond() {
        0 => base,
        nanos => format!("{base}.{}", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// Four digits at least, with a sign where there are more or the year is before 0.
fn iso_year(year: i64) -> String {
    match year {
        10_000.. => format!("+{year}"),
        0.. => format!("{year:04}"),
        _ => format!("-{:04}", -year),
    }
}

fn iso_offset(offset: Offset) -> String {
    let seconds = offset.seconds();
    if seconds == 0 {
        return "Z".into();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let all = SignedDuration::from_secs(i64::from(seconds))
        .unsigned_abs()
        .as_secs();
    let base = format!("{sign}{:02}:{:02}", all / 3600, all / 60 % 60);
    match all % 60 {
        0 => base,
        rest => format!("{base}:{rest:02}"),
    }
}

#[cfg(test)]
mod tests;
