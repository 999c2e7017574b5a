//! Decimal numbers of any length.

/// A decimal number: an unscaled whole number and how many of its digits stand after the point.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The unscaled number, big-endian two's complement in as few bytes as possible, at least one.
    unscaled: Box<[u8]>,
    /// Digits after the point; below zero, zeros before it.
    pub scale: i32,
}

/// Decimal digits in a word of a long number.
const WORD_DIGITS: usize = 18;
const WORD: u128 = 1_000_000_000_000_000_000;

impl Decimal {
    /// A number of big-endian two's complement bytes; none are zero.
    #[must_use]
    pub fn from_bytes(unscaled: &[u8], scale: i32) -> Self {
        let mut rest = if unscaled.is_empty() { &[0][..] } else { unscaled };
        // A leading byte that only repeats the sign says nothing.
        while let [first, tail @ ..] = rest
            && let Some(next) = tail.first()
            && ((*first == 0 && next & 0x80 == 0) || (*first == 0xff && next & 0x80 != 0))
        {
            rest = tail;
        }
        Self {
            unscaled: rest.into(),
            scale,
        }
    }

    /// A number that fits into 128 bits.
    #[must_use]
    pub fn from_i128(unscaled: i128, scale: i32) -> Self {
        Self::from_bytes(&unscaled.to_be_bytes(), scale)
    }

    /// The number of a plain or scientific decimal text; none if it is no such text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        /// Longest exponent and digits that anything sensible has; bounds the work for hostile input.
        const MOST: i64 = 200_000;
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let point = digits.iter().position(|b| *b == b'.').unwrap_or(digits.len());
        let (whole, fraction) = digits.split_at_checked(point)?;
        let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
        let all = || whole.iter().chain(fraction);
        let count = whole.len() + fraction.len();
        if count == 0 || i64::try_from(count).ok()? > MOST || exponent.abs() > MOST {
            return None;
        }
        if !all().all(u8::is_ascii_digit) {
            return None;
        }
        let scale = i32::try_from(i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?).ok()?;
        if count <= 38 {
            let v = all().fold(0_i128, |v, b| v * 10 + i128::from(b & 15));
            return Some(Self::from_i128(if negative { -v } else { v }, scale));
        }
        let mut limbs: Vec<u64> = Vec::with_capacity(count / 19 + 1);
        for digit in all() {
            let mut carry = u128::from(digit & 15);
            for limb in &mut limbs {
                let v = u128::from(*limb) * 10 + carry;
                (*limb, carry) = (low(v), v >> 64);
            }
            if carry > 0 {
                limbs.push(low(carry));
            }
        }
        let mut bytes = vec![0];
        bytes.extend(limbs.iter().rev().flat_map(|l| l.to_be_bytes()));
        if negative {
            negate(&mut bytes);
        }
        Some(Self::from_bytes(&bytes, scale))
    }

    /// The unscaled number's bytes.
    #[must_use]
    pub fn unscaled(&self) -> &[u8] {
        &self.unscaled
    }

    /// The unscaled number, if it fits into 128 bits.
    #[must_use]
    pub fn unscaled_i128(&self) -> Option<i128> {
        let bytes = &self.unscaled;
        let gap = 16_usize.checked_sub(bytes.len())?;
        let fill = if self.is_negative() { 0xff } else { 0 };
        let mut all = [fill; 16];
        all.get_mut(gap..)?.copy_from_slice(bytes);
        Some(i128::from_be_bytes(all))
    }

    /// Whether the number is below zero.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.unscaled.first().is_some_and(|b| b & 0x80 != 0)
    }

    /// The unscaled number's digits without sign.
    fn digits(&self) -> String {
        if let Some(v) = self.unscaled_i128() {
            return v.unsigned_abs().to_string();
        }
        let mut magnitude = self.unscaled.to_vec();
        if self.is_negative() {
            magnitude.insert(0, 0xff);
            negate(&mut magnitude);
        }
        let mut words: Vec<u64> = Vec::new();
        for byte in magnitude {
            let mut carry = u128::from(byte);
            for word in &mut words {
                let v = u128::from(*word) * 256 + carry;
                (*word, carry) = (low(v % WORD), v / WORD);
            }
            if carry > 0 {
                words.push(low(carry));
            }
        }
        let mut out = words.pop().unwrap_or(0).to_string();
        for word in words.iter().rev() {
            out.push_str(&format!("{word:0WORD_DIGITS$}"));
        }
        out
    }

    /// The number without an exponent, as Java's `toPlainString`.
    #[must_use]
    pub fn to_plain_string(&self) -> String {
        let mut digits = self.digits();
        if let Ok(scale) = usize::try_from(self.scale) {
            if scale > 0 {
                if digits.len() <= scale {
                    digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
                }
                digits.insert(digits.len() - scale, '.');
            }
        } else if digits != "0" {
            digits.push_str(&"0".repeat(usize::try_from(self.scale.unsigned_abs()).unwrap_or(0)));
        }
        if self.is_negative() {
            digits.insert(0, '-');
        }
        digits
    }

    /// The number as Java's `BigDecimal.toString` has it: with an exponent where the scale is below zero or the number
    /// is below 10⁻⁶.
    #[must_use]
    pub fn to_java_string(&self) -> String {
        let digits = self.digits();
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let adjusted = -i64::from(self.scale) + length - 1;
        if self.scale >= 0 && adjusted >= -6 {
            return self.to_plain_string();
        }
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        let sign = if self.is_negative() { "-" } else { "" };
        let point = if rest.is_empty() { "" } else { "." };
        let exponent = match adjusted {
            0 => String::new(),
            e => format!("E{e:+}"),
        };
        format!("{sign}{first}{point}{rest}{exponent}")
    }

    /// The nearest double.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        let sign = if self.is_negative() { "-" } else { "" };
        let text = format!("{sign}{}e{}", self.digits(), -i64::from(self.scale));
        text.parse().unwrap_or(f64::NAN)
    }

    /// The whole part cut to 64 bits, as Java's `BigDecimal.longValue` cuts it.
    #[must_use]
    pub fn to_i64_wrapping(&self) -> i64 {
        let plain = self.to_plain_string();
        let (negative, plain) = plain
            .strip_prefix('-')
            .map_or((false, plain.as_str()), |p| (true, p));
        let whole = plain.split('.').next().unwrap_or_default().bytes();
        let v = whole.fold(0_i64, |v, b| v.wrapping_mul(10).wrapping_add(i64::from(b & 15)));
        if negative { v.wrapping_neg() } else { v }
    }
}

