//! `date`, `time`, `timestamp` and their zoned forms as numbers and ISO 8601 text.

use super::calendar::{self, Bounded, Date, MICROS_PER_DAY, MICROS_PER_SECOND, Moment};
use super::error::{Fault, Written};
use crate::append::Append;
use crate::block::{BLOCK, Text};
use crate::json;

/// How a date is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateForm {
    /// Days since 1970-01-01; whether Connect's own Date says so.
    Days { connect: bool },
    /// `2024-02-29Z`
    Iso,
}

/// How a time of day or a timestamp without a zone is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClockForm {
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// ISO 8601 text, taken as UTC.
    Iso,
}

/// Days that stand for `infinity` and `-infinity`: beyond every date of PostgreSQL, and in the right order.
const DATE_ENDS: (i64, i64) = (i32::MAX as i64, i32::MIN as i64);
/// Microseconds that stand for the infinities: those of Debezium, which come from its driver's sentinels.
const TIMESTAMP_ENDS: (i64, i64) = (9_223_372_036_825_200_000, -9_223_372_036_832_400_000);
const OUT_OF_RANGE: Fault = Fault::Malformed("outside the range of 64-bit microseconds since 1970");
const NO_NANOSECONDS: Fault = Fault::Lost("outside the range of 64-bit nanoseconds since 1970");

/// Days since 1970-01-01 of a date.
fn days(text: &[u8]) -> Result<i64, Fault> {
    Ok(ended(calendar::parse_date(text)?, Date::days, DATE_ENDS))
}

