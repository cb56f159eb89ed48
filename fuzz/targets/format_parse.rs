#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sparc_fuzz::format_parse(data);
});
