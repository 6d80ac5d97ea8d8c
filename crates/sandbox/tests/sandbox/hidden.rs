//! What the sample can see, and what it cannot.

use std::collections::BTreeSet;
use std::path::Path;

use apa_model::{FileContent, Persona, PlannedFile};
use apa_sandbox::SandboxSpec;

use crate::lab::Lab;

crate::tests![
    nothing_of_the_host_is_visible,
    no_file_process_or_variable_is_named_after_us,
    the_sample_is_an_ordinary_user_without_privileges,
    pid_1_is_out_of_reach,
    kernel_interfaces_are_closed,
    personas_differ_and_differ_each_time,
    baits_are_where_they_should_be,
    toolchains_work,
    written_files_are_found_and_planted_ones_are_not,
    nothing_written_by_the_sample_leads_out,
    a_program_that_is_missing_ends_with_127,
    a_report_is_read_line_by_line,
    given_views_are_read_only,
    a_toolchain_of_the_hosts_home_does_not_tell_where_it_is,
    the_given_authority_is_trusted_with_and_without_variables,
    modules_of_the_hosts_operator_are_not_loaded,
];

fn nothing_of_the_host_is_visible() {
    const MARK: &str = "host-mark-7f3a91";
    let marks =
        ["/root", "/tmp", "/home", "/opt", "/var/lib"].map(|folder| Path::new(folder).join(MARK));
    for mark in &marks {
        // Unprivileged runs cannot write everywhere.
        let _ = std::fs::write(mark, MARK);
    }
    let mut lab = Lab::new();
    let seen = lab.sh(
        "find / -xdev -not -path '/proc/*' 2>/dev/null; ls -a /root /tmp /home /opt /var/lib 2>/dev/null; env; hostname; \
         cat /proc/self/mountinfo /proc/mounts /proc/cmdline /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; ps ax",
    );
    for mark in &marks {
        let _ = std::fs::remove_file(mark);
    }
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert!(!seen.contains(MARK));
    assert!(!seen.lines().any(|line| line == host), "host name {host}");
    assert!(!seen.contains(env!("CARGO_MANIFEST_DIR")));
    assert!(!seen.contains("CARGO_PKG_NAME"), "environment");
    let processes = lab
        .sh("ls /proc | grep -c '^[0-9]'")
        .trim()
        .parse::<u32>()
        .unwrap();
    assert!(processes < 10, "{processes} processes are visible");
    // The writable layer is the root itself; nothing of the host's but /usr and some of /etc is mounted.
    let sources = lab.sh("awk '$9 ~ /ext4|xfs|btrfs|overlay/ || $10 ~ /ext4|xfs|btrfs|overlay/ {print $5}' /proc/self/mountinfo");
    assert!(
        sources
            .lines()
            .all(|path| path.starts_with("/usr") || path.starts_with("/etc/")),
        "{sources}"
    );
    assert_eq!(
        lab.sh("ls /run /srv /opt /mnt /media /var/log")
            .matches("sock")
            .count(),
        0
    );
    lab.close();
}

fn no_file_process_or_variable_is_named_after_us() {
    let mut lab = Lab::persona(Persona::Ci);
    let seen = lab.sh(
        "find / -xdev 2>/dev/null; env; cat /proc/[0-9]*/{comm,cmdline,cgroup} /proc/self/mountinfo | tr '\\0' ' '; \
         ls -l /proc/[0-9]*/exe /proc/self/fd 2>/dev/null; cat /proc/net/unix",
    );
    // As a word of its own; `wrapa` or `capability` are nobody's name.
    let named = seen.lines().find(|line| {
        line.to_lowercase()
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| word == "apa" || word == "netsim")
    });
    assert_eq!(named, None);
    lab.close();
}

