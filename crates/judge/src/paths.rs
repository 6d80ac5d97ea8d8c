//! What a path inside the sandbox stands for. Tables only; nothing is opened.

/// A kind of secret that is kept in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Credential {
    Ssh,
    Cloud,
    RegistryToken,
    Git,
    Container,
    Browser,
    Wallet,
    Chat,
    Keyring,
    Account,
    ShellHistory,
    DotEnv,
}

/// How something is started again without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Persistence {
    Cron,
    Service,
    ShellProfile,
    AuthorizedKeys,
    Autostart,
    Preload,
    /// Where package managers, git and ssh are told whom to trust.
    Settings,
    /// Git hooks, editor tasks, instructions of coding agents: some tools write them openly.
    DeveloperTool,
}

impl Persistence {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Cron => "a scheduled job",
            Self::Service => "a system service",
            Self::ShellProfile => "a shell start-up file",
            Self::AuthorizedKeys => "the keys that may log in",
            Self::Autostart => "the desktop's autostart",
            Self::Preload => "the dynamic loader's preload list",
            Self::Settings => "settings that decide where code comes from",
            Self::DeveloperTool => "a hook or instruction file of developer tools",
        }
    }
}

/// The part below a home folder: the persona's, root's, or anybody's.
pub(crate) fn below_home<'p>(path: &'p str, home: &str) -> Option<&'p str> {
    if let Some(rest) = under(path, home) {
        return Some(rest);
    }
    if let Some(rest) = under(path, "/root") {
        return Some(rest);
    }
    under(path, "/home").and_then(|rest| rest.split_once('/').map(|(_, rest)| rest))
}

/// The part of `path` below `folder`; empty when they are the same.
pub(crate) fn under<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let folder = folder.trim_end_matches('/');
    if folder.is_empty() {
        return None;
    }
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

/// Paths below the home folder that hold secrets. An entry that ends in `/` covers a folder.
const HOME_SECRETS: &[(&str, Credential)] = &[
    (".ssh/", Credential::Ssh),
    (".gnupg/", Credential::Keyring),
    (".password-store/", Credential::Keyring),
    (".local/share/keyrings/", Credential::Keyring),
    (".local/share/kwalletd/", Credential::Keyring),
    (".aws/credentials", Credential::Cloud),
    (".aws/config", Credential::Cloud),
    (".aws/sso/", Credential::Cloud),
    (".azure/", Credential::Cloud),
    (".config/gcloud/", Credential::Cloud),
    (".config/doctl/", Credential::Cloud),
    (".terraform.d/", Credential::Cloud),
    (".vault-token", Credential::Cloud),
    (".kube/", Credential::Container),
    (".docker/config.json", Credential::Container),
    (".npmrc", Credential::RegistryToken),
    (".pypirc", Credential::RegistryToken),
    (".yarnrc.yml", Credential::RegistryToken),
    (".gem/credentials", Credential::RegistryToken),
    (".cargo/credentials", Credential::RegistryToken),
    (".cargo/credentials.toml", Credential::RegistryToken),
    (".m2/settings.xml", Credential::RegistryToken),
    (".m2/settings-security.xml", Credential::RegistryToken),
    (".composer/auth.json", Credential::RegistryToken),
    (".config/composer/auth.json", Credential::RegistryToken),
    (".git-credentials", Credential::Git),
    (".config/git/credentials", Credential::Git),
    (".config/gh/hosts.yml", Credential::Git),
    (".config/google-chrome/", Credential::Browser),
    (".config/chromium/", Credential::Browser),
    (".config/BraveSoftware/", Credential::Browser),
    (".config/microsoft-edge/", Credential::Browser),
    (".config/opera/", Credential::Browser),
    (".config/vivaldi/", Credential::Browser),
    (".mozilla/firefox/", Credential::Browser),
    (".bitcoin/", Credential::Wallet),
    (".ethereum/", Credential::Wallet),
    (".electrum/", Credential::Wallet),
    (".monero/", Credential::Wallet),
    (".config/Exodus/", Credential::Wallet),
    (".config/atomic/", Credential::Wallet),
    (".config/Ledger Live/", Credential::Wallet),
    (".config/solana/", Credential::Wallet),
    (".config/discord/", Credential::Chat),
    (".config/Slack/", Credential::Chat),
    (".local/share/TelegramDesktop/", Credential::Chat),
    (".bash_history", Credential::ShellHistory),
    (".zsh_history", Credential::ShellHistory),
];