/// Appends a date.
pub(super) fn write_date(text: &[u8], form: DateForm, out: &mut Vec<u8>) -> Written {
    if let DateForm::Days { .. } = form {
        json::write_i64(out, days(text)?);
        return Ok(());
    }
    let date = match calendar::parse_date(text)? {
        Bounded::Finite(date) => date,
        Bounded::Infinity => Date::from_days(DATE_ENDS.0),
        Bounded::MinusInfinity => Date::from_days(DATE_ENDS.1),
    };
    out.push(b'"');
    push_date(out, date);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

fn ended<T>(v: Bounded<T>, finite: impl FnOnce(T) -> i64, ends: (i64, i64)) -> i64 {
    match v {
        Bounded::Finite(v) => finite(v),
        Bounded::Infinity => ends.0,
        Bounded::MinusInfinity => ends.1,
    }
}

/// Appends a time of day. `whole_millis` drops what is below a millisecond, as Debezium's driver does in arrays.
pub(super) fn write_time(text: &[u8], form: ClockForm, whole_millis: bool, out: &mut Vec<u8>) -> Written {
    let mut micros = calendar::parse_time(text)?;
    if whole_millis {
        micros -= micros % 1000;
    }
    match form {
        ClockForm::Millis => json::write_i64(out, micros / 1000),
        ClockForm::Micros => json::write_i64(out, micros),
        ClockForm::Nanos => json::write_i64(out, micros * 1000),
        ClockForm::Iso => {
            out.push(b'"');
            push_time(out, micros % MICROS_PER_DAY, Fraction::Shortest);
            out.extend_from_slice(b"Z\"");
        }
    }
    Ok(())
}

/// Appends a timestamp without a zone.
pub(super) fn write_timestamp(text: &[u8], form: ClockForm, out: &mut Vec<u8>) -> Written {
    let moment = calendar::parse_timestamp(text)?;
    if form == ClockForm::Iso {
        let moment = match moment {
            Bounded::Finite(moment) => moment,
            Bounded::Infinity => moment_of(TIMESTAMP_ENDS.0),
            Bounded::MinusInfinity => moment_of(TIMESTAMP_ENDS.1),
        };
        out.push(b'"');
        push_moment(out, moment, Fraction::Shortest);
        out.extend_from_slice(b"Z\"");
        return Ok(());
    }
    let number = match (form, moment) {
        (ClockForm::Nanos, Bounded::Finite(m)) => {
            i64::try_from(m.micros() * 1000).map_err(|_| NO_NANOSECONDS)?
        }
        (ClockForm::Nanos, Bounded::Infinity) => i64::MAX,
        (ClockForm::Nanos, Bounded::MinusInfinity) => i64::MIN,
        (ClockForm::Millis, Bounded::Finite(m)) => {
            i64::try_from(m.micros().div_euclid(1000)).map_err(|_| OUT_OF_RANGE)?
        }
        (ClockForm::Millis, end) => ended(end, |_| 0, TIMESTAMP_ENDS) / 1000,
        (_, Bounded::Finite(m)) => i64::try_from(m.micros()).map_err(|_| OUT_OF_RANGE)?,
        (_, end) => ended(end, |_| 0, TIMESTAMP_ENDS),
    };
    json::write_i64(out, number);
    Ok(())
}

fn moment_of(micros: i64) -> Moment {
    Moment {
        date: Date::from_days(micros.div_euclid(MICROS_PER_DAY)),
        time: micros.rem_euclid(MICROS_PER_DAY),
        offset: 0,
    }
}

/// Appends a timestamp with a zone: UTC, with exactly `digits` fraction digits.
pub(super) fn write_zoned_timestamp(text: &[u8], digits: u8, out: &mut Vec<u8>) -> Written {
    if write_utc(text, digits, out) {
        return Ok(());
    }
    match calendar::parse_timestamp(text)? {
        Bounded::Infinity | Bounded::MinusInfinity => json::write_str(out, text),
        Bounded::Finite(moment) => {
            out.push(b'"');
            push_moment(out, moment.to_utc(), Fraction::Exactly(digits));
            out.extend_from_slice(b"Z\"");
        }
    }
    Ok(())
}

/// Appends a timestamp that is in UTC as it stands, as all are with the session's time zone pinned; false, with nothing
/// appended, for others and for years beyond 9999.
fn write_utc(text: &[u8], digits: u8, out: &mut Vec<u8>) -> bool {
    /// `2024-02-29 12:34:56`
    const SECONDS: usize = 19;
    if digits == 6
        && let Some(micros) = UtcMicros::of(Text::new(text))
    {
        micros.append_quoted(out);
        return true;
    }
    let Some((clock, fraction)) = text
        .strip_suffix(b"+00")
        .and_then(|t| t.split_first_chunk::<SECONDS>())
    else {
        return false;
    };
    let (Some(head), Some(tail)) = (clock.first_chunk::<16>(), clock.last_chunk::<16>()) else {
        return false;
    };
    if !calendar::has_shape(head, b"0000-00-00 00:00") || !calendar::has_shape(tail, b"0-00-00 00:00:00") {
        return false;
    }
    let digits = usize::from(digits.min(6));
    let mut line = *b"\"0000-00-00T00:00:00.000000Z\"";
    let below = match fraction {
        [] => &[][..],
        [b'.', below @ ..] if below.len() <= 6 && below.iter().all(u8::is_ascii_digit) => below,
        _ => return false,
    };
    if let Some(place) = line.get_mut(1..=SECONDS) {
        place.copy_from_slice(clock);
    }
    line[11] = b'T';
    if let Some(place) = line.get_mut(2 + SECONDS..).and_then(|l| l.get_mut(..below.len())) {
        place.copy_from_slice(below);
    }
    let end = if digits == 0 {
        1 + SECONDS
    } else {
        2 + SECONDS + digits
    };
    out.extend_from_slice(line.get(..end).unwrap_or_default());
    out.extend_from_slice(b"Z\"");
    true
}

#[inline(always)]
fn block_pair(low: u128, high: u128) -> [u8; 2 * BLOCK] {
    let mut pair = [0; 2 * BLOCK];
    let (first, second) = pair.split_at_mut(BLOCK);
    first.copy_from_slice(&low.to_le_bytes());
    second.copy_from_slice(&high.to_le_bytes());
    pair
}

/// A timestamp in UTC with all six fraction digits, as most are.
#[derive(Clone, Copy, Debug)]
pub(super) struct UtcMicros<'a> {
    /// Date and hour: the first sixteen bytes.
    date: &'a [u8; 16],
    /// From the hour on.
    clock: &'a [u8; 16],
}

impl<'a> UtcMicros<'a> {
    /// Length in ISO 8601.
    pub(super) const LEN: usize = 27;

    /// None if the text is not such a timestamp.
    #[inline(always)]
    pub(super) fn of(text: Text<'a>) -> Option<Self> {
        let text: &[u8; 29] = text.as_bytes().try_into().ok()?;
        let (date, clock) = (text.first_chunk()?, text.get(11..)?.first_chunk()?);
        let shaped = calendar::has_shape(date, b"0000-00-00 00:00")
            && calendar::has_shape(text.last_chunk()?, b":00:00.000000+00");
        // The offset's digits are 0 themselves.
        (shaped && text[27] == b'0' && text[28] == b'0').then_some(Self { date, clock })
    }

