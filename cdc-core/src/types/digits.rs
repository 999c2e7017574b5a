//! Decimal digits of a text.

use crate::append::Append;
use crate::block::{BLOCK, Text, block_at, words};

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// Bytes of a word.
const WORD: usize = 8;

/// Appends digits with an optional sign as they are; false, with nothing appended, if there is another byte, or more of them
/// than an integer has.
#[inline(always)]
pub(super) fn copy_integer<O: Append>(text: Text<'_>, out: &mut O) -> bool {
    let spare;
    let block = block_at!(text, 0, spare);
    let valid = match text.len() {
        ..=WORD => {
            let (digits, n) = unsigned(words(u128::from_le_bytes(*block)).0, text.len());
            n > 0 && others(values(digits, n)) == 0
        }
        _ => is_long_integer(text.as_bytes()),
    };
    if text.len() <= BLOCK && valid {
        out.head(block, text.len());
    } else if valid {
        out.bytes(text.as_bytes());
    }
    valid
}

#[inline(never)]
fn is_long_integer(text: &[u8]) -> bool {
    const LONGEST: usize = 20;
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if text.len() > LONGEST {
        return false;
    }
    // The last bytes are looked at in a whole word, with some of the others a second time.
    match (digits.first_chunk(), digits.last_chunk()) {
        (Some(first), Some(last)) => {
            let other = |word: &[u8; WORD]| others(values(u64::from_le_bytes(*word), WORD));
            let between = digits.get(WORD..).unwrap_or_default().as_chunks().0;
            between
                .iter()
                .fold(other(first) | other(last), |others, word| others | other(word))
                == 0
        }
        _ => digits.iter().all(u8::is_ascii_digit),
    }
}

/// The number of a text of at most sixteen digits, and the sign, with an optional sign before them; none for others.
#[inline(always)]
pub(super) fn integer(text: Text<'_>) -> Option<i64> {
    let spare;
    let block = u128::from_le_bytes(*block_at!(text, 0, spare));
    let (signed, _) = words(block);
    let value = match text.len() {
        ..=WORD => {
            let (digits, n) = unsigned(signed, text.len());
            short_number(digits, n)?
        }
        9..=BLOCK => long_number(block, text.len())?,
        _ => return None,
    };
    Some(with_sign(signed, value))
}

/// The number that a value is in units of its `scale`th digit after the point, of which it must have just so many, at most
/// eight; of at most fifteen digits. None for others.
#[inline(always)]
pub(super) fn unscaled(text: Text<'_>, scale: usize) -> Option<i64> {
    if scale == 0 {
        return integer(text);
    }
    let spare;
    let block = u128::from_le_bytes(*block_at!(text, 0, spare));
    let (signed, _) = words(block);
    let value = match text.len() {
        ..=WORD => {
            let (digits, n) = unsigned(signed, text.len());
            let point = n.checked_sub(1 + scale)?;
            let behind = digits >> (8 * point);
            if behind & 0xff != u64::from(b'.') {
                return None;
            }
            short_number(digits, point)? * power_of_ten(scale)? + short_number(behind >> 8, scale)?
        }
        9..=BLOCK => long_unscaled(block, text.len(), scale)?,
        _ => return None,
    };
    Some(with_sign(signed, value))
}

#[inline(never)]
fn long_unscaled(block: u128, len: usize, scale: usize) -> Option<u64> {
    let (digits, n) = if words(block).0 & 0xff == MINUS {
        (block >> 8, len - 1)
    } else {
        (block, len)
    };
    let point = n.checked_sub(1 + scale)?;
    let behind = digits >> (8 * point);
    if behind & 0xff != u128::from(b'.') {
        return None;
    }
    Some(number(digits, point)? * power_of_ten(scale)? + number(behind >> 8, scale)?)
}

#[inline(never)]
fn long_number(block: u128, len: usize) -> Option<u64> {
    if words(block).0 & 0xff == MINUS {
        number(block >> 8, len - 1)
    } else {
        number(block, len)
    }
}

const MINUS: u64 = b'-' as u64;

/// The digits behind the sign, if a word begins with one, and how many of `n` bytes they are.
#[inline(always)]
fn unsigned(word: u64, n: usize) -> (u64, usize) {
    if word & 0xff == MINUS {
        (word >> 8, n.saturating_sub(1))
    } else {
        (word, n)
    }
}

