//! `transforms` and `predicates`: Connect's chains of classes to steps of ours.

mod classes;
mod mosip;

use serde_json::{Map, Value};

use self::classes::{CLASSES, Class, Kind, Opt, PREDICATES};
use self::mosip::MOSIP;
use super::draft::Draft;
use super::parse;
use super::table::Given;
use crate::config::nearest;

pub(crate) use self::classes::markdown;

/// `transforms`: the steps in their order, each with its settings.
pub(crate) fn steps(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    let mut seen: Vec<String> = Vec::new();
    for alias in parse::list(given.value) {
        if seen.contains(&alias) {
            return Err(format!("{alias} is named twice: name each transform once"));
        }
        let step = step(draft, given, &alias)?;
        draft.push("transforms", step);
        seen.push(alias);
    }
    Ok(())
}

/// `predicates`: the conditions, each with its settings.
pub(crate) fn predicates(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    for alias in parse::list(given.value) {
        let prefix = format!("predicates.{alias}.");
        let (class, _) = class_of(given, &prefix, &[PREDICATES])?;
        let mut options = Map::new();
        for (name, value) in settings(given, &prefix) {
            set(draft, class, &prefix, name, value, &mut options)?;
        }
        let mut predicate = Map::new();
        predicate.insert(class.key.to_owned(), Value::Object(options));
        draft.set_under("predicates", &alias, Value::Object(predicate));
    }
    Ok(())
}

/// A setting of a transform: read together with its transform; alone it would be without effect.
pub(crate) fn setting(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    named(draft, given, "transforms")
}

/// A setting of a predicate.
pub(crate) fn predicate_setting(draft: &mut Draft, given: &Given<'_>) -> Result<(), String> {
    named(draft, given, "predicates")
}

fn named(draft: &mut Draft, given: &Given<'_>, list: &str) -> Result<(), String> {
    let all = given.all.get(list).map(parse::list).unwrap_or_default();
    let rest = given.captures.first().copied().unwrap_or_default();
    // An alias may hold dots.
    if !all.iter().any(|alias| {
        rest.strip_prefix(alias.as_str())
            .is_some_and(|r| r.starts_with('.'))
    }) {
        draft.note(given.name, format!("has no effect: it is not named in `{list}`"));
    }
    Ok(())
}

/// Settings below a prefix, without it, but for the type.
fn settings<'a>(given: &'a Given<'_>, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    given
        .all
        .with_empty()
        .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value)))
        .filter(|(name, value)| *name != "type" && (MAY_BE_EMPTY.contains(name) || !value.trim().is_empty()))
}

/// Options of which the empty text is a value like any other; other empty ones are as if they were not given.
const MAY_BE_EMPTY: &[&str] = &[
    "add.fields.prefix",
    "add.headers.prefix",
    "delimiter",
    "static.value",
    "value.literal",
];