fn the_sample_is_an_ordinary_user_without_privileges() {
    let mut lab = Lab::new();
    let uid = lab.sandbox.guest().uid.to_string();
    assert_eq!(lab.sh("id -u").trim(), uid);
    assert_eq!(lab.sh("id -un").trim(), lab.sandbox.guest().user);
    let status = lab.sh("cat /proc/self/status");
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line}");
    }
    let open = lab.sh("ls /proc/self/fd");
    assert_eq!(
        open.split_whitespace().collect::<Vec<_>>(),
        ["0", "1", "2", "3"],
        "3 is ls's own"
    );
    assert_eq!(lab.sh("readlink /proc/self/fd/0").trim(), "/dev/null");
    lab.refused(&[
        "touch /etc/x",
        "touch /usr/x",
        "touch /usr/local/bin/x",
        "echo > /etc/passwd",
        "cat /etc/shadow",
        "mkdir /x",
        "rm /bin",
        "touch /dev/x",
    ]);
    lab.close();
}

fn pid_1_is_out_of_reach() {
    let mut lab = Lab::new();
    assert_eq!(
        lab.sh("tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/comm")
            .trim(),
        "/sbin/init systemd"
    );
    lab.refused(&[
        "readlink /proc/1/exe",
        "ls /proc/1/root/",
        "ls /proc/1/cwd/",
        "ls /proc/1/fd/",
        "cat /proc/1/environ",
        "cat /proc/1/maps",
        "cat /proc/1/mem",
        "readlink /proc/1/ns/net",
    ]);
    let (_, output) = lab.run("kill -9 1; kill -STOP 1; kill -9 -1; echo alive");
    assert!(!output.contains("panic"), "{output}");
    assert_eq!(
        lab.sh("echo still here").trim(),
        "still here",
        "pid 1 still starts commands"
    );
    lab.close();
}

fn kernel_interfaces_are_closed() {
    let mut lab = Lab::new();
    lab.refused(&[
        "echo x > /proc/sys/kernel/core_pattern",
        "echo x > /proc/sysrq-trigger",
        "head -c 1 /proc/kcore",
        "test -s /proc/kallsyms",
        "test -s /proc/keys",
        "cat /dev/mem",
        "cat /dev/kmsg",
        "dmesg",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "echo 0 > /proc/sys/kernel/randomize_va_space",
        "mount -t tmpfs x /tmp",
        "mount --bind / /mnt",
        "umount /proc",
        "chroot /tmp true",
        "unshare -Ur true",
        "unshare -n true",
        "mknod /tmp/x b 254 0",
        "mknod /dev/kvm c 10 232",
        "ls /sys/kernel/debug",
        "ls /sys/fs/bpf",
        "ls /dev/vda",
        "ls /dev/fuse",
        "hostname other",
        "date -s 2020-01-01",
        "ulimit -n 100000",
        "ulimit -u 100000",
    ]);
    lab.close();
}

fn personas_differ_and_differ_each_time() {
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        let mut lab = Lab::new();
        seen.insert(lab.sh("hostname; id -un; cat /etc/machine-id; cat /proc/sys/kernel/random/boot_id; cat /sys/class/net/eth0/address"));
        lab.close();
    }
    assert_eq!(seen.len(), 3);
    let mut lab = Lab::persona(Persona::Ci);
    let ci = lab.sh("echo $CI $GITHUB_ACTIONS $HOME; pwd; git status -sb | head -1; id -un");
    assert!(
        ci.starts_with("true true /home/runner\n/home/runner/work/"),
        "{ci}"
    );
    assert!(ci.ends_with("runner\n"), "{ci}");
    lab.close();
}

