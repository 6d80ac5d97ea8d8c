//! Files that make the machine look lived in.

use apa_model::Persona;

use super::cast::Cast;
use super::words::{FIRST_NAMES, HISTORY};
use super::{Machine, random};
use crate::helper::NAME_SERVER;

/// What lies in the home folder and the project.
pub(super) fn home(machine: &mut Machine, cast: &Cast, other: &str) {
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

/// Files below `/etc`: path, mode, text.
pub(super) fn etc(cast: &Cast) -> Vec<(String, u32, String)> {
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

/// Files below `/sys`: the host's processors, and hardware of the persona.
pub(super) fn sys(cast: &Cast) -> Vec<(String, String)> {
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

/// Files below `/proc` that would tell of the host.
pub(super) fn proc() -> Vec<(String, String)> {
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
