//! Numbers: floating-point ones read as Java's `Double.toString` and `Float.toString` (19 and later) give them.

use std::io::Write as _;

use crate::append::Append;

/// Appends an integer.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, v: i64) {
    append_i64(out, v);
}

/// Appends an integer.
#[inline(always)]
pub(crate) fn append_i64<O: Append>(out: &mut O, v: i64) {
    /// Less than this has at most eight digits.
    const LONG: u32 = 100_000_000;
    let Some(v) = u32::try_from(v).ok().filter(|v| *v < LONG) else {
        return out.bytes(itoa::Buffer::new().format(v).as_bytes());
    };
    let digits = u64::from_le_bytes(eight_digits(v));
    // Days since 1970 have so many. What comes next need not wait for the digits where their number does not follow from them.
    if (10_000..100_000).contains(&v) {
        return out.head(&(digits >> 24).to_le_bytes(), 5);
    }
    // The first ones are the lowest bytes. Of zero one is left.
    let zeros = (digits & VALUES | 1 << 56).trailing_zeros() & !7;
    out.head(&(digits >> zeros).to_le_bytes(), 8 - zeros as usize / 8);
}

/// The values of digits, in each byte of a word.
const VALUES: u64 = u64::MAX / 255 * 0xf;

/// A number of at most eight digits as eight of them.
#[inline]
pub(crate) fn eight_digits(v: u32) -> [u8; 8] {
    const ZEROS: u64 = u64::MAX / 255 * 0x30;
    debug_assert!(v < 100_000_000, "more than eight digits");
    // Two lanes of four digits, four lanes of two, eight lanes of one; the first digits are in the lowest lane. The
    // products are the quotients for as many digits as a lane has.
    let lanes = u64::from(v / 10_000) | u64::from(v % 10_000) << 32;
    let high = (lanes * 10_486) >> 20 & 0x7f_0000_007f;
    let lanes = high | (lanes - high * 100) << 16;
    let high = (lanes * 103) >> 10 & 0xf_000f_000f_000f;
    let lanes = high | (lanes - high * 10) << 8;
    (lanes | ZEROS).to_le_bytes()
}

/// Appends a double; NaN and the infinities are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`.
pub fn write_f64(out: &mut Vec<u8>, v: f64) {
    if !v.is_finite() {
        return write_non_finite(out, v.is_nan(), v.is_sign_negative());
    }
    write_java_f64(out, v);
}

/// Appends a float; see [`write_f64`].
pub fn write_f32(out: &mut Vec<u8>, v: f32) {
    if !v.is_finite() {
        return write_non_finite(out, v.is_nan(), v.is_sign_negative());
    }
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(v).as_bytes();
    if v != 0.0 && v.abs() < f32::MIN_POSITIVE {
        return write_subnormal(out, shortest, format_args!("{v:.1e}"));
    }
    write_java_digits(out, shortest);
}

/// Appends the text of Java's `Double.toString` for a finite number, without quotes.
pub fn write_java_f64(out: &mut Vec<u8>, v: f64) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format_finite(v).as_bytes();
    if v != 0.0 && v.abs() < f64::MIN_POSITIVE {
        return write_subnormal(out, shortest, format_args!("{v:.1e}"));
    }
    write_java_digits(out, shortest);
}

fn write_non_finite(out: &mut Vec<u8>, nan: bool, negative: bool) {
    let text: &[u8] = match (nan, negative) {
        (true, _) => b"\"NaN\"",
        (false, false) => b"\"Infinity\"",
        (false, true) => b"\"-Infinity\"",
    };
    out.extend_from_slice(text);
}

/// Java gives at least two digits, and takes the two nearest the value where one would do. That differs from
/// "digit, point, zero" only where neighbours are more than a twentieth apart: among the subnormal numbers.
fn write_subnormal(out: &mut Vec<u8>, shortest: &[u8], two_digits: std::fmt::Arguments<'_>) {
    let mantissa = shortest.split(|&b| b == b'e').next().unwrap_or_default();
    let one_digit = mantissa
        .iter()
        .filter(|b| b.is_ascii_digit() && **b != b'0')
        .count()
        == 1;
    if !one_digit {
        return write_java_digits(out, shortest);
    }
    let mut text = [0_u8; 32];
    let mut cursor = std::io::Cursor::new(&mut text[..]);
    let written = cursor.write_fmt(two_digits).map_or(0, |()| cursor.position());
    let length = usize::try_from(written).unwrap_or(0);
    write_java_digits(out, text.get(..length).unwrap_or(shortest));
}