fn baits_are_where_they_should_be() {
    for persona in [Persona::Developer, Persona::Ci] {
        let mut lab = Lab::persona(persona);
        for canary in lab.sandbox.guest().canaries.clone() {
            let content = match canary.planted_at.strip_prefix("env:") {
                Some(name) => lab.sh(&format!("printenv {name}")),
                None if canary.kind == apa_model::CanaryKind::HostName => lab.sh("uname -n"),
                None => lab.sh(&format!("tr -d '\\0' < '{}'", canary.planted_at)),
            };
            assert!(
                canary.secrets.iter().all(|secret| content.contains(secret)),
                "{canary:?}"
            );
        }
        assert_eq!(
            lab.sh("stat -c '%a %U' ~/.ssh/id_rsa").trim(),
            format!("600 {}", lab.sandbox.guest().user)
        );
        lab.close();
    }
}

fn toolchains_work() {
    let mut lab = Lab::new();
    assert!(
        lab.sh("python3 -c 'import ssl, json, sqlite3; print(ssl.OPENSSL_VERSION)'")
            .contains("OpenSSL")
    );
    lab.sh("python3 -m venv --without-pip /tmp/v && /tmp/v/bin/python -c 1 && python3 -m pip --version");
    assert!(
        lab.sh("node -e 'console.log(process.version)'")
            .starts_with('v')
    );
    let registry = lab.sh("npm config get registry 2>&1");
    assert!(
        !registry.contains(".dev"),
        "a bait redirects the registry: {registry}"
    );
    lab.sh(
        "python3 -c 'import os, pty; a, b = pty.openpty(); print(os.ttyname(b))' | grep /dev/pts/",
    );
    lab.sh(
        r#"export npm_config_update_notifier=false; mkdir /tmp/pkg && cd /tmp/pkg && cat > package.json << 'END'
{"name": "hooked", "version": "1.0.0", "scripts": {"postinstall": "echo ran > /tmp/hook"}}
END
npm pack --silent && cd && mkdir fresh && cd fresh && npm init -y > /dev/null
npm install --offline --no-audit --no-fund --dangerously-allow-all-scripts ../../../tmp/pkg/hooked-1.0.0.tgz && cat /tmp/hook"#,
    );
    assert_eq!(
        lab.sh("echo x > f && git add f && git commit -qm x && git log --oneline | wc -l")
            .trim(),
        "1"
    );
    lab.close();
}

fn written_files_are_found_and_planted_ones_are_not() {
    let mut lab = Lab::new();
    let project = lab.sandbox.guest().project_dir.clone();
    let planned = |name: &str, bytes: &[u8], mode| PlannedFile {
        path: format!("{project}/{name}"),
        content: FileContent::Bytes(bytes.to_vec()),
        mode,
    };
    lab.sandbox
        .write_files(&[
            planned("deep/down/plan.txt", b"planned", 0o640),
            planned("run.sh", b"#!/bin/sh\necho ran", 0o755),
        ])
        .unwrap();
    assert_eq!(lab.sh("./run.sh").trim(), "ran");
    assert_eq!(
        lab.sh("stat -c '%a %U' deep/down/plan.txt deep").trim(),
        format!("640 {0}\n755 {0}", lab.sandbox.guest().user)
    );
    lab.sh("echo new > new.txt; ln -s /etc/passwd link; echo more >> run.sh; echo shm > /dev/shm/x; mkfifo pipe; chmod 000 new.txt");
    let mut found = Vec::new();
    lab.sandbox
        .written(&mut |written, bytes| {
            let mut text = String::new();
            bytes.read_to_string(&mut text).unwrap();
            found.push((
                written.path.lossy().into_owned(),
                written.link.map(|link| link.lossy().into_owned()),
                text,
            ));
        })
        .unwrap();
    found.sort();
    let expected = [
        ("/dev/shm/x".to_owned(), None, "shm\n".to_owned()),
        (
            format!("{project}/link"),
            Some("/etc/passwd".into()),
            String::new(),
        ),
        (format!("{project}/new.txt"), None, "new\n".into()),
        (
            format!("{project}/run.sh"),
            None,
            "#!/bin/sh\necho ranmore\n".into(),
        ),
    ];
    assert_eq!(found, expected);
    lab.close();
}

