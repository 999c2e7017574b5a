//! Names: topics from tables, Connect names from database names.
//!
//! Debezium works on UTF-16 units, so a character outside the basic plane counts as two.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filter::compile_search;
use crate::{Error, ErrorKind};

/// Longest topic name that Kafka takes.
const MAX_TOPIC: usize = 249;

/// How a table's topic is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum TopicNaming {
    /// `prefix.schema.table` (`SchemaTopicNamingStrategy`).
    #[default]
    Schema,
    /// `prefix.table`, as `DefaultTopicNamingStrategy` names it for PostgreSQL.
    Database,
    /// As `schema`, then a replacement (`SchemaRegexTopicNamingStrategy`): tables can share a topic.
    SchemaRegex(TopicRegex),
    /// As `database`, then a replacement (`DefaultRegexTopicNamingStrategy`).
    DatabaseRegex(TopicRegex),
    /// As `schema`, with `_uXXXX` for each character that a topic cannot have (`SchemaUnicodeTopicNamingStrategy`).
    SchemaUnicode,
    /// As `database`, with `_uXXXX` (`DefaultUnicodeTopicNamingStrategy`).
    DatabaseUnicode,
}

/// A replacement on the topic name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicRegex {
    /// Expression that must match the whole name (`topic.regex`); other names stay.
    pub regex: String,
    /// Replacement, with `$1` for groups (`topic.replacement`).
    pub replacement: String,
}

/// How names are made valid for Avro.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameAdjustment {
    /// Names stay.
    #[default]
    None,
    /// `_` for each character that Avro does not allow.
    Avro,
    /// `_u` and the character's code for each character that Avro does not allow, the underscore included.
    AvroUnicode,
}

/// What a name is for: a schema's full name may have dots, a field's may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Schema,
    Field,
}

impl NameAdjustment {
    /// A field's name, adjusted.
    pub(crate) fn field(self, name: &str) -> String {
        self.adjust(name, Role::Field)
    }

    /// A schema's name, adjusted.
    pub(crate) fn schema(self, name: &str) -> String {
        self.adjust(name, Role::Schema)
    }

    /// The adjusted name.
    pub(super) fn adjust(self, name: &str, role: Role) -> String {
        if self == Self::None {
            return name.to_owned();
        }
        let underscore = self == Self::Avro;
        let mut out = String::with_capacity(name.len());
        for (i, unit) in name.encode_utf16().enumerate() {
            let c = char::from_u32(u32::from(unit)).filter(char::is_ascii);
            let valid = c.is_some_and(|c| {
                c.is_ascii_alphabetic()
                    || (c == '_' && underscore)
                    || (i > 0 && c.is_ascii_digit())
                    || (i > 0 && c == '.' && role == Role::Schema)
            });
            match c {
                Some(c) if valid => out.push(c),
                Some(c) if underscore && i == 0 && c.is_ascii_digit() => out.extend(['_', c]),
                _ if underscore => out.push('_'),
                _ => out.push_str(&unicode_escape(unit)),
            }
        }
        out
    }
}

/// `_u` and lower-case hex, with two zeros before it when there are one or two digits.
fn unicode_escape(unit: u16) -> String {
    if unit <= 0xff {
        format!("_u00{unit:x}")
    } else {
        format!("_u{unit:x}")
    }
}

/// The topics of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct TopicNames {
    prefix: String,
    delimiter: String,
    by_database: bool,
    unicode: bool,
    replace: Option<(Regex, String)>,
}

