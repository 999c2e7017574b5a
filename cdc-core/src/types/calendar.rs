//! Dates and times of day as PostgreSQL's ISO output writes them, and the proleptic Gregorian calendar.

use super::error::Fault;
use crate::block::Text;
use crate::civil;

pub(super) const MICROS_PER_SECOND: i64 = 1_000_000;
pub(super) const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// A day of the proleptic Gregorian calendar; year 0 is 1 BC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
}

/// A date, time of day and offset from UTC, as one text gives them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) date: Date,
    /// Microseconds since midnight.
    pub(super) time: i64,
    /// Seconds east of UTC.
    pub(super) offset: i64,
}

/// A value or one of the two ends of time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bounded<T> {
    Finite(T),
    Infinity,
    MinusInfinity,
}

impl Date {
    /// Days since 1970-01-01.
    pub(super) fn days(self) -> i64 {
        civil::days_of_date(self.year, self.month, self.day.into())
    }

    /// The day `days` after 1970-01-01.
    pub(super) fn from_days(days: i64) -> Self {
        let (year, month, day) = civil::date_of_days(days);
        Self { year, month, day }
    }
}

impl Moment {
    /// Microseconds since 1970-01-01T00:00:00Z; at most 20 digits, hence 128 bits.
    pub(super) fn micros(self) -> i128 {
        let local = i128::from(self.date.days()) * i128::from(MICROS_PER_DAY) + i128::from(self.time);
        local - i128::from(self.offset) * i128::from(MICROS_PER_SECOND)
    }

    /// The moment in UTC.
    pub(super) fn to_utc(self) -> Self {
        if self.offset == 0 && self.time < MICROS_PER_DAY {
            return self;
        }
        let time = self.time - self.offset * MICROS_PER_SECOND;
        Self {
            date: Date::from_days(self.date.days() + time.div_euclid(MICROS_PER_DAY)),
            time: time.rem_euclid(MICROS_PER_DAY),
            offset: 0,
        }
    }
}

const BAD_DATE: Fault = Fault::Malformed("not a date in ISO style");
const BAD_TIME: Fault = Fault::Malformed("not a time in ISO style");

/// Reads `2024-02-29`, `0044-03-15 BC`, `infinity`.
#[inline]
pub(super) fn parse_date(text: &[u8]) -> Result<Bounded<Date>, Fault> {
    if let Some(end) = parse_infinity(text) {
        return Ok(end);
    }
    let (date, rest) = take_date(text).ok_or(BAD_DATE)?;
    Ok(Bounded::Finite(with_era(date, rest).ok_or(BAD_DATE)?))
}

/// Reads `2024-02-29 12:34:56.789123+02 BC`, with or without fraction, offset and era, or `infinity`.
pub(super) fn parse_timestamp(text: &[u8]) -> Result<Bounded<Moment>, Fault> {
    const BAD: Fault = Fault::Malformed("not a timestamp in ISO style");
    if let Some(end) = parse_infinity(text) {
        return Ok(end);
    }
    let moment = || {
        let (date, rest) = take_date(text)?;
        let (time, rest) = take_time(rest.strip_prefix(b" ")?)?;
        let (offset, rest) = take_offset(rest)?;
        let date = with_era(date, rest)?;
        Some(Moment { date, time, offset })
    };
    moment().map(Bounded::Finite).ok_or(BAD)
}

/// Reads `12:34:56.789`: microseconds since midnight, up to and including 24:00:00.
pub(super) fn parse_time(text: &[u8]) -> Result<i64, Fault> {
    match take_time(text) {
        Some((time, [])) => Ok(time),
        _ => Err(BAD_TIME),
    }
}

/// Reads `12:34:56.789+02:30`: microseconds since midnight and seconds east of UTC.
pub(super) fn parse_zoned_time(text: &[u8]) -> Result<(i64, i64), Fault> {
    let (time, rest) = take_time(text).ok_or(BAD_TIME)?;
    match take_offset(rest) {
        Some((offset, [])) => Ok((time, offset)),
        _ => Err(BAD_TIME),
    }
}

#[inline]
fn parse_infinity<T>(text: &[u8]) -> Option<Bounded<T>> {
    match text {
        b"infinity" => Some(Bounded::Infinity),
        b"-infinity" => Some(Bounded::MinusInfinity),
        _ => None,
    }
}

