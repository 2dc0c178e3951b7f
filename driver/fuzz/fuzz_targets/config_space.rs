//! libFuzzer's program for `config_space`; the body is the library's, so that tests run it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| systole_driver_fuzz::config_space(data));
