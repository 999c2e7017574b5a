//! Regular expressions for librdkafka, which knows those of POSIX only: `\d`, `(?i)` or `.*?` mean something else to it, or
//! nothing. What is written as everywhere else in the configuration is translated.

use cdc_core::{Error, ErrorKind};
use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

/// The expression in the extended form of POSIX.
///
/// # Errors
/// [`ErrorKind::Config`] when it is none, or uses what cannot be translated.
pub(super) fn posix(pattern: &str) -> Result<String, Error> {
    let wrong = |text: &str| Error::new(ErrorKind::Config, text);
    let hir = regex_syntax::parse(pattern)
        .map_err(|e| wrong("topics_regex is no valid regular expression").with_source(e))?;
    let mut out = String::new();
    write(&hir, &mut out)
        .ok_or_else(|| wrong("topics_regex matches no topic, or uses \\b: write it without"))?;
    Ok(out)
}

/// Text as an expression that matches nothing else; for names of topics.
pub(super) fn literal(text: &str) -> String {
    text.replace('.', "\\.")
}

/// None for what POSIX does not have.
fn write(hir: &Hir, out: &mut String) -> Option<()> {
    match hir.kind() {
        // The whole name is matched anyway.
        HirKind::Empty | HirKind::Look(Look::Start | Look::End) => {}
        HirKind::Literal(text) => out.push_str(&literal(
            std::str::from_utf8(&text.0).ok().filter(|t| is_name(t))?,
        )),
        HirKind::Class(class) => out.push_str(&bracket(class)?),
        HirKind::Look(_) => return None,
        HirKind::Repetition(repetition) => repeat(repetition, out)?,
        HirKind::Capture(capture) => group(&capture.sub, out)?,
        HirKind::Concat(all) => {
            for part in all {
                match part.kind() {
                    HirKind::Alternation(_) => group(part, out)?,
                    _ => write(part, out)?,
                }
            }
        }
        HirKind::Alternation(all) => {
            for (i, one) in all.iter().enumerate() {
                if i > 0 {
                    out.push('|');
                }
                branch(one, out)?;
            }
        }
    }
    Some(())
}

fn group(hir: &Hir, out: &mut String) -> Option<()> {
    out.push('(');
    branch(hir, out)?;
    out.push(')');
    Some(())
}

/// What stands between bars: POSIX wants something there.
fn branch(hir: &Hir, out: &mut String) -> Option<()> {
    let start = out.len();
    write(hir, out)?;
    if out.len() == start {
        out.push_str("()");
    }
    Some(())
}

/// Greedy or not: for whether a name matches that makes no difference.
fn repeat(repetition: &Repetition, out: &mut String) -> Option<()> {
    match repetition.sub.kind() {
        HirKind::Class(_) | HirKind::Capture(_) => write(&repetition.sub, out)?,
        HirKind::Literal(text) if text.0.len() == 1 => write(&repetition.sub, out)?,
        _ => group(&repetition.sub, out)?,
    }
    match (repetition.min, repetition.max) {
        (0, None) => out.push('*'),
        (1, None) => out.push('+'),
        (0, Some(1)) => out.push('?'),
        (min, Some(max)) if min == max => out.push_str(&format!("{{{min}}}")),
        (min, None) => out.push_str(&format!("{{{min},}}")),
        (min, Some(max)) => out.push_str(&format!("{{{min},{max}}}")),
    }
    Some(())
}

/// What names of topics are made of.
fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn is_name(text: &str) -> bool {
    text.chars().all(is_of_names)
}

/// The characters of a class that names can have; none if there are none.
fn bracket(class: &Class) -> Option<String> {
    let has = |c: char| match class {
        Class::Unicode(class) => class.iter().any(|r| (r.start()..=r.end()).contains(&c)),
        Class::Bytes(class) => {
            u8::try_from(c).is_ok_and(|b| class.iter().any(|r| (r.start()..=r.end()).contains(&b)))
        }
    };
    let of_names: Vec<char> = ('.'..='z').filter(|c| is_of_names(*c) && has(*c)).collect();
    let mut out = String::from("[");
    let mut rest = of_names.as_slice();
    while let [first, after @ ..] = rest {
        // Runs of characters that follow each other; the point and the underscore stand alone.
        let follows = |(i, c): &(usize, &char)| {
            u32::from(**c)
                == u32::from(*first)
                    .saturating_add(u32::try_from(*i).unwrap_or(0))
                    .saturating_add(1)
        };
        let run = if first.is_ascii_alphanumeric() {
            after
                .iter()
                .enumerate()
                .take_while(|(i, c)| c.is_ascii_alphanumeric() && follows(&(*i, c)))
                .count()
        } else {
            0
        };
        out.push(*first);
        match (run, after.get(run.wrapping_sub(1))) {
            (2.., Some(last)) => {
                out.push('-');
                out.push(*last);
                rest = after.get(run..)?;
            }
            _ => rest = after,
        }
    }
    // At the end it stands for itself.
    if has('-') {
        out.push('-');
    }
    (out.len() > 1).then(|| out + "]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_posix_does_not_know_is_said_in_its_words() {
        for (pattern, want) in [
            (r"shop\.public\.orders", r"shop\.public\.orders"),
            (r"a|b.+?", "a|b[.0-9A-Z_a-z-]+"),
            (r"t\d{2,3}", "t[0-9]{2,3}"),
            (r"(?i)ab", "[Aa][Bb]"),
            (r"(?:a|b)c", "[ab]c"),
            (r"(?:ab|cd)?e", "(ab|cd)?e"),
            (r"[\w.]x{3}", "[.0-9A-Z_a-z]x{3}"),
            (r"^a$", "a"),
            ("a|", "a|()"),
            (r"[^a-z]", "[.0-9A-Z_-]"),
            ("", ""),
        ] {
            assert_eq!(posix(pattern).unwrap(), want, "{pattern}");
        }
        for pattern in ["(", "(?!a)b", r"a\b", "é", r"a b"] {
            let error = posix(pattern).unwrap_err();
            assert!(error.to_string().contains("topics_regex"), "{pattern}: {error}");
        }
    }
}