/// The secret kept at `path`, if it is a usual place for one. HTTP clients look for `.netrc` and git for
/// `.gitconfig` by themselves, so those are not in the list.
pub(crate) fn credential(path: &str, home: &str) -> Option<Credential> {
    if let Some(rest) = below_home(path, home) {
        // Extension storage is where browser wallets keep their keys.
        if rest.contains("/Local Extension Settings/") {
            return Some(Credential::Wallet);
        }
        let known = HOME_SECRETS
            .iter()
            .find(|(known, _)| rest == *known || (known.ends_with('/') && rest.starts_with(known)));
        if let Some((_, kind)) = known {
            return Some(*kind);
        }
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == ".env" || matches!(name, ".env.local" | ".env.production" | ".env.development") {
        return Some(Credential::DotEnv);
    }
    if matches!(path, "/etc/shadow" | "/etc/gshadow" | "/etc/sudoers") {
        return Some(Credential::Account);
    }
    ["/run/secrets/", "/var/run/secrets/"]
        .iter()
        .any(|root| path.starts_with(root))
        .then_some(Credential::Container)
}

/// What a write to `path` would start again.
pub(crate) fn persistence(path: &str, home: &str) -> Option<Persistence> {
    below_home(path, home)
        .and_then(home_persistence)
        .or_else(|| system_persistence(path))
        .or_else(|| path.ends_with("/.npmrc").then_some(Persistence::Settings))
        .or_else(|| developer_tool(path).then_some(Persistence::DeveloperTool))
}

fn home_persistence(rest: &str) -> Option<Persistence> {
    match rest {
        ".bashrc"
        | ".bash_profile"
        | ".bash_login"
        | ".bash_logout"
        | ".profile"
        | ".zshrc"
        | ".zprofile"
        | ".zshenv"
        | ".zlogin"
        | ".kshrc"
        | ".config/fish/config.fish" => {
            return Some(Persistence::ShellProfile);
        }
        ".ssh/authorized_keys" | ".ssh/authorized_keys2" | ".ssh/rc" => {
            return Some(Persistence::AuthorizedKeys);
        }
        ".yarnrc"
        | ".yarnrc.yml"
        | ".pip/pip.conf"
        | ".config/pip/pip.conf"
        | ".pypirc"
        | ".gitconfig"
        | ".config/git/config"
        | ".ssh/config"
        | ".cargo/config.toml"
        | ".m2/settings.xml"
        | ".m2/extensions.xml"
        | ".mavenrc"
        | ".config/uv/uv.toml" => {
            return Some(Persistence::Settings);
        }
        _ => {}
    }
    [
        (".config/systemd/user/", Persistence::Service),
        (".local/share/systemd/user/", Persistence::Service),
        (".config/autostart/", Persistence::Autostart),
        ("Library/LaunchAgents/", Persistence::Autostart),
        (".config/fish/conf.d/", Persistence::ShellProfile),
    ]
    .iter()
    .find_map(|(folder, kind)| rest.starts_with(folder).then_some(*kind))
}

fn system_persistence(path: &str) -> Option<Persistence> {
    match path {
        "/etc/crontab" | "/etc/anacrontab" => return Some(Persistence::Cron),
        "/etc/rc.local" | "/etc/inittab" => return Some(Persistence::Service),
        "/etc/profile" | "/etc/bash.bashrc" | "/etc/environment" | "/etc/zsh/zshrc" => {
            return Some(Persistence::ShellProfile);
        }
        "/etc/ld.so.preload" => return Some(Persistence::Preload),
        _ => {}
    }
    [
        ("/etc/cron.", Persistence::Cron),
        ("/var/spool/cron/", Persistence::Cron),
        ("/var/spool/at/", Persistence::Cron),
        ("/etc/systemd/", Persistence::Service),
        ("/usr/lib/systemd/", Persistence::Service),
        ("/lib/systemd/", Persistence::Service),
        ("/etc/init.d/", Persistence::Service),
        ("/Library/LaunchAgents/", Persistence::Service),
        ("/Library/LaunchDaemons/", Persistence::Service),
        ("/etc/profile.d/", Persistence::ShellProfile),
        ("/etc/xdg/autostart/", Persistence::Autostart),
    ]
    .iter()
    .find_map(|(folder, kind)| path.starts_with(folder).then_some(*kind))
}

fn developer_tool(path: &str) -> bool {
    path.contains("/.git/hooks/")
        || path.contains("/.github/workflows/")
        || path.contains("/.claude/")
        || path.contains("/.cursor/")
        || path.ends_with("/.vscode/tasks.json")
        || path.ends_with("/.mcp.json")
}

/// Tells one machine from another. `None` for what every runtime reads (`os-release`, `meminfo`, cgroup).
pub(crate) fn is_identity(path: &str) -> bool {
    matches!(
        path,
        "/etc/machine-id"
            | "/var/lib/dbus/machine-id"
            | "/etc/hostname"
            | "/proc/version"
            | "/proc/cpuinfo"
            | "/proc/sys/kernel/hostname"
            | "/proc/sys/kernel/random/boot_id"
    ) || path.starts_with("/sys/class/dmi/")
        || path.starts_with("/sys/devices/virtual/dmi/")
        || (path.starts_with("/sys/class/net/") && path.ends_with("/address"))
}

/// Describes the machine in general.
pub(crate) fn is_system_description(path: &str) -> bool {
    is_identity(path)
        || matches!(
            path,
            "/etc/os-release"
                | "/usr/lib/os-release"
                | "/etc/lsb-release"
                | "/etc/debian_version"
                | "/etc/passwd"
                | "/etc/group"
                | "/etc/hosts"
                | "/etc/resolv.conf"
                | "/proc/meminfo"
                | "/proc/uptime"
                | "/proc/loadavg"
                | "/proc/mounts"
        )
        || path.starts_with("/proc/net/")
        || path.starts_with("/sys/devices/system/cpu")
}

/// Looked at by code that wants to know whether it is being watched.
pub(crate) fn is_sandbox_probe(path: &str) -> bool {
    matches!(
        path,
        "/.dockerenv" | "/run/.containerenv" | "/proc/1/cgroup"
    ) || path.starts_with("/sys/class/dmi/")
        || path.starts_with("/sys/devices/virtual/dmi/")
        || path.starts_with("/sys/hypervisor/")
        || path == "/proc/sys/kernel/yama/ptrace_scope"
}

/// Folders for what need not last.
pub(crate) fn is_temporary(path: &str) -> bool {
    ["/tmp/", "/var/tmp/", "/dev/shm/", "/run/shm/"]
        .iter()
        .any(|root| path.starts_with(root))
}

/// Where package managers unpack and build.
pub(crate) fn is_build_area(path: &str) -> bool {
    ["/tmp/", "/var/tmp/"].iter().any(|root| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.starts_with("pip-") || rest.starts_with("npm-"))
    })
}

