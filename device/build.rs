//! Which stream and which model are built in: `SPARC_STREAM` and `SPARC_MODEL`, or the vector of the built-in network.

use std::path::Path;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, usual) in [
        (
            "SPARC_STREAM",
            "spec/vectors/baseline/built-in-network.sparc",
        ),
        ("SPARC_MODEL", "models/speech.sparcmodel"),
    ] {
        println!("cargo:rerun-if-env-changed={name}");
        let path = std::env::var(name).unwrap_or_else(|_| root.join(usual).display().to_string());
        println!("cargo:rerun-if-changed={path}");
        println!("cargo:rustc-env={name}={path}");
    }
}
