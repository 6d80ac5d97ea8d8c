//! Checks of the whole workspace. Each gives problems as lines; none at all is success.

mod edges;
mod pages;
mod source;
mod unsafety;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// A file that git tracks, as text.
struct Tracked {
    /// Relative to the workspace.
    path: String,
    text: String,
}

/// Runs every check and fails if one found something.
///
/// # Errors
/// When a check finds a problem, or git or cargo cannot be asked.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root()?;
    let files = tracked(&root)?;
    let mut problems = edges::check(&cargo_metadata(&root)?)?;
    for file in &files {
        problems.extend(source::check(file));
        problems.extend(unsafety::check(file));
    }
    problems.extend(pages::check(&root, &files));
    for problem in &problems {
        println!("{problem}");
    }
    ensure!(
        problems.is_empty(),
        "{} problems, see above",
        problems.len()
    );
    println!("tidy: {} files are fine", files.len());
    Ok(())
}

fn root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .context("xtask has left the workspace")?;
    Ok(root.to_owned())
}

/// What git tracks or would track, without what is not text.
fn tracked(root: &Path) -> anyhow::Result<Vec<Tracked>> {
    let listing = output(
        Command::new("git")
            .args([
                "ls-files",
                "-z",
                "--cached",
                "--others",
                "--exclude-standard",
            ])
            .current_dir(root),
    )?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        // A tracked file that was deleted, and one that is not text, say nothing.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(Tracked {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

fn cargo_metadata(root: &Path) -> anyhow::Result<serde_json::Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let json = output(
        Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(root),
    )?;
    serde_json::from_str(&json).context("cargo metadata did not print JSON")
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} did not print UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_has_only_the_arrows_of_the_design() {
        let metadata = cargo_metadata(&root().unwrap()).unwrap();
        assert_eq!(edges::check(&metadata).unwrap(), Vec::<String>::new());
    }
}
