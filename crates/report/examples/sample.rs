//! Writes made-up reports in every format: `cargo run -p apa-report --example sample -- FOLDER`.
#![allow(
    clippy::print_stdout,
    reason = "the terminal format is meant to be looked at"
)]

#[path = "../tests/fixture/mod.rs"]
mod fixture;

use std::path::PathBuf;
use std::time::{Duration, Instant};

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
        let (text, text_time) = timed(|| apa_report::terminal(&report, &style));
        let (html, html_time) = timed(|| apa_report::html(&report));
        println!(
            "{name}: terminal {} bytes in {text_time:.1?}, html {} bytes in {html_time:.1?}",
            text.len(),
            html.len()
        );
        std::fs::write(folder.join(format!("{name}.txt")), &text)?;
        std::fs::write(folder.join(format!("{name}.html")), &html)?;
        // Half a gigabyte would be of no use here.
        if name != "huge" {
            std::fs::write(
                folder.join(format!("{name}.json")),
                apa_report::json(&report),
            )?;
        }
        if matches!(name, "clean" | "malicious") {
            println!("{text}");
        }
    }
    println!("written to {}", folder.display());
    Ok(())
}

fn timed(render: impl FnOnce() -> String) -> (String, Duration) {
    let start = Instant::now();
    let text = render();
    (text, start.elapsed())
}
