//! Finds out whether the compiler knows the instructions of AVX-512, which came after this crate's oldest Rust.

fn main() {
    let compiler = autocfg::new();
    autocfg::emit_possibility("avx512");
    if compiler.probe_rustc_version(1, 89) {
        autocfg::emit("avx512");
    }
    autocfg::rerun_path("build.rs");
}
