//! The PHP harness: its protocol, and that no package ends it early.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Project, available};

const PHP: &str = "/usr/bin/php";

fn project(files: &[(&str, &str)]) -> Option<Project> {
    if !available(PHP) {
        return None;
    }
    let mut all = vec![("run.php", include_str!("../src/composer/run.php"))];
    all.extend(files);
    let argv = [
        PHP,
        "{folder}/run.php",
        "{mode}",
        "{entries}",
        "2000",
        "{folder}/package",
        "{folder}/autoload.php",
    ];
    Some(Project::new(&argv, &[("HOME", "{folder}")], &all))
}

#[test]
fn every_file_is_included_in_a_process_of_its_own_after_the_autoloader() {
    let files = [
        ("autoload.php", "<?php define('LOADED', 1);"),
        (
            "package/a.php",
            "<?php const X = LOADED; function twice() {}",
        ),
        ("package/b.php", "<?php function twice() {} exit(3);"),
        ("package/c.php", "<?php throw new Exception('no');"),
        ("package/d.php", "<?php posix_kill(getmypid(), 9);"),
        ("package/e.php", "<?php this is no PHP"),
        (
            "package/f.php",
            "<?php $entries = []; $report = null; echo 'reached';",
        ),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start(
        "load",
        &["a.php", "b.php", "c.php", "d.php", "e.php", "f.php"],
    );
    assert_eq!(
        ran.lines,
        [
            "start 0",
            "done 0",
            "start 1",
            "fail 1 ended with status 3",
            "start 2",
            "fail 2 ended with status 1",
            "start 3",
            "fail 3 ended by signal 9",
            "start 4",
            "fail 4 ended with status 1",
            "start 5",
            "done 5",
            "end"
        ],
        "{ran:?}"
    );
    assert!(ran.output.contains("reached"));
}

#[test]
fn a_file_that_could_not_be_installed_is_found_below_its_archives_folder() {
    let Some(project) = project(&[("package/top-1.0/src/a.php", "<?php echo 'found';")]) else {
        return;
    };
    let ran = project.start("load", &["src/a.php"]);
    assert_eq!((ran.lines.len(), ran.status), (3, Some(0)));
    assert!(ran.output.contains("found"));
    let lines = project.start_until_end("load", &["src/a.php", "src/b.php"]);
    assert_eq!(lines[3], "fail 1 ended with status 1");
}

#[test]
fn what_a_file_defines_is_called_with_inert_arguments() {
    let code = r"<?php
namespace Offers;
interface Far {}
function mark(string $text): void { file_put_contents('marks', $text . ' ', FILE_APPEND); }
function plain($client, int $n, ?Far $far, array $list, callable $f, $more = 1) {
    foreach ($client->get('x')->items as $item) {}
    mark('plain');
}
function hangs() { sleep(30); mark('never'); }
abstract class Base { abstract public function later(); public static function fixed() { mark('static'); } }
final class Thing {
    public function __construct(private string $name, private \DateTimeInterface|string $at) {}
    public function act(self $other, string ...$words): string { mark('method'); throw new \Exception('x'); }
    private function hidden() { mark('hidden'); }
}
";
    let Some(project) = project(&[("package/offers.php", code)]) else {
        return;
    };
    let ran = project.start("call", &["offers.php"]);
    assert_eq!(ran.lines.last().unwrap(), "end", "{ran:?}");
    let marks = std::fs::read_to_string(project.path("marks")).unwrap();
    for expected in ["plain", "static", "method"] {
        assert!(marks.contains(expected), "{expected}: {marks}");
    }
    assert!(
        !marks.contains("never") && !marks.contains("hidden"),
        "{marks}"
    );
}

#[test]
fn programs_are_run_and_those_that_wait_are_ended() {
    let files = [
        (
            "package/bin/quick",
            "#!/usr/bin/env php\n<?php echo 'quick ', $argv[1];",
        ),
        ("package/bin/slow", "<?php sleep(60);"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("run", &["run bin/slow", "run bin/quick --help"]);
    assert_eq!(
        ran.lines,
        [
            "start 0",
            "fail 0 was still running after 2000 ms",
            "start 1",
            "done 1",
            "end"
        ]
    );
    assert!(ran.output.contains("quick --help"));
}
