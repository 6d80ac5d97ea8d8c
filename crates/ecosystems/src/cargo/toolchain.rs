use std::path::{Path, PathBuf};

use crate::memo::{Key, remember};
use crate::{EcosystemError, host};

/// Where the sandbox shows a toolchain that is not below `/usr` on the host.
const PLACE: &str = "/usr/local/lib/rust";

/// A question that cargo cannot answer without its registry, which it then names. It is asked through a proxy that
/// is not there, so that nothing leaves this machine.
const QUESTION: [&str; 4] = ["install", "--root", "/nonexistent", "a@1.0.0"];
const NOWHERE: [(&str, &str); 4] = [
    ("CARGO_HTTP_PROXY", "http://127.0.0.1:1"),
    ("CARGO_NET_RETRY", "0"),
    ("CARGO_NET_OFFLINE", "false"),
    ("CARGO_TERM_COLOR", "never"),
];

/// The host's compiler and cargo.
pub(super) struct Toolchain {
    /// Folder with `bin` and `lib`, on the host.
    sysroot: PathBuf,
}

impl Toolchain {
    /// Asks rustc, or remembers its answer until its configuration changes; `cache` is a folder for that.
    pub(super) fn ask(cache: Option<&Path>) -> Result<Self, EcosystemError> {
        let failed = |why| EcosystemError::Client {
            client: "rustc",
            why,
        };
        let answer = remember(state("rustc sysroot"), cache, || {
            host::output("rustc", &["--print", "sysroot"]).map_err(failed)
        })?;
        let sysroot = PathBuf::from(answer.trim());
        if sysroot.is_absolute() {
            Ok(Self { sysroot })
        } else {
            Err(failed("its system folder is no absolute path".to_owned()))
        }
    }

    /// The folder to show in the sandbox, and where; none if it is there anyway.
    pub(super) fn view(&self) -> Option<(PathBuf, String)> {
        let shown = self.sysroot.starts_with("/usr") && !self.sysroot.starts_with("/usr/local");
        (!shown).then(|| (self.sysroot.clone(), PLACE.to_owned()))
    }

    /// A program of it, inside the sandbox.
    pub(super) fn program(&self, name: &str) -> String {
        let root = match self.view() {
            Some((_, place)) => place,
            None => self.sysroot.to_string_lossy().into_owned(),
        };
        format!("{root}/bin/{name}")
    }
}

/// Root of the sparse index that cargo is set to use, remembered until its configuration changes.
pub(super) fn registry(cache: Option<&Path>) -> Result<String, EcosystemError> {
    let failed = |why| EcosystemError::Client {
        client: "cargo",
        why,
    };
    remember(state("cargo registry"), cache, || {
        let answer = host::complaint("cargo", &QUESTION, &NOWHERE).map_err(failed)?;
        match index_root(&answer) {
            Some(root) => Ok(root.to_owned()),
            None => Err(failed("it names no sparse index over http".to_owned())),
        }
    })
}

/// In the message about a failed download: `` `ROOT/config.json` ``.
fn index_root(complaint: &str) -> Option<&str> {
    complaint
        .split('`')
        .filter_map(|quoted| quoted.strip_suffix("config.json"))
        .find(|root| root.starts_with("http"))
}

/// Everything the answers depend on.
fn state(question: &str) -> Key {
    let variables: Vec<_> = ["CARGO_", "RUSTUP_"]
        .iter()
        .flat_map(|prefix| host::variables(prefix))
        .filter(|(name, _)| !name.starts_with("CARGO_PKG_") && name != "CARGO_MANIFEST_DIR")
        .collect();
    let folder = |variable: &str, usual: &str| {
        let set = host::variable(variable).map(PathBuf::from);
        set.or_else(|| host::home().map(|home| home.join(usual)))
    };
    let mut files = vec![
        PathBuf::from("/.cargo/config.toml"),
        PathBuf::from("/.cargo/config"),
        PathBuf::from("/usr/bin/cargo"),
        PathBuf::from("/usr/bin/rustc"),
    ];
    if let Some(home) = folder("CARGO_HOME", ".cargo") {
        files.extend(["config.toml", "config", "bin/cargo"].map(|name| home.join(name)));
    }
    if let Some(home) = folder("RUSTUP_HOME", ".rustup") {
        files.extend(["settings.toml", "toolchains"].map(|name| home.join(name)));
    }
    let key = Key::new(question)
        .variables(&variables)
        .text(&host::variable("PATH").unwrap_or_default());
    files.iter().fold(key, |key, file| key.file(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_found_in_the_complaint() {
        let complaint = "    Updating `m` index\nerror: failed to query replaced source registry `x`\n\n\
            Caused by:\n  failed to download from `http://mirror.test/idx/config.json`\n";
        assert_eq!(index_root(complaint), Some("http://mirror.test/idx/"));
        assert_eq!(
            index_root("error: could not find `a` in registry `m`"),
            None
        );
    }

    #[test]
    fn a_toolchain_of_the_system_is_shown_where_it_is_and_any_other_at_a_neutral_place() {
        let toolchain = |sysroot: &str| Toolchain {
            sysroot: sysroot.into(),
        };
        assert_eq!(toolchain("/usr").view(), None);
        assert_eq!(toolchain("/usr").program("cargo"), "/usr/bin/cargo");
        for sysroot in [
            "/home/a/.rustup/toolchains/x",
            "/usr/local/rustup/toolchains/x",
        ] {
            let toolchain = toolchain(sysroot);
            assert_eq!(
                toolchain.program("cargo"),
                "/usr/local/lib/rust/bin/cargo",
                "{sysroot}"
            );
        }
    }
}
