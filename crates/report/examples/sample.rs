//! Writes made-up reports in every format: `cargo run -p apa-report --example sample -- FOLDER`.
#![allow(
    clippy::print_stdout,
    reason = "the terminal format is meant to be looked at"
)]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::path::PathBuf;

use apa_report::Style;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(
        std::env::args_os()
            .nth(1)
            .unwrap_or_else(|| "reports".into()),
    );
    std::fs::create_dir_all(&folder)?;
    let style = Style {
        color: true,
        width: 110,
        unicode: true,
    };
    for (name, report) in [
        ("clean", fixture::clean()),
        ("incomplete", fixture::incomplete()),
        ("malicious", fixture::malicious()),
        ("hostile", fixture::hostile()),
        ("huge", fixture::huge(100_000)),
    ] {
        let terminal = apa_report::terminal(&report, &style);
        std::fs::write(
            folder.join(format!("{name}.html")),
            apa_report::html(&report),
        )?;
        std::fs::write(
            folder.join(format!("{name}.json")),
            apa_report::json(&report),
        )?;
        std::fs::write(folder.join(format!("{name}.txt")), &terminal)?;
        if matches!(name, "clean" | "malicious") {
            println!("{terminal}");
        }
    }
    println!("written to {}", folder.display());
    Ok(())
}