/// The low 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the rest is the carry")]
fn low(v: u128) -> u64 {
    v as u64
}

/// Two's complement negation in place; there is room for the sign.
fn negate(bytes: &mut [u8]) {
    let mut carry = true;
    for byte in bytes.iter_mut().rev() {
        (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_javas() {
        let cases = [
            (0, 0, "0", "0"),
            (0, 2, "0.00", "0.00"),
            (150, 2, "1.50", "1.50"),
            (-5, 3, "-0.005", "-0.005"),
            (1, 7, "0.0000001", "1E-7"),
            (12, 8, "0.00000012", "1.2E-7"),
            (123, -2, "12300", "1.23E+4"),
            (0, -2, "0", "0E+2"),
            (1, 0, "1", "1"),
        ];
        for (unscaled, scale, plain, java) in cases {
            let d = Decimal::from_i128(unscaled, scale);
            assert_eq!(
                (d.to_plain_string().as_str(), d.to_java_string().as_str()),
                (plain, java)
            );
        }
        assert_eq!(Decimal::parse("12.50").unwrap(), Decimal::from_i128(1250, 2));
        assert_eq!(Decimal::parse("-1e3").unwrap(), Decimal::from_i128(-1, -3));
        assert!(
            ["", "-", ".", "1x", "NaN", "1e999999999", "1e"]
                .iter()
                .all(|t| Decimal::parse(t).is_none())
        );
        assert_eq!(
            Decimal::parse("18446744073709551617.9")
                .unwrap()
                .to_i64_wrapping(),
            1
        );
        assert_eq!(Decimal::parse("-2.9").unwrap().to_i64_wrapping(), -2);
        assert_eq!(Decimal::from_bytes(&[0, 0, 0x80], 0), Decimal::from_i128(128, 0));
        assert_eq!(
            Decimal::from_bytes(&[0xff, 0xff, 0x80], 0),
            Decimal::from_i128(-128, 0)
        );
        assert_eq!(Decimal::from_bytes(&[], 0), Decimal::from_i128(0, 0));
    }

    proptest! {
        #[test]
        fn any_number_of_digits_reads_back(text in "-?[1-9][0-9]{0,120}(\\.[0-9]{1,60})?") {
            let d = Decimal::parse(&text).unwrap();
            prop_assert_eq!(&d.to_plain_string(), &text);
            prop_assert_eq!(d.to_f64(), text.parse::<f64>().unwrap());
        }
    }
}