fn nothing_written_by_the_sample_leads_out() {
    let mut lab = Lab::new();
    let project = lab.sandbox.guest().project_dir.clone();
    lab.sh("mkdir d; ln -s / d/root; ln -s /etc out; ln -s ../../../../../../etc/hostname up; truncate -s 1G sparse; \
            python3 -c 'import os\nos.chdir(\"/tmp\")\nfor i in range(300): os.mkdir(\"d\"); os.chdir(\"d\")\nopen(\"f\", \"w\").close()'");
    let mut total = 0u64;
    lab.sandbox
        .written(&mut |written, bytes| {
            assert!(written.link.is_some() || !written.path.lossy().contains("/out/"));
            if written.path.lossy().ends_with("sparse") {
                let mut first = [1; 16];
                std::io::Read::read_exact(bytes, &mut first).unwrap();
                total += written.size;
            }
        })
        .unwrap();
    assert_eq!(total, 1 << 30, "the size is what the file claims");
    let hit = lab.sandbox.limits_hit();
    assert!(
        hit.iter()
            .any(|hit| hit.code == apa_model::IncompleteCode::DroppedLimit),
        "{hit:?}"
    );
    let through_link = PlannedFile {
        path: format!("{project}/out/x"),
        content: FileContent::Bytes(b"x".to_vec()),
        mode: 0o644,
    };
    let error = lab
        .sandbox
        .write_files(&[through_link])
        .unwrap_err()
        .to_string();
    assert!(error.contains("/out/x"), "{error}");
    lab.close();
}

fn a_program_that_is_missing_ends_with_127() {
    let mut lab = Lab::new();
    let command = lab.command(&["no-such-program", "x"]);
    let running = lab.sandbox.spawn(&command, &lab.session).unwrap();
    assert_eq!(
        crate::lab::finish(&running),
        (127, "no-such-program: not found\n".into())
    );
    let error = lab
        .sandbox
        .spawn(&lab.command(&[]), &lab.session)
        .map(drop)
        .unwrap_err();
    assert!(error.to_string().contains("no program"), "{error}");
    let mut command = lab.command(&["/bin/true"]);
    command.cwd = "/no/such/folder".into();
    let running = lab.sandbox.spawn(&command, &lab.session).unwrap();
    let (status, output) = crate::lab::finish(&running);
    assert_eq!(status, 127);
    assert!(output.contains("/no/such/folder"), "{output}");
    lab.close();
}

fn a_report_is_read_line_by_line() {
    let mut lab = Lab::new();
    let mut command = lab.command(&[
        "/bin/sh",
        "-c",
        "echo one >&3; echo $EXTRA >&3; echo out; echo err >&2",
    ]);
    command.report = true;
    command.env.push(("EXTRA".into(), "two".into()));
    let running = lab.sandbox.spawn(&command, &lab.session).unwrap();
    let (status, output) = crate::lab::finish(&running);
    assert_eq!((status, output.as_str()), (0, "out\nerr\n"));
    let lines: Vec<_> = running
        .report
        .unwrap()
        .iter()
        .map(|line| line.lossy().into_owned())
        .collect();
    assert_eq!(lines, ["one", "two"]);
    lab.close();
}

