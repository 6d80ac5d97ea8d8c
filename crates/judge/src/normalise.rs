//! Replaces what differs between two runs of the same package by placeholders, in a fixed order.
//!
//! What tells runs of *different* behaviour apart stays: host names, remote addresses and ports, names of
//! programs, paths of secrets. A rule that does not apply leaves text as it is, so what is missed
//! shows up as noise, never as loss.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use apa_model::{EventKind, Hostile, Owner};

use crate::observation::Observation;
use crate::paths;

/// Stands for a part that is different in every run.
pub(crate) const RANDOM: &str = "<random>";

/// What stands for something else; a path behind one is no longer an absolute path.
const PLACEHOLDERS: &[&str] = &[
    "<package>",
    "<project>",
    "<home>",
    "<tmp>",
    "<pid>",
    "<tid>",
    "<fd>",
    RANDOM,
];

/// First port the kernel gives to who does not ask for one.
const FIRST_EPHEMERAL_PORT: u16 = 32_768;

/// Loopback peers of the package manager that are taken for the gateway.
const MAX_GATEWAYS: usize = 16;

type Step = fn(&Normaliser, String) -> String;

/// The rules for paths and for texts with paths in them, in the order they are applied.
const STEPS: &[(&str, Step)] = &[
    ("N1 package folders", package_folders),
    ("N2 project folder", project_folder),
    ("N3 home folder", home_folder),
    ("N4 process numbers", process_numbers),
    ("N5 temporary names", temporary_names),
    ("N6 random names", random_names),
    ("N7 gateway address", gateway_address),
    ("N8 user and host", user_and_host),
];

/// The run-specific strings of one observation.
pub(crate) struct Normaliser {
    package_dirs: Vec<String>,
    project: String,
    home: String,
    user: String,
    hostname: String,
    gateways: BTreeSet<String>,
    names: BTreeMap<SocketAddr, String>,
}

impl Normaliser {
    pub(crate) fn new(observation: &Observation) -> Self {
        let mut package_dirs = observation.package_dirs.clone();
        package_dirs.sort_by_key(|dir| std::cmp::Reverse(dir.len()));
        Self {
            package_dirs,
            project: observation.project_dir.clone(),
            home: observation.home.clone(),
            user: observation.user.clone(),
            hostname: observation.hostname.clone(),
            gateways: gateways(observation),
            names: observation
                .flows
                .iter()
                .filter_map(|flow| {
                    let name = flow.sni.as_ref().or(flow.resolved_name.as_ref())?;
                    Some((flow.destination, host_name(&name.lossy())))
                })
                .collect(),
        }
    }

    /// A path, or a text with paths in it. Bytes that are no UTF-8 stay untouched.
    pub(crate) fn text(&self, text: &Hostile) -> Hostile {
        let Ok(valid) = std::str::from_utf8(text.as_bytes()) else {
            return text.clone();
        };
        let keep_random = paths::credential(valid, &self.home).is_some();
        let normal = STEPS
            .iter()
            .filter(|(id, _)| !(keep_random && id.starts_with("N6")))
            .fold(valid.to_owned(), |text, (_, step)| step(self, text));
        normal.into()
    }

    /// A socket address: a name where the simulator gave one, `<gateway>`, or `ip:port` as it is; own
    /// ephemeral ports become `<port>`.
    pub(crate) fn address(&self, address: &Hostile) -> Hostile {
        let text = address.lossy();
        if text.starts_with("unix:") {
            return self.text(address);
        }
        if self.gateways.contains(text.as_ref()) {
            return "<gateway>".into();
        }
        let Ok(peer) = text.parse::<SocketAddr>() else {
            return address.clone();
        };
        if let Some(name) = self.names.get(&peer) {
            return format!("{name}:{}", peer.port()).into();
        }
        let own = peer.ip().is_loopback() || peer.ip().is_unspecified();
        if own && (peer.port() == 0 || peer.port() >= FIRST_EPHEMERAL_PORT) {
            return text
                .rsplit_once(':')
                .map(|(ip, _)| format!("{ip}:<port>"))
                .unwrap_or_default()
                .into();
        }
        address.clone()
    }

    /// A host name as a name service knows it, with the persona's own name replaced.
    pub(crate) fn host(&self, name: &str) -> String {
        let name = host_name(name);
        if self.hostname.len() >= 3 && name == self.hostname.to_ascii_lowercase() {
            return "<host>".into();
        }
        name
    }

    pub(crate) fn is_gateway(&self, address: &str) -> bool {
        self.gateways.contains(address)
    }
}

