//! The same without privileges, where the kernel allows it.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

crate::tests![the_suite_passes_as_an_ordinary_user];

/// An account that owns nothing.
const NOBODY: u32 = 65_534;

fn the_suite_passes_as_an_ordinary_user() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // The build folder may be closed to others.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let program = folder.path().join("suite");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new(&program)
        .args(["doctor", "hidden", "network", "life", "limits"])
        .env_clear()
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!(
        "{}",
        text.lines()
            .map(|line| format!("  as uid {NOBODY}: {line}\n"))
            .collect::<String>()
    );
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
