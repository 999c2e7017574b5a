#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pgcdc::fuzzing::connector(data));
