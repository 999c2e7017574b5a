//! Arrays, hstore and the types of extensions.

use super::*;

#[test]
fn arrays_nest_and_keep_their_bounds_to_themselves() {
    let o = ValueOptions::default();
    let cases = [
        (1007, "{{1,2},{3,NULL}}", "[[1,2],[3,null]]"),
        (1007, "[0:1]={1,2}", "[1,2]"),
        (1009, r#"{{a,"b,}"},{"",NULL}}"#, r#"[["a","b,}"],["",null]]"#),
        (1009, r#"{"a\"b\\c"}"#, r#"["a\"b\\c"]"#),
        (1001, r#"{"\\xdead"}"#, r#"["3q0="]"#),
        (3905, r#"{"[1,5)",empty}"#, r#"["[1,5)","empty"]"#),
        (1040, "{08:00:2b:01:02:03}", r#"["08:00:2b:01:02:03"]"#),
    ];
    for (oid, text, expected) in cases {
        assert_eq!(text_of(oid, -1, &o, text), expected, "{text}");
    }
    for text in [
        "",
        "{",
        "}",
        "{1",
        "{1,}",
        "{,1}",
        "{1}}",
        "{1}x",
        "{{1}",
        "1",
        "{\"1}",
        "[0:1]",
        "{1 \"2\"}",
        "{\\",
        "{\"\\",
    ] {
        assert!(text_of(1007, -1, &o, text).starts_with("error:"), "{text}");
    }
}

#[test]
fn arrays_without_a_form_are_left_out() {
    for oid in [791, 1187, 1017, 1563, 143, 1003, 2201] {
        for unknown in [false, true] {
            let o = with(|o| o.include_unknown_datatypes = unknown);
            assert!(
                ColumnWriter::compile(&column(oid, -1), &catalog(), &o)
                    .unwrap()
                    .is_none(),
                "{oid}"
            );
        }
    }
}

#[test]
fn hstore_comes_in_java_s_order() {
    let text = r#""k2"=>NULL, "k 1"=>"v\"1", "é"=>"\\", "😀"=>"a😀
"#
    .trim_end()
    .to_owned()
        + "\"";
    let o = ValueOptions::default();
    let json = text_of(HSTORE, -1, &o, &text);
    let inner: String = serde_json::from_str(&json).unwrap();
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&inner).unwrap();
    assert_eq!(object["k 1"], "v\"1");
    assert_eq!(object["é"], "\\");
    assert_eq!(object["😀"], "a😀");
    // As java.util.HashMap iterates these keys.
    assert!(object.keys().eq(["k2", "😀", "é", "k 1"]), "{inner}");
    let keys: Vec<String> = (0..40).map(|i| format!("key{}", i * 7919)).collect();
    let many: Vec<String> = keys.iter().map(|k| format!("\"{k}\"=>\"\"")).collect();
    let inner: String = serde_json::from_str(&text_of(HSTORE, -1, &o, &many.join(", "))).unwrap();
    let start = r#"{"key87109":"","key300922":"","key15838":"","key0":"","key134623":"","#;
    assert!(inner.starts_with(start), "{inner}");
    let map = with(|o| o.hstore = HstoreHandling::Map);
    assert_eq!(
        text_of(HSTORE, -1, &map, r#""k2"=>NULL, "k 1"=>"v\"1""#),
        r#"{"k2":null,"k 1":"v\"1"}"#
    );
    assert_eq!(text_of(HSTORE, -1, &map, ""), "{}");
    for broken in ["\"", "\"a\"", "\"a\"=>", "\"a\"=>x", "\"a\"=>\"b\",", "\"a\\"] {
        assert!(text_of(HSTORE, -1, &o, broken).starts_with("error:"), "{broken}");
    }
}

#[test]
fn extension_types() {
    let o = ValueOptions::default();
    let cases = [
        (VECTOR, "[1,2.5,-3]", "[1.0,2.5,-3.0]"),
        (HALFVEC, "[0.1]", "[0.1]"),
        (
            SPARSEVEC,
            "{1:1.5,3:2}/5",
            r#"{"dimensions":5,"vector":[[1,1.5],[3,2.0]]}"#,
        ),
        (
            SPARSEVEC,
            "{1:1,3:1,17:1,20:1,8:1}/30",
            r#"{"dimensions":30,"vector":[[8,1.0],[1,1.0],[17,1.0],[3,1.0],[20,1.0]]}"#,
        ),
        (SPARSEVEC, "{}/3", r#"{"dimensions":3,"vector":[]}"#),
        (SPARSEVEC, "{1:1}/40000", "null"),
        (
            GEOMETRY,
            "0101000020E6100000000000000000F03F0000000000000040",
            r#"{"wkb":"AQEAACDmEAAAAAAAAAAA8D8AAAAAAAAAQA==","srid":4326}"#,
        ),
        (
            GEOMETRY,
            "010700000000000000",
            r#"{"wkb":"AQcAAAAAAAAA","srid":null}"#,
        ),
        (GEOMETRY, "01", "error: EWKB is shorter than nine bytes"),
        (
            600,
            "(Infinity,-0)",
            r#"{"x":"Infinity","y":-0.0,"wkb":"AQEAAAAAAAAAAADwfwAAAAAAAACA","srid":null}"#,
        ),
    ];
    for (oid, text, expected) in cases {
        assert_eq!(text_of(oid, -1, &o, text), expected, "{text}");
    }
}
