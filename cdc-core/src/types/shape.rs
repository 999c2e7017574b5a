//! A type's schema and codec under the options.

use std::sync::Arc;

use super::array::ArrayCodec;
use super::codec::{Codec, MoneyForm};
use super::known::{self, Known, Resolved};
use super::options::{
    BinaryHandling, DecimalHandling, HstoreHandling, IntervalHandling, TimePrecision, ValueOptions,
};
use super::temporal::{ClockForm, DateForm};
use crate::connect::{Field, Kind, Schema};
use crate::schema::TypeCatalog;

/// A representation: what the schema says and what writes the values.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) schema: Schema,
    pub(super) codec: Codec,
}

/// The representation of a resolved type; none if the column is left out.
pub(super) fn shape(t: &Resolved<'_>, types: &TypeCatalog, o: &ValueOptions) -> Option<Shape> {
    match t.element {
        Some((element, delimiter)) => {
            let element = known::resolve(element, t.typmod, types);
            array(&element, delimiter, o)
        }
        None => scalar(t, o, false).or_else(|| unknown(t, o)),
    }
}

fn new(kind: Kind, codec: Codec) -> Shape {
    Shape {
        schema: Schema::new(kind),
        codec,
    }
}

fn named(kind: Kind, name: &str, codec: Codec) -> Shape {
    Shape {
        schema: Schema::new(kind).named(name, 1),
        codec,
    }
}

/// Bytes holding the text, where unknown types are asked for.
fn unknown(t: &Resolved<'_>, o: &ValueOptions) -> Option<Shape> {
    let codec = match t.known {
        Known::Geometric => Codec::OpaqueGeometric(o.binary),
        _ => Codec::Opaque(o.binary),
    };
    o.include_unknown_datatypes
        .then(|| new(binary_kind(o.binary), codec))
}

fn binary_kind(form: BinaryHandling) -> Kind {
    match form {
        BinaryHandling::Bytes => Kind::Bytes,
        _ => Kind::String,
    }
}

/// Representations of everything but arrays and unknown types.
fn scalar(t: &Resolved<'_>, o: &ValueOptions, in_array: bool) -> Option<Shape> {
    Some(match t.known {
        Known::Bool => new(Kind::Boolean, Codec::Bool),
        Known::Int2 => new(Kind::Int16, Codec::Integer(2)),
        Known::Int4 => new(Kind::Int32, Codec::Integer(4)),
        Known::Int8 => new(Kind::Int64, Codec::Integer(8)),
        Known::OidType => new(Kind::Int64, Codec::Oid),
        Known::Float4 => new(Kind::Float32, Codec::Float32),
        Known::Float8 => new(Kind::Float64, Codec::Float64),
        Known::Numeric => numeric(t.typmod, o),
        Known::Money => money(o),
        Known::Text
        | Known::Varchar
        | Known::BpChar
        | Known::QuotedChar
        | Known::Name
        | Known::Plain
        | Known::Citext
        | Known::Isn => new(Kind::String, Codec::Text),
        Known::Bytea => new(binary_kind(o.binary), Codec::Bytea(o.binary)),
        Known::Json => named(Kind::String, "io.debezium.data.Json", Codec::Text),
        Known::Xml => named(Kind::String, "io.debezium.data.Xml", Codec::Text),
        Known::Uuid => named(Kind::String, "io.debezium.data.Uuid", Codec::Text),
        Known::Tsvector => named(Kind::String, "io.debezium.data.Tsvector", Codec::Text),
        Known::Ltree => named(Kind::String, "io.debezium.data.Ltree", Codec::Text),
        Known::Enum => enumeration(t.labels),
        Known::Date => date(o.time),
        Known::Time => time(t.typmod, o.time, in_array),
        Known::Timestamp => timestamp(t.typmod, o.time),
        Known::TimeTz => named(
            Kind::String,
            "io.debezium.time.ZonedTime",
            Codec::ZonedTime {
                whole_seconds: in_array,
            },
        ),
        Known::TimestampTz => zoned_timestamp(t.typmod),
        Known::Interval => match o.interval {
            IntervalHandling::Numeric => named(
                Kind::Int64,
                "io.debezium.time.MicroDuration",
                Codec::IntervalMicros,
            ),
            IntervalHandling::String => named(Kind::String, "io.debezium.time.Interval", Codec::IntervalIso),
        },
        Known::Bit | Known::Varbit => bits(t),
        Known::Hstore => hstore(o.hstore),
        Known::Point => point(),
        Known::Geometry => ewkb("Geometry").into_optional(),
        Known::Geography => ewkb("Geography"),
        Known::Vector => vector("io.debezium.data.DoubleVector", Kind::Float64, true),
        Known::HalfVector => vector("io.debezium.data.FloatVector", Kind::Float32, false),
        Known::SparseVector => sparse_vector(),
        Known::Geometric | Known::Refcursor | Known::Unknown => return None,
    })
}

