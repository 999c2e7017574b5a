//! Decimals, money.

use super::*;

#[test]
fn decimals_as_numbers_read_as_big_decimal_s_text() {
    let o = with(|o| o.decimal_format = DecimalFormat::Numeric);
    let cases = [
        (10, 2, "12.34", "12.34"),
        (10, 2, "-0.05", "-0.05"),
        (10, 2, "0.00", "0.00"),
        (20, 8, "0.00000001", "1E-8"),
        (20, 8, "0.00000000", "0E-8"),
        (20, 8, "0.00000120", "0.00000120"),
        (20, 10, "-0.0000001200", "-1.200E-7"),
        (5, -2, "12300", "1.23E+4"),
        (5, -2, "0", "0E+2"),
        (
            38,
            0,
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345678",
        ),
    ];
    for (precision, scale, text, expected) in cases {
        assert_eq!(
            text_of(1700, numeric_typmod(precision, scale), &o, text),
            expected
        );
    }
}

#[test]
fn a_negative_scale_is_read_as_such() {
    let w = writer(&column(1700, numeric_typmod(5, -2)), &ValueOptions::default());
    assert_eq!(w.schema().parameters.first().map(|(_, v)| v.as_str()), Some("-2"));
    assert_eq!(token(&w, Datum::Text(b"12300")), "\"ew==\"");
    assert_eq!(
        token(&w, Datum::Text(b"12345")),
        "error: more digits than the column's scale allows"
    );
}

#[test]
fn not_a_number_is_null_where_decimals_are_exact_and_a_word_elsewhere() {
    for text in ["NaN", "Infinity", "-Infinity"] {
        let o = ValueOptions::default();
        assert_eq!(text_of(1700, -1, &o, text), "null");
        assert_eq!(text_of(1700, numeric_typmod(10, 2), &o, text), "null");
        assert_eq!(text_of(1231, -1, &o, &format!("{{1,{text}}}")), "null");
        for mode in [DecimalHandling::String, DecimalHandling::Double] {
            let o = with(|o| o.decimal = mode);
            assert_eq!(text_of(1700, -1, &o, text), format!("\"{text}\""));
        }
    }
    let mut required = column(1700, -1);
    required.nullable = false;
    let w = writer(&required, &ValueOptions::default());
    assert!(token(&w, Datum::Text(b"NaN")).starts_with("error:"));
}

#[test]
fn the_longest_numeric_is_written_and_a_longer_one_refused() {
    let w = writer(&column(1700, -1), &ValueOptions::default());
    let longest = format!("-{}.{}", "9".repeat(131_072), "9".repeat(16_383));
    let json = token(&w, Datum::Text(longest.as_bytes()));
    assert!(
        json.starts_with("{\"scale\":16383,\"value\":\""),
        "{}",
        &json[..40]
    );
    // ceil(147455 * log2(10) / 8) bytes and one for the sign, at most, in base64.
    assert!((81_000..82_000).contains(&json.len()), "{}", json.len());
    let longer = "9".repeat(147_456);
    assert_eq!(
        token(&w, Datum::Text(longer.as_bytes())),
        "error: more digits than numeric allows"
    );
}

#[test]
fn money_is_rounded_to_the_digits_asked_for() {
    for (digits, text, expected) in [
        (2, "-$0.05", "\"+w==\""),
        (0, "$1.50", "\"Ag==\""),
        (1, "$0.04", "\"AA==\""),
        (3, "$1.23", "\"BM4=\""),
    ] {
        let o = with(|o| o.money_fraction_digits = digits);
        assert_eq!(text_of(790, -1, &o, text), expected, "{text}");
    }
    let o = with(|o| o.decimal = DecimalHandling::String);
    assert_eq!(text_of(790, -1, &o, "-$1,234.56"), "\"-1234.56\"");
}
