//! Values.

use super::Decimal;

/// A string; short ones take no memory of their own.
pub type Text = compact_str::CompactString;

/// A value of Kafka Connect's model.
///
/// Connect's logical types Date, Time and Timestamp are the numbers that they are encoded as; Decimal has a form of its
/// own. Which of them a number is says its schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// `boolean`
    Bool(bool),
    /// `int8`
    Int8(i8),
    /// `int16`
    Int16(i16),
    /// `int32`
    Int32(i32),
    /// `int64`
    Int64(i64),
    /// `float`
    Float32(f32),
    /// `double`
    Float64(f64),
    /// `string`
    String(Text),
    /// `bytes`
    Bytes(Box<[u8]>),
    /// `bytes` with the logical name Decimal. Without a schema, a whole number too large for 64 bits.
    Decimal(Decimal),
    /// `array`
    Array(Vec<Value>),
    /// `map`, in the order in which it was written.
    Map(Vec<(Value, Value)>),
    /// `struct`: its members in the order of the schema's fields.
    Struct(Vec<Value>),
}

impl Value {
    /// Whether there is no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        Some(match self {
            Self::Int8(n) => i64::from(*n),
            Self::Int16(n) => i64::from(*n),
            Self::Int32(n) => i64::from(*n),
            Self::Int64(n) => *n,
            _ => return None,
        })
    }

    /// Member of a struct by its index, or null.
    #[must_use]
    pub fn member(&self, index: usize) -> &Value {
        match self {
            Self::Struct(members) => members.get(index).unwrap_or(&Value::Null),
            _ => &Value::Null,
        }
    }

    /// Value under a key of a map.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(k, _)| k.as_str() == Some(key))
                .map(|(_, v)| v),
            _ => None,
        }
    }

    /// Sets the value under a key of a map; no other value is touched.
    pub fn set_entry(&mut self, key: &str, value: Value) {
        let Self::Map(entries) = self else { return };
        match entries.iter_mut().find(|(k, _)| k.as_str() == Some(key)) {
            Some((_, old)) => *old = value,
            None => entries.push((Value::String(key.into()), value)),
        }
    }

    /// What kind of value it is, for messages: never the value itself.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int8(_) => "an int8",
            Self::Int16(_) => "an int16",
            Self::Int32(_) => "an int32",
            Self::Int64(_) => "an int64",
            Self::Float32(_) => "a float",
            Self::Float64(_) => "a double",
            Self::String(_) => "a string",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "a decimal",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Struct(_) => "a struct",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_four_words() {
        assert_eq!(size_of::<Value>(), 32);
    }

    #[test]
    fn maps_keep_their_order() {
        let mut map = Value::Map(vec![(Value::String("a".into()), Value::Int64(1))]);
        map.set_entry("b", Value::Null);
        map.set_entry("a", Value::Bool(true));
        assert_eq!(map.entry("a"), Some(&Value::Bool(true)));
        assert_eq!(map.entry("b"), Some(&Value::Null));
        assert_eq!(map.entry("c"), None);
    }
}