/// A folder where Python looks for start-up hooks.
pub(crate) fn is_python_library(path: &str) -> bool {
    path.contains("/site-packages/")
        || path.contains("/dist-packages/")
        || (path.contains("/lib/python") && !path.contains("/build/"))
}

/// Where installed packages lie: what a package loads of its dependencies.
pub(crate) fn is_library(path: &str) -> bool {
    path.contains("/node_modules/") || path.contains("/.cargo/registry/") || is_python_library(path)
}

/// Read by the C library, the TLS library and the name resolver on their own account.
pub(crate) fn is_runtime_setting(path: &str) -> bool {
    matches!(
        path,
        "/etc/nsswitch.conf"
            | "/etc/host.conf"
            | "/etc/gai.conf"
            | "/etc/svc.conf"
            | "/etc/netsvc.conf"
            | "/etc/locale.alias"
            | "/etc/localtime"
            | "/proc/sys/vm/overcommit_memory"
            | "/sys/devices/system/cpu/online"
    ) || path.ends_with("/openssl.cnf")
}

/// A file that makes every Python start run code.
pub(crate) fn is_interpreter_hook(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    is_python_library(path)
        && !is_build_area(path)
        && (name.ends_with(".pth") || matches!(name, "sitecustomize.py" | "usercustomize.py"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "/home/kim";

    #[test]
    fn secrets_are_recognised_in_any_home() {
        for (path, kind) in [
            ("/home/kim/.ssh/id_rsa", Credential::Ssh),
            ("/root/.aws/credentials", Credential::Cloud),
            ("/home/other/.npmrc", Credential::RegistryToken),
            (
                "/home/kim/.config/google-chrome/Default/Login Data",
                Credential::Browser,
            ),
            (
                "/home/kim/.config/google-chrome/Default/Local Extension Settings/abc/1.ldb",
                Credential::Wallet,
            ),
            ("/home/kim/work/app/.env", Credential::DotEnv),
            ("/etc/shadow", Credential::Account),
        ] {
            assert_eq!(credential(path, HOME), Some(kind), "{path}");
        }
    }

    #[test]
    fn what_clients_read_by_themselves_is_no_secret() {
        for path in [
            "/home/kim/.netrc",
            "/home/kim/.gitconfig",
            "/home/kim/work/app/.npmrc",
            "/home/kim/work/app/.env.example",
            "/home/kim/.sshx/id_rsa",
            "/etc/passwd",
        ] {
            assert_eq!(credential(path, HOME), None, "{path}");
        }
    }

    #[test]
    fn places_that_start_code_again_are_recognised() {
        for (path, kind) in [
            ("/home/kim/.bashrc", Persistence::ShellProfile),
            ("/etc/cron.d/x", Persistence::Cron),
            (
                "/home/kim/.config/systemd/user/x.service",
                Persistence::Service,
            ),
            (
                "/home/kim/.ssh/authorized_keys",
                Persistence::AuthorizedKeys,
            ),
            (
                "/home/kim/.config/autostart/x.desktop",
                Persistence::Autostart,
            ),
            (
                "/home/kim/p/.git/hooks/pre-commit",
                Persistence::DeveloperTool,
            ),
        ] {
            assert_eq!(persistence(path, HOME), Some(kind), "{path}");
        }
        assert_eq!(persistence("/home/kim/.bashrc.d/x", HOME), None);
        assert_eq!(persistence("/tmp/cron.d/x", HOME), None);
    }

    #[test]
    fn a_hook_in_a_build_folder_is_not_active() {
        assert!(is_interpreter_hook(
            "/home/kim/v/lib/python3.13/site-packages/x.pth"
        ));
        assert!(!is_interpreter_hook(
            "/tmp/pip-install-abc/x/build/lib/x.pth"
        ));
        assert!(!is_interpreter_hook("/home/kim/x.pth"));
    }
}