#[inline(always)]
fn with_sign(word: u64, value: u64) -> i64 {
    let value = value.cast_signed();
    if word & 0xff == MINUS { -value } else { value }
}

/// The number that the first `n` bytes of a block make; none if there is no digit, another byte, or more than a block.
#[inline(always)]
fn number(block: u128, n: usize) -> Option<u64> {
    let (low, high) = words(block);
    match n {
        ..=WORD => short_number(low, n),
        9..=BLOCK => {
            let (first, rest) = (short_number(low, WORD)?, short_number(high, n - WORD)?);
            Some(first * power_of_ten(n - WORD)? + rest)
        }
        _ => None,
    }
}

/// The same of at most a word.
#[inline(always)]
fn short_number(word: u64, n: usize) -> Option<u64> {
    if n == 0 {
        return None;
    }
    let values = values(word, n);
    if others(values) != 0 {
        return None;
    }
    // Each digit with the next one, each pair with the next one, both fours.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

/// The values of the first `n` bytes of a word as digits, with zeros before them; one to eight are asked for.
#[inline(always)]
fn values(word: u64, n: usize) -> u64 {
    (word ^ (ONES * 0x30)) << (64_usize.wrapping_sub(8 * n) & 63)
}

/// Not zero if a value is more than 9: it reaches the highest bit by the addition, if it has not got it. That an addition runs
/// into the next byte takes a byte that has it.
#[inline(always)]
fn others(values: u64) -> u64 {
    (values.wrapping_add(ONES * 0x76) | values) & HIGH
}

/// Ten to the `n`th, up to eight.
#[inline(always)]
fn power_of_ten(n: usize) -> Option<u64> {
    const POWERS: [u64; 9] = [
        1,
        10,
        100,
        1_000,
        10_000,
        100_000,
        1_000_000,
        10_000_000,
        100_000_000,
    ];
    POWERS.get(n).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn integers_are_copied_and_nothing_else(
            digits in "-?[0-9]{0,24}",
            at in any::<proptest::sample::Index>(),
            byte in prop_oneof![any::<u8>(), Just(b'/'), Just(b':'), Just(b'-')],
            change in any::<bool>(),
        ) {
            let mut text = digits.into_bytes();
            if change && !text.is_empty() {
                let at = at.index(text.len());
                text[at] = byte;
            }
            let digits = text.strip_prefix(b"-").unwrap_or(&text);
            let valid = !digits.is_empty() && text.len() <= 20 && digits.iter().all(u8::is_ascii_digit);
            let mut out = Vec::new();
            prop_assert_eq!(copy_integer(Text::new(&text), &mut out), valid);
            prop_assert_eq!(&out[..], if valid { &text[..] } else { b"" });
        }

        #[test]
        fn texts_are_read_as_their_numbers(text in "-?[0-9]{0,10}[.]?[0-9]{0,9}", scale in 0_usize..10, change in any::<u8>(), at in 0_usize..60) {
            let mut text = text.into_bytes();
            if let Some(b) = text.get_mut(at) {
                *b = change;
            }
            let behind = [text.as_slice(), b"12345678901234567890"].concat();
            let read = || {
                let text = std::str::from_utf8(&text).ok()?;
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                let shaped = fraction.len() == scale && scale <= 8 && (scale > 0) == text.contains('.') && text.len() <= 16;
                let digits = whole.strip_prefix('-').unwrap_or(whole);
                let all = [digits, fraction].concat();
                let valid = !digits.is_empty() && all.bytes().all(|b| b.is_ascii_digit());
                let value: i64 = (shaped && valid).then(|| all.parse().ok())??;
                Some(if whole.len() > digits.len() { -value } else { value })
            };
            for text in [Text::new(&text), Text::first(text.len(), &behind).unwrap()] {
                prop_assert_eq!(unscaled(text, scale), read());
            }
        }

        #[test]
        fn numbers_are_read_and_nothing_else(mut block in any::<[u8; 16]>(), digits in "[0-9]{0,16}") {
            block[..digits.len()].copy_from_slice(digits.as_bytes());
            let read = |n: usize| {
                let text = std::str::from_utf8(block.get(..n)?).ok()?;
                text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
            };
            for n in 0..=17 {
                prop_assert_eq!(number(u128::from_le_bytes(block), n), read(n));
            }
        }
    }
}
