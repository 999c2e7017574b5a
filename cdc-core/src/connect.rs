//! Kafka Connect's schema model, as JsonConverter writes it.
//!
//! Plans render it once a relation; transforms and other converters read the same model.

/// Connect's type of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `boolean`
    Boolean,
    /// `int8`
    Int8,
    /// `int16`
    Int16,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `float` (32 bits)
    Float32,
    /// `double` (64 bits)
    Float64,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `array` of items
    Array(Box<Schema>),
    /// `map` of keys and values
    Map(Box<Schema>, Box<Schema>),
    /// `struct` of named fields
    Struct(Vec<Field>),
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Schema.
    pub schema: Schema,
}

/// A schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Type.
    pub kind: Kind,
    /// Whether null is allowed.
    pub optional: bool,
    /// Logical name.
    pub name: Option<String>,
    /// Version.
    pub version: Option<i32>,
    /// Documentation.
    pub doc: Option<String>,
    /// Parameters in order of insertion.
    pub parameters: Vec<(String, String)>,
    /// Default value, already in the encoding of JsonConverter.
    pub default_json: Option<String>,
}