fn class_of(
    given: &Given<'_>,
    prefix: &str,
    classes: &[&'static [Class]],
) -> Result<(&'static Class, Option<&'static str>), String> {
    let name = format!("{prefix}type");
    let kind = given
        .all
        .get(&name)
        .ok_or_else(|| format!("{name} is missing: name the class"))?
        .trim();
    let (plain, side) = match kind.rsplit_once('$') {
        Some((plain, "Key")) => (plain, Some("key")),
        Some((plain, "Value")) => (plain, Some("value")),
        _ => (kind, None),
    };
    let Some(class) = classes
        .iter()
        .copied()
        .flatten()
        .find(|c| c.names.contains(&plain))
    else {
        let known = classes
            .iter()
            .copied()
            .flatten()
            .flat_map(|c| c.names.iter().copied());
        let hint = nearest(plain, known).map_or_else(String::new, |n| format!("; did you mean {n}?"));
        return Err(format!(
            "{name}: there is no Java class to load, and {kind} has no counterpart here{hint}"
        ));
    };
    if let Some(reason) = class.refused {
        return Err(format!("{name}: {kind}: {reason}"));
    }
    match (class.sided, side) {
        (true, None) => Err(format!("{name}: say which side: {plain}$Key or {plain}$Value")),
        (false, Some(_)) => Err(format!(
            "{name}: {plain} has no sides: name it without $Key and $Value"
        )),
        _ => Ok((class, side)),
    }
}

fn step(draft: &mut Draft, given: &Given<'_>, alias: &str) -> Result<Value, String> {
    let prefix = format!("transforms.{alias}.");
    let (class, side) = class_of(given, &prefix, &[CLASSES, MOSIP])?;
    let (mut step, mut options) = (Map::new(), Map::new());
    step.insert("name".into(), alias.into());
    if let Some(side) = side {
        options.insert("side".into(), side.into());
    }
    if MOSIP.iter().any(|c| c.key == class.key) {
        options.insert("mode".into(), "compatible".into());
    }
    for (name, value) in settings(given, &prefix) {
        match name {
            "predicate" => drop(step.insert("predicate".into(), value.trim().into())),
            "negate" => {
                let negate = parse::flag(value).map_err(|e| format!("{prefix}{name}: {e}"))?;
                step.insert("negate".into(), negate.into());
            }
            _ => set(draft, class, &prefix, name, value, &mut options)?,
        }
    }
    old_delete_handling(draft, given, &prefix, &mut options)?;
    if !options.contains_key("static_field") && options.remove("static_value").is_some() {
        let text = "has no effect: `static.field` is not given";
        draft.note(&format!("{prefix}static.value"), text.to_owned());
    }
    // The two classes of this router differ in one default.
    if class
        .names
        .contains(&"io.debezium.transforms.ToLogicalTopicRouter")
    {
        options
            .entry("key_field_name")
            .or_insert_with(|| "__dbz__sourceIdentifier".into());
    }
    // Connect ignores it without a predicate.
    if !step.contains_key("predicate") {
        step.remove("negate");
    }
    step.insert(class.key.to_owned(), Value::Object(options));
    Ok(Value::Object(step))
}

/// Debezium 1's two options. Sinks run beside that Debezium still, and get the one that Debezium 3 has instead, whose own
/// value wins; in a source connector Debezium 3 ignores them, and so do we.
fn old_delete_handling(
    draft: &mut Draft,
    given: &Given<'_>,
    prefix: &str,
    options: &mut Map<String, Value>,
) -> Result<(), String> {
    let mode = options.remove("delete_handling_mode");
    let drops = options.remove("drop_tombstones");
    if super::table::Kind::of(given.all.get("connector.class")) == super::table::Kind::Source {
        for (name, old) in [("delete.handling.mode", &mode), ("drop.tombstones", &drops)] {
            if old.is_some() {
                let text = "has no effect: Debezium 3 has `delete.tombstone.handling.mode` instead";
                draft.note(&format!("{prefix}{name}"), text.to_owned());
            }
        }
        return Ok(());
    }
    if mode.is_none() && drops.is_none() || options.contains_key("delete_tombstone_handling_mode") {
        return Ok(());
    }
    let mode = mode.as_ref().and_then(Value::as_str).unwrap_or("drop");
    let drops = drops.as_ref().and_then(Value::as_bool).unwrap_or(true);
    let new = match (mode, drops) {
        ("drop", true) => "drop",
        ("drop", false) => "drop-delete",
        // The delete's value becomes null, which its tombstone only repeats.
        ("none", _) => "tombstone",
        ("rewrite", true) => "rewrite",
        ("rewrite", false) => "rewrite-with-tombstone",
        (other, _) => {
            return Err(format!(
                "delete.handling.mode: `{other}` is none of drop, none, rewrite"
            ));
        }
    };
    options.insert("delete_tombstone_handling_mode".into(), new.into());
    Ok(())
}

/// Sets one option.
fn set(
    draft: &mut Draft,
    class: &Class,
    prefix: &str,
    name: &str,
    value: &str,
    options: &mut Map<String, Value>,
) -> Result<(), String> {
    let whole = format!("{prefix}{name}");
    let Some(option) = class.options.iter().find(|o| o.name == name) else {
        let known = class.options.iter().map(|o| o.name);
        let hint = nearest(name, known).map_or_else(String::new, |n| format!("; did you mean {n}?"));
        return Err(format!("{whole}: the class has no such option: remove it{hint}"));
    };
    let Opt { kind, .. } = option;
    let parsed = match kind {
        Kind::Text => Value::from(value),
        Kind::Flag => parse::flag(value).map_err(|e| format!("{whole}: {e}"))?.into(),
        Kind::Number => parse::number(value).map_err(|e| format!("{whole}: {e}"))?.into(),
        Kind::List => parse::list(value).into(),
        Kind::Word(words) => {
            let word = words.iter().find(|w| w.eq_ignore_ascii_case(value.trim()));
            let unknown = || format!("{whole}: `{value}` is none of {}", words.join(", "));
            Value::from(*word.ok_or_else(unknown)?)
        }
        Kind::Only(values, _) if values.iter().any(|v| v.eq_ignore_ascii_case(value.trim())) => return Ok(()),
        Kind::Only(_, reason) => return Err(format!("{whole}: {value}: {reason}")),
        Kind::NoEffect(reason) => {
            draft.note(&whole, format!("has no effect: {reason}"));
            return Ok(());
        }
    };
    options.insert(option.key(), parsed);
    Ok(())
}
