//! Java's SimpleDateFormat in UTC.

use std::fmt::Write as _;

/// A pattern, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JavaFormat(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(char, usize),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

impl JavaFormat {
    /// Parses a pattern.
    ///
    /// # Errors
    /// When a letter means nothing, or a quote is not closed.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.next_if_eq(&'\'').is_some() => literal(&mut parts, '\''),
                '\'' => loop {
                    match chars.next() {
                        Some('\'') if chars.next_if_eq(&'\'').is_some() => literal(&mut parts, '\''),
                        Some('\'') => break,
                        Some(c) => literal(&mut parts, c),
                        None => return Err("a quote is not closed".into()),
                    }
                },
                'y' | 'u' | 'M' | 'd' | 'H' | 'h' | 'k' | 'K' | 'm' | 's' | 'S' | 'E' | 'D' | 'a' | 'z'
                | 'Z' | 'X' => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    parts.push(Part::Field(c, count));
                }
                c if c.is_ascii_alphabetic() => return Err(format!("`{c}` is no letter of a date pattern")),
                c => literal(&mut parts, c),
            }
        }
        Ok(Self(parts))
    }

    /// The text of a moment, in milliseconds since 1970.
    pub(super) fn format(&self, ms: i64) -> String {
        let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
        let (year, month, day, day_of_year) = civil(days);
        let (hour, minute, second, milli) = (
            in_day / 3_600_000,
            in_day / 60_000 % 60,
            in_day / 1000 % 60,
            in_day % 1000,
        );
        let name = |all: &[&'static str], at: i64, width: usize| {
            let name = usize::try_from(at)
                .ok()
                .and_then(|i| all.get(i))
                .copied()
                .unwrap_or_default();
            if width >= 4 {
                name.to_owned()
            } else {
                name.chars().take(3).collect()
            }
        };
        let mut out = String::new();
        for part in &self.0 {
            let (letter, width) = match part {
                Part::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Field(letter, width) => (*letter, *width),
            };
            let value = match letter {
                'y' if width == 2 => year.rem_euclid(100),
                'y' if year <= 0 => 1 - year,
                'y' => year,
                'u' => (days + 3).rem_euclid(7) + 1,
                'M' if width >= 3 => {
                    out.push_str(&name(&MONTHS, month - 1, width));
                    continue;
                }
                'M' => month,
                'd' => day,
                'D' => day_of_year,
                'H' => hour,
                'k' if hour == 0 => 24,
                'k' => hour,
                'K' => hour % 12,
                'h' if hour % 12 == 0 => 12,
                'h' => hour % 12,
                'm' => minute,
                's' => second,
                'S' => milli,
                'E' => {
                    out.push_str(&name(&DAYS, (days + 3).rem_euclid(7), width));
                    continue;
                }
                'a' => {
                    out.push_str(if hour < 12 { "AM" } else { "PM" });
                    continue;
                }
                'z' => {
                    out.push_str(if width >= 4 {
                        "Coordinated Universal Time"
                    } else {
                        "UTC"
                    });
                    continue;
                }
                'X' => {
                    out.push('Z');
                    continue;
                }
                _ => {
                    out.push_str("+0000");
                    continue;
                }
            };
            // Writing to a string cannot fail.
            let _ = write!(out, "{value:0width$}");
        }
        out
    }
}

fn literal(parts: &mut Vec<Part>, c: char) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push(c),
        _ => parts.push(Part::Literal(c.into())),
    }
}

/// Year, month, day and day of the year of a day since 1970, in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_from_march = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_from_march + 2) / 153;
    let day = day_from_march - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = year + era * 400 + next;
    let leap = i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let day_of_year = if month > 2 {
        day_from_march + 60 + leap
    } else {
        day_from_march - 305
    };
    (year, month, day, day_of_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_javas() {
        let format = |pattern: &str, ms: i64| JavaFormat::parse(pattern).unwrap().format(ms);
        let at = 1_631_531_169_108;
        for (pattern, want) in [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2021-09-13T11:06:09.108Z"),
            ("yy/M/d h:mm a", "21/9/13 11:06 AM"),
            ("EEE, dd MMM yyyy HH:mm:ss z", "Mon, 13 Sep 2021 11:06:09 UTC"),
            ("EEEE MMMM D u X Z", "Monday September 256 1 Z +0000"),
            ("'o''clock' ''k", "o'clock '11"),
        ] {
            assert_eq!(format(pattern, at), want);
        }
        assert_eq!(format("yyyy-MM-dd HH:mm:ss.SSS", -1), "1969-12-31 23:59:59.999");
        assert_eq!(format("yyyy-MM-dd", 951_782_400_000), "2000-02-29");
        assert!(JavaFormat::parse("QQQ").is_err());
        assert!(JavaFormat::parse("'x").is_err());
    }
}
