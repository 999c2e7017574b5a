//! Java regular expressions in the syntax of the `regex` crate.
//!
//! Java's `CASE_INSENSITIVE` folds ASCII letters only, and its `\d`, `\w`, `\s` are ASCII; the crate does both in
//! Unicode unless told. The pattern is therefore compiled with `-u` and what must see whole characters (`.`,
//! classes, letters beyond ASCII) is put into `(?u:…)`.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

use crate::{Error, ErrorKind};

/// Limit of a compiled expression, bytes: a list of a thousand names fits, a counted-repetition bomb does not.
const SIZE_LIMIT: usize = 8 << 20;

pub(super) fn compile(property: &str, pattern: &str) -> Result<Regex, Error> {
    let translated = translate(property, pattern)?;
    build(property, pattern, &translated)?;
    build(property, pattern, &format!(r"\A(?:{translated})\z"))
}

/// As [`compile`], with regard to case.
pub(super) fn compile_exact(property: &str, pattern: &str) -> Result<Regex, Error> {
    let translated = translate(property, pattern)?;
    build_exact(property, pattern, &translated)?;
    build_exact(property, pattern, &format!(r"\A(?:{translated})\z"))
}

/// As [`compile_search`], with regard to case.
pub(super) fn compile_exact_search(property: &str, pattern: &str) -> Result<Regex, Error> {
    build_exact(property, pattern, &translate(property, pattern)?)
}

pub(super) fn compile_search(property: &str, pattern: &str) -> Result<Regex, Error> {
    build(property, pattern, &translate(property, pattern)?)
}

fn build(property: &str, pattern: &str, translated: &str) -> Result<Regex, Error> {
    build_with("(?i-u)", property, pattern, translated)
}

fn build_exact(property: &str, pattern: &str, translated: &str) -> Result<Regex, Error> {
    build_with("(?-u)", property, pattern, translated)
}

fn build_with(flags: &str, property: &str, pattern: &str, translated: &str) -> Result<Regex, Error> {
    RegexBuilder::new(&format!("{flags}{translated}"))
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|e| {
            let text = format!("{property}: `{pattern}` is not a valid regular expression");
            Error::new(ErrorKind::Config, text).with_source(e)
        })
}

/// A replacement of Java's in the crate's syntax: Java's `$1all` is group 1 and `all`; the crate would look for a group named `1all`.
pub(crate) fn java_replacement(replacement: &str) -> String {
    let mut out = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('$', Some(d)) if d.is_ascii_digit() => {
                out.push_str("${");
                out.extend(chars.next());
                out.push('}');
            }
            ('$', Some('{')) => out.push(c),
            ('$', _) => out.push_str("$$"),
            ('\\', Some(_)) => match chars.next() {
                Some('$') => out.push_str("$$"),
                next => out.extend(next),
            },
            _ => out.push(c),
        }
    }
    out
}

fn translate(property: &str, pattern: &str) -> Result<String, Error> {
    let unsupported = |what: &str| {
        let text = format!("{property}: `{pattern}` uses {what}, which is not supported: rewrite it without");
        Err(Error::new(ErrorKind::Config, text))
    };
    let mut out = String::with_capacity(pattern.len().saturating_mul(2));
    let mut chars = pattern.chars().peekable();
    let mut quantified = false;
    while let Some(c) = chars.next() {
        let was_quantified = std::mem::replace(&mut quantified, matches!(c, '*' | '+' | '?' | '}'));
        match c {
            '+' if was_quantified => return unsupported("a possessive quantifier"),
            '\\' => {
                if let Some(what) = escape(&mut chars, &mut out) {
                    return unsupported(what);
                }
            }
            '[' => class(&mut chars, &mut out),
            '.' => out.push_str("(?u:.)"),
            '(' => {
                quantified = false;
                if let Some(what) = group(&mut chars) {
                    return unsupported(what);
                }
                out.push('(');
            }
            c if c.is_ascii() => out.push(c),
            c => wide(c, &mut out),
        }
    }
    Ok(out)
}

/// A letter beyond ASCII: Java compares it as it is.
fn wide(c: char, out: &mut String) {
    out.push_str("(?u-i:");
    out.push(c);
    out.push(')');
}

