//! How values are represented.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How column values become Connect values.
///
/// The defaults are those of Debezium's PostgreSQL connector and of Kafka Connect's JsonConverter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ValueOptions {
    /// Representation of `numeric` and `money`.
    pub decimal: DecimalHandling,
    /// Encoding of the logical type Decimal in JSON.
    pub decimal_format: DecimalFormat,
    /// Representation of `date`, `time` and `timestamp`.
    pub time: TimePrecision,
    /// Representation of `interval`.
    pub interval: IntervalHandling,
    /// Representation of `hstore`.
    pub hstore: HstoreHandling,
    /// Representation of `bytea` and of types without a mapping of their own.
    pub binary: BinaryHandling,
    /// Digits after the point of a `money` value in precise mode (0 to 18).
    #[schemars(range(min = 0, max = 18))]
    pub money_fraction_digits: u8,
    /// What stands for an out-of-line value that did not change and was not sent. With the prefix `hex:` the rest are
    /// the bytes in hexadecimal.
    pub unavailable_value_placeholder: String,
    /// Whether columns of types without a mapping appear, as their text in the form of `binary`.
    pub include_unknown_datatypes: bool,
    /// Whether values of type `name` are null in the stream, as Debezium has them, while the snapshot has the value.
    pub null_names_in_stream: bool,
    /// Whether NULL in a column with a default is written as that default.
    pub replace_null_with_default: bool,
}

impl ValueOptions {
    /// Debezium's placeholder for a value that was not sent.
    pub const PLACEHOLDER: &'static str = "__debezium_unavailable_value";
    /// Cents, as in most currencies.
    pub const MONEY_FRACTION_DIGITS: u8 = 2;
}

impl Default for ValueOptions {
    fn default() -> Self {
        Self {
            decimal: DecimalHandling::default(),
            decimal_format: DecimalFormat::default(),
            time: TimePrecision::default(),
            interval: IntervalHandling::default(),
            hstore: HstoreHandling::default(),
            binary: BinaryHandling::default(),
            money_fraction_digits: Self::MONEY_FRACTION_DIGITS,
            unavailable_value_placeholder: Self::PLACEHOLDER.to_owned(),
            include_unknown_datatypes: false,
            null_names_in_stream: false,
            replace_null_with_default: true,
        }
    }
}

/// Representation of `numeric` and `money` (`decimal.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecimalHandling {
    /// The exact value, as Connect's Decimal or a struct of scale and unscaled value.
    #[default]
    Precise,
    /// A double: digits beyond the 17th are lost.
    Double,
    /// The digits as text.
    String,
}

/// Encoding of Connect's Decimal in JSON (the converter's `decimal.format`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecimalFormat {
    /// The unscaled value's bytes in base64.
    #[default]
    Base64,
    /// A JSON number.
    Numeric,
}

/// Representation of times without a zone (`time.precision.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimePrecision {
    /// Milliseconds where the column has at most three fraction digits, else microseconds.
    #[default]
    Adaptive,
    /// As adaptive, but `time` always in microseconds.
    AdaptiveTimeMicroseconds,
    /// Connect's own Date, Time and Timestamp: milliseconds.
    Connect,
    /// ISO 8601 text.
    Isostring,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

/// Representation of `interval` (`interval.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntervalHandling {
    /// Microseconds, a month being 365.25 / 12 days.
    #[default]
    Numeric,
    /// ISO 8601 text with every component.
    String,
}

/// Representation of `hstore` (`hstore.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HstoreHandling {
    /// A string that holds a JSON object.
    #[default]
    Json,
    /// A map.
    Map,
}

/// Representation of bytes (`binary.handling.mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BinaryHandling {
    /// Connect's bytes: base64 in JSON.
    #[default]
    Bytes,
    /// A string of base64.
    Base64,
    /// A string of base64 in the URL-safe alphabet.
    #[serde(alias = "base64-url-safe")]
    Base64UrlSafe,
    /// A string of lower-case hexadecimal digits.
    Hex,
}
