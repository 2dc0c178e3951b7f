//! libFuzzer's program for `onnx`; the body is the library's, so that tests run it too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    systole_host_fuzz::onnx(data);
});
