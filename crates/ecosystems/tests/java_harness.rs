//! The Java harness: its protocol, and that no package ends it early.
#![allow(clippy::unwrap_used)]

mod support;

use std::process::Command;

use support::{Project, available};

const JAVAC: &str = "/usr/bin/javac";

/// A project with the harness and these classes, compiled.
fn project(files: &[(&str, &str)]) -> Option<Project> {
    if !available(JAVAC) {
        return None;
    }
    let mut all = vec![(
        "src/launch/Main.java",
        include_str!("../src/maven/Main.java"),
    )];
    all.extend(files);
    let argv = [
        "/usr/bin/java",
        "--add-opens=java.base/java.io=ALL-UNNAMED",
        "-Djava.security.manager=allow",
        "-XX:TieredStopAtLevel=1",
        "-cp",
        "{folder}/classes",
        "launch.Main",
        "{mode}",
        "{entries}",
        "2500",
        "{folder}/demo.jar",
    ];
    let project = Project::new(&argv, &[], &all);
    let mut compiler = Command::new(JAVAC);
    compiler.args(["-proc:none", "-nowarn", "-d"]);
    compiler.arg(project.path("classes"));
    for (path, _) in all.iter().filter(|(path, _)| path.ends_with(".java")) {
        compiler.arg(project.path(path));
    }
    let output = compiler.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(project)
}

#[test]
fn every_class_is_initialised_and_a_failure_is_one_line() {
    let Some(project) = project(&[
        (
            "src/Good.java",
            "class Good { static { System.out.println(\"good was here\"); } }",
        ),
        (
            "src/Bad.java",
            "class Bad { static int x = fail(); static int fail() { throw new RuntimeException(\"one\\ntwo \\u001b[2J\"); } }",
        ),
    ]) else {
        return;
    };
    let ran = project.start("load", &["class Bad", "class Good", "class none.There"]);
    assert_eq!(
        ran.lines,
        [
            "start 0",
            "fail 0 java.lang.RuntimeException: one two  [2J",
            "start 1",
            "done 1",
            "start 2",
            "fail 2 java.lang.ClassNotFoundException: none.There",
            "end"
        ]
    );
    assert_eq!(ran.output, "good was here\n");
    assert_eq!(ran.status, Some(0));
}

#[test]
fn asking_to_exit_ends_only_that_entry() {
    let Some(project) = project(&[
        ("src/A.java", "class A { static { System.exit(3); } }"),
        (
            "src/B.java",
            "class B { static { Runtime.getRuntime().halt(0); } }",
        ),
        ("src/C.java", "class C { }"),
    ]) else {
        return;
    };
    let lines = project.start_until_end("load", &["class A", "class B", "class C"]);
    let done: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with("done"))
        .collect();
    assert_eq!(done, ["done 2"], "{lines:?}");
    assert_eq!(lines.last().unwrap(), "end");
}

#[test]
fn threads_that_were_started_get_some_time() {
    let source = "class T { static { new Thread(() -> { try { Thread.sleep(400); } catch (Exception e) { } \
                  System.out.println(\"late\"); }).start(); } }";
    let Some(project) = project(&[("src/T.java", source)]) else {
        return;
    };
    let ran = project.start("load", &["class T"]);
    assert_eq!(ran.lines, ["start 0", "done 0", "end"]);
    assert_eq!(ran.output, "late\n");
}

#[test]
fn every_provider_of_a_service_is_made_though_one_fails_or_nobody_has_the_interface() {
    let Some(project) = project(&[
        (
            "src/P.java",
            "public class P implements Runnable { public P() { System.out.println(\"P\"); } public void run() { } }",
        ),
        (
            "classes/META-INF/services/java.lang.Runnable",
            "no.Such\nP # a comment\n",
        ),
        ("classes/META-INF/services/no.Interface", "P\n"),
    ]) else {
        return;
    };
    let ran = project.start(
        "provide",
        &["service java.lang.Runnable", "service no.Interface"],
    );
    assert!(ran.lines[1].starts_with("fail 0 java.util.ServiceConfigurationError"));
    assert_eq!(ran.lines[3], "done 1");
    assert_eq!(ran.output, "P\nP\n");
}

#[test]
fn calls_are_bounded_and_may_not_end_the_process() {
    let Some(project) = project(&[(
        "src/M.java",
        "public class M { public static void leave() { System.exit(1); } \
             public static void hang() throws Exception { Thread.sleep(1000000); } \
             public static void touch() throws Exception { new java.io.File(\"touched\").createNewFile(); } \
             public static void main(String[] a) throws Exception { new java.io.File(\"main\").createNewFile(); } }",
    )]) else {
        return;
    };
    let ran = project.start("call", &["class M"]);
    assert_eq!(ran.lines, ["start 0", "done 0", "end"]);
    assert!(project.path("touched").exists());
    assert!(!project.path("main").exists());
}

#[test]
fn programs_run_in_processes_of_their_own_and_those_that_wait_are_ended() {
    let Some(project) = project(&[
        (
            "src/Prints.java",
            "public class Prints { public static void main(String[] a) { System.out.println(a.length); System.exit(7); } }",
        ),
        (
            "src/Waits.java",
            "public class Waits { public static void main(String[] a) throws Exception { Thread.sleep(1000000); } }",
        ),
    ]) else {
        return;
    };
    let ran = project.start("run", &["main Prints --help", "main Waits"]);
    assert_eq!(
        ran.lines,
        [
            "start 0",
            "done 0",
            "start 1",
            "fail 1 java.lang.IllegalStateException: was still running after 2500 ms",
            "end"
        ]
    );
    assert_eq!(ran.output, "1\n");
}
