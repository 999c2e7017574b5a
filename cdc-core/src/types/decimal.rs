//! `numeric` and `money`: decimal text to an unscaled two's-complement integer in base64, or to other forms.

use super::digits::unscaled;
use super::error::{Fault, Written};
use crate::append::Append;
use crate::block::Text;
use crate::json;

/// PostgreSQL's limit: 131072 digits before the point and 16383 after it.
const MAX_DIGITS: usize = 131_072 + 16_383;
const NOT_A_NUMBER: Fault = Fault::Malformed("not a decimal number");
const TOO_LONG: Fault = Fault::Malformed("more digits than numeric allows");
const NO_FORM: Fault = Fault::Lost("NaN and infinity have no precise decimal form");

/// A number's text, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    negative: bool,
    /// Digits before the point, without leading zeros.
    whole: &'a [u8],
    /// Digits after the point.
    fraction: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Takes plain decimal text (`-12.340`) apart; NaN and the infinities are [`Fault::Lost`].
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Fault> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let point = digits.iter().position(|b| !b.is_ascii_digit());
        let (whole, fraction) = match point {
            None => (digits, &[][..]),
            Some(i) => match digits.split_at_checked(i) {
                Some((whole, [b'.', fraction @ ..])) if fraction.iter().all(u8::is_ascii_digit) => {
                    (whole, fraction)
                }
                _ => return Err(if is_special(digits) { NO_FORM } else { NOT_A_NUMBER }),
            },
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(NOT_A_NUMBER);
        }
        let zeros = whole.iter().take_while(|b| **b == b'0').count();
        let whole = whole.get(zeros..).unwrap_or_default();
        if whole.len() + fraction.len() > MAX_DIGITS {
            return Err(TOO_LONG);
        }
        Ok(Self {
            negative,
            whole,
            fraction,
        })
    }

    /// The same number with `scale` digits after the point (before it, if negative): the fraction or whole to keep
    /// and the zeros to append. Digits that would be lost must be zeros.
    fn at_scale(mut self, scale: i32) -> Result<(Self, usize), Fault> {
        const EXCESS: Fault = Fault::Malformed("more digits than the column's scale allows");
        let Ok(wanted) = usize::try_from(scale) else {
            let cut = usize::try_from(scale.unsigned_abs()).map_err(|_| EXCESS)?;
            let keep = self.whole.len().saturating_sub(cut);
            let (kept, lost) = self.whole.split_at_checked(keep).ok_or(EXCESS)?;
            if lost.iter().chain(self.fraction).any(|b| *b != b'0') {
                return Err(EXCESS);
            }
            self.whole = kept;
            self.fraction = &[];
            return Ok((self, 0));
        };
        let zeros = wanted.saturating_sub(self.fraction.len());
        if let Some((kept, lost)) = self.fraction.split_at_checked(wanted) {
            if lost.iter().any(|b| *b != b'0') {
                return Err(EXCESS);
            }
            self.fraction = kept;
        }
        Ok((self, zeros))
    }

    /// Appends the unscaled value as base64 in quotes, `zeros` digits 0 added at the end.
    fn write_unscaled(self, zeros: usize, out: &mut Vec<u8>) {
        /// Longest digit strings that surely fit.
        const FIT_64: usize = 18;
        const FIT_128: usize = 38;
        let digits = self.whole.len() + self.fraction.len() + zeros;
        if digits <= FIT_64 {
            let fold = |acc: u64, b: &u8| acc.wrapping_mul(10).wrapping_add(u64::from(b & 0xf));
            let mut v = self.fraction.iter().fold(self.whole.iter().fold(0, fold), fold);
            for _ in 0..zeros {
                v = v.wrapping_mul(10);
            }
            let v = v.cast_signed();
            let v = if self.negative { v.wrapping_neg() } else { v };
            return write_minimal(&v.to_be_bytes(), out);
        }
        if digits <= FIT_128 {
            let v = self.unsigned(zeros).cast_signed();
            let v = if self.negative { v.wrapping_neg() } else { v };
            return write_minimal(&v.to_be_bytes(), out);
        }
        self.write_big(zeros, digits, out);
    }

    fn unsigned(self, zeros: usize) -> u128 {
        let fold = |acc: u128, b: &u8| acc.wrapping_mul(10).wrapping_add(u128::from(b & 0xf));
        let v = self.fraction.iter().fold(self.whole.iter().fold(0, fold), fold);
        (0..zeros).fold(v, |v, _| v.wrapping_mul(10))
    }

    fn write_big(self, zeros: usize, digits: usize, out: &mut Vec<u8>) {
        /// 64-bit words for 700 digits; longer numbers, up to PostgreSQL's limit, take the heap.
        const STACK_WORDS: usize = 40;
        // 19.26 decimal digits fill a word; one word to spare, and a byte for the sign.
        let words = digits / 19 + 2;
        let all = self.whole.iter().chain(self.fraction).copied();
        let all = all.chain(std::iter::repeat_n(b'0', zeros));
        if words <= STACK_WORDS {
            let mut limbs = [0_u64; STACK_WORDS];
            let mut bytes = [0_u8; STACK_WORDS * 8];
            return big_bytes(all, self.negative, &mut limbs, &mut bytes, out);
        }
        let mut limbs = vec![0_u64; words];
        let mut bytes = vec![0_u8; words * 8];
        big_bytes(all, self.negative, &mut limbs, &mut bytes, out);
    }
}

