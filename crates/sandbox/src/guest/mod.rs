//! The machine a sample believes it is on: invented anew for every run.

mod bait;
mod random;
mod words;

use apa_model::{Canary, Persona};

use crate::helper::NAME_SERVER;
use crate::image::CA_BUNDLE;
use words::{
    CLOUD_CARD, COMPANIES, FIRST_NAMES, HISTORY, LAPTOP_CARDS, LAPTOPS, LAST_NAMES, MACHINES,
    PROJECTS,
};

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
    home(&mut machine, &cast, &other);
    machine.etc = etc(&cast);
    machine.sys = sys(&cast);
    machine.proc = proc();
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

/// The names that everything else is made of.
struct Cast {
    persona: Persona,
    hostname: String,
    user: String,
    full_name: String,
    id: u32,
    home: String,
    project: &'static str,
    other_project: &'static str,
    project_dir: String,
    company: &'static str,
    mac: [u8; 6],
    hardware: (&'static str, &'static str, &'static str),
}

impl Cast {
    fn draw(persona: Persona) -> Self {
        let (first, last) = (random::pick(&FIRST_NAMES), random::pick(&LAST_NAMES));
        let at = random::below(PROJECTS.len());
        let (project, other_project) = (PROJECTS[at], PROJECTS[(at + 1) % PROJECTS.len()]);
        let full_name = format!("{}{} {last}", first[..1].to_uppercase(), &first[1..]);
        let [a, b, c] = random::bytes();
        let with_card = |[x, y, z]: [u8; 3]| [x, y, z, a, b, c];
        let common = |user: &str, hostname, id, home: String, project_dir, card, hardware| Self {
            persona,
            hostname,
            user: user.into(),
            full_name: full_name.clone(),
            id,
            home,
            project,
            other_project,
            project_dir,
            company: random::pick(&COMPANIES),
            mac: with_card(card),
            hardware,
        };
        match persona {
            Persona::Developer => common(
                first,
                format!("{first}-{}", random::pick(&MACHINES)),
                1000,
                format!("/home/{first}"),
                format!("/home/{first}/projects/{project}"),
                random::pick(&LAPTOP_CARDS),
                random::pick(&LAPTOPS),
            ),
            Persona::Ci => common(
                "runner",
                format!(
                    "fv-az{}-{}",
                    100 + random::below(1900),
                    100 + random::below(900)
                ),
                1001,
                "/home/runner".into(),
                format!("/home/runner/work/{project}/{project}"),
                CLOUD_CARD,
                (
                    "Microsoft Corporation",
                    "Virtual Machine",
                    "Microsoft Corporation",
                ),
            ),
        }
    }
}

fn environment(cast: &Cast) -> Vec<(String, String)> {
    let mut env: Vec<(String, String)> = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", &cast.home),
        ("USER", &cast.user),
        ("LOGNAME", &cast.user),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
        ("PWD", &cast.project_dir),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    for name in [
        "NODE_EXTRA_CA_CERTS",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "PIP_CERT",
        "GIT_SSL_CAINFO",
        "AWS_CA_BUNDLE",
        "CARGO_HTTP_CAINFO",
    ] {
        env.push((name.into(), CA_BUNDLE.into()));
    }
    let more: Vec<(&str, String)> = match cast.persona {
        Persona::Developer => vec![
            ("TERM", "xterm-256color".into()),
            ("EDITOR", "vim".into()),
            ("XDG_RUNTIME_DIR", format!("/run/user/{}", cast.id)),
            ("XDG_SESSION_TYPE", "wayland".into()),
        ],
        Persona::Ci => vec![
            ("CI", "true".into()),
            ("GITHUB_ACTIONS", "true".into()),
            (
                "GITHUB_ACTOR",
                cast.full_name.to_lowercase().replace(' ', "-"),
            ),
            (
                "GITHUB_REPOSITORY",
                format!("{}/{}", cast.company, cast.project),
            ),
            ("GITHUB_REPOSITORY_OWNER", cast.company.into()),
            ("GITHUB_REF", "refs/heads/main".into()),
            ("GITHUB_SHA", random::hex(40)),
            (
                "GITHUB_RUN_ID",
                (10_000_000_000u64 + random::below(9_000_000_000) as u64).to_string(),
            ),
            ("GITHUB_RUN_NUMBER", (20 + random::below(900)).to_string()),
            ("GITHUB_WORKFLOW", "ci".into()),
            ("GITHUB_JOB", "build".into()),
            ("GITHUB_EVENT_NAME", "push".into()),
            ("GITHUB_WORKSPACE", cast.project_dir.clone()),
            ("RUNNER_OS", "Linux".into()),
            ("RUNNER_ARCH", "X64".into()),
            ("RUNNER_TEMP", "/home/runner/work/_temp".into()),
            (
                "RUNNER_NAME",
                format!("GitHub Actions {}", 2 + random::below(80)),
            ),
        ],
    };
    env.extend(more.into_iter().map(|(name, value)| (name.into(), value)));
    env
}

fn home(machine: &mut Machine, cast: &Cast, other: &str) {
    let Cast {
        home,
        project_dir,
        company,
        ..
    } = cast;
    let mut add = |path: String, text: String| machine.home.push((path, 0o644, text));
    add(
        format!("{home}/.profile"),
        "[ -f ~/.bashrc ] && . ~/.bashrc\n".into(),
    );
    add(
        format!("{home}/.bashrc"),
        "HISTSIZE=5000\nalias ll='ls -alF'\nalias gs='git status'\n".into(),
    );
    let mail = format!(
        "{}@{company}.dev",
        cast.full_name.to_lowercase().replace(' ', ".")
    );
    add(
        format!("{home}/.gitconfig"),
        format!(
            "[user]\n\tname = {}\n\temail = {mail}\n[init]\n\tdefaultBranch = main\n[credential]\n\thelper = store\n",
            cast.full_name
        ),
    );
    let folders: &[&str] = match cast.persona {
        Persona::Developer => {
            let history: Vec<_> = (0..60)
                .map(|_| random::pick(&HISTORY).replace("{project}", cast.project))
                .collect();
            add(format!("{home}/.bash_history"), history.join("\n") + "\n");
            add(
                format!("{home}/.ssh/config"),
                format!("Host staging\n  HostName staging.{company}.dev\n  User deploy\n"),
            );
            add(
                format!("{home}/.aws/config"),
                "[default]\nregion = eu-central-1\noutput = json\n".into(),
            );
            add(
                format!("{home}/Documents/notes.md"),
                format!(
                    "# {}\n\n- [ ] rotate staging keys\n- [x] upgrade {}\n- [ ] ask {} about the invoices\n",
                    cast.project,
                    cast.other_project,
                    random::pick(&FIRST_NAMES)
                ),
            );
            add(
                format!("{home}/Documents/expenses-2026.csv"),
                "date,what,amount\n2026-02-03,train,48.20\n2026-03-17,hotel,129.00\n".into(),
            );
            add(
                format!("{other}/README.md"),
                format!("# {}\n\nSee the wiki.\n", cast.other_project),
            );
            &["Desktop", "Downloads", "Pictures"]
        }
        Persona::Ci => &["work/_temp", "work/_actions"],
    };
    add(
        format!("{project_dir}/.git/HEAD"),
        "ref: refs/heads/main\n".into(),
    );
    add(
        format!("{project_dir}/.git/config"),
        format!(
            "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n[remote \"origin\"]\n\turl = https://git.{company}.dev/{company}/{}.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
            cast.project
        ),
    );
    add(
        format!("{project_dir}/README.md"),
        format!("# {}\n\nInternal service of {company}.\n", cast.project),
    );
    for folder in folders.iter().map(|name| format!("{home}/{name}/")) {
        add(folder, String::new());
    }
    for name in ["objects", "refs/heads", "refs/tags"] {
        add(format!("{project_dir}/.git/{name}/"), String::new());
    }
}

fn etc(cast: &Cast) -> Vec<(String, u32, String)> {
    let Cast {
        user,
        id,
        home,
        hostname,
        ..
    } = cast;
    let system: [(&str, u32, &str); 8] = [
        ("root", 0, "/root"),
        ("daemon", 1, "/usr/sbin"),
        ("bin", 2, "/bin"),
        ("sys", 3, "/dev"),
        ("mail", 8, "/var/mail"),
        ("www-data", 33, "/var/www"),
        ("messagebus", 101, "/nonexistent"),
        ("sshd", 104, "/run/sshd"),
    ];
    let (mut passwd, mut group, mut shadow) = (String::new(), String::new(), String::new());
    for (name, number, folder) in system {
        let shell = if number == 0 {
            "/bin/bash"
        } else {
            "/usr/sbin/nologin"
        };
        passwd += &format!("{name}:x:{number}:{number}:{name}:{folder}:{shell}\n");
        group += &format!("{name}:x:{number}:\n");
        shadow += &format!("{name}:*:20180:0:99999:7:::\n");
    }
    passwd += &format!(
        "{user}:x:{id}:{id}:{},,,:{home}:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
        cast.full_name
    );
    group += &format!("sudo:x:27:{user}\nusers:x:100:\n{user}:x:{id}:\nnogroup:x:65534:\n");
    shadow += &format!(
        "{user}:$y$j9T${}${}:20180:0:99999:7:::\n",
        random::alphanumeric(22),
        random::alphanumeric(43)
    );
    vec![
        ("passwd".into(), 0o644, passwd),
        ("group".into(), 0o644, group),
        ("shadow".into(), 0o640, shadow),
        ("hostname".into(), 0o644, format!("{hostname}\n")),
        ("hosts".into(), 0o644, format!("127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n\n::1\tlocalhost ip6-localhost ip6-loopback\n")),
        ("resolv.conf".into(), 0o644, format!("nameserver {NAME_SERVER}\n")),
        ("nsswitch.conf".into(), 0o644, "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n".into()),
        ("host.conf".into(), 0o644, "multi on\n".into()),
        ("machine-id".into(), 0o444, format!("{}\n", random::hex(32))),
        ("timezone".into(), 0o644, "Etc/UTC\n".into()),
        ("issue".into(), 0o644, "Debian GNU/Linux \\n \\l\n\n".into()),
        ("fstab".into(), 0o644, format!("UUID={} / ext4 errors=remount-ro 0 1\n", random::uuid())),
    ]
}

fn sys(cast: &Cast) -> Vec<(String, String)> {
    let host = |path: &str, otherwise: &str| {
        std::fs::read_to_string(format!("/sys/{path}")).unwrap_or_else(|_| format!("{otherwise}\n"))
    };
    let mac: Vec<_> = cast.mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let (vendor, product, board) = cast.hardware;
    let mut files: Vec<(String, String)> = ["online", "possible", "present"]
        .map(|name| format!("devices/system/cpu/{name}"))
        .map(|path| (path.clone(), host(&path, "0")))
        .into();
    for (path, text) in [
        ("devices/system/node/online", "0"),
        ("class/net/eth0/address", &mac.join(":")),
        ("class/net/eth0/operstate", "up"),
        ("class/net/eth0/mtu", "1500"),
        ("class/net/lo/address", "00:00:00:00:00:00"),
        ("class/dmi/id/sys_vendor", vendor),
        ("class/dmi/id/product_name", product),
        ("class/dmi/id/board_vendor", board),
        ("class/dmi/id/bios_vendor", vendor),
        (
            "kernel/mm/transparent_hugepage/enabled",
            "always [madvise] never",
        ),
        ("kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152"),
    ] {
        files.push((path.into(), format!("{text}\n")));
    }
    files
}

fn proc() -> Vec<(String, String)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let disk = random::uuid();
    vec![
        (
            "cmdline".into(),
            format!(
                "BOOT_IMAGE=/boot/vmlinuz-{} root=UUID={disk} ro quiet splash\n",
                release.trim()
            ),
        ),
        (
            "sys/kernel/random/boot_id".into(),
            format!("{}\n", random::uuid()),
        ),
        ("sys/kernel/core_pattern".into(), "core\n".into()),
    ]
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
