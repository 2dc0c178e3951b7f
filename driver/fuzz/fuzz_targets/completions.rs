//! libFuzzer's program for `completions`; the body is the library's, so that tests run it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| systole_driver_fuzz::completions(data));