/// Small letters, no dot at the end.
pub(crate) fn host_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// The package manager is pointed at the gateway, and talks to nobody else on the loopback.
fn gateways(observation: &Observation) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for event in &observation.events {
        if event.owner != Owner::Manager || found.len() >= MAX_GATEWAYS {
            continue;
        }
        if let EventKind::Connect { address } = &event.kind
            && let Ok(peer) = address.lossy().parse::<SocketAddr>()
            && peer.ip().is_loopback()
            && peer.port() != 53
        {
            found.insert(peer.to_string());
        }
    }
    found
}

fn package_folders(normal: &Normaliser, text: String) -> String {
    normal
        .package_dirs
        .iter()
        .fold(text, |text, dir| replace_folder(text, dir, "<package>"))
}

fn project_folder(normal: &Normaliser, text: String) -> String {
    replace_folder(text, &normal.project, "<project>")
}

fn home_folder(normal: &Normaliser, text: String) -> String {
    replace_folder(text, &normal.home, "<home>")
}

/// Replaces a folder wherever it stands whole.
fn replace_folder(text: String, folder: &str, placeholder: &str) -> String {
    let folder = folder.trim_end_matches('/');
    if folder.len() < 2 || !text.contains(folder) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(folder) {
        let (before, after) = (&rest[..at], &rest[at + folder.len()..]);
        out.push_str(before);
        let whole = !out.ends_with(|c: char| is_name(c) || c == '/')
            && !PLACEHOLDERS.iter().any(|known| out.ends_with(known))
            && !after.starts_with(is_name);
        out.push_str(if whole { placeholder } else { folder });
        rest = after;
    }
    out + rest
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// `/proc/N`, and the numbers of threads and descriptors below it.
fn process_numbers(_: &Normaliser, text: String) -> String {
    if !text.contains("/proc/") {
        return text;
    }
    let mut out = Vec::new();
    let mut in_proc = false;
    let mut previous = "";
    for segment in text.split('/') {
        let number = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        out.push(match previous {
            "proc" if number => "<pid>",
            "task" if number && in_proc => "<tid>",
            "fd" | "fdinfo" if number && in_proc => "<fd>",
            _ => segment,
        });
        in_proc = in_proc || segment == "proc";
        previous = segment;
    }
    out.join("/")
}

/// `/tmp` and `/var/tmp` become `<tmp>`; names made by mkstemp and its kin below them lose their random part.
fn temporary_names(_: &Normaliser, text: String) -> String {
    let text = replace_folder(text, "/var/tmp", "<tmp>");
    let text = replace_folder(text, "/tmp", "<tmp>");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("<tmp>/") {
        let start = at + "<tmp>/".len();
        out.push_str(&rest[..start]);
        let end = rest[start..]
            .find(|c: char| !is_name(c))
            .map_or(rest.len(), |length| start + length);
        out.push_str(&temporary_name(&rest[start..end]));
        rest = &rest[end..];
    }
    out + rest
}

fn temporary_name(name: &str) -> String {
    let (stem, extension) = match name.split_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    // mkstemp as Python, gcc and pip use it, and mkdtemp as Node.js does: six or eight letters and digits.
    let made = |rest: &str, length| rest.len() == length && rest.bytes().all(is_word_byte);
    for (prefix, length) in [("tmp", 8), ("cc", 6), ("pymp-", 8)] {
        if stem
            .strip_prefix(prefix)
            .is_some_and(|rest| made(rest, length))
        {
            return format!("{prefix}{RANDOM}{extension}");
        }
    }
    if is_candidate(stem) {
        return format!("{RANDOM}{extension}");
    }
    for (prefix, length) in [("pip-", 8), ("npm-", 6), ("yarn-", 6), ("node-", 6)] {
        if let Some(rest) = stem.strip_prefix(prefix)
            && let Some(tail) = rest.rsplit('-').next()
            && made(tail, length)
        {
            let kept = &stem[..stem.len() - tail.len()];
            return format!("{kept}{RANDOM}{extension}");
        }
    }
    name.to_owned()
}

/// Python tries whether a temporary folder can be written to by eight small letters and digits, well mixed.
fn is_candidate(stem: &str) -> bool {
    let small = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
    let changes = stem
        .as_bytes()
        .windows(2)
        .filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit())
        .count();
    stem.len() == 8 && stem.as_bytes().iter().all(small) && changes >= 3
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// UUIDs, long hexadecimal, long numbers, and long mixed words, except inside a URL's host.
fn random_names(_: &Normaliser, text: String) -> String {
    // Most paths have none, and this is asked for every event.
    let suspect = |token: &str| token.len() >= 10 && token.bytes().any(|b| b.is_ascii_hexdigit());
    if !text.split(|c| !is_token(c)).any(suspect) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("://") {
            let host = after.find(['/', ' ', '"', '\'']).unwrap_or(after.len());
            out.push_str(&rest[..3 + host]);
            rest = &after[host..];
            continue;
        }
        let length = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        if length == 0 {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..next]);
            rest = &rest[next..];
            continue;
        }
        out.push_str(&random_token(&rest[..length]));
        rest = &rest[length..];
    }
    out
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

