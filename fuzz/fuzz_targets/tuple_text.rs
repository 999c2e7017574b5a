#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| cdc_core::fuzzing::tuple_text(data));
