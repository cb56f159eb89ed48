fn main() {
    let dir = std::env::args().nth(1).unwrap();
    let mut entries = Vec::new();
    for v in codec_lab::vectors::all().unwrap() {
        let path = std::path::Path::new(&dir).join(&v.file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &v.bytes).unwrap();
        entries.push(codec_lab::vectors::Entry::of(&v, |_| None));
    }
    std::fs::write(
        format!("{dir}/MANIFEST.tsv"),
        codec_lab::vectors::manifest(&entries),
    )
    .unwrap();
}
