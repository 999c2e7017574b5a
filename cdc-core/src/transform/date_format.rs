//! Java's SimpleDateFormat in UTC and the English locale, as far as timestamps in messages need it.

use crate::civil;
use crate::convert::DAY_MS;

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

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// Pattern letter and how often it stands.
    Field(char, usize),
}

impl DateFormat {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it holds a letter without a meaning, or one that is not supported: era, week, and names of time zones.
    pub fn new(pattern: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let literal = |parts: &mut Vec<Part>, c: char| match parts.last_mut() {
            Some(Part::Literal(text)) => text.push(c),
            _ => parts.push(Part::Literal(c.to_string())),
        };
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.next_if_eq(&'\'').is_some() => literal(&mut parts, '\''),
                '\'' => loop {
                    match chars.next() {
                        Some('\'') if chars.next_if_eq(&'\'').is_some() => literal(&mut parts, '\''),
                        Some('\'') => break,
                        Some(c) => literal(&mut parts, c),
                        None => return Err(format!("`{pattern}` has a quote without its pair")),
                    }
                },
                'y' | 'u' | 'M' | 'L' | 'd' | 'D' | 'E' | 'a' | 'H' | 'k' | 'K' | 'h' | 'm' | 's' | 'S'
                | 'z' | 'Z' | 'X' => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    if c == 'X' && count > 3 {
                        return Err(format!("`{pattern}`: X stands at most three times"));
                    }
                    parts.push(Part::Field(c, count));
                }
                c if c.is_ascii_alphabetic() => {
                    return Err(format!("`{pattern}`: the letter {c} is not supported"));
                }
                c => literal(&mut parts, c),
            }
        }
        Ok(Self { parts })
    }

    /// The text of an instant: milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn format(&self, millis: i64) -> String {
        let (days, time) = (millis.div_euclid(DAY_MS), millis.rem_euclid(DAY_MS));
        let (year, month, day) = civil::date_of_days(days);
        let (seconds, hour) = (time / 1000, time / 3_600_000);
        let weekday = (days + 3).rem_euclid(7);
        let mut out = String::new();
        for part in &self.parts {
            let (letter, count) = match part {
                Part::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Field(letter, count) => (*letter, *count),
            };
            let number = match letter {
                'y' if count == 2 => year.rem_euclid(100),
                // The year of its era, as no pattern that is supported says which era.
                'y' if year <= 0 => 1 - year,
                'y' => year,
                'M' | 'L' if count > 2 => {
                    out.push_str(name(&MONTHS, i64::from(month) - 1, count));
                    continue;
                }
                'M' | 'L' => i64::from(month),
                'd' => i64::from(day),
                'D' => days - days_of(year, 1, 1) + 1,
                'E' => {
                    out.push_str(name(&DAYS, weekday, count));
                    continue;
                }
                'u' => weekday + 1,
                'a' => {
                    out.push_str(if hour < 12 { "AM" } else { "PM" });
                    continue;
                }
                'H' => hour,
                'k' => (hour + 23) % 24 + 1,
                'K' => hour % 12,
                'h' => (hour + 11) % 12 + 1,
                'm' => seconds / 60 % 60,
                's' => seconds % 60,
                'S' => time % 1000,
                'z' => {
                    out.push_str(if count > 3 {
                        "Coordinated Universal Time"
                    } else {
                        "UTC"
                    });
                    continue;
                }
                'Z' => {
                    out.push_str("+0000");
                    continue;
                }
                _ => {
                    out.push('Z');
                    continue;
                }
            };
            out.push_str(&format!("{number:0count$}"));
        }
        out
    }

    /// The instant of a text: milliseconds since 1970-01-01 UTC. As Java, it reads values beyond their range (a 13th month)
    /// and does not look at what follows the pattern. None if the text does not match.
    #[must_use]
    pub fn parse(&self, text: &str) -> Option<i64> {
        let mut read = Read {
            year: 1970,
            month: 1,
            day: 1,
            ..Read::default()
        };
        let mut rest = text;
        for (i, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Field(letter, count) => {
                    // Only a number right before another one keeps to its width.
                    let adjacent =
                        matches!(self.parts.get(i + 1), Some(Part::Field(next, n)) if is_number(*next, *n));
                    rest = read.field(*letter, *count, adjacent, rest)?;
                }
            }
        }
        read.millis()
    }
}

fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' => count < 3,
        'E' | 'a' | 'z' | 'Z' | 'X' => false,
        _ => true,
    }
}

/// The whole name, or its first three letters.
fn name<'n>(names: &[&'n str], index: i64, count: usize) -> &'n str {
    let name = usize::try_from(index)
        .ok()
        .and_then(|i| names.get(i))
        .copied()
        .unwrap_or_default();
    if count > 3 {
        name
    } else {
        name.get(..3).unwrap_or(name)
    }
}

/// Days from 1970-01-01 to a date; months and days beyond their range count on.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let months = year.saturating_mul(12).saturating_add(month - 1);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    civil::days_of_date(year, u32::try_from(month).unwrap_or(1), day)
}

/// What has been read of a text.
#[derive(Default)]
struct Read {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    afternoon: bool,
    minute: i64,
    second: i64,
    millis: i64,
    offset_ms: i64,
}

impl Read {
    fn field<'t>(&mut self, letter: char, count: usize, adjacent: bool, text: &'t str) -> Option<&'t str> {
        match letter {
            'M' | 'L' if count > 2 => {
                let (index, rest) = named(&MONTHS, text)?;
                self.month = index + 1;
                return Some(rest);
            }
            'E' => return named(&DAYS, text).map(|(_, rest)| rest),
            'a' => {
                let (half, rest) = text.split_at_checked(2)?;
                self.afternoon = half.eq_ignore_ascii_case("PM");
                return (self.afternoon || half.eq_ignore_ascii_case("AM")).then_some(rest);
            }
            'z' | 'Z' | 'X' => {
                let (offset, rest) = zone(text)?;
                self.offset_ms = offset;
                return Some(rest);
            }
            _ => {}
        }
        let spaces = text.trim_start_matches([' ', '\t']);
        let (negative, digits) = spaces.strip_prefix('-').map_or((false, spaces), |d| (true, d));
        let most = if adjacent { count } else { usize::MAX };
        let length = digits.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = digits.split_at_checked(length)?;
        let number = digits.parse::<i64>().ok().filter(|n| *n < 1 << 40)?;
        let number = if negative { -number } else { number };
        match letter {
            'y' if count == 2 && length == 2 => self.year = century(number),
            'y' => self.year = number,
            'M' | 'L' => self.month = number,
            'd' => self.day = number,
            'D' => self.day_of_year = Some(number),
            'H' | 'K' => self.hour = number,
            'k' => self.hour = number % 24,
            'h' => self.hour = number % 12,
            'm' => self.minute = number,
            's' => self.second = number,
            'S' => self.millis = number,
            _ => {}
        }
        Some(rest)
    }

    fn millis(&self) -> Option<i64> {
        let days = match self.day_of_year {
            Some(day) => days_of(self.year, 1, 1).checked_add(day - 1)?,
            None => days_of(self.year, self.month, self.day),
        };
        let hour = self.hour + if self.afternoon { 12 } else { 0 };
        let seconds = hour
            .checked_mul(3600)?
            .checked_add(self.minute.checked_mul(60)?)?
            .checked_add(self.second)?;
        let time = seconds.checked_mul(1000)?.checked_add(self.millis)?;
        days.checked_mul(DAY_MS)?
            .checked_add(time)?
            .checked_sub(self.offset_ms)
    }
}

/// A year of two digits: within 80 years before and 20 after now, as in Java. "Now" is fixed here, so that a record reads the
/// same whenever it is read.
fn century(year: i64) -> i64 {
    const LAST: i64 = 2045;
    let year = 2000 + year;
    if year > LAST { year - 100 } else { year }
}