impl Shape {
    fn into_optional(mut self) -> Self {
        self.schema.optional = true;
        self
    }
}

/// An array of `t`.
fn array(t: &Resolved<'_>, delimiter: u8, o: &ValueOptions) -> Option<Shape> {
    let (items, nullable) = match t.known {
        // Debezium has no form for these, not even as unknown types.
        Known::Money
        | Known::Name
        | Known::Interval
        | Known::Varbit
        | Known::Xml
        | Known::Point
        | Known::Refcursor
            if !t.domain =>
        {
            return None;
        }
        // Debezium gives such a column the schema of one bit string, and no value.
        Known::Bit if !t.domain => {
            let codec = Codec::Never("Debezium has no form for an array of bit strings");
            return Some(Shape { codec, ..bits(t) });
        }
        _ if t.domain => (unknown(t, o)?, false),
        Known::Enum
        | Known::Tsvector
        | Known::Isn
        | Known::Vector
        | Known::HalfVector
        | Known::SparseVector => (scalar(t, o, true)?, false),
        _ => match scalar(t, o, true) {
            Some(items) => (items.into_optional(), true),
            None => (unknown(t, o)?, false),
        },
    };
    let codec = Codec::Array(Box::new(ArrayCodec {
        element: items.codec,
        delimiter,
        nullable,
    }));
    Some(new(Kind::Array(Arc::new(items.schema)), codec))
}

/// Precision and scale of a `numeric` modifier; the scale is a signed number of eleven bits since 15.
pub(super) fn numeric_modifier(typmod: i32) -> Option<(i32, i32)> {
    let packed = typmod.checked_sub(4).filter(|_| typmod >= 4)?;
    Some((packed >> 16 & 0xffff, ((packed & 0x7ff) ^ 1024) - 1024))
}

fn numeric(typmod: i32, o: &ValueOptions) -> Shape {
    let modifier = numeric_modifier(typmod);
    match (o.decimal, modifier) {
        (DecimalHandling::Double, _) => new(Kind::Float64, Codec::DecimalDouble),
        (DecimalHandling::String, _) => {
            let scale = modifier.map(|(_, scale)| scale);
            new(Kind::String, Codec::DecimalString { scale })
        }
        (DecimalHandling::Precise, Some((precision, scale))) => {
            let format = o.decimal_format;
            let mut shape = decimal(scale, Codec::Decimal { scale, format });
            let precision = ("connect.decimal.precision".to_owned(), precision.to_string());
            shape.schema.parameters.push(precision);
            shape
        }
        (DecimalHandling::Precise, None) => {
            let fields = vec![
                Field::new("scale", Schema::new(Kind::Int32)),
                Field::new("value", Schema::new(Kind::Bytes)),
            ];
            let name = "io.debezium.data.VariableScaleDecimal";
            let shape = named(Kind::Struct(fields), name, Codec::VariableDecimal);
            with_doc(shape, "Variable scaled decimal")
        }
    }
}

fn with_doc(mut shape: Shape, doc: &str) -> Shape {
    shape.schema = shape.schema.with_doc(doc);
    shape
}

fn decimal(scale: i32, codec: Codec) -> Shape {
    let mut shape = named(Kind::Bytes, "org.apache.kafka.connect.data.Decimal", codec);
    shape.schema = shape.schema.with_parameter("scale", scale.to_string());
    shape
}

fn money(o: &ValueOptions) -> Shape {
    let codec = Codec::Money(MoneyForm {
        handling: o.decimal,
        format: o.decimal_format,
        digits: o.money_fraction_digits,
    });
    match o.decimal {
        DecimalHandling::Precise => decimal(i32::from(o.money_fraction_digits), codec),
        DecimalHandling::Double => new(Kind::Float64, codec),
        DecimalHandling::String => new(Kind::String, codec),
    }
}

fn enumeration(labels: &[String]) -> Shape {
    let mut shape = named(Kind::String, "io.debezium.data.Enum", Codec::Text);
    shape.schema = shape.schema.with_parameter("allowed", labels.join(","));
    shape
}

fn date(mode: TimePrecision) -> Shape {
    match mode {
        TimePrecision::Connect => named(
            Kind::Int32,
            "org.apache.kafka.connect.data.Date",
            Codec::Date(DateForm::Days { connect: true }),
        ),
        TimePrecision::Isostring => named(
            Kind::String,
            "io.debezium.time.IsoDate",
            Codec::Date(DateForm::Iso),
        ),
        _ => named(
            Kind::Int32,
            "io.debezium.time.Date",
            Codec::Date(DateForm::Days { connect: false }),
        ),
    }
}

/// Whether a column keeps no more than milliseconds.
fn millis_suffice(typmod: i32) -> bool {
    (0..=3).contains(&typmod)
}

