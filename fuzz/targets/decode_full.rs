#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sparc_fuzz::decode_full(data);
});
