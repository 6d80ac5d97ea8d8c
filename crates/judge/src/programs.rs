//! What a program is, by its path.

use apa_model::{Hostile, Process};

/// The last component of a path.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Name without a version: `python3.13` is `python`.
fn family(path: &str) -> &str {
    base_name(path).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
}

pub(crate) fn is_shell(exe: &str) -> bool {
    matches!(
        base_name(exe),
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" | "busybox" | "fish" | "pwsh"
    )
}

pub(crate) fn is_downloader(exe: &str) -> bool {
    matches!(
        base_name(exe),
        "curl" | "wget" | "aria2c" | "lwp-download" | "powershell" | "pwsh"
    )
}

/// Runs text that it is given.
pub(crate) fn is_interpreter(exe: &str) -> bool {
    is_shell(exe)
        || matches!(
            family(exe),
            "python" | "node" | "nodejs" | "perl" | "ruby" | "php" | "lua" | "deno" | "bun"
        )
}

/// The option after which an interpreter takes code instead of a file.
pub(crate) fn code_option(exe: &str) -> Option<&'static str> {
    match family(exe) {
        _ if is_shell(exe) => Some("-c"),
        "python" => Some("-c"),
        "node" | "nodejs" | "perl" | "ruby" | "lua" => Some("-e"),
        _ => None,
    }
}

/// The dynamic loader, which runs a program that it is given as an argument.
pub(crate) fn is_loader(exe: &str) -> bool {
    let name = base_name(exe);
    name.starts_with("ld-linux") || name.starts_with("ld-musl") || name == "ld.so"
}

/// The text a shell was given with `-c`.
pub(crate) fn command_text(exe: &Hostile, argv: &[Hostile]) -> Option<String> {
    if !is_shell(&exe.lossy()) {
        return None;
    }
    let at = argv.iter().position(|argument| {
        let argument = argument.lossy();
        argument.starts_with('-') && !argument.starts_with("--") && argument.ends_with('c')
    })?;
    argv.get(at + 1).map(|text| text.lossy().into_owned())
}

/// A language runtime that a package may bring along.
pub(crate) fn is_runtime(exe: &str) -> bool {
    matches!(
        family(exe),
        "bun" | "deno" | "node" | "python" | "php" | "ruby" | "java" | "pypy"
    )
}

/// Carries what it is given to another machine.
pub(crate) fn is_network_program(exe: &str) -> bool {
    is_downloader(exe)
        || matches!(
            base_name(exe),
            "nc" | "ncat"
                | "netcat"
                | "nc.openbsd"
                | "nc.traditional"
                | "socat"
                | "openssl"
                | "ssh"
                | "scp"
                | "sftp"
                | "rsync"
                | "ftp"
                | "tftp"
                | "telnet"
                | "nslookup"
                | "dig"
                | "host"
                | "drill"
                | "ping"
                | "git"
                | "aws"
                | "gh"
        )
}

/// Compilers, linkers and what drives them, where the system keeps them.
fn is_toolchain_program(exe: &str) -> bool {
    let kept_by_system = ["/usr/", "/bin/", "/opt/"]
        .iter()
        .any(|root| exe.starts_with(root));
    let name = base_name(exe);
    kept_by_system
        && (matches!(
            family(exe).trim_end_matches('-'),
            "cc" | "c++"
                | "gcc"
                | "g++"
                | "clang"
                | "clang++"
                | "cpp"
                | "cc1"
                | "cc1plus"
                | "collect2"
                | "collect"
                | "ld"
                | "ld.bfd"
                | "ld.gold"
                | "ld.lld"
                | "lld"
                | "as"
                | "ar"
                | "ranlib"
                | "make"
                | "gmake"
                | "cmake"
                | "ninja"
                | "rustc"
                | "cargo"
                | "gfortran"
                | "strip"
                | "objcopy"
                | "install"
        ) || name.ends_with("-gcc")
            || name.ends_with("-ld")
            || name.contains("-linux-gnu-"))
}

/// A build tool: marked by the tracer, or known by where it is kept.
pub(crate) fn is_toolchain(process: &Process) -> bool {
    process.toolchain || is_toolchain_program(&process.exe.lossy())
}

/// A compiler that loads code of packages and runs it: procedural macros.
pub(crate) fn runs_macros(process: &Process) -> bool {
    base_name(&process.exe.lossy()) == "rustc"
}

/// Asks what machine this is. `Some` names the question, so that asking twice counts once.
pub(crate) fn fingerprint_question(exe: &str) -> Option<&'static str> {
    Some(match base_name(exe) {
        "hostname" | "hostnamectl" => "hostname",
        "whoami" => "whoami",
        "id" | "groups" => "id",
        "uname" | "arch" => "uname",
        "ifconfig" => "ifconfig",
        "ip" => "ip",
        "lscpu" => "lscpu",
        "dmidecode" => "dmidecode",
        "lsb_release" => "lsb_release",
        "netstat" | "ss" => "netstat",
        "who" | "w" | "last" | "users" => "who",
        "ps" => "ps",
        "df" | "lsblk" => "df",
        "systemd-detect-virt" => "systemd-detect-virt",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_in_the_name_does_not_hide_the_program() {
        assert!(is_interpreter("/usr/bin/python3.13"));
        assert!(is_runtime("/tmp/x/python3"));
        assert!(is_toolchain_program("/usr/bin/x86_64-linux-gnu-gcc-14"));
        assert!(is_toolchain_program(
            "/usr/libexec/gcc/x86_64-linux-gnu/14/cc1"
        ));
    }

    #[test]
    fn a_compiler_the_package_brought_is_no_toolchain() {
        assert!(!is_toolchain_program("/tmp/gcc"));
        assert!(!is_toolchain_program("/home/a/p/node_modules/x/ld"));
    }

    #[test]
    fn ordinary_programs_ask_nothing() {
        assert_eq!(fingerprint_question("/usr/bin/node"), None);
        assert_eq!(fingerprint_question("/usr/bin/uname"), Some("uname"));
    }
}