fn time(typmod: i32, mode: TimePrecision, in_array: bool) -> Shape {
    let (kind, name, form) = match mode {
        TimePrecision::Connect => (
            Kind::Int32,
            "org.apache.kafka.connect.data.Time",
            ClockForm::Millis,
        ),
        TimePrecision::Isostring => (Kind::String, "io.debezium.time.IsoTime", ClockForm::Iso),
        TimePrecision::Nanoseconds => (Kind::Int64, "io.debezium.time.NanoTime", ClockForm::Nanos),
        TimePrecision::Adaptive if millis_suffice(typmod) => {
            (Kind::Int32, "io.debezium.time.Time", ClockForm::Millis)
        }
        _ => (Kind::Int64, "io.debezium.time.MicroTime", ClockForm::Micros),
    };
    let whole_millis = in_array;
    named(kind, name, Codec::Time { form, whole_millis })
}

fn timestamp(typmod: i32, mode: TimePrecision) -> Shape {
    let (kind, name, form) = match mode {
        TimePrecision::Connect => (
            Kind::Int64,
            "org.apache.kafka.connect.data.Timestamp",
            ClockForm::Millis,
        ),
        TimePrecision::Isostring => (Kind::String, "io.debezium.time.IsoTimestamp", ClockForm::Iso),
        TimePrecision::Nanoseconds => (Kind::Int64, "io.debezium.time.NanoTimestamp", ClockForm::Nanos),
        TimePrecision::Adaptive | TimePrecision::AdaptiveTimeMicroseconds if millis_suffice(typmod) => {
            (Kind::Int64, "io.debezium.time.Timestamp", ClockForm::Millis)
        }
        _ => (Kind::Int64, "io.debezium.time.MicroTimestamp", ClockForm::Micros),
    };
    named(kind, name, Codec::Timestamp(form))
}

fn zoned_timestamp(typmod: i32) -> Shape {
    /// What `timestamptz` without a modifier keeps.
    const ALL: u8 = 6;
    let digits = u8::try_from(typmod).unwrap_or(ALL).min(ALL);
    named(
        Kind::String,
        "io.debezium.time.ZonedTimestamp",
        Codec::ZonedTimestamp { digits },
    )
}

fn bits(t: &Resolved<'_>) -> Shape {
    // `bit` without a length is bit(1); `varbit` without one has no limit.
    let length = match (t.known, t.typmod) {
        (_, n) if n >= 0 => n,
        (Known::Varbit, _) => i32::MAX,
        _ => 1,
    };
    if length <= 1 {
        return new(Kind::Boolean, Codec::Bit);
    }
    let mut shape = named(Kind::Bytes, "io.debezium.data.Bits", Codec::Bits);
    shape.schema = shape.schema.with_parameter("length", length.to_string());
    shape
}

fn hstore(mode: HstoreHandling) -> Shape {
    let codec = Codec::Hstore(mode);
    match mode {
        HstoreHandling::Json => named(Kind::String, "io.debezium.data.Json", codec),
        HstoreHandling::Map => {
            let keys = Schema::new(Kind::String);
            let values = Schema::new(Kind::String).optional();
            new(Kind::Map(Arc::new(keys), Arc::new(values)), codec)
        }
    }
}

fn point() -> Shape {
    let fields = vec![
        Field::new("x", Schema::new(Kind::Float64)),
        Field::new("y", Schema::new(Kind::Float64)),
        Field::new("wkb", Schema::new(Kind::Bytes).optional()),
        Field::new("srid", Schema::new(Kind::Int32).optional()),
    ];
    let name = "io.debezium.data.geometry.Point";
    with_doc(
        named(Kind::Struct(fields), name, Codec::Point),
        "Geometry (POINT)",
    )
}

fn ewkb(word: &str) -> Shape {
    let fields = vec![
        Field::new("wkb", Schema::new(Kind::Bytes)),
        Field::new("srid", Schema::new(Kind::Int32).optional()),
    ];
    let name = format!("io.debezium.data.geometry.{word}");
    with_doc(named(Kind::Struct(fields), &name, Codec::Ewkb), word)
}

fn vector(name: &str, items: Kind, double: bool) -> Shape {
    let kind = Kind::Array(Arc::new(Schema::new(items)));
    named(kind, name, Codec::Vector { double })
}

fn sparse_vector() -> Shape {
    let keys = Arc::new(Schema::new(Kind::Int16));
    let values = Arc::new(Schema::new(Kind::Float64));
    let fields = vec![
        Field::new("dimensions", Schema::new(Kind::Int16)),
        Field::new("vector", Schema::new(Kind::Map(keys, values))),
    ];
    let name = "io.debezium.data.SparseDoubleVector";
    let shape = named(Kind::Struct(fields), name, Codec::SparseVector);
    with_doc(shape, "Sparse double vector")
}
