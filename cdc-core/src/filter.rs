//! Which tables, columns and message prefixes are captured: Debezium's lists of regular expressions.
//!
//! A list's entries are Java regular expressions matched without regard to (ASCII) case against the whole name:
//! `schema`, `schema.table` or `schema.table.column`. They are compiled once and asked once a relation, never a row.

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind};

mod exact;
mod pattern;

pub use self::exact::{Pattern, Rewrite};
pub(crate) use self::pattern::java_replacement;

/// An include list or an exclude list; giving both is an error, giving none means everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NameFilter {
    /// Regular expressions of which at least one must match the whole name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// Regular expressions of which none may match the whole name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl NameFilter {
    /// A filter from Debezium's two comma-separated properties.
    #[must_use]
    pub fn from_properties(include: Option<&str>, exclude: Option<&str>) -> Self {
        Self {
            include: include.map(split_list).unwrap_or_default(),
            exclude: exclude.map(split_list).unwrap_or_default(),
        }
    }
}

/// What is captured. All filters must let a table pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// By schema name.
    pub schemas: NameFilter,
    /// By `schema.table`. The order of the include list is the order of the snapshot.
    pub tables: NameFilter,
    /// By `schema.table.column`. Key columns stay in the key.
    pub columns: NameFilter,
    /// Logical decoding messages, by prefix.
    pub message_prefixes: NameFilter,
    /// Whether system tables are left out: `pg_catalog`, `information_schema`, `pg_toast`, temporary schemas and
    /// `spatial_ref_sys`.
    pub ignore_builtin: bool,
}

impl Default for Filters {
    fn default() -> Self {
        Self {
            schemas: NameFilter::default(),
            tables: NameFilter::default(),
            columns: NameFilter::default(),
            message_prefixes: NameFilter::default(),
            ignore_builtin: true,
        }
    }
}

/// Compiled [`Filters`].
#[derive(Clone, Debug)]
pub struct Capture {
    schemas: Compiled,
    tables: Compiled,
    columns: Compiled,
    message_prefixes: Compiled,
    ignore_builtin: bool,
    /// Schema and name of the signal table, which is captured whatever the filters say.
    signals: Option<(String, String)>,
}

impl Capture {
    /// Compiles the filters.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a list has both sides or an expression is not valid or uses what only Java has
    /// (look-around, back-references, possessive quantifiers); it names the list and the expression.
    pub fn new(filters: &Filters) -> Result<Self, Error> {
        Ok(Self {
            schemas: Compiled::new("schema", &filters.schemas)?,
            tables: Compiled::new("table", &filters.tables)?,
            columns: Compiled::new("column", &filters.columns)?,
            message_prefixes: Compiled::new("message.prefix", &filters.message_prefixes)?,
            ignore_builtin: filters.ignore_builtin,
            signals: None,
        })
    }

    /// Captures the signal table too, with all its columns.
    #[must_use]
    pub fn with_signals(self, schema: &str, table: &str) -> Self {
        Self {
            signals: Some((schema.to_owned(), table.to_owned())),
            ..self
        }
    }

    fn is_signals(&self, schema: &str, table: &str) -> bool {
        self.signals
            .as_ref()
            .is_some_and(|(s, t)| s == schema && t == table)
    }

    /// Whether rows of this table are captured.
    #[must_use]
    pub fn table(&self, schema: &str, table: &str) -> bool {
        if self.is_signals(schema, table) {
            return true;
        }
        let builtin = self.ignore_builtin && is_builtin(schema, table);
        !builtin && self.schemas.passes(schema) && self.tables.passes(&format!("{schema}.{table}"))
    }

    /// Whether this column is in the values of its table.
    #[must_use]
    pub fn column(&self, schema: &str, table: &str, column: &str) -> bool {
        self.columns.is_open()
            || self.is_signals(schema, table)
            || self.columns.passes(&format!("{schema}.{table}.{column}"))
    }

    /// Whether messages with this prefix are captured.
    #[must_use]
    pub fn message_prefix(&self, prefix: &str) -> bool {
        self.message_prefixes.passes(prefix)
    }

    /// Position in the include list of the first expression that matches; 0 for all when there is no list.
    #[must_use]
    pub fn rank(&self, schema: &str, table: &str) -> usize {
        let name = format!("{schema}.{table}");
        let list = self.tables.include.as_ref();
        list.and_then(|l| l.position(&name)).unwrap_or(0)
    }
}

fn is_builtin(schema: &str, table: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "pg_toast")
        || schema.starts_with("pg_temp")
        || schema.starts_with("pg_toast_temp")
        || table == "spatial_ref_sys"
}

#[derive(Clone, Debug)]
struct Compiled {
    include: Option<RegexList>,
    exclude: Option<RegexList>,
}

impl Compiled {
    fn new(list: &str, filter: &NameFilter) -> Result<Self, Error> {
        if !filter.include.is_empty() && !filter.exclude.is_empty() {
            let text =
                format!("{list}.include.list and {list}.exclude.list exclude each other: keep one of them");
            return Err(Error::new(ErrorKind::Config, text));
        }
        let compile = |side: &str, patterns: &[String]| match patterns {
            [] => Ok(None),
            p => RegexList::new(&format!("{list}.{side}.list"), p).map(Some),
        };
        Ok(Self {
            include: compile("include", &filter.include)?,
            exclude: compile("exclude", &filter.exclude)?,
        })
    }