impl TopicNames {
    pub(super) fn new(naming: &TopicNaming, prefix: &str, delimiter: &str) -> Result<Self, Error> {
        use TopicNaming as N;
        let replace = match naming {
            N::SchemaRegex(r) | N::DatabaseRegex(r) => {
                let regex = compile_search("topic.regex", &format!("^(?:{})$", r.regex))?;
                Some((regex, crate::filter::java_replacement(&r.replacement)))
            }
            _ => None,
        };
        if !is_topic_text(prefix) || prefix.is_empty() {
            let text = format!(
                "topic_prefix `{prefix}` is not valid: letters, digits, `.`, `_` and `-`, at least one"
            );
            return Err(Error::new(ErrorKind::Config, text));
        }
        if !is_topic_text(delimiter) {
            let text =
                format!("topic_delimiter `{delimiter}` is not valid: letters, digits, `.`, `_` and `-`");
            return Err(Error::new(ErrorKind::Config, text));
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            delimiter: delimiter.to_owned(),
            by_database: matches!(naming, N::Database | N::DatabaseRegex(_) | N::DatabaseUnicode),
            unicode: matches!(naming, N::SchemaUnicode | N::DatabaseUnicode),
            replace,
        })
    }

    /// Topic of a table's rows.
    pub(super) fn table(&self, schema: &str, table: &str) -> String {
        let name = self.plain(schema, table);
        let name = match &self.replace {
            Some((regex, with)) => regex.replace(&name, with.as_str()).into_owned(),
            None => name,
        };
        self.sanitise(&name)
    }

    /// What keys say of their table where several tables can share a topic.
    pub(super) fn physical_table(&self, schema: &str, table: &str) -> Option<String> {
        self.replace
            .as_ref()
            .map(|_| self.sanitise(&self.plain(schema, table)))
    }

    fn plain(&self, schema: &str, table: &str) -> String {
        if self.by_database {
            self.join(&[&self.prefix, table])
        } else {
            self.join(&[&self.prefix, schema, table])
        }
    }

    /// Topic of transaction boundaries.
    pub(super) fn transaction(&self, suffix: &str) -> String {
        self.sanitise(&self.join(&[&self.prefix, suffix]))
    }

    /// Topic of heartbeats.
    pub(super) fn heartbeat(&self, heartbeat_prefix: &str) -> String {
        self.sanitise(&self.join(&[heartbeat_prefix, &self.prefix]))
    }

    /// Topic of logical messages; its dot is fixed.
    pub(super) fn message(&self) -> String {
        format!("{}.message", self.prefix)
    }

    fn join(&self, parts: &[&str]) -> String {
        parts.join(&self.delimiter)
    }

    fn sanitise(&self, name: &str) -> String {
        let mut out = String::with_capacity(name.len());
        for unit in name.encode_utf16() {
            match char::from_u32(u32::from(unit)) {
                Some(c) if is_topic_char(c) && !(self.unicode && c == '_') => out.push(c),
                _ if self.unicode => out.push_str(&unicode_escape(unit)),
                _ => out.push('_'),
            }
        }
        match out.as_str() {
            "." => return "_".into(),
            ".." => return "__".into(),
            _ => out.truncate(MAX_TOPIC),
        }
        out
    }
}

fn is_topic_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn is_topic_text(text: &str) -> bool {
    text.chars().all(is_topic_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(naming: &TopicNaming, delimiter: &str) -> TopicNames {
        TopicNames::new(naming, "srv", delimiter).unwrap()
    }

    #[test]
    fn topics_are_sanitised() {
        let n = names(&TopicNaming::Schema, ".");
        assert_eq!(n.table("public", "Mixed Case-é"), "srv.public.Mixed_Case-_");
        assert_eq!(n.table("s", "back\\slash"), "srv.s.back_slash");
        assert_eq!(n.table("s", "😀"), "srv.s.__");
        assert_eq!(n.table("s", &"x".repeat(300)).len(), 249);
        assert_eq!(
            names(&TopicNaming::Schema, "_").table("My Schema", "Strange-Table.1"),
            "srv_My_Schema_Strange-Table.1"
        );
    }

    #[test]
    fn service_topics() {
        let n = names(&TopicNaming::Schema, ".");
        assert_eq!(n.transaction("transaction"), "srv.transaction");
        assert_eq!(n.heartbeat("__debezium-heartbeat"), "__debezium-heartbeat.srv");
        assert_eq!(n.message(), "srv.message");
    }

    #[test]
    fn a_regex_routes_whole_names() {
        let regex = TopicRegex {
            regex: "(.*)shard_(.*)".into(),
            replacement: "$1all".into(),
        };
        let n = names(&TopicNaming::SchemaRegex(regex), ".");
        assert_eq!(n.table("public", "shard_7"), "srv.public.all");
        assert_eq!(n.table("public", "other"), "srv.public.other");
        assert_eq!(
            n.physical_table("public", "shard_7").as_deref(),
            Some("srv.public.shard_7")
        );
    }

    #[test]
    fn wrong_prefixes_are_refused() {
        assert!(TopicNames::new(&TopicNaming::Schema, "", ".").is_err());
        assert!(TopicNames::new(&TopicNaming::Schema, "a b", ".").is_err());
    }

    #[test]
    fn names_are_adjusted_as_recorded() {
        let avro = |n| NameAdjustment::Avro.adjust(n, Role::Field);
        assert_eq!(
            [
                avro("Id Col"),
                avro("naïve"),
                avro("1st"),
                avro("a.b"),
                avro("Größe")
            ],
            ["Id_Col", "na_ve", "_1st", "a_b", "Gr__e"]
        );
        let schema = NameAdjustment::Avro.adjust("srv_My_Schema_Strange-Table.1.Key", Role::Schema);
        assert_eq!(schema, "srv_My_Schema_Strange_Table.1.Key");
        assert_eq!(NameAdjustment::AvroUnicode.adjust("a_b", Role::Field), "a_u005fb");
        assert_eq!(NameAdjustment::AvroUnicode.adjust("a\tb", Role::Field), "a_u009b");
        assert_eq!(NameAdjustment::None.adjust("1 a", Role::Field), "1 a");
    }
}