fn given_views_are_read_only() {
    let host = tempfile::tempdir().unwrap();
    std::fs::set_permissions(
        host.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    std::fs::write(host.path().join("tool"), "viewed").unwrap();
    let mut lab = Lab::with(SandboxSpec {
        views: vec![
            (host.path().into(), "/opt/view".into()),
            (host.path().join("tool"), "/opt/other/tool".into()),
        ],
        ..SandboxSpec::default()
    })
    .unwrap();
    assert_eq!(lab.sh("cat /opt/view/tool /opt/other/tool"), "viewedviewed");
    lab.refused(&["touch /opt/view/x", "echo x > /opt/other/tool"]);
    lab.close();
}

fn a_toolchain_of_the_hosts_home_does_not_tell_where_it_is() {
    let home = tempfile::Builder::new()
        .prefix("homeofme")
        .tempdir()
        .unwrap();
    let toolchain = home.path().join("toolchain");
    std::fs::create_dir_all(toolchain.join("bin")).unwrap();
    let program = toolchain.join("bin/rusty");
    std::fs::write(&program, "#!/bin/sh\necho works").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode;
    std::fs::set_permissions(&program, open(0o755)).unwrap();
    // As a home is: closed to everybody else. Without root, the sandbox is no other user.
    std::fs::set_permissions(home.path(), open(0o700)).unwrap();
    let mut lab = Lab::with(SandboxSpec {
        views: vec![(toolchain, "/usr/local/lib/rusty".into())],
        ..SandboxSpec::default()
    })
    .unwrap();
    assert_eq!(lab.sh("rusty").trim(), "works");
    let seen = lab.sh(
        "cat /proc/self/mountinfo /proc/mounts; readlink -f $(command -v rusty); ls -la /run /usr/local/lib; env",
    );
    assert!(seen.contains("/usr/local/lib/rusty/bin/rusty"), "{seen}");
    assert!(!seen.contains("homeofme"), "{seen}");
    lab.refused(&["touch /usr/local/lib/rusty/x", "rm /usr/local/bin/rusty"]);
    lab.close();
}

fn the_given_authority_is_trusted_with_and_without_variables() {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut lab = Lab::with(SandboxSpec {
        ca_pem: Some(signed.cert.pem()),
        ..SandboxSpec::default()
    })
    .unwrap();
    let project = lab.sandbox.guest().project_dir.clone();
    let file = |name: &str, text: String| PlannedFile {
        path: format!("{project}/{name}"),
        content: FileContent::Bytes(text.into_bytes()),
        mode: 0o600,
    };
    lab.sandbox
        .write_files(&[
            file("cert.pem", signed.cert.pem()),
            file("key.pem", signed.signing_key.serialize_pem()),
            file("server.py", SERVER.into()),
        ])
        .unwrap();
    let _server = lab.start("exec python3 server.py");
    let python = "python3 -c 'import urllib.request; print(urllib.request.urlopen(\"https://localhost:8443/\").status)'";
    let node = "node -e 'require(\"https\").get(\"https://localhost:8443/\", r => console.log(r.statusCode))'";
    lab.sh("for i in $(seq 200); do (exec 5<>/dev/tcp/127.0.0.1/8443) 2>/dev/null && exit 0; sleep 0.02; done; exit 1");
    let mut clients = vec![
        python.to_owned(),
        format!("env -i {python}"),
        node.to_owned(),
    ];
    if Path::new("/usr/bin/curl").exists() {
        let curl = "curl -sS -o /dev/null -w '%{http_code}\\n' https://localhost:8443/";
        clients.extend([curl.to_owned(), format!("env -i {curl}")]);
    }
    for client in clients {
        assert_eq!(lab.sh(&client).trim(), "200", "{client}");
    }
    lab.close();
}

const SERVER: &str = "
import http.server, ssl
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '0')
        self.end_headers()
server = http.server.ThreadingHTTPServer(('127.0.0.1', 8443), Fine)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('cert.pem', 'key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
";

fn modules_of_the_hosts_operator_are_not_loaded() {
    let mut lab = Lab::new();
    let own = Path::new("/usr/local/bin/python3").exists();
    let seen = lab.sh("ls -A /usr/local/lib /usr/local/etc /usr/local/share /usr/local/sbin");
    let started = lab.sh("cat /usr/lib/python3*/dist-packages/*.pth /usr/etc/* 2>/dev/null; true");
    assert!(
        started
            .lines()
            .all(|line| line.contains("distutils") || line.contains("nspkg")),
        "{started}"
    );
    assert_eq!(seen.contains("python"), own, "{seen}");
    lab.close();
}
