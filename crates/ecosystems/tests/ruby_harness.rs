//! The Ruby harness: its protocol, and that no gem ends it early.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Project, available};

const RUBY: &str = "/usr/bin/ruby";

fn project(files: &[(&str, &str)]) -> Option<Project> {
    if !available(RUBY) {
        return None;
    }
    let mut all = vec![("run.rb", include_str!("../src/gem/run.rb"))];
    all.extend(files);
    let argv = [
        RUBY,
        "{folder}/run.rb",
        "{mode}",
        "{entries}",
        "1500",
        "no-such-gem",
        "{folder}",
        "lib",
    ];
    let env = [("HOME", "{folder}"), ("GEM_HOME", "{folder}")];
    Some(Project::new(&argv, &env, &all))
}

#[test]
fn every_entry_is_reported_and_a_failure_is_one_line() {
    let files = [
        ("lib/good.rb", "raise unless ARGV.empty? && $0 == 'ruby'"),
        ("lib/bad.rb", r#"raise ArgumentError, "one\ntwo \e[2J""#),
        (
            "lib/worse.rb",
            "class E < StandardError\n  def message = exit\nend\nraise E",
        ),
        ("lib/last.rb", ""),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("load", &["good", "bad", "worse", "none", "last"]);
    assert_eq!(
        ran.lines,
        [
            "start 0",
            "done 0",
            "start 1",
            "fail 1 ArgumentError: one two  [2J",
            "start 2",
            "fail 2 raised something that cannot be shown",
            "start 3",
            "fail 3 LoadError: cannot load such file -- none",
            "start 4",
            "done 4",
            "end"
        ]
    );
    assert_eq!((ran.output.as_str(), ran.status), ("", Some(0)));
}

#[test]
fn asking_to_exit_ends_only_that_entry() {
    let files = [
        ("lib/a.rb", "exit 3"),
        ("lib/b.rb", "begin\n  exit!(0)\nrescue StandardError\nend"),
        ("lib/c.rb", "abort"),
        ("lib/d.rb", "Process.exit!(1)"),
        ("lib/e.rb", "Process.daemon"),
        ("lib/f.rb", "raise NoMemoryError"),
        ("lib/g.rb", "throw :nothing"),
        ("lib/z.rb", "puts 'reached'"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let names = ["a", "b", "c", "d", "e", "f", "g", "z"];
    let ran = project.start("load", &names);
    assert_eq!(ran.lines.last().unwrap(), "end", "{ran:?}");
    assert!(ran.output.contains("reached"), "{ran:?}");
}

#[test]
fn a_forked_child_never_goes_on_with_the_list() {
    let files = [
        ("lib/a.rb", "Process.wait(fork { exit!(0) })"),
        (
            "lib/b.rb",
            "pid = fork\nraise 'child' unless pid\nProcess.wait(pid)",
        ),
        ("lib/c.rb", "pid = fork\nProcess.wait(pid) if pid"),
        ("lib/d.rb", "File.write('marks', 'd', mode: 'a')"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let ran = project.start("load", &["a", "b", "c", "d"]);
    let done = ran.lines.iter().filter(|line| line.starts_with("done"));
    assert_eq!((done.count(), ran.lines.len()), (4, 9), "{ran:?}");
    assert_eq!(std::fs::read_to_string(project.path("marks")).unwrap(), "d");
}

#[test]
fn after_a_death_the_remaining_entries_are_done_by_the_next_start() {
    let files = [
        ("lib/a.rb", "Process.kill(:KILL, Process.pid)"),
        ("lib/b.rb", ""),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    let lines = project.start_until_end("load", &["a", "b"]);
    assert_eq!(lines, ["start 0", "start 1", "done 1", "end"]);
}

#[test]
fn what_a_file_defines_is_called_with_inert_arguments() {
    let library = r"
def mark(text) = File.write('marks', text + ' ', mode: 'a')
def plain(a, b = 2, *c, d:, e: 5) = mark('plain')
module Offers
  def self.module_method(client) = (client.get('x').body.each { |y| y }; mark('module'))
  def self.hangs = (sleep 30; mark('never'))
  def self.raises = raise('no')
  class Thing
    def initialize(name) = (@name = name)
    def act(key) = mark('instance')
    def self.build(*) = mark('class')
  end
end
";
    let Some(project) = project(&[("lib/offers.rb", library)]) else {
        return;
    };
    let ran = project.start("call", &["offers"]);
    assert_eq!(ran.lines, ["start 0", "done 0", "end"], "{ran:?}");
    let marks = std::fs::read_to_string(project.path("marks")).unwrap();
    for expected in ["plain", "module", "instance", "class"] {
        assert!(marks.contains(expected), "{expected}: {marks}");
    }
    assert!(!marks.contains("never"));
}

#[test]
fn programs_are_run_and_those_that_wait_are_ended() {
    let files = [
        ("bin/quick", "#!/bin/sh\necho \"quick $1\"\n"),
        ("bin/slow", "#!/bin/sh\nsleep 60\n"),
    ];
    let Some(project) = project(&files) else {
        return;
    };
    for name in ["bin/quick", "bin/slow"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(project.path(name), mode).unwrap();
    }
    let ran = project.start("run", &["run slow", "run quick --help", "run absent"]);
    assert_eq!(
        ran.lines[1],
        "fail 0 RuntimeError: was still running after 1500 ms"
    );
    assert_eq!(ran.lines[3], "done 1");
    assert!(ran.lines[5].starts_with("fail 2 Errno::ENOENT"), "{ran:?}");
    assert!(ran.output.contains("quick --help"));
}
