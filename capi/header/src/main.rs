//! Writes `include/sparc.h` from the sources, or says whether it is what they say.
//!
//!     cargo run -p sparc-header              # ends with 1 if it is not
//!     cargo run -p sparc-header -- --write

use cbindgen::{Builder, Config, EnumConfig, ExportConfig, Language, RenameRule, Style};
use std::path::Path;
use std::process::ExitCode;

/// Files with something public, in the header's order.
const SOURCES: [&str; 9] = [
    "abi", "fault", "network", "decoding", "decoder", "encoding", "encoder", "whole", "fixed",
];

fn generate(capi: &Path) -> Result<String, cbindgen::Error> {
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        style: Style::Both,
        include_guard: Some("SPARC_H".into()),
        header: Some(include_str!("preamble.h").trim_end().into()),
        autogen_warning: Some(
            "/* Generated from the Rust sources by sparc-header: change those. */".into(),
        ),
        no_includes: true,
        sys_includes: vec!["stddef.h".into(), "stdint.h".into()],
        // size_t as C means it.
        usize_is_size_t: true,
        line_length: 120,
        tab_width: 4,
        enumeration: EnumConfig {
            rename_variants: RenameRule::None,
            ..EnumConfig::default()
        },
        // Enumerations whose numbers lie in fields that any number may be written to.
        export: ExportConfig {
            include: vec!["sparc_rate".into(), "sparc_effort".into()],
            ..ExportConfig::default()
        },
        ..Config::default()
    };
    let mut builder = Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(capi.join("src").join(source).with_extension("rs"));
    }
    let mut header = Vec::new();
    builder.generate()?.write(&mut header);
    Ok(String::from_utf8_lossy(&header).into_owned())
}

fn main() -> ExitCode {
    let capi = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = capi.join("include/sparc.h");
    let header = match generate(&capi) {
        Ok(header) => header,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    if std::env::args().any(|word| word == "--write") {
        if let Err(error) = std::fs::write(&file, header) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
        return ExitCode::SUCCESS;
    }
    if std::fs::read_to_string(&file).is_ok_and(|there| there == header) {
        return ExitCode::SUCCESS;
    }
    eprintln!("include/sparc.h is not what the sources say: cargo run -p sparc-header -- --write");
    ExitCode::FAILURE
}
