//! Decimal digits of a text.

const ONES: u64 = u64::MAX / 255;
const HIGH: u64 = ONES << 7;

/// Whether all bytes are digits.
#[inline]
pub(super) fn all_digits(text: &[u8]) -> bool {
    // The last bytes are looked at in a whole word, with some of the others a second time.
    if let Some(last) = text.last_chunk() {
        let (words, _) = text.as_chunks();
        let other = |word: &[u8; 8]| others(u64::from_le_bytes(*word));
        return words.iter().fold(other(last), |flags, word| flags | other(word)) == 0;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return others(u64::from(first) | u64::from(last) << 32) == 0;
    }
    text.iter().all(u8::is_ascii_digit)
}

/// Not zero if a byte is no digit.
#[inline]
fn others(word: u64) -> u64 {
    // A digit becomes its value. What is more than 9 reaches the highest bit by the addition, if it has not got it; that
    // an addition runs into the next byte takes a byte that has it.
    let values = word ^ (ONES * 0x30);
    (values.wrapping_add(ONES * 0x76) | values) & HIGH
}

/// The number that the digits of `text` make, appended to those of `value`; none if there is another byte. The caller sees
/// to it that it fits.
#[inline]
pub(super) fn append_digits(value: u64, text: &[u8]) -> Option<u64> {
    let mut value = value;
    for b in text {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_other_byte_is_seen(
            digits in "[0-9]{0,30}",
            at in any::<proptest::sample::Index>(),
            byte in prop_oneof![any::<u8>(), Just(b'/'), Just(b':')],
        ) {
            let mut text = digits.into_bytes();
            prop_assert!(all_digits(&text));
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = byte;
                prop_assert_eq!(all_digits(&text), byte.is_ascii_digit());
                prop_assert_eq!(append_digits(7, &text).is_some(), byte.is_ascii_digit());
            }
        }

        #[test]
        fn digits_are_appended(value in 0_u64..1_000, n in any::<u32>()) {
            let all = format!("{value}{n}").parse().ok();
            prop_assert_eq!(append_digits(value, n.to_string().as_bytes()), all);
        }
    }
}
