//! The machine a sample believes it is on: invented anew for every run.

mod bait;
mod cast;
mod files;
mod random;
mod words;

use apa_model::{Canary, Persona};

use cast::{Cast, environment};

/// What the pipeline must know of the machine it pretends to be.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Host name.
    pub hostname: String,
    /// Name of the user the sample runs as.
    pub user: String,
    /// User id inside the sandbox.
    pub uid: u32,
    /// Group id inside the sandbox.
    pub gid: u32,
    /// Home folder.
    pub home: String,
    /// An empty-looking project to install the package in; owned by the user.
    pub project_dir: String,
    /// Environment of every command.
    pub env: Vec<(String, String)>,
    /// The baits of this run.
    pub canaries: Vec<Canary>,
    /// Patterns of paths that nobody but a thief has business with.
    pub protected: Vec<String>,
}

/// What the image is made from besides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// Files of the user: path, mode, text.
    pub(crate) home: Vec<(String, u32, String)>,
    /// Files below `/etc`.
    pub(crate) etc: Vec<(String, u32, String)>,
    /// Files below `/sys`.
    pub(crate) sys: Vec<(String, String)>,
    /// Files below `/proc` that say something else than the host's.
    pub(crate) proc: Vec<(String, String)>,
    pub(crate) mac: [u8; 6],
}

/// Below the home folder.
const PROTECTED_AT_HOME: [&str; 34] = [
    ".ssh/*",
    ".aws/*",
    ".docker/config.json",
    ".config/gcloud/*",
    ".azure/*",
    ".gnupg/*",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".kube/*",
    ".git-credentials",
    ".config/gh/*",
    ".config/git/credentials",
    ".config/google-chrome/*",
    ".config/chromium/*",
    ".config/BraveSoftware/*",
    ".config/microsoft-edge/*",
    ".mozilla/*",
    ".config/solana/*",
    ".ethereum/*",
    ".bitcoin/*",
    ".electrum/*",
    ".config/Exodus/*",
    ".config/atomic/*",
    ".local/share/keyrings/*",
    ".password-store/*",
    ".bash_history",
    ".zsh_history",
    ".python_history",
    ".node_repl_history",
    ".cargo/credentials*",
    ".gem/credentials",
    ".m2/settings.xml",
    ".terraform.d/credentials*",
];
const PROTECTED: [&str; 8] = [
    "/etc/shadow",
    "/etc/passwd",
    "/etc/sudoers*",
    "/etc/machine-id",
    "/etc/ssh/*",
    "/proc/*/environ",
    "/proc/*/mem",
    "*/.env",
];

/// Invents a machine.
pub(crate) fn invent(persona: Persona) -> (Guest, Machine) {
    let cast = Cast::draw(persona);
    let other = format!("{}/projects/{}", cast.home, cast.other_project);
    let ci = persona == Persona::Ci;
    let owner = bait::Owner {
        user: &cast.user,
        hostname: &cast.hostname,
        home: &cast.home,
        company: cast.company,
        dot_env: if ci {
            cast.project_dir
                .rsplit_once('/')
                .map_or("/srv", |(parent, _)| parent)
        } else {
            &other
        },
        ci,
    };
    let mut machine = Machine {
        mac: cast.mac,
        ..Machine::default()
    };
    let mut env = environment(&cast);
    let mut canaries = Vec::new();
    for bait in bait::set(&owner) {
        let path = bait.canary.planted_at.clone();
        if let Some((mode, text)) = bait.file {
            machine.home.push((path, mode, text));
        } else if let (Some(value), Some(name)) = (bait.value, path.strip_prefix("env:")) {
            env.push((name.into(), value));
        }
        canaries.push(bait.canary);
    }
    machine.home.push((
        format!("{}/.ssh/id_rsa.pub", cast.home),
        0o644,
        bait::ssh_public(&owner),
    ));
    files::home(&mut machine, &cast, &other);
    machine.etc = files::etc(&cast);
    machine.sys = files::sys(&cast);
    machine.proc = files::proc();
    let protected = PROTECTED_AT_HOME
        .iter()
        .map(|pattern| format!("{}/{pattern}", cast.home));
    let guest = Guest {
        protected: protected.chain(PROTECTED.map(String::from)).collect(),
        hostname: cast.hostname,
        user: cast.user,
        uid: cast.id,
        gid: cast.id,
        home: cast.home,
        project_dir: cast.project_dir,
        env,
        canaries,
    };
    (guest, machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_share_a_secret_and_every_secret_is_long() {
        for persona in [Persona::Developer, Persona::Ci] {
            let (first, second) = (invent(persona).0, invent(persona).0);
            let secrets = |guest: &Guest| -> Vec<String> {
                guest
                    .canaries
                    .iter()
                    .filter(|canary| canary.kind != apa_model::CanaryKind::HostName)
                    .flat_map(|canary| canary.secrets.clone())
                    .collect()
            };
            let (first, second) = (secrets(&first), secrets(&second));
            assert!(first.iter().all(|secret| secret.len() >= 16), "{first:?}");
            assert!(!first.iter().any(|secret| second.contains(secret)));
        }
    }

    #[test]
    fn every_secret_is_in_what_is_planted() {
        let (guest, machine) = invent(Persona::Ci);
        for canary in &guest.canaries {
            let planted = match canary.planted_at.strip_prefix("env:") {
                Some(name) => guest
                    .env
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, value)| value),
                None if canary.kind == apa_model::CanaryKind::HostName => Some(&guest.hostname),
                None => machine
                    .home
                    .iter()
                    .find(|(path, ..)| *path == canary.planted_at)
                    .map(|(.., text)| text),
            };
            let planted = planted.expect("planted somewhere");
            assert!(
                canary.secrets.iter().all(|secret| planted.contains(secret)),
                "{}",
                canary.id
            );
        }
    }

    #[test]
    fn every_planted_file_is_protected() {
        let (guest, _) = invent(Persona::Developer);
        for canary in guest
            .canaries
            .iter()
            .filter(|canary| canary.planted_at.starts_with('/'))
        {
            let covered = guest
                .protected
                .iter()
                .any(|pattern| match pattern.split_once('*') {
                    Some((start, end)) => {
                        canary.planted_at.starts_with(start) && canary.planted_at.ends_with(end)
                    }
                    None => *pattern == canary.planted_at,
                });
            assert!(covered, "{}", canary.planted_at);
        }
    }

    #[test]
    fn nothing_is_named_after_us() {
        for persona in [Persona::Developer, Persona::Ci] {
            let (guest, machine) = invent(persona);
            let text = format!("{:?} {machine:?}", guest.env).to_lowercase();
            assert!(
                !["apa-", "/apa", "sandbox", "canary"]
                    .iter()
                    .any(|word| text.contains(word))
            );
        }
    }
}
