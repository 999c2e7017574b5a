//! Hashes of Java's objects, as PartitionRouting needs them to choose the partitions that Debezium chooses.

use crate::connect::{Kind, Schema};
use crate::convert::Logical;
use crate::record::{Decimal, Value};

/// Java's `hashCode` of a value; none for a struct, whose hash Java takes from its schema's.
#[expect(clippy::cast_possible_truncation, reason = "Java's conversions of numbers")]
pub(super) fn hash_code(schema: Option<&Schema>, value: &Value) -> Option<i32> {
    let long = |n: i64| (n ^ n.cast_unsigned().wrapping_shr(32).cast_signed()) as i32;
    if let (Some(logical), Some(n)) = (schema.and_then(Logical::of), value.as_i64()) {
        // A java.util.Date.
        return Some(long(logical.to_millis(n)));
    }
    Some(match value {
        Value::Null => 0,
        Value::Bool(b) => {
            if *b {
                1231
            } else {
                1237
            }
        }
        Value::Int8(n) => i32::from(*n),
        Value::Int16(n) => i32::from(*n),
        Value::Int32(n) => *n,
        Value::Int64(n) => long(*n),
        Value::Float32(v) => canonical32(*v).cast_signed(),
        Value::Float64(v) => long(canonical64(*v).cast_signed()),
        Value::String(s) => string(s),
        Value::Bytes(bytes) => bytes.iter().rev().fold(1_i32, |h, b| {
            h.wrapping_mul(31).wrapping_add(i32::from(b.cast_signed()))
        }),
        Value::Decimal(d) => decimal(d),
        Value::Array(items) => {
            let inner = match schema.map(|s| &s.kind) {
                Some(Kind::Array(items)) => Some(&**items),
                _ => None,
            };
            let mut h = 1_i32;
            for item in items {
                h = h.wrapping_mul(31).wrapping_add(hash_code(inner, item)?);
            }
            h
        }
        Value::Map(entries) => {
            let (keys, values) = match schema.map(|s| &s.kind) {
                Some(Kind::Map(keys, values)) => (Some(&**keys), Some(&**values)),
                _ => (None, None),
            };
            let mut h = 0_i32;
            for (key, value) in entries {
                h = h.wrapping_add(hash_code(keys, key)? ^ hash_code(values, value)?);
            }
            h
        }
        Value::Struct(_) => return None,
    })
}

/// The one NaN that Java hashes.
fn canonical32(v: f32) -> u32 {
    if v.is_nan() { 0x7fc0_0000 } else { v.to_bits() }
}

fn canonical64(v: f64) -> u64 {
    if v.is_nan() {
        0x7ff8_0000_0000_0000
    } else {
        v.to_bits()
    }
}

fn string(s: &str) -> i32 {
    s.encode_utf16()
        .fold(0_i32, |h, unit| h.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// `BigDecimal.hashCode`: of the unscaled number's 32-bit words, its sign and the scale.
fn decimal(d: &Decimal) -> i32 {
    let negative = d.is_negative();
    let mut magnitude = d.unscaled().to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    let padding = (4 - magnitude.len() % 4) % 4;
    let mut padded = vec![0; padding];
    padded.append(&mut magnitude);
    let (words, _) = padded.as_chunks::<4>();
    let words = words
        .iter()
        .map(|w| u32::from_be_bytes(*w))
        .skip_while(|w| *w == 0);
    let hash = words.fold(0_i32, |h, word| {
        h.wrapping_mul(31).wrapping_add(word.cast_signed())
    });
    let hash = if negative { hash.wrapping_neg() } else { hash };
    hash.wrapping_mul(31).wrapping_add(d.scale)
}

/// Debezium's Murmur hash of a value: of a text's UTF-8, else of the four bytes of its `hashCode`.
pub(super) fn murmur(schema: Option<&Schema>, value: &Value) -> Option<i32> {
    match value {
        Value::String(s) => Some(murmur_bytes(s.as_bytes())),
        other => Some(murmur_bytes(&hash_code(schema, other)?.to_le_bytes())),
    }
}

struct State {
    h1: u64,
    h2: u64,
    c1: u64,
    c2: u64,
}

impl State {
    fn mix(&mut self, mut k1: u64, mut k2: u64) {
        k1 = k1.wrapping_mul(self.c1).rotate_left(23).wrapping_mul(self.c2);
        self.h1 = (self.h1 ^ k1).wrapping_add(self.h2);
        self.h2 = self.h2.rotate_left(41);
        k2 = k2.wrapping_mul(self.c2).rotate_left(23).wrapping_mul(self.c1);
        self.h2 = (self.h2 ^ k2).wrapping_add(self.h1);
        self.h1 = self.h1.wrapping_mul(3).wrapping_add(0x52dc_e729);
        self.h2 = self.h2.wrapping_mul(3).wrapping_add(0x3849_5ab5);
        self.c1 = self.c1.wrapping_mul(5).wrapping_add(0x7b7d_159c);
        self.c2 = self.c2.wrapping_mul(5).wrapping_add(0x6bce_6396);
    }
}

fn finish(mut k: u64) -> u64 {
    k ^= k >> 33;
    k = k.wrapping_mul(0xff51_afd7_ed55_8ccd);
    k ^= k >> 33;
    k = k.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ k >> 33
}

/// The variant of MurmurHash3 that Debezium has: its constants differ from the common one's, and bytes of the last block
/// are taken with their sign.
fn murmur_bytes(bytes: &[u8]) -> i32 {
    const SEED: u64 = 9001;
    let mut state = State {
        h1: 0x9368_e53c_2f6a_f274 ^ SEED,
        h2: 0x586d_cd20_8f7c_d3fd ^ SEED,
        c1: 0x87c3_7b91_1142_53d5,
        c2: 0x4cf5_ad43_2745_937f,
    };
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        if let [k1, k2] = words {
            state.mix(u64::from_le_bytes(*k1), u64::from_le_bytes(*k2));
        }
    }
    if !tail.is_empty() {
        let word = |part: &[u8]| {
            let signed = |b: u8| i64::from(b.cast_signed()).cast_unsigned();
            part.iter()
                .enumerate()
                .fold(0_u64, |k, (i, b)| k ^ signed(*b) << (8 * i))
        };
        let (low, high) = tail.split_at_checked(8).unwrap_or((tail, &[]));
        state.mix(word(low), word(high));
    }
    state.h2 ^= bytes.len() as u64;
    state.h1 = state.h1.wrapping_add(state.h2);
    state.h2 = state.h2.wrapping_add(state.h1);
    let (h1, h2) = (finish(state.h1), finish(state.h2));
    ((h1.wrapping_add(h2) >> 32) as u32).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_javas() {
        let of = |value: Value| hash_code(None, &value).unwrap();
        assert_eq!(of(Value::String("orders".into())), -1_008_770_331);
        assert_eq!(of(Value::Int64(1 << 32)), 1);
        assert_eq!(of(Value::Int64(-1)), 0);
        assert_eq!(of(Value::Float64(1.5)), 1_073_217_536);
        assert_eq!(of(Value::Decimal(Decimal::from_i128(1250, 2))), 38_752);
        assert_eq!(of(Value::Decimal(Decimal::from_i128(-1250, 2))), -38_748);
        assert_eq!(of(Value::Bytes([1, 2].into())), (31 + 2) * 31 + 1);
        assert_eq!(of(Value::Array(vec![Value::Int32(1), Value::Null])), 31 * 32);
        assert_eq!(hash_code(None, &Value::Struct(vec![])), None);
    }
}