    /// Appends it in ISO 8601: `2024-02-29T12:34:56.789123Z`.
    #[inline(always)]
    pub(super) fn append<O: Append>(self, out: &mut O) {
        let (low, high) = self.blocks();
        out.head(&block_pair(low, high), Self::LEN);
    }

    /// Appends the same between quotes.
    #[inline(always)]
    pub(super) fn append_quoted<O: Append>(self, out: &mut O) {
        const QUOTE: u128 = b'"' as u128;
        let (low, high) = self.blocks();
        let end = QUOTE << (8 * (Self::LEN + 1 - BLOCK));
        let quoted = block_pair(QUOTE | low << 8, low >> 120 | high << 8 | end);
        out.head(&quoted, Self::LEN + 2);
    }

    /// Its text in ISO 8601, the first byte the lowest; zeros behind it.
    #[inline(always)]
    fn blocks(self) -> (u128, u128) {
        const TEN: u128 = (1 << 80) - 1;
        let (date, clock) = (u128::from_le_bytes(*self.date), u128::from_le_bytes(*self.clock));
        let low = date & TEN | u128::from(b'T') << 80 | clock << 88;
        let high = clock >> 40 & TEN | u128::from(b'Z') << 80;
        (low, high)
    }
}

/// Appends a time of day with a zone, in UTC. `whole_seconds` drops the fraction, as Debezium does in arrays.
pub(super) fn write_zoned_time(text: &[u8], whole_seconds: bool, out: &mut Vec<u8>) -> Written {
    let (local, offset) = calendar::parse_zoned_time(text)?;
    let utc = local - offset * MICROS_PER_SECOND;
    // 24:00:00+00 is a value of its own; everywhere else the day wraps.
    let micros = if utc == MICROS_PER_DAY && offset == 0 {
        utc
    } else {
        utc.rem_euclid(MICROS_PER_DAY)
    };
    let fraction = if whole_seconds {
        Fraction::Exactly(0)
    } else {
        Fraction::Shortest
    };
    out.push(b'"');
    push_time(out, micros, fraction);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

#[derive(Clone, Copy, Debug)]
enum Fraction {
    /// As many digits as are needed, none for whole seconds.
    Shortest,
    /// So many digits, at most six.
    Exactly(u8),
}

fn push_moment(out: &mut Vec<u8>, moment: Moment, fraction: Fraction) {
    push_date(out, moment.date);
    out.push(b'T');
    push_time(out, moment.time, fraction);
}

/// Appends a date as Java's ISO formatter does: at least four digits, a sign for years beyond 9999 and before 0.
fn push_date(out: &mut Vec<u8>, date: Date) {
    let year = date.year.unsigned_abs();
    if date.year < 0 {
        out.push(b'-');
    } else if year > 9999 {
        out.push(b'+');
    }
    if year > 9999 {
        out.extend_from_slice(itoa::Buffer::new().format(year).as_bytes());
    } else {
        let year = u32::try_from(year).unwrap_or(0);
        out.extend_from_slice(&two(year / 100));
        out.extend_from_slice(&two(year % 100));
    }
    let ([a, b], [c, d]) = (two(date.month), two(date.day));
    out.extend_from_slice(&[b'-', a, b, b'-', c, d]);
}

fn push_time(out: &mut Vec<u8>, micros: i64, fraction: Fraction) {
    let micros = u64::try_from(micros).unwrap_or(0);
    let seconds = u32::try_from(micros / 1_000_000).unwrap_or(0);
    let below = u32::try_from(micros % 1_000_000).unwrap_or(0);
    let ([a, b], [c, d], [e, f]) = (two(seconds / 3600), two(seconds / 60 % 60), two(seconds % 60));
    out.extend_from_slice(&[a, b, b':', c, d, b':', e, f]);
    let ([g, h], [i, j], [k, l]) = (two(below / 10_000), two(below / 100 % 100), two(below % 100));
    let digits = [b'.', g, h, i, j, k, l];
    let length = match fraction {
        Fraction::Exactly(n) => usize::from(n.min(6)),
        Fraction::Shortest => digits
            .iter()
            .rposition(|b| !matches!(b, b'0' | b'.'))
            .unwrap_or(0),
    };
    if length > 0 {
        out.extend_from_slice(digits.get(..=length).unwrap_or_default());
    }
}

#[inline]
fn two(v: u32) -> [u8; 2] {
    [b'0' + (v / 10 % 10) as u8, b'0' + (v % 10) as u8]
}