/// Names a group that the crate does not have.
fn group(chars: &mut Peekable<Chars<'_>>) -> Option<&'static str> {
    let mut ahead = chars.clone();
    if ahead.next() != Some('?') {
        return None;
    }
    match (ahead.next(), ahead.next()) {
        (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => Some("look-around"),
        (Some('>'), _) => Some("an atomic group"),
        _ => None,
    }
}

/// Copies an escape; returns what is unsupported about it.
fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) -> Option<&'static str> {
    match chars.next() {
        Some('Q') => quoted(chars, out),
        Some('E') => {}
        Some('1'..='9' | 'k') => return Some("a back-reference"),
        Some('G' | 'X' | 'R') => return Some(r"\G, \X or \R"),
        Some('Z') => out.push_str(r"\z"),
        Some('D') => out.push_str("(?u:[^0-9])"),
        Some('W') => out.push_str("(?u:[^0-9A-Za-z_])"),
        Some('S') => out.push_str(r"(?u:[^\t\n\x0B\f\r ])"),
        Some('h') => out.push_str(r"[\t ]"),
        Some('p' | 'P') => property_class(out, chars),
        Some(c) if !c.is_ascii() => wide(c, out),
        // The crate refuses escapes without a meaning, for Java they are the character.
        Some(c) if c.is_ascii_punctuation() || c == ' ' => {
            out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])))
        }
        Some(c) => out.extend(['\\', c]),
        None => out.push('\\'),
    }
    None
}

/// `\p{…}` needs Unicode mode.
fn property_class(out: &mut String, chars: &mut Peekable<Chars<'_>>) {
    out.push_str(r"(?u:\p");
    if chars.peek() == Some(&'{') {
        for c in chars.by_ref() {
            out.push(c);
            if c == '}' {
                break;
            }
        }
    } else {
        out.extend(chars.next());
    }
    out.push(')');
}

/// `\Q…\E`: literal text.
fn quoted(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut literal = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'E') {
            chars.next();
            break;
        }
        literal.push(c);
    }
    for c in literal.chars() {
        if c.is_ascii() {
            out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        } else {
            wide(c, out);
        }
    }
}

/// Copies a bracketed class, nested ones included, in Unicode mode with ASCII shorthands.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push_str("(?u:[");
    let mut depth = 1_usize;
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('s') => out.push_str(r"[\t\n\x0B\f\r ]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('S') => out.push_str(r"[^\t\n\x0B\f\r ]"),
                Some(e) => out.extend(['\\', e]),
                None => {}
            },
            '[' => {
                depth = depth.saturating_add(1);
                out.push(c);
                first = true;
                continue;
            }
            ']' if !first => {
                depth = depth.saturating_sub(1);
                out.push(c);
                if depth == 0 {
                    break;
                }
            }
            '^' if first => {
                out.push(c);
                continue;
            }
            _ => out.push(c),
        }
        first = false;
    }
    out.push(')');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        compile("p", pattern).unwrap().is_match(name)
    }

    #[test]
    fn matching_is_javas() {
        let cases = [
            (r"a.c", "aéc", true),
            (r"É", "é", false),
            (r"É", "É", true),
            (r"abc", "ABC", true),
            (r"\d+", "12", true),
            (r"\d+", "٣", false),
            (r"\w", "é", false),
            (r"\W", "é", true),
            (r"[^a]", "é", true),
            (r"[\w.]+", "a.B_9", true),
            (r"[é]+", "éé", true),
            (r"\Qa.b\E.*", "a.bcd", true),
            (r"\Qa.b\E", "axb", false),
            (r"a\-b", "a-b", true),
            (r"a\/b", "a/b", true),
            (r"x{2,3}?", "xxx", true),
            (r"(?<n>a)+", "aa", true),
            (r"[]a]", "]", true),
            (r"p\p{L}", "pé", true),
            (r"a|b", "ab", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn what_the_crate_lacks_is_refused_by_name() {
        for pattern in ["(?=a)b", "(?<!a)b", "(?>a)", r"(a)\1", "a++", r"\Gx"] {
            let e = compile("table.include.list", pattern).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Config);
            let text = e.to_string();
            assert!(
                text.contains("table.include.list") && text.contains(pattern),
                "{text}"
            );
        }
        assert!(
            compile("p", "a)|(b").is_err(),
            "brackets must balance by themselves"
        );
    }
}
