//! The Node harness: its protocol, and that no package ends it early.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Project, available};

const NODE: &str = "/usr/bin/node";

fn project(files: &[(&str, &str)]) -> Option<Project> {
    if !available(NODE) {
        return None;
    }
    let harness = include_str!("../src/npm/harness.cjs");
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (format!("node_modules/p/{path}"), *text))
        .collect();
    let mut all: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    all.push(("index.cjs", harness));
    let argv = [
        NODE,
        "index.cjs",
        "{mode}",
        "{entries}",
        "{folder}/node_modules/p",
        "1500",
    ];
    Some(Project::new(&argv, &[], &all))
}

#[test]
fn every_entry_is_reported_and_a_failure_is_one_line() {
    let files = [
        ("package.json", r#"{"name":"p","main":"a.js"}"#),
        ("a.js", "module.exports = 1"),
        ("b.js", "throw new Error('one\\ntwo \\u001b[2J')"),
        ("c.js", "throw { get message() { throw 1; } }"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start(
        "load",
        &["require p", "file b.js", "file c.js", "file none.js"],
    );
    assert_eq!(ran.lines.len(), 9, "{ran:?}");
    assert_eq!(ran.lines[..2], ["start 0", "done 0"]);
    assert_eq!(ran.lines[3], "fail 1 Error: one two  [2J");
    assert!(ran.lines[5].starts_with("fail 2 "), "{ran:?}");
    assert!(
        ran.lines[7].starts_with("fail 3 Error: Cannot find module"),
        "{ran:?}"
    );
    assert_eq!(ran.lines[8], "end");
    assert_eq!(ran.output, "", "it prints nothing of its own");
    assert_eq!(ran.status, Some(0));
}

#[test]
fn both_module_systems_and_every_subpath_are_imported() {
    let files = [
        (
            "package.json",
            r#"{"name":"p","exports":{".":{"import":"./i.mjs","require":"./r.cjs"},"./only":{"import":"./o.mjs"}}}"#,
        ),
        (
            "i.mjs",
            "export default await Promise.resolve(1); console.log('i')",
        ),
        ("r.cjs", "console.log('r')"),
        ("o.mjs", "console.log('o')"),
        (
            "hidden.mjs",
            "console.log('h', import.meta.url.length > 0, process.argv.length)",
        ),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let entries = ["require p", "import p", "require p/only", "file hidden.mjs"];
    let ran = project.start("load", &entries);
    assert_eq!(ran.output, "r\ni\no\nh true 2\n");
    assert_eq!(
        ran.lines
            .iter()
            .filter(|line| line.starts_with("done"))
            .count(),
        4,
        "{ran:?}"
    );
}

#[test]
fn what_the_interpreter_offers_is_not_called_though_a_package_exports_it() {
    let files = [(
        "a.js",
        "globalThis.own = () => console.error('never'); module.exports = { all: globalThis, kept: 1 }; \
         process.on('exit', () => require('fs').writeSync(1, 'alive'))",
    )];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("call", &["file a.js"]);
    assert_eq!(ran.lines, ["start 0", "done 0", "end"], "{ran:?}");
    assert_eq!(ran.output, "alive");
}

#[test]
fn asking_to_exit_ends_only_that_entry() {
    let files = [
        ("a.js", "process.exit(0)"),
        (
            "b.js",
            "try { process.reallyExit(1) } catch {} process.exitCode = 9",
        ),
        (
            "c.js",
            "setTimeout(() => process.exit(3), 0); process.on('exit', () => process.exit(4))",
        ),
        (
            "d.js",
            "Promise.reject(new Error('x')); setTimeout(() => { throw new Error('y') }, 1); process.removeAllListeners()",
        ),
        (
            "e.js",
            "Array.prototype.includes = Promise.prototype.then = JSON.stringify = () => { throw 1 }; globalThis.setTimeout = null",
        ),
        ("z.js", "console.log('reached')"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let entries: Vec<_> = files
        .iter()
        .map(|(path, _)| format!("file {path}"))
        .collect();
    let entries: Vec<_> = entries.iter().map(String::as_str).collect();
    let ran = project.start("load", &entries);
    assert_eq!(ran.output, "reached\n", "{ran:?}");
    assert_eq!(ran.lines.last().unwrap(), "end", "{ran:?}");
    assert_eq!(ran.status, Some(0));
    assert_eq!(ran.lines[1], "fail 0 asked to exit");
}

#[test]
fn after_a_death_the_remaining_entries_are_done_by_the_next_start() {
    let files = [
        ("a.js", "process.kill(process.pid, 'SIGKILL')"),
        ("b.js", "console.log(1)"),
        ("c.js", "process.abort()"),
        ("d.js", "console.log(1)"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let lines = project.start_until_end(
        "load",
        &["file a.js", "file b.js", "file c.js", "file d.js"],
    );
    assert_eq!(
        lines,
        [
            "start 0", "start 1", "done 1", "start 2", "start 3", "done 3", "end"
        ]
    );
}

#[test]
fn an_import_that_waits_for_ever_is_given_up() {
    let files = [
        (
            "a.mjs",
            "setInterval(() => {}, 1000); await new Promise(() => {})",
        ),
        ("b.js", ""),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("load", &["file a.mjs", "file b.js"]);
    assert_eq!(ran.lines[1], "fail 0 Error: the import did not finish");
    assert_eq!(ran.lines[2..], ["start 1", "done 1", "end"]);
}

#[test]
fn exported_functions_classes_and_methods_are_called_and_hanging_ones_are_left() {
    let files = [(
        "index.js",
        "const fs = require('fs');
         const mark = (name) => fs.appendFileSync('marks', name + '\\n');
         exports.plain = () => mark('plain');
         exports.loops = () => { mark('loops'); for (;;) {} };
         exports.raises = () => { throw new Error('no') };
         exports.waits = async () => { mark('waits'); await new Promise((r) => setTimeout(r, 20)); mark('waited') };
         exports.exit = () => mark('must not be called');
         exports.Thing = class { constructor() { mark('made') } work() { mark('worked') } };
         exports.Bad = class { constructor() { throw 1 } };
         exports.deep = { inner: (options) => { let o = options; while (o) o = o.parent; mark('deep') } };
         exports.prints = () => console.log('noise');
         exports.after = (callback) => callback(null, mark('after'));",
    )];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("call", &["file index.js"]);
    let marks = std::fs::read_to_string(project.path("marks")).unwrap();
    for name in [
        "plain", "loops", "waits", "waited", "made", "worked", "deep", "after",
    ] {
        assert!(
            marks.lines().any(|line| line == name),
            "{name} is missing: {marks}"
        );
    }
    assert!(!marks.contains("must not"), "{marks}");
    assert_eq!(ran.lines, ["start 0", "done 0", "end"]);
    assert_eq!(ran.output, "");
}

#[test]
fn calls_that_never_settle_or_wait_for_a_child_are_left_and_the_next_is_called() {
    let files = [(
        "index.js",
        "const fs = require('fs');
         const { execSync } = require('child_process');
         exports.starves = () => { const again = () => Promise.resolve().then(again); again(); };
         exports.sleeps = () => execSync('sleep 30');
         exports.last = () => fs.writeFileSync('marks', 'last');",
    )];
    let Some(project) = project(&files) else {
        return;
    };
    let started = std::time::Instant::now();
    let ran = project.start("call", &["file index.js", "file none.js"]);
    assert!(started.elapsed().as_secs() < 15, "{ran:?}");
    assert_eq!(ran.lines.last().unwrap(), "end", "{ran:?}");

    let files = [(files[0].0, &*files[0].1.replace("sleep 30", "sleep 0"))];
    let Some(project) = self::project(&files) else {
        return;
    };
    let ran = project.start("call", &["file index.js"]);
    assert_eq!(ran.lines, ["start 0", "done 0", "end"]);
    assert!(project.path("marks").exists());
}

#[test]
fn when_the_time_for_calls_is_used_up_the_report_says_so() {
    let loops = "for (let n = 0; n < 20; n++) exports['f' + n] = () => { for (;;) {} }";
    let Some(project) = project(&[("index.js", loops)]) else {
        return;
    };
    let ran = project.start("call", &["file index.js"]);
    assert!(
        ran.lines[1].contains("of 20 functions before the time for calls was used up"),
        "{ran:?}"
    );
}

#[test]
fn programs_run_with_closed_input_and_are_stopped_in_time() {
    let Some(project) = project(&[("package.json", "{}")]) else {
        return;
    };
    let bin = project.path("node_modules/.bin");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, text) in [
        ("ok", "#!/bin/sh\necho \"$@\"; cat; exit 3\n"),
        ("serves", "#!/bin/sh\nsleep 600 & sleep 600\n"),
    ] {
        std::fs::write(bin.join(name), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), mode).unwrap();
    }
    let ran = project.start("run", &["run ok --help", "run serves", "run none"]);
    assert_eq!(ran.output, "--help\n");
    assert_eq!(ran.lines[1], "done 0");
    assert_eq!(
        ran.lines[3],
        "fail 1 Error: was still running after 1500 ms"
    );
    assert!(ran.lines[5].contains("ENOENT"), "{ran:?}");
}

#[test]
fn work_that_goes_on_after_the_last_import_is_waited_for_but_servers_are_not() {
    let files = [(
        "index.js",
        "require('net').createServer().listen(0, '127.0.0.1');
         setTimeout(() => console.log('late'), 300);",
    )];
    let Some(project) = project(&files) else {
        return;
    };
    let began = std::time::Instant::now();
    let ran = project.start("load", &["file index.js"]);
    assert_eq!(ran.output, "late\n");
    assert_eq!(ran.lines.last().unwrap(), "end");
    assert!(
        began.elapsed().as_millis() < 2500,
        "the server was waited for"
    );
}

#[test]
fn code_that_is_made_while_a_module_runs_is_told_and_nothing_is_replaced() {
    let text = "eval('debugger; globalThis.made = 1');\n\
        new Function('return fetch(\"http://c2.example\")');\n\
        require('vm').runInThisContext('1 + 1');\n\
        if (!/native code/.test(eval + Function)) throw new Error('replaced');\n\
        module.exports = () => eval('2 + ' + 3);";
    let files = [
        ("package.json", r#"{"name":"p","main":"a.js"}"#),
        ("a.js", text),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let (code, others) = project.probed("call", &["require p"]);
    assert_eq!(others, ["start 0", "done 0", "end"]);
    let function = "(function anonymous(\n) {\nreturn fetch(\"http://c2.example\")\n})";
    assert_eq!(
        code,
        ["debugger; globalThis.made = 1", function, "1 + 1", "2 + 3"]
    );
    assert_eq!(
        project.start("call", &["require p"]).lines,
        others,
        "only when asked for"
    );
}