fn is_special(text: &[u8]) -> bool {
    matches!(text, b"NaN" | b"Infinity")
}

/// Multiplies the digits up into `limbs`, least significant first, and writes the two's complement.
fn big_bytes(
    digits: impl Iterator<Item = u8>,
    negative: bool,
    limbs: &mut [u64],
    bytes: &mut [u8],
    out: &mut Vec<u8>,
) {
    let mut used = 0;
    let mut chunk = 0_u64;
    let mut factor = 1_u64;
    for digit in digits {
        chunk = chunk.wrapping_mul(10).wrapping_add(u64::from(digit & 0xf));
        factor = factor.wrapping_mul(10);
        if factor == 1_000_000_000_000_000_000 {
            used = multiply_add(limbs, used, factor, chunk);
            (chunk, factor) = (0, 1);
        }
    }
    if factor > 1 {
        multiply_add(limbs, used, factor, chunk);
    }
    let mut carry = negative;
    for (limb, place) in limbs.iter().zip(bytes.rchunks_exact_mut(8)) {
        let (word, overflow) = if negative {
            (!limb).overflowing_add(u64::from(carry))
        } else {
            (*limb, false)
        };
        carry = overflow;
        place.copy_from_slice(&word.to_be_bytes());
    }
    write_minimal(bytes, out);
}

/// `limbs = limbs * factor + add`; returns the number of words in use.
fn multiply_add(limbs: &mut [u64], used: usize, factor: u64, add: u64) -> usize {
    let mut carry = u128::from(add);
    for limb in limbs.iter_mut().take(used) {
        let product = u128::from(*limb) * u128::from(factor) + carry;
        *limb = low_word(product);
        carry = product >> 64;
    }
    match limbs.get_mut(used) {
        Some(next) if carry > 0 => {
            *next = low_word(carry);
            used + 1
        }
        _ => used,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low half is what is asked for"
)]
fn low_word(v: u128) -> u64 {
    v as u64
}

/// Appends big-endian two's complement as base64 in quotes, without redundant leading bytes.
fn write_minimal(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let [first, rest @ ..] = bytes {
        let redundant = match (first, rest.first()) {
            (0, Some(next)) => next & 0x80 == 0,
            (0xff, Some(next)) => next & 0x80 != 0,
            _ => false,
        };
        if !redundant {
            break;
        }
        bytes = rest;
    }
    json::write_base64(out, bytes);
}

/// Appends a number as base64 of big-endian two's complement in quotes, without redundant leading bytes.
#[inline(always)]
pub(super) fn write_word<O: Append>(value: i64, out: &mut O) {
    let significant = 64 - (value ^ (value >> 63)).leading_zeros();
    let bytes = significant / 8 + 1;
    json::write_base64_word(out, value.cast_unsigned() << (64 - 8 * bytes), bytes);
}

/// Appends Connect's Decimal: the unscaled value in base64.
pub(super) fn write_decimal(text: &[u8], scale: i32, out: &mut Vec<u8>) -> Written {
    if let Ok(scale) = scale.try_into()
        && let Some(value) = unscaled(Text::new(text), scale)
    {
        write_word(value, out);
        return Ok(());
    }
    let (parts, zeros) = Parts::parse(text)?.at_scale(scale)?;
    parts.write_unscaled(zeros, out);
    Ok(())
}

/// Appends Connect's Decimal as a JSON number: the text of Java's `BigDecimal.toString`.
pub(super) fn write_number(text: &[u8], scale: i32, out: &mut Vec<u8>) -> Written {
    let (parts, zeros) = Parts::parse(text)?.at_scale(scale)?;
    let digits = parts.whole.iter().chain(parts.fraction).copied();
    let mut digits = digits
        .chain(std::iter::repeat_n(b'0', zeros))
        .skip_while(|b| *b == b'0')
        .peekable();
    let is_zero = digits.peek().is_none();
    let leading = parts.fraction.iter().take_while(|b| **b == b'0').count();
    let count = match (is_zero, parts.whole.is_empty()) {
        (true, _) => 1,
        (false, true) => parts.fraction.len() - leading + zeros,
        (false, false) => parts.whole.len() + parts.fraction.len() + zeros,
    };
    let adjusted = i64::try_from(count).unwrap_or(i64::MAX) - 1 - i64::from(scale);
    if parts.negative && !is_zero {
        out.push(b'-');
    }
    if scale >= 0 && adjusted >= -6 {
        out.extend_from_slice(if parts.whole.is_empty() { b"0" } else { parts.whole });
        if scale > 0 {
            out.push(b'.');
            out.extend_from_slice(parts.fraction);
            out.extend(std::iter::repeat_n(b'0', zeros));
        }
        return Ok(());
    }
    out.push(digits.next().unwrap_or(b'0'));
    if digits.peek().is_some() {
        out.push(b'.');
        out.extend(digits);
    }
    if adjusted != 0 {
        out.extend_from_slice(if adjusted > 0 { b"E+" } else { b"E" });
        json::write_i64(out, adjusted);
    }
    Ok(())
}

