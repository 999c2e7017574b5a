//! Texts of decimals, dates and times. Each writer returns none when there is no such text.

use std::io::Write as _;

use cdc_core::civil;

/// Longest unscaled value of a decimal that is written out, in bytes: some 2400 digits.
const LONGEST: usize = 1000;

/// Decodes base64 with padding.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        Some(match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        })
    };
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for quad in text.chunks_exact(4) {
        let pad = quad.iter().rev().take_while(|c| **c == b'=').count();
        if pad > 2 {
            return None;
        }
        let mut word = 0_u32;
        for (i, c) in quad.iter().enumerate() {
            word = (word << 6) | if i >= 4 - pad { 0 } else { u32::from(digit(*c)?) };
        }
        out.extend_from_slice(word.to_be_bytes().get(1..4 - pad)?);
    }
    Some(out)
}

/// A decimal number from its unscaled value, big-endian in two's complement.
pub(super) fn decimal(unscaled: &[u8], scale: i32, out: &mut Vec<u8>) -> Option<()> {
    if unscaled.is_empty() || unscaled.len() > LONGEST || !(-10_000..=10_000).contains(&scale) {
        return None;
    }
    let negative = unscaled.first().is_some_and(|b| *b >= 0x80);
    let mut magnitude = unscaled.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            let (sum, over) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = over;
        }
    }
    let mut digits = Vec::new();
    while magnitude.iter().any(|b| *b != 0) {
        let mut rest = 0_u32;
        for byte in &mut magnitude {
            let word = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(word / 10).ok()?;
            rest = word % 10;
        }
        digits.push(b'0' + u8::try_from(rest).ok()?);
    }
    let zero = digits.is_empty();
    if scale < 0 && !zero {
        let zeros = usize::try_from(scale.unsigned_abs()).ok()?;
        digits.splice(0..0, std::iter::repeat_n(b'0', zeros));
    }
    let point = usize::try_from(scale.max(0)).ok()?;
    while digits.len() <= point {
        digits.push(b'0');
    }
    if negative {
        out.push(b'-');
    }
    for (i, digit) in digits.iter().enumerate().rev() {
        out.push(*digit);
        if i == point && point > 0 {
            out.push(b'.');
        }
    }
    Some(())
}

/// ISO 8601 of a number of units since 1970; `units` a second, or days for 0. Years beyond 0 to 9999 have a sign, as the standard
/// has it: left as a number, such a date would be read as milliseconds.
pub(super) fn instant(n: i64, units: i64, out: &mut Vec<u8>) -> Option<()> {
    if units == 0 {
        return date(n, out);
    }
    let day = units.checked_mul(86_400)?;
    date(n.div_euclid(day), out)?;
    out.push(b'T');
    time_of_day(n.rem_euclid(day), units, out)?;
    out.push(b'Z');
    Some(())
}

/// `HH:MM:SS`, with as many decimals as the units need, in threes.
pub(super) fn time_of_day(n: i64, units: i64, out: &mut Vec<u8>) -> Option<()> {
    let seconds = n.div_euclid(units);
    if !(0..=86_400).contains(&seconds) {
        return None;
    }
    write!(
        out,
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
    .ok()?;
    let nanos = n.rem_euclid(units).checked_mul(1_000_000_000 / units)?;
    match (nanos, nanos % 1_000_000, nanos % 1_000) {
        (0, ..) => {}
        (_, 0, _) => write!(out, ".{:03}", nanos / 1_000_000).ok()?,
        (_, _, 0) => write!(out, ".{:06}", nanos / 1_000).ok()?,
        _ => write!(out, ".{nanos:09}").ok()?,
    }
    Some(())
}

fn date(days: i64, out: &mut Vec<u8>) -> Option<()> {
    let (year, month, day) = civil::date_of_days(days);
    match year {
        0..=9999 => write!(out, "{year:04}-{month:02}-{day:02}").ok(),
        _ => write!(out, "{year:+05}-{month:02}-{day:02}").ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<String> {
        let mut out = Vec::new();
        write(&mut out)?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn decimals_are_exact() {
        for (encoded, scale, want) in [
            ("BNI=", 2, "12.34"),
            ("AA==", 2, "0.00"),
            ("AA==", 0, "0"),
            ("BQ==", 3, "0.005"),
            ("+y4=", 2, "-12.34"),
            ("gA==", 0, "-128"),
            ("DA==", -3, "12000"),
            ("AP//////////", 0, "18446744073709551615"),
            ("GDU+K5WwHKTxDwGYfv8=", 6, "490996163862196563834633323.052799"),
        ] {
            let got = base64(encoded.as_bytes()).and_then(|v| text(|o| decimal(&v, scale, o)));
            assert_eq!(got.as_deref(), Some(want), "{encoded}");
        }
        assert_eq!(base64(b"A"), None);
        assert_eq!(base64(b"A==="), None);
        assert_eq!(base64(b"*A=="), None);
        assert_eq!(text(|o| decimal(&[], 0, o)), None);
    }

    #[test]
    fn times_are_iso_8601() {
        for (n, units, want) in [
            (18_877, 0, Some("2021-09-07")),
            (-1, 0, Some("1969-12-31")),
            (11_016, 0, Some("2000-02-29")),
            (3_000_000, 0, Some("+10183-09-21")),
            (2_147_483_647, 0, Some("+5881580-07-11")),
            (-730_000, 0, Some("-0029-05-01")),
            (-1, 1_000, Some("1969-12-31T23:59:59.999Z")),
            (
                1_631_531_169_108_123,
                1_000_000,
                Some("2021-09-13T11:06:09.108123Z"),
            ),
            (1, 1_000_000_000, Some("1970-01-01T00:00:00.000000001Z")),
            (0, 1_000, Some("1970-01-01T00:00:00Z")),
            (i64::MAX, 1_000_000, Some("+294247-01-10T04:00:54.775807Z")),
            (i64::MIN, 1_000_000, Some("-290308-12-21T19:59:05.224192Z")),
        ] {
            assert_eq!(text(|o| instant(n, units, o)).as_deref(), want, "{n}/{units}");
        }
        assert_eq!(
            text(|o| time_of_day(33_300_000_000, 1_000_000, o)).as_deref(),
            Some("09:15:00")
        );
        assert_eq!(
            text(|o| time_of_day(86_400_000, 1_000, o)).as_deref(),
            Some("24:00:00")
        );
        assert_eq!(text(|o| time_of_day(-1, 1_000, o)), None);
    }
}
