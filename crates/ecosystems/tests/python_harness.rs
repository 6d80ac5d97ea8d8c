//! The Python harness: its protocol, and that no package ends it early.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Project, available};

const PYTHON: &str = "/usr/bin/python3";

fn project(files: &[(&str, &str)]) -> Option<Project> {
    if !available(PYTHON) {
        return None;
    }
    let harness = include_str!("../src/pypi/harness.py");
    let mut all = vec![("share/run.py", harness)];
    all.extend(files);
    let argv = [
        PYTHON,
        "{folder}/share/run.py",
        "{mode}",
        "{entries}",
        "1500",
    ];
    Some(Project::new(
        &argv,
        &[("HOME", "{folder}"), ("PYTHONDONTWRITEBYTECODE", "1")],
        &all,
    ))
}

#[test]
fn every_entry_is_reported_and_a_failure_is_one_line() {
    let files = [
        (
            "good/__init__.py",
            "import sys\nassert sys.argv == [''], sys.argv",
        ),
        ("bad.py", "raise ValueError('one\\ntwo \\x1b[2J')"),
        (
            "worse.py",
            "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E",
        ),
        ("run.py", "X = 1"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("load", &["good", "bad", "worse", "none", "run"]);
    assert_eq!(
        ran.lines,
        [
            "start 0",
            "done 0",
            "start 1",
            "fail 1 ValueError: one two  [2J",
            "start 2",
            "fail 2 raised something that cannot be shown",
            "start 3",
            "fail 3 ModuleNotFoundError: No module named 'none'",
            "start 4",
            "done 4",
            "end"
        ]
    );
    assert_eq!((ran.output.as_str(), ran.status), ("", Some(0)));
}

#[test]
fn what_was_only_unpacked_is_imported_and_hides_no_module_of_the_interpreter() {
    let files = [
        (
            "share/src/reprlib.py",
            "raise ImportError('not for this interpreter')",
        ),
        ("share/src/src/only.py", ""),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("load", &["reprlib", "only"]);
    assert_eq!(ran.lines, ["start 0", "done 0", "start 1", "done 1", "end"]);
}

#[test]
fn asking_to_exit_ends_only_that_entry() {
    let files = [
        ("a.py", "import sys; sys.exit(3)"),
        (
            "b.py",
            "import os\ntry:\n    os._exit(0)\nexcept Exception:\n    pass\n",
        ),
        ("c.py", "raise KeyboardInterrupt"),
        (
            "d.py",
            "import threading, os\nthreading.Thread(target=os._exit, args=(1,)).start()",
        ),
        ("e.py", "import atexit, os\natexit.register(os._exit, 5)"),
        (
            "f.py",
            "import os, time, importlib, json\nos.write = time.monotonic = importlib.import_module = None",
        ),
        ("z.py", "print('reached')"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("load", &["a", "b", "c", "d", "e", "f", "z"]);
    assert_eq!(ran.lines.last().unwrap(), "end", "{ran:?}");
    assert!(ran.output.contains("reached"), "{ran:?}");
    assert_eq!(ran.lines[1], "fail 0 SystemExit: 3");
    assert_eq!(ran.lines[3], "fail 1 Left: asked to exit");
}

#[test]
fn a_forked_child_really_exits_and_never_goes_on_with_the_list() {
    let files = [
        (
            "a.py",
            "import os\nif os.fork() == 0:\n    os._exit(0)\nos.wait()",
        ),
        (
            "b.py",
            "import os\nif os.fork() == 0:\n    raise RuntimeError('child')\nos.wait()",
        ),
        ("c.py", "import os\npid = os.fork()\nif pid: os.wait()"),
        ("d.py", "open('marks', 'a').write('d')"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("load", &["a", "b", "c", "d"]);
    assert_eq!(
        ran.lines,
        [
            "start 0", "done 0", "start 1", "done 1", "start 2", "done 2", "start 3", "done 3",
            "end"
        ]
    );
    assert_eq!(std::fs::read_to_string(project.path("marks")).unwrap(), "d");
}

#[test]
fn after_a_death_the_remaining_entries_are_done_by_the_next_start() {
    let files = [
        (
            "a.py",
            "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        ),
        ("b.py", ""),
        ("c.py", "import os; os.abort()"),
        ("d.py", "import os; os.execv('/bin/true', ['true'])"),
        ("e.py", ""),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let lines = project.start_until_end("load", &["a", "b", "c", "d", "e"]);
    assert_eq!(
        lines,
        [
            "start 0", "start 1", "done 1", "start 2", "start 3", "start 4", "done 4", "end"
        ]
    );
}

const MODULE: &str = "
import asyncio, sys
from subprocess import run

def mark(*words):
    with open('marks', 'a') as file:
        print(*words, file=file)

def bad(): raise BaseException('no')
def last(): mark('last')
def leaves(): sys.exit(1)
def mocked(options): mark('mocked', len(options.a.b), list(options), options.get('x').y is not None)
def plain(): mark('plain')
def quit(): mark('must not be called')
def typed(text: str, number: int, *, flag: bool): mark('typed', repr(text), number, flag)
def yields():
    mark('yields')
    yield 1
async def waits():
    await asyncio.sleep(0.01)
    mark('waited')
class Thing:
    def __init__(self, name): mark('made')
    def work(self, job): mark('worked')
    @staticmethod
    def static(): mark('static')
class Bad:
    def __init__(self): raise BaseException('no')
class Odd:
    def __getattribute__(self, name): raise RuntimeError(name)
    def method(self): mark('must not be called')
def _private(): mark('must not be called')
def zz_loops():
    mark('loops')
    while True: print('noise')
";

#[test]
fn functions_classes_and_methods_are_called_with_inert_arguments() {
    let Some(project) = project(&[("m/__init__.py", MODULE)]) else {
        return;
    };
    let ran = project.start("call", &["m"]);
    let marks = std::fs::read_to_string(project.path("marks")).unwrap();
    for line in [
        "plain",
        "typed '' 1 True",
        "mocked 0 [] True",
        "yields",
        "waited",
        "made",
        "worked",
        "static",
        "last",
        "loops",
    ] {
        assert!(
            marks.lines().any(|mark| mark == line),
            "{line} is missing: {marks}\n{ran:?}"
        );
    }
    assert!(!marks.contains("must not"), "{marks}");
    assert_eq!(
        ran.lines,
        ["start 0", "done 0", "end"],
        "a call that hangs fails nothing"
    );
    assert_eq!(ran.output, "");
}

#[test]
fn calls_that_hang_use_up_a_budget_and_the_report_says_so() {
    let text = (0..20)
        .map(|n| format!("def f{n:02}():\n    while True: pass\n"))
        .collect::<String>();
    let Some(project) = project(&[("m.py", &text), ("n.py", "")]) else {
        return;
    };
    let began = std::time::Instant::now();
    let ran = project.start("call", &["m", "n"]);
    assert!(
        ran.lines[1].contains("of 20 functions before the time for calls was used up"),
        "{ran:?}"
    );
    assert_eq!(ran.lines[2..], ["start 1", "done 1", "end"]);
    assert!(began.elapsed().as_secs() < 6);
}

#[test]
fn programs_run_with_closed_input_and_are_stopped_in_time() {
    let Some(project) = project(&[
        ("pkg/__init__.py", ""),
        ("pkg/__main__.py", "import sys; print('main', sys.argv[1:])"),
    ]) else {
        return;
    };
    let bin = project.path(".local/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for (name, text) in [
        ("ok", "#!/bin/sh\necho \"$@\"; cat; exit 3\n"),
        ("serves", "#!/bin/sh\nsleep 600 & sleep 600\n"),
    ] {
        std::fs::write(bin.join(name), text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(bin.join(name), mode).unwrap();
    }
    let ran = project.start(
        "run",
        &[
            "run ok --help",
            "run serves",
            "run none",
            "module pkg --help",
        ],
    );
    assert!(
        ran.output.contains("--help\n") && ran.output.contains("main ['--help']\n"),
        "{ran:?}"
    );
    assert_eq!(ran.lines[1], "done 0");
    assert_eq!(
        ran.lines[3],
        "fail 1 RuntimeError: was still running after 1500 ms"
    );
    assert!(
        ran.lines[5].starts_with("fail 2 FileNotFoundError"),
        "{ran:?}"
    );
    assert_eq!(ran.lines[7], "done 3");
}

#[test]
fn threads_that_go_on_after_the_last_import_are_waited_for() {
    let text = "import threading, time\ndef work():\n    time.sleep(0.3)\n    open('marks', 'w').write('late')\nthreading.Thread(target=work, daemon=True).start()";
    let Some(project) = project(&[("m.py", text)]) else {
        return;
    };
    let ran = project.start("load", &["m"]);
    assert_eq!(ran.lines, ["start 0", "done 0", "end"]);
    assert_eq!(
        std::fs::read_to_string(project.path("marks")).unwrap(),
        "late"
    );
}

#[test]
fn code_that_is_made_while_a_module_runs_is_told() {
    let text = "import dataclasses, marshal\n\
        @dataclasses.dataclass\nclass A:\n    x: int\n\
        exec('y = 1 # http://c2.example')\n\
        exec(marshal.loads(marshal.dumps(compile('z = 2', '<made>', 'exec'))))\n\
        def later(): return eval('1 + 1')\n";
    let files = [("a.py", text)];
    let Some(project) = project(&files) else {
        return;
    };
    let (code, others) = project.probed("call", &["a"]);
    assert_eq!(others, ["start 0", "done 0", "end"]);
    assert_eq!(code.len(), 4, "{code:?}");
    assert_eq!(code[..2], ["y = 1 # http://c2.example", "z = 2"]);
    assert!(code[2].contains("<made>"), "{code:?}");
    assert_eq!(code[3], "1 + 1");
    assert_eq!(
        project.start("call", &["a"]).lines,
        others,
        "only when asked for"
    );
}