#[inline]
fn with_era(date: Date, rest: &[u8]) -> Option<Date> {
    match rest {
        [] => Some(date),
        b" BC" => Some(Date {
            year: 1 - date.year,
            ..date
        }),
        _ => None,
    }
}

/// Whether `text` has a digit where `shape` has the digit 0, and the bytes of `shape` elsewhere: whole words of both.
#[inline(always)]
pub(super) fn has_shape<const N: usize>(text: &[u8; N], shape: &[u8; N]) -> bool {
    const { assert!(N.is_multiple_of(8), "not whole words") };
    let (texts, shapes) = (text.as_chunks().0, shape.as_chunks().0);
    let words = texts.iter().zip(shapes);
    words.fold(0, |others, (text, shape)| others | other_shape(*text, *shape)) == 0
}

/// Not zero if a word has another shape: what differs too much reaches the highest bit of its byte by the addition, if it has
/// not got it.
#[inline(always)]
fn other_shape(text: [u8; 8], shape: [u8; 8]) -> u64 {
    const HIGH: u64 = u64::MAX / 255 * 0x80;
    let differences = u64::from_le_bytes(text) ^ u64::from_le_bytes(shape);
    let room = shape.map(|s| if s == b'0' { 0x7f - 9 } else { 0x7f });
    (differences.wrapping_add(u64::from_le_bytes(room)) | differences) & HIGH
}

#[inline]
fn take_date(text: &[u8]) -> Option<(Date, &[u8])> {
    if let Some((date, rest)) = text.split_first_chunk()
        && let Some(date) = four_digit_date(date)
    {
        return Some((date, rest));
    }
    take_other_date(text)
}

/// Reads `2024-02-29`: a date whose year has four digits.
#[inline]
fn four_digit_date(text: &[u8; 10]) -> Option<Date> {
    let (year, month, day) = year_month_day(text)?;
    date_of(year, month, day)
}

/// The days since 1970-01-01 of such a date; none for others.
#[inline(always)]
pub(super) fn four_digit_days(text: Text<'_>) -> Option<i64> {
    let (year, month, day) = year_month_day(text.as_bytes().try_into().ok()?)?;
    date_of(year, month, day)?;
    Some(civil::days_of_short_date(year, month, day).into())
}

#[inline(always)]
fn year_month_day(text: &[u8; 10]) -> Option<(u32, u32, u32)> {
    let (head, tail) = (text.first_chunk()?, text.last_chunk()?);
    if !has_shape(head, b"0000-00-") || !has_shape(tail, b"00-00-00") {
        return None;
    }
    let (head, tail) = (pairs(*head), pairs(*tail));
    let year = u32::from(head[0]) * 100 + u32::from(head[2]);
    Some((year, head[5].into(), tail[6].into()))
}

/// What each digit makes with the next one.
#[inline]
fn pairs(digits: [u8; 8]) -> [u8; 8] {
    const VALUES: u64 = u64::MAX / 255 * 0xf;
    let values = u64::from_le_bytes(digits) & VALUES;
    (values * 10 + (values >> 8)).to_le_bytes()
}

#[inline]
fn date_of(year: u32, month: u32, day: u32) -> Option<Date> {
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    let year = year.into();
    valid.then_some(Date { year, month, day })
}

/// A date whose year has not four digits.
#[cold]
fn take_other_date(text: &[u8]) -> Option<(Date, &[u8])> {
    if text.get(4) == Some(&b'-') {
        return None;
    }
    let (year, rest) = take_long_year(text)?;
    let [a, b, b'-', c, d, rest @ ..] = rest else {
        return None;
    };
    Some((date_of(year, pair(*a, *b)?, pair(*c, *d)?)?, rest))
}

/// Years beyond 9999; PostgreSQL's calendar ends in 5874897.
fn take_long_year(text: &[u8]) -> Option<(u32, &[u8])> {
    let end = text.iter().take(8).position(|b| *b == b'-')?;
    let (digits, rest) = text.split_at_checked(end)?;
    let year = digits
        .iter()
        .try_fold(0_u32, |year, b| Some(year * 10 + digit(*b)?))?;
    Some((year, rest.strip_prefix(b"-")?))
}

