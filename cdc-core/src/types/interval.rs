//! `interval`, read from the output style `postgres`.

use super::error::{Fault, Written};
use crate::json;

const BAD: Fault = Fault::Malformed("not an interval in style postgres");

/// An interval's components; each has its own sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    years: i64,
    months: i64,
    days: i64,
    hours: i64,
    minutes: i64,
    /// Seconds and their fraction, in microseconds.
    micros: i64,
}

impl Parts {
    /// Reads `-1 years -2 mons +3 days -04:05:06.7`, parts that are zero left out.
    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let mut parts = Self::default();
        let mut words = text.split(|b| *b == b' ').peekable();
        while let Some(word) = words.next() {
            let Some(unit) = words.peek().filter(|_| !word.contains(&b':')) else {
                parts.read_clock(word)?;
                return if words.next().is_none() {
                    Ok(parts)
                } else {
                    Err(BAD)
                };
            };
            let n = number(word)?;
            match *unit {
                b"year" | b"years" => parts.years = n,
                b"mon" | b"mons" => parts.months = n,
                b"day" | b"days" => parts.days = n,
                _ => return Err(BAD),
            }
            words.next();
        }
        Ok(parts)
    }

    /// Reads `[-]hh:mm:ss[.ffffff]`.
    fn read_clock(&mut self, text: &[u8]) -> Result<(), Fault> {
        let (text, sign) = match text {
            [b'-', rest @ ..] => (rest, -1),
            [b'+', rest @ ..] => (rest, 1),
            _ => (text, 1),
        };
        let mut fields = text.splitn(3, |b| *b == b':');
        let mut next = || fields.next().ok_or(BAD);
        let (hours, minutes, seconds) = (next()?, next()?, next()?);
        let (whole, fraction) = match seconds.iter().position(|b| *b == b'.') {
            Some(i) => (
                seconds.get(..i).unwrap_or_default(),
                seconds.get(i + 1..).unwrap_or_default(),
            ),
            None => (seconds, &[][..]),
        };
        if fraction.len() > 6 || !fraction.iter().all(u8::is_ascii_digit) {
            return Err(BAD);
        }
        let micros = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
        let micros = micros.fold(0, |acc, b| acc * 10 + i64::from(b & 0xf));
        self.hours = sign * number(hours)?;
        self.minutes = sign * number(minutes)?;
        let whole = number(whole)?.checked_mul(1_000_000).ok_or(BAD)?;
        self.micros = sign * whole.checked_add(micros).ok_or(BAD)?;
        Ok(())
    }
}

/// Reads up to 18 digits with an optional sign; PostgreSQL's fields are far shorter.
fn number(text: &[u8]) -> Result<i64, Fault> {
    let (digits, sign) = match text {
        [b'-', rest @ ..] => (rest, -1),
        [b'+', rest @ ..] => (rest, 1),
        _ => (text, 1),
    };
    if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    Ok(sign * digits.iter().fold(0, |acc, b| acc * 10 + i64::from(b & 0xf)))
}

/// Appends microseconds, a month being 365.25 / 12 days; computed in doubles, and saturating, as Debezium does.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the arithmetic is that of Debezium: doubles, then a saturating conversion"
)]
pub(super) fn write_micros(text: &[u8], out: &mut Vec<u8>) -> Written {
    const DAYS_PER_MONTH: f64 = 365.25 / 12.0;
    let p = Parts::parse(text)?;
    let months = p
        .years
        .checked_mul(12)
        .and_then(|m| m.checked_add(p.months))
        .ok_or(BAD)?;
    let seconds = p.micros as f64 / 1e6;
    let days = months as f64 * DAYS_PER_MONTH + p.days as f64;
    let total = (((days * 24.0) + p.hours as f64) * 60.0 + p.minutes as f64) * 60.0 + seconds;
    json::write_i64(out, (total * 1e6) as i64);
    Ok(())
}

/// Appends ISO 8601 text with every component, each with its own sign: `P1Y2M3DT4H5M6.789S`.
pub(super) fn write_iso(text: &[u8], out: &mut Vec<u8>) -> Written {
    let p = Parts::parse(text)?;
    out.extend_from_slice(b"\"P");
    for (value, unit) in [
        (p.years, &b"Y"[..]),
        (p.months, b"M"),
        (p.days, b"DT"),
        (p.hours, b"H"),
        (p.minutes, b"M"),
    ] {
        json::write_i64(out, value);
        out.extend_from_slice(unit);
    }
    if p.micros < 0 {
        out.push(b'-');
    }
    let micros = p.micros.unsigned_abs();
    out.extend_from_slice(itoa::Buffer::new().format(micros / 1_000_000).as_bytes());
    let below = micros % 1_000_000;
    if below > 0 {
        let mut digits = [b'.', b'0', b'0', b'0', b'0', b'0', b'0'];
        let mut rest = below;
        for place in digits.iter_mut().skip(1).rev() {
            *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        let last = digits.iter().rposition(|b| *b != b'0').unwrap_or(0);
        out.extend_from_slice(digits.get(..=last).unwrap_or_default());
    }
    out.extend_from_slice(b"S\"");
    Ok(())
}
