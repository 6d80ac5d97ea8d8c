//! Writes every specimen into a folder: `cargo run -p apa-testkit --example specimens -- DIR`.

fn main() -> std::io::Result<()> {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "specimens".to_owned());
    for specimen in apa_testkit::specimens() {
        let folder = std::path::Path::new(&folder).join(specimen.name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(&specimen.filename), &specimen.bytes)?;
    }
    Ok(())
}