fn take_time(text: &[u8]) -> Option<(i64, &[u8])> {
    let [a, b, b':', c, d, b':', e, f, rest @ ..] = text else {
        return None;
    };
    let (hour, minute, second) = (pair(*a, *b)?, pair(*c, *d)?, pair(*e, *f)?);
    if hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => take_fraction(rest)?,
        _ => (0, rest),
    };
    Some((seconds * MICROS_PER_SECOND + fraction, rest))
}

/// Reads one to six digits as a fraction of a second: microseconds.
fn take_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut micros = 0_u32;
    let mut unit = 1_000_000_u32;
    let mut rest = text;
    while let [b, tail @ ..] = rest {
        let Some(d) = digit(*b) else { break };
        unit /= 10;
        if unit == 0 {
            return None;
        }
        micros += d * unit;
        rest = tail;
    }
    (rest.len() < text.len()).then_some((i64::from(micros), rest))
}

/// Reads `+02`, `-03:30`, `+00:19:32`, or nothing: seconds east of UTC.
fn take_offset(text: &[u8]) -> Option<(i64, &[u8])> {
    let (sign, mut rest) = match text {
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Some((0, text)),
    };
    let [a, b, tail @ ..] = rest else { return None };
    let mut seconds = i64::from(pair(*a, *b)?) * 3600;
    rest = tail;
    for unit in [60, 1] {
        let [b':', a, b, tail @ ..] = rest else { break };
        seconds += i64::from(pair(*a, *b)?) * unit;
        rest = tail;
    }
    Some((sign * seconds, rest))
}

#[inline]
fn digit(b: u8) -> Option<u32> {
    let d = b.wrapping_sub(b'0');
    (d < 10).then_some(u32::from(d))
}

#[inline]
fn pair(a: u8, b: u8) -> Option<u32> {
    Some(digit(a)? * 10 + digit(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn finite<T>(b: Bounded<T>) -> T {
        match b {
            Bounded::Finite(v) => v,
            _ => panic!("infinite"),
        }
    }

    #[test]
    fn days_count_from_1970() {
        let cases = [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2024-02-29", 19_782),
            ("9999-12-31", 2_932_896),
            ("0001-01-01", -719_162),
            ("0044-03-15 BC", -735_160),
            ("2016-11-04", 17_109),
            ("5874897-12-31", 2_145_042_905),
        ];
        for (text, days) in cases {
            assert_eq!(
                finite(parse_date(text.as_bytes()).unwrap()).days(),
                days,
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_texts_are_refused() {
        for text in [
            "",
            "2024",
            "2024-1-01",
            "2024-13-01",
            "2024-01-32",
            "2024-01-01x",
            "99999999-01-01",
            "20:4-01-01",
        ] {
            assert!(parse_date(text.as_bytes()).is_err(), "{text}");
        }
        for text in [
            "",
            "12:34",
            "12:34:56.",
            "12:34:56.1234567",
            "25:00:00",
            "12:60:00",
            "aa:00:00",
            "12:34:56+",
        ] {
            assert!(parse_time(text.as_bytes()).is_err(), "{text}");
            assert!(
                parse_zoned_time(text.as_bytes()).is_err() || text.is_empty(),
                "{text}"
            );
            assert!(
                parse_timestamp(format!("2024-01-01 {text}").as_bytes()).is_err(),
                "{text}"
            );
        }
        assert!(parse_timestamp(b"2024-01-01").is_err());
    }

    #[test]
    fn offsets_go_down_to_seconds() {
        assert_eq!(
            parse_zoned_time(b"12:00:00+05:30").unwrap(),
            (43_200_000_000, 19_800)
        );
        assert_eq!(parse_zoned_time(b"00:00:00-15:59").unwrap(), (0, -57_540));
        assert_eq!(parse_zoned_time(b"00:00:00+00:19:32").unwrap(), (0, 1172));
    }

    proptest! {
        #[test]
        fn calendar_is_its_own_inverse(days in -3_000_000_000_i64..3_000_000_000) {
            prop_assert_eq!(Date::from_days(days).days(), days);
        }
    }
}
