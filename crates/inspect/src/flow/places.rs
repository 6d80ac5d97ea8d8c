//! Paths that matter, as code writes them. Data, not logic: one line a place.

use super::value::Source;

/// Part of a path (small letters, `/` for `\`), whether it must be its end, and what is there.
const SECRETS: &[(&str, &str)] = &[
    (".ssh", "SSH keys"),
    ("id_rsa", "an SSH key"),
    ("id_ed25519", "an SSH key"),
    (".aws/credentials", "AWS credentials"),
    (".aws/config", "AWS settings"),
    (".npmrc", "npm tokens"),
    (".yarnrc", "registry tokens"),
    (".pypirc", "package index tokens"),
    (".netrc", "passwords of hosts"),
    (".git-credentials", "git credentials"),
    (".docker/config.json", "registry passwords"),
    (".kube/config", "cluster credentials"),
    (".config/gcloud", "cloud credentials"),
    ("application_default_credentials", "cloud credentials"),
    (".azure", "cloud credentials"),
    ("gh/hosts.yml", "a code host's token"),
    (".gem/credentials", "gem tokens"),
    (".cargo/credentials", "crate tokens"),
    (".m2/settings", "Maven passwords"),
    ("bash_history", "the shell's history"),
    ("zsh_history", "the shell's history"),
    ("login data", "passwords kept by a browser"),
    ("local state", "a browser's key"),
    ("user data/default", "a browser's profile"),
    ("key4.db", "passwords kept by a browser"),
    ("logins.json", "passwords kept by a browser"),
    ("cookies.sqlite", "a browser's cookies"),
    ("network/cookies", "a browser's cookies"),
    ("/cookies", "a browser's cookies"),
    ("discord/local storage", "chat tokens"),
    ("leveldb", "tokens kept by an application"),
    ("wallet.dat", "a wallet"),
    ("exodus", "a wallet"),
    ("electrum", "a wallet"),
    ("atomic/", "a wallet"),
    (".config/solana", "a wallet"),
    ("solana/id.json", "a wallet"),
    (".ethereum/keystore", "a wallet"),
    ("nkbihfbeogaeaoehlefnkodbefgpgknn", "a wallet"),
    ("metamask", "a wallet"),
    ("telegram desktop", "chat sessions"),
    ("tdata", "chat sessions"),
    ("ssfn", "game sessions"),
    ("/etc/shadow", "password hashes"),
    ("/etc/passwd", "the accounts of the machine"),
    ("serviceaccount/token", "a cluster's token"),
    ("keychain", "the key chain"),
    ("login.keychain", "the key chain"),
    (".gnupg", "OpenPGP keys"),
    (".vault-token", "a vault's token"),
    (".terraform.d/credentials", "cloud credentials"),
    ("filezilla", "passwords of hosts"),
    ("roaming/discord", "chat tokens"),
    ("credentials.db", "cloud credentials"),
    (".password-store", "passwords"),
    (".claude.json", "an AI tool's settings"),
    (".config/op", "a password manager"),
];

/// Names that stand at the end of a path only.
const SECRET_NAMES: &[(&str, &str)] = &[
    (".env", "a project's secrets"),
    (".env.local", "a project's secrets"),
    (".env.production", "a project's secrets"),
    ("secrets.json", "secrets"),
    ("credentials.json", "credentials"),
    ("id_dsa", "an SSH key"),
    ("id_ecdsa", "an SSH key"),
    ("wallet.json", "a wallet"),
    ("keystore.json", "a wallet"),
];

const METADATA: &[&str] = &[
    "169.254.169.254",
    "169.254.170.2",
    "metadata.google.internal",
    "fd00:ec2::254",
];

/// What credentials are kept at this path (unknown parts are [`super::HOLE`]).
pub(crate) fn secret_place(path: &str) -> Option<&'static str> {
    let path = path.to_lowercase().replace('\\', "/");
    let path = path.replace("//", "/");
    let within = SECRETS.iter().find(|(part, _)| path.contains(part));
    within
        .or_else(|| {
            // Several candidates stand one after the other, parted by a hole.
            path.split('\u{1}').find_map(|path| {
                let name = path.rsplit('/').next().unwrap_or(path).trim();
                SECRET_NAMES.iter().find(|(secret, _)| *secret == name)
            })
        })
        .map(|(_, words)| *words)
}

/// Whether a host hands out a machine's cloud credentials.
pub(crate) fn is_metadata_service(host: &str) -> bool {
    METADATA.iter().any(|known| host.contains(known))
}

/// What a file of the system says about the machine.
pub(crate) fn system_file(path: &str) -> Option<(Source, &'static str)> {
    Some(match path {
        path if path.contains("/etc/hostname") => (Source::Host, "the host name"),
        path if path.contains("machine-id") => (Source::Host, "the machine's id"),
        path if path.contains("/proc/self/environ") => (Source::Environment, "the environment"),
        path if path.contains("/etc/hosts") || path.contains("/etc/resolv.conf") => {
            (Source::Host, "the network's settings")
        }
        path if path.contains("/proc/") && (path.contains("/mem") || path.contains("/environ")) => {
            (Source::Secret, "another process's memory")
        }
        _ => return None,
    })
}