/// Rewrites a decimal text (`1.5`, `1e21`, `1.25e-7`) in Java's form: plain from 10⁻³ up to 10⁷, else `d.dddE±x`.
fn write_java_digits(out: &mut Vec<u8>, text: &[u8]) {
    let (text, negative) = text.strip_prefix(b"-").map_or((text, false), |t| (t, true));
    if negative {
        out.push(b'-');
    }
    let mut digits = [0_u8; 40];
    let mut count = 0_usize;
    // Power of ten of the first digit.
    let mut exponent = -1_i32;
    let mut seen_point = false;
    let mut bytes = text.iter();
    for &b in bytes.by_ref() {
        match b {
            b'.' => seen_point = true,
            b'e' | b'E' => break,
            b'0' if count == 0 => exponent -= i32::from(seen_point),
            _ => {
                if let Some(slot) = digits.get_mut(count) {
                    *slot = b;
                    count += 1;
                }
                exponent += i32::from(!seen_point);
            }
        }
    }
    exponent += parse_exponent(bytes.as_slice());
    while count > 0 && digits.get(count - 1) == Some(&b'0') {
        count -= 1;
    }
    let digits = digits.get(..count).unwrap_or_default();
    match digits {
        [] => out.extend_from_slice(b"0.0"),
        _ if (-3..7).contains(&exponent) => write_plain(out, digits, exponent),
        _ => write_scientific(out, digits, exponent),
    }
}

fn parse_exponent(text: &[u8]) -> i32 {
    std::str::from_utf8(text)
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(0)
}

fn write_plain(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let Ok(last_whole) = usize::try_from(exponent) else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(
            b'0',
            usize::try_from(-1 - exponent).unwrap_or(0),
        ));
        return out.extend_from_slice(digits);
    };
    let whole = last_whole + 1;
    let (head, tail) = digits.split_at_checked(whole).unwrap_or((digits, &[]));
    out.extend_from_slice(head);
    out.extend(std::iter::repeat_n(b'0', whole - head.len()));
    out.push(b'.');
    out.extend_from_slice(if tail.is_empty() { b"0" } else { tail });
}

fn write_scientific(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let (first, tail) = digits.split_at_checked(1).unwrap_or((digits, &[]));
    out.extend_from_slice(first);
    out.push(b'.');
    out.extend_from_slice(if tail.is_empty() { b"0" } else { tail });
    out.push(b'E');
    write_i64(out, i64::from(exponent));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text;
    use super::*;

    #[test]
    fn doubles_read_as_in_java() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (1e-3, "0.001"),
            (9.999e-4, "9.999E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1e10, "1.0E10"),
            (1e21, "1.0E21"),
            (1e23, "1.0E23"),
            (2e23, "2.0E23"),
            (123_456_789.123_456_79, "1.2345678912345679E8"),
            (3.333_333_333_333_333_5, "3.3333333333333335"),
            (1e-7, "1.0E-7"),
            (f64::MAX, "1.7976931348623157E308"),
            (5e-324, "4.9E-324"),
            (1e-323, "9.9E-324"),
            (2e-323, "2.0E-323"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (1e300, "1.0E300"),
            (12.34, "12.34"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ];
        for (v, expected) in cases {
            assert_eq!(text(|out| write_f64(out, v)), expected);
        }
    }

    #[test]
    fn floats_read_as_in_java() {
        let cases = [
            (1.1_f32, "1.1"),
            (1e20, "1.0E20"),
            (1_234_567.9, "1234567.9"),
            (12_345_679.0, "1.2345679E7"),
            (16_777_216.0, "1.6777216E7"),
            (1e-45, "1.4E-45"),
            (2e-44, "2.0E-44"),
            (f32::MIN_POSITIVE, "1.1754944E-38"),
            (f32::MAX, "3.4028235E38"),
            (-0.5, "-0.5"),
        ];
        for (v, expected) in cases {
            assert_eq!(text(|out| write_f32(out, v)), expected);
        }
    }

    proptest! {
        #[test]
        fn any_finite_number_reads_back(bits in any::<u64>(), small in any::<u32>(), n in any::<i64>()) {
            let v = f64::from_bits(bits);
            if v.is_finite() {
                let json = text(|out| write_f64(out, v));
                prop_assert_eq!(json.parse::<f64>().unwrap().to_bits(), v.to_bits());
                prop_assert!(serde_json::from_str::<f64>(&json).is_ok());
            }
            let v = f32::from_bits(small);
            if v.is_finite() {
                let json = text(|out| write_f32(out, v));
                prop_assert_eq!(json.parse::<f32>().unwrap().to_bits(), v.to_bits());
            }
            prop_assert_eq!(text(|out| write_i64(out, n)), n.to_string());
        }

        #[test]
        fn short_integers_read_back(n in 0_u32..100_000_000, digits in 0_u32..8) {
            let n = n / 10_u32.pow(digits);
            prop_assert_eq!(text(|out| write_i64(out, n.into())), n.to_string());
            prop_assert_eq!(eight_digits(n).to_vec(), format!("{n:08}").into_bytes());
        }
    }
}
