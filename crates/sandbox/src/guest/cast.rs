//! Who lives on the machine, and the environment of their programs.

use apa_model::Persona;

use super::random;
use super::words::{
    CLOUD_CARD, COMPANIES, FIRST_NAMES, LAPTOP_CARDS, LAPTOPS, LAST_NAMES, MACHINES, PROJECTS,
};
use crate::image::CA_BUNDLE;

/// The names that everything else is made of.
pub(super) struct Cast {
    pub(super) persona: Persona,
    pub(super) hostname: String,
    pub(super) user: String,
    pub(super) full_name: String,
    pub(super) id: u32,
    pub(super) home: String,
    pub(super) project: &'static str,
    pub(super) other_project: &'static str,
    pub(super) project_dir: String,
    pub(super) company: &'static str,
    pub(super) mac: [u8; 6],
    pub(super) hardware: (&'static str, &'static str, &'static str),
}

impl Cast {
    /// Invents names for a persona.
    pub(super) fn draw(persona: Persona) -> Self {
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
                // With a serial number, as companies name their machines, so that no two runs share a name.
                format!(
                    "{first}-{}-{}",
                    random::pick(&MACHINES),
                    random::base32(7).to_lowercase()
                ),
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

/// Variables of every command, without the baits.
pub(super) fn environment(cast: &Cast) -> Vec<(String, String)> {
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