    fn is_open(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    fn passes(&self, name: &str) -> bool {
        match (&self.include, &self.exclude) {
            (Some(list), _) => list.is_match(name),
            (None, Some(list)) => !list.is_match(name),
            (None, None) => true,
        }
    }
}

/// A list of expressions in order.
#[derive(Clone, Debug)]
pub struct RegexList {
    items: Vec<Regex>,
}

impl RegexList {
    /// Compiles `patterns`, given by the user in the property `property`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with property and pattern.
    pub fn new<S: AsRef<str>>(property: &str, patterns: &[S]) -> Result<Self, Error> {
        let compile = |p: &S| pattern::compile(property, p.as_ref());
        let items = patterns.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { items })
    }

    /// Whether an expression matches the whole of `name`.
    #[must_use]
    pub fn is_match(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Whether the expression at `index` matches the whole of `name`.
    #[must_use]
    pub fn matches_at(&self, index: usize, name: &str) -> bool {
        self.items.get(index).is_some_and(|r| r.is_match(name))
    }

    /// Index of the first expression that matches the whole of `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.items.iter().position(|r| r.is_match(name))
    }
}

/// Compiles one expression with the semantics of the lists, unanchored: for replacements, as topic routing does them.
///
/// # Errors
/// [`ErrorKind::Config`] with property and pattern.
pub fn compile_search(property: &str, text: &str) -> Result<Regex, Error> {
    pattern::compile_search(property, text)
}

/// Splits a comma-separated list as Debezium does: `\,` is a literal comma, items are trimmed, empty ones dropped.
#[must_use]
pub fn split_list(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(',')) => {
                chars.next();
                push(&mut items, ',');
            }
            ('\\', Some(&next)) => {
                chars.next();
                push(&mut items, c);
                push(&mut items, next);
            }
            (',', _) => items.push(String::new()),
            _ => push(&mut items, c),
        }
    }
    let trimmed = items.iter().map(|i| i.trim().to_owned());
    trimmed.filter(|i| !i.is_empty()).collect()
}

fn push(items: &mut [String], c: char) {
    if let Some(last) = items.last_mut() {
        last.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(f: impl FnOnce(&mut Filters)) -> Result<Capture, Error> {
        let mut filters = Filters::default();
        f(&mut filters);
        Capture::new(&filters)
    }

    #[test]
    fn lists_match_whole_names_without_case() {
        let c = capture(|f| f.tables.include = split_list("inv.orders, inv.cust.*")).unwrap();
        assert!(c.table("inv", "orders") && c.table("INV", "Orders") && c.table("inv", "customers"));
        assert!(!c.table("inv", "orders_old") && !c.table("ainv", "orders"));
        assert!(c.table("invx", "orders") == c.table("inv.", "orders"));
        assert_eq!((c.rank("inv", "orders"), c.rank("inv", "custom")), (0, 1));
    }

    #[test]
    fn alternatives_are_anchored_on_both_sides() {
        let c = capture(|f| f.tables.include = vec!["a.b|c.d".into()]).unwrap();
        assert!(c.table("a", "b") && c.table("c", "d") && !c.table("a", "bx") && !c.table("xc", "d"));
    }

    #[test]
    fn exclude_lists_and_schemas_are_combined() {
        let c = capture(|f| {
            f.schemas.include = vec!["inv".into()];
            f.columns.exclude = vec![r"inv\.orders\.secret".into()];
            f.message_prefixes.exclude = vec!["noise.*".into()];
        })
        .unwrap();
        assert!(c.table("inv", "x") && !c.table("other", "x"));
        assert!(!c.column("inv", "orders", "secret") && c.column("inv", "orders", "id"));
        assert!(!c.message_prefix("noise1") && c.message_prefix("pfx"));
    }

    #[test]
    fn system_tables_are_left_out_unless_asked_for() {
        let c = capture(|_| ()).unwrap();
        assert!(!c.table("pg_catalog", "pg_class") && !c.table("public", "spatial_ref_sys"));
        assert!(!c.table("pg_temp_3", "t") && c.table("public", "t"));
        assert!(
            capture(|f| f.ignore_builtin = false)
                .unwrap()
                .table("public", "spatial_ref_sys")
        );
    }

    #[test]
    fn both_lists_and_bad_expressions_are_named() {
        let both = capture(|f| {
            f.tables = NameFilter {
                include: vec!["a".into()],
                exclude: vec!["b".into()],
            }
        });
        assert!(
            both.unwrap_err()
                .to_string()
                .contains("table.include.list and table.exclude.list")
        );
        let bad = capture(|f| f.columns.include = vec!["a.(b".into()]).unwrap_err();
        assert!(
            bad.to_string().contains("column.include.list") && bad.to_string().contains("`a.(b`"),
            "{bad}"
        );
        let java = capture(|f| f.schemas.include = vec!["(?!x).*".into()]).unwrap_err();
        assert!(java.to_string().contains("look-around"), "{java}");
    }

    #[test]
    fn escaped_commas_do_not_split() {
        assert_eq!(split_list(r" a\,b , c\.d ,,"), ["a,b", r"c\.d"]);
        assert_eq!(split_list(""), Vec::<String>::new());
    }
}