/// Index of the name that a text begins with, whole or in its first three letters.
fn named<'t>(names: &[&str], text: &'t str) -> Option<(i64, &'t str)> {
    for (index, name) in names.iter().enumerate() {
        for form in [name, name.get(..3).unwrap_or(name)] {
            if let Some((head, rest)) = text.split_at_checked(form.len())
                && head.eq_ignore_ascii_case(form)
            {
                return Some((i64::try_from(index).ok()?, rest));
            }
        }
    }
    None
}

/// Milliseconds east of UTC that a text begins with: `Z`, `UTC`, `GMT`, `+hh`, `+hhmm` or `+hh:mm`.
fn zone(text: &str) -> Option<(i64, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((0, rest));
    }
    let after = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT"));
    let rest = after.unwrap_or(text);
    let (sign, digits) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return after.map(|rest| (0, rest)),
    };
    let two = |text: &str| {
        text.get(..2)
            .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?
            .parse::<i64>()
            .ok()
    };
    let hours = two(digits)?;
    let rest = digits.get(2..)?;
    let minutes = rest.strip_prefix(':').unwrap_or(rest);
    match two(minutes) {
        Some(m) => Some((sign * (hours * 60 + m) * 60_000, minutes.get(2..)?)),
        None => Some((sign * hours * 3_600_000, rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_704_164_645_678;

    #[test]
    fn instants_are_written_as_in_java() {
        let cases = [
            ("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "2024-01-02T03:04:05.678Z"),
            ("yyyyMMdd", "20240102"),
            ("d/M/yy h:mm a", "2/1/24 3:04 AM"),
            ("EEE, dd MMM yyyy HH:mm:ss Z", "Tue, 02 Jan 2024 03:04:05 +0000"),
            ("EEEE MMMM D u k K X z ''", "Tuesday January 2 2 3 3 Z UTC '"),
        ];
        for (pattern, want) in cases {
            assert_eq!(DateFormat::new(pattern).unwrap().format(AT), want, "{pattern}");
        }
        let dates = [
            ("yyyy-MM-dd HH:mm:ss.SSS", -1, "1969-12-31 23:59:59.999"),
            ("yyyy-MM-dd", 951_782_400_000, "2000-02-29"),
            ("D h a", 1_631_531_169_108, "256 11 AM"),
            ("'o''clock' ''k", 1_631_531_169_108, "o'clock '11"),
            ("yyyy", -63_517_824_000_000, "0044"),
        ];
        for (pattern, at, want) in dates {
            assert_eq!(DateFormat::new(pattern).unwrap().format(at), want, "{pattern}");
        }
        assert!(DateFormat::new("yyyy'x").is_err() && DateFormat::new("YYYY").is_err());
    }

    #[test]
    fn texts_are_read_as_in_java() {
        let cases = [
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
                "2024-01-02T03:04:05.678Z",
                Some(AT),
            ),
            (
                "yyyy-MM-dd HH:mm:ssXXX",
                "2024-01-02 05:04:05+02:00",
                Some(AT - 678),
            ),
            ("yyyyMMddHHmmss", "20240102030405", Some(AT - 678)),
            (
                "EEE, dd MMM yyyy HH:mm:ss Z",
                "Tue, 02 Jan 2024 03:04:05 -0000",
                Some(AT - 678),
            ),
            ("yyyy-MM-dd", "2023-13-02 and more", Some(1_704_153_600_000)),
            ("h:mm a", "3:04 pm", Some(15 * 3_600_000 + 4 * 60_000)),
            ("yyyy-MM-dd", "x", None),
            ("yyyy-MM-dd", "2024/01/02", None),
            ("y", "99999999999999999999", None),
        ];
        for (pattern, text, want) in cases {
            assert_eq!(
                DateFormat::new(pattern).unwrap().parse(text),
                want,
                "{pattern} {text}"
            );
        }
    }
}