/// Appends Debezium's VariableScaleDecimal: `{"scale":s,"value":"…"}`, trailing zeros of the fraction removed.
pub(super) fn write_variable(text: &[u8], out: &mut Vec<u8>) -> Written {
    let mut parts = Parts::parse(text)?;
    while let [rest @ .., b'0'] = parts.fraction {
        parts.fraction = rest;
    }
    out.extend_from_slice(b"{\"scale\":");
    out.extend_from_slice(itoa::Buffer::new().format(parts.fraction.len()).as_bytes());
    out.extend_from_slice(b",\"value\":");
    parts.write_unscaled(0, out);
    out.push(b'}');
    Ok(())
}

/// Appends a decimal as the nearest double.
pub(super) fn write_double(text: &[u8], out: &mut Vec<u8>) -> Written {
    json::write_f64(out, parse_f64(text)?);
    Ok(())
}

/// Appends a decimal's digits as a string; NaN and the infinities keep PostgreSQL's words.
pub(super) fn write_string(text: &[u8], scale: Option<i32>, out: &mut Vec<u8>) -> Written {
    match Parts::parse(text) {
        Ok(parts) => {
            let missing = scale.and_then(|s| usize::try_from(s).ok()).unwrap_or(0);
            let zeros = missing.saturating_sub(parts.fraction.len());
            out.push(b'"');
            out.extend_from_slice(text);
            if zeros > 0 && parts.fraction.is_empty() {
                out.push(b'.');
            }
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.push(b'"');
            Ok(())
        }
        Err(NO_FORM) => {
            json::write_str(out, text);
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}

/// Reads a float's text as PostgreSQL writes it.
pub(super) fn parse_f64(text: &[u8]) -> Result<f64, Fault> {
    // Rust reads the words that PostgreSQL writes: NaN, Infinity, -Infinity.
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
    parsed.ok_or(Fault::Malformed("not a floating-point number"))
}

/// Reads a float's text as PostgreSQL writes it.
pub(super) fn parse_f32(text: &[u8]) -> Result<f32, Fault> {
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
    parsed.ok_or(Fault::Malformed("not a floating-point number"))
}

/// A `money` value as plain decimal text, without currency sign and separators.
#[derive(Debug)]
pub(super) struct Money {
    text: [u8; Self::LIMIT],
    len: usize,
}

impl Money {
    /// 19 digits, a point and a sign need 21.
    const LIMIT: usize = 32;

    /// Reads the output in locale C (`-$1,234.56`); parentheses also mean a negative amount.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        const BAD: Fault = Fault::Malformed("not an amount in locale C");
        let mut money = Self {
            text: [0; Self::LIMIT],
            len: 0,
        };
        if matches!(text.first(), Some(b'-' | b'(')) {
            money.push(b'-').ok_or(BAD)?;
        }
        for &b in text.iter().filter(|b| b.is_ascii_digit() || **b == b'.') {
            money.push(b).ok_or(BAD)?;
        }
        Parts::parse(money.as_bytes()).map_err(|_| BAD)?;
        Ok(money)
    }

    fn push(&mut self, b: u8) -> Option<()> {
        *self.text.get_mut(self.len)? = b;
        self.len += 1;
        Some(())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    /// The amount rounded to `digits` after the point, halves away from zero.
    pub(super) fn rounded(&self, digits: u8) -> Result<Self, Fault> {
        let parts = Parts::parse(self.as_bytes())?;
        let keep = usize::from(digits);
        let Some((kept, lost)) = parts.fraction.split_at_checked(keep) else {
            return Ok(Self { ..*self });
        };
        let up = lost.first().is_some_and(|b| *b >= b'5');
        let kept = Parts {
            fraction: kept,
            ..parts
        };
        let amount = kept.unsigned(0) + u128::from(up);
        let mut rounded = Self {
            text: [0; Self::LIMIT],
            len: 0,
        };
        let mut text = itoa::Buffer::new();
        let text = text.format(amount).as_bytes();
        let mut put = |b: u8| rounded.push(b).ok_or(NOT_A_NUMBER);
        if parts.negative {
            put(b'-')?;
        }
        let padding = (keep + 1).saturating_sub(text.len());
        let point = text.len() + padding - keep;
        for (i, b) in std::iter::repeat_n(b'0', padding)
            .chain(text.iter().copied())
            .enumerate()
        {
            if i == point {
                put(b'.')?;
            }
            put(b)?;
        }
        Ok(rounded)
    }
}