fn random_token(token: &str) -> String {
    if is_uuid(token) || is_mixed(token) {
        return RANDOM.into();
    }
    token
        .split_inclusive(['-', '_'])
        .map(|piece| {
            let word = piece.trim_end_matches(['-', '_']);
            let anonymous = is_long_hex(word) || is_long_number(word);
            if anonymous {
                format!("{RANDOM}{}", &piece[word.len()..])
            } else {
                piece.to_owned()
            }
        })
        .collect()
}

fn is_uuid(token: &str) -> bool {
    let lengths = token.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && token.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

fn is_long_hex(word: &str) -> bool {
    word.len() >= 16
        && word.bytes().all(|b| b.is_ascii_hexdigit())
        && word.bytes().any(|b| b.is_ascii_digit())
}

fn is_long_number(word: &str) -> bool {
    word.len() >= 10 && word.bytes().all(|b| b.is_ascii_digit())
}

/// At least 24 letters and digits, both cases and several digits: no word of any language.
fn is_mixed(token: &str) -> bool {
    token.len() >= 24
        && token.bytes().all(is_word_byte)
        && token.bytes().filter(u8::is_ascii_digit).count() >= 3
        && token.bytes().filter(u8::is_ascii_uppercase).count() >= 3
        && token.bytes().filter(u8::is_ascii_lowercase).count() >= 3
}

fn gateway_address(normal: &Normaliser, text: String) -> String {
    normal.gateways.iter().fold(text, |text, gateway| {
        let port = gateway.rsplit(':').next().unwrap_or_default();
        let text = replace_word(text, gateway, "<gateway>");
        replace_word(text, &format!("localhost:{port}"), "<gateway>")
    })
}

fn user_and_host(normal: &Normaliser, text: String) -> String {
    let text = if normal.hostname.len() >= 3 {
        replace_word(text, &normal.hostname, "<host>")
    } else {
        text
    };
    if normal.user.len() < 2 {
        return text;
    }
    [
        "/var/spool/cron/crontabs/",
        "/var/spool/cron/",
        "/var/mail/",
    ]
    .iter()
    .fold(text, |text, folder| {
        replace_folder(
            text,
            &format!("{folder}{}", normal.user),
            &format!("{folder}<user>"),
        )
    })
}

/// Replaces a word that has no name character beside it.
fn replace_word(text: String, word: &str, placeholder: &str) -> String {
    if word.is_empty() || !text.contains(word) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(word) {
        let after = &rest[at + word.len()..];
        out.push_str(&rest[..at]);
        let whole = !out.ends_with(is_name) && !after.starts_with(is_name);
        out.push_str(if whole { placeholder } else { word });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Scene;

    fn normaliser() -> Normaliser {
        let mut scene = Scene::npm("left-pad");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        scene.at(npm).connect("127.0.0.1:40123");
        Normaliser::new(&scene.observation())
    }

    fn text(given: &str) -> String {
        normaliser().text(&given.into()).to_string()
    }

    fn address(given: &str) -> String {
        normaliser().address(&given.into()).to_string()
    }

    #[test]
    fn n1_package_folders_are_named_before_the_project() {
        assert_eq!(
            text("/home/kim/app/node_modules/left-pad/index.js"),
            "<package>/index.js"
        );
        assert_eq!(
            text("/home/kim/app/node_modules/left-pad-2/index.js"),
            "<project>/node_modules/left-pad-2/index.js"
        );
    }

    #[test]
    fn n2_n3_project_and_home_are_replaced_only_as_whole_folders() {
        assert_eq!(text("/home/kim/app"), "<project>");
        assert_eq!(text("/home/kim/.ssh/id_rsa"), "<home>/.ssh/id_rsa");
        assert_eq!(text("/home/kimberly/x"), "/home/kimberly/x");
        assert_eq!(text("/mnt/home/kim/x"), "/mnt/home/kim/x");
        assert_eq!(
            text("cat /home/kim/a >/home/kim/app/b"),
            "cat <home>/a ><project>/b"
        );
    }

    #[test]
    fn n4_process_numbers_go_and_other_numbers_stay() {
        assert_eq!(
            text("/proc/4711/task/4712/maps"),
            "/proc/<pid>/task/<tid>/maps"
        );
        assert_eq!(text("/proc/self/fd/12"), "/proc/self/fd/<fd>");
        assert_eq!(text("/proc/1x/maps"), "/proc/1x/maps");
        assert_eq!(text("/data/4711/task/5"), "/data/4711/task/5");
    }

    #[test]
    fn n5_temporary_names_lose_their_random_part_and_keep_a_chosen_one() {
        assert_eq!(text("/tmp/tmpab12_xyz/a.c"), "<tmp>/tmp<random>/a.c");
        assert_eq!(text("/tmp/ccAb12Cd.o"), "<tmp>/cc<random>.o");
        assert_eq!(
            text("/tmp/pip-install-q7wkx_2a/numpy/setup.py"),
            "<tmp>/pip-install-<random>/numpy/setup.py"
        );
        assert_eq!(text("/tmp/npm-aB3dE6/x"), "<tmp>/npm-<random>/x");
        assert_eq!(text("/var/tmp/payload1.sh"), "<tmp>/payload1.sh");
        assert_eq!(text("/tmp/ccminer64"), "<tmp>/ccminer64");
        assert_eq!(text("/tmp/2f3o47eg"), "<tmp>/<random>");
        assert_eq!(text("/tmp/payload1"), "<tmp>/payload1");
        assert_eq!(text("/dev/shm/x"), "/dev/shm/x");
    }

    #[test]
    fn n6_random_names_go_and_words_stay() {
        assert_eq!(text("/a/0123456789abcdef0123/b"), "/a/<random>/b");
        assert_eq!(
            text("/a/123e4567-e89b-12d3-a456-426614174000.log"),
            "/a/<random>.log"
        );
        assert_eq!(text("/a/2024-build_1732442301"), "/a/2024-build_<random>");
        assert_eq!(
            text("/usr/share/internationalization-components"),
            "/usr/share/internationalization-components"
        );
    }

    #[test]
    fn n6_hosts_in_urls_and_places_of_secrets_stay() {
        let url = "curl https://0123456789abcdef0123.collect.test/0123456789abcdef0123";
        assert_eq!(
            text(url),
            "curl https://0123456789abcdef0123.collect.test/<random>"
        );
        let secret = "/home/kim/.mozilla/firefox/0123456789abcdef0123/key4.db";
        assert_eq!(
            text(secret),
            "<home>/.mozilla/firefox/0123456789abcdef0123/key4.db"
        );
    }

    #[test]
    fn n7_the_gateway_is_named_in_texts_and_addresses() {
        assert_eq!(
            text("GET http://127.0.0.1:40123/npm/x"),
            "GET http://<gateway>/npm/x"
        );
        assert_eq!(address("127.0.0.1:40123"), "<gateway>");
        assert_eq!(text("127.0.0.1:401234"), "127.0.0.1:401234");
    }

    #[test]
    fn n8_the_personas_names_are_replaced() {
        assert_eq!(text("ping kims-laptop"), "ping <host>");
        assert_eq!(
            text("/var/spool/cron/crontabs/kim"),
            "/var/spool/cron/crontabs/<user>"
        );
        assert_eq!(text("kimono"), "kimono");
    }

    #[test]
    fn remote_addresses_and_ports_stay_and_own_ephemeral_ports_go() {
        assert_eq!(address("192.0.2.7:40999"), "192.0.2.7:40999");
        assert_eq!(address("[2001:db8::1]:443"), "[2001:db8::1]:443");
        assert_eq!(address("127.0.0.1:3000"), "127.0.0.1:3000");
        assert_eq!(address("127.0.0.1:51234"), "127.0.0.1:<port>");
        assert_eq!(address("0.0.0.0:0"), "0.0.0.0:<port>");
        assert_eq!(address("unix:/home/kim/x.sock"), "unix:<home>/x.sock");
    }

    #[test]
    fn an_address_the_simulator_gave_out_bears_its_name() {
        let mut scene = Scene::npm("left-pad");
        let node = scene.package("/usr/bin/node", &["node"]);
        scene.at(node).http("GET https://Collect.test/x", 0);
        let observation = scene.observation();
        let destination = observation.flows[0].destination.to_string();
        assert_eq!(
            Normaliser::new(&observation).address(&destination.into()),
            "collect.test:443".into()
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes: Vec<u8>) {
            let normal = normaliser();
            normal.text(&bytes.clone().into());
            normal.address(&bytes.into());
        }

        #[test]
        fn normalising_twice_changes_nothing(path in "(/home/kim|/tmp|/proc|app|/[a-z0-9_.]{1,20}){1,6}") {
            let normal = normaliser();
            let once = normal.text(&path.into());
            prop_assert_eq!(normal.text(&once), once);
        }
    }
}
