//! Log sequence numbers.

use std::fmt;
use std::str::FromStr;

/// Byte position in the write-ahead log.
///
/// # Ordering
/// Compares as an unsigned 64-bit number. Values from different timelines must not be compared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// The invalid position, `0/0`.
    pub const ZERO: Self = Self(0);

    /// Whether this is the invalid position.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl fmt::Debug for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is no `X/X` position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a log sequence number (want hexadecimal X/X): {0:?}")]
pub struct ParseLsnError(String);

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || ParseLsnError(s.chars().take(40).collect());
        let half = |t: &str| {
            let plain = !t.is_empty() && t.len() <= 8 && t.bytes().all(|b| b.is_ascii_hexdigit());
            plain
                .then(|| u64::from_str_radix(t, 16).ok())
                .flatten()
                .ok_or_else(bad)
        };
        let (hi, lo) = s.split_once('/').ok_or_else(bad)?;
        Ok(Self((half(hi)? << 32) | half(lo)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_the_servers() {
        assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
        assert_eq!(Lsn(0x16_0000_0A48).to_string(), "16/A48");
        for bad in ["", "1", "/", "1/", "x/1", "1/1/1", "+1/2", "123456789/0"] {
            assert!(bad.parse::<Lsn>().is_err(), "{bad}");
        }
    }
}
