use apa_model::{Confidence, Phase, Severity};

use super::{Hit, Rule, RuleInfo};
use crate::programs;
use crate::view::{View, Writer, network};

pub(crate) struct ForeignRuntime;

static INFO: RuleInfo = RuleInfo {
    id: "foreign-runtime",
    title: "Another language runtime was fetched",
    severity: Severity::High,
    confidence: Confidence::High,
    attack: &["T1105", "T1059.007"],
    explanation: "Package code ran a language runtime (Bun, Deno, Node.js, Python, …) that it had written itself, or, less sure, fetched \
                  one during install. Worms do so to escape the tools that watch the usual runtime. A runtime that a \
                  registry delivers as a package is left alone.",
};

/// Parts of URLs that runtimes are offered at.
const OFFERED_AT: &[&str] = &[
    "bun.sh/install",
    "bun.com/install",
    "/oven-sh/bun/releases/",
    "deno.land/install",
    "deno.land/x/install",
    "/denoland/deno/releases/",
    "nodejs.org/dist/",
    "python-build-standalone/releases/",
    "python.org/ftp/python/",
];

impl Rule for ForeignRuntime {
    fn info(&self) -> &'static RuleInfo {
        &INFO
    }

    fn hits(&self, view: &View<'_>) -> Vec<Hit> {
        let mut hits = ran(view);
        hits.extend(fetched(view));
        hits
    }
}

fn ran(view: &View<'_>) -> Vec<Hit> {
    view.executions()
        .iter()
        .filter(|run| !run.script && run.origin.writer == Writer::Package)
        .filter(|run| programs::is_runtime(&run.path))
        .map(|run| {
            let path = view.short(&run.path);
            let when = view.when(run.event.phase, Some(run.event.process));
            let clause = format!("brings its own runtime {path} and runs it {when}");
            Hit::new(&INFO, &run.event.owner, run.event.phase, clause)
                .event(view, run.event, format!("{path} executed"))
                .kept_file(view, &run.path)
        })
        .collect()
}

fn fetched(view: &View<'_>) -> Vec<Hit> {
    view.flows()
        .iter()
        .filter(|sent| sent.flow.phase < Phase::Execute)
        .filter_map(|sent| {
            let message = sent.flow.messages.iter().find(|message| {
                let url = network::url(message);
                OFFERED_AT.iter().any(|part| url.contains(part))
            })?;
            let when = view.when(sent.flow.phase, sent.flow.process);
            let clause = format!(
                "fetches a runtime ({}) {when}",
                message.summary.shortened(120)
            );
            Some(
                Hit::new(&INFO, &sent.owner, sent.flow.phase, clause)
                    .graded(Severity::Medium, Confidence::Medium)
                    .flow(view, sent.flow),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use apa_model::Severity;

    use crate::testing::Scene;

    #[test]
    fn a_runtime_that_was_written_and_run_is_found() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/node", &["node"]);
        scene.at(hook).write("/home/kim/.bun/bin/bun");
        scene.child(hook, "/home/kim/.bun/bin/bun", &["bun", "environment.js"]);
        assert_eq!(scene.finding("foreign-runtime").severity, Severity::High);
    }

    #[test]
    fn fetching_one_is_medium() {
        let mut scene = Scene::npm("left-pad");
        let hook = scene.package("/usr/bin/curl", &["curl"]);
        scene
            .at(hook)
            .http("GET https://mirror.test/oven-sh/bun/releases/x.zip", 0);
        assert_eq!(scene.finding("foreign-runtime").severity, Severity::Medium);
    }

    #[test]
    fn a_runtime_from_the_registry_and_the_systems_own_are_left_alone() {
        let mut scene = Scene::npm("bun");
        let npm = scene.manager("/usr/bin/node", &["npm", "install"]);
        let shipped = "/home/kim/app/node_modules/@oven/bun-linux-x64/bin/bun";
        scene.at(npm).write(shipped);
        scene.child(npm, shipped, &["bun", "--version"]);
        let node = scene.child(npm, "/usr/bin/node", &["node"]);
        scene.at(node).http("GET https://nodejs.test/", 0);
        assert!(scene.findings("foreign-runtime").is_empty());
    }
}
