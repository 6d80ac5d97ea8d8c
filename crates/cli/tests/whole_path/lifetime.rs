use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use apa_model::{ExitCode, VerdictLabel};
use apa_testkit::specimen;

use crate::support::{analyze, apa, sandbox_works, write};

#[test]
fn a_killed_analysis_leaves_nothing_running_and_the_next_start_removes_the_rest() {
    if !sandbox_works("a_killed_analysis_leaves_nothing_running") {
        return;
    }
    let sample = write(&specimen("npm-hangs-at-import").unwrap());
    let mut child = apa()
        .arg("analyze")
        .arg(&sample)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id() as i32;
    let below = wait_for(Duration::from_secs(60), || {
        let below = descendants(pid);
        (below.len() >= 3).then_some(below)
    })
    .expect("the sandbox's processes appear");
    child.kill().unwrap();
    child.wait().unwrap();
    let gone = wait_for(Duration::from_secs(5), || {
        below
            .iter()
            .all(|pid| !Path::new(&format!("/proc/{pid}")).exists())
            .then_some(())
    });
    assert!(gone.is_some(), "processes outlived the analysis: {below:?}");

    let (report, _) = analyze(&write(&specimen("npm-prints").unwrap()), &[]);
    assert_eq!(report.unwrap().verdict.label, VerdictLabel::Clean);
    let left: Vec<_> = groups()
        .into_iter()
        .filter(|name| name.contains(&pid.to_string()))
        .collect();
    assert!(
        left.is_empty(),
        "control groups of the killed analysis are still there: {left:?}"
    );
}

#[test]
fn an_interrupted_analysis_says_so_and_ends_its_sandbox() {
    if !sandbox_works("an_interrupted_analysis_says_so") {
        return;
    }
    let sample = write(&specimen("npm-hangs-at-import").unwrap());
    let child = apa()
        .arg("analyze")
        .arg(&sample)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id() as i32;
    wait_for(Duration::from_secs(60), || {
        (descendants(pid).len() >= 3).then_some(())
    })
    .expect("the sandbox's processes appear");
    let started = Instant::now();
    // The child is ours and not waited for yet, so that its number is still its own.
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "took {:?}",
        started.elapsed()
    );
    assert_eq!(output.status.code(), Some(ExitCode::Incomplete as i32));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
}

fn wait_for<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if let Some(found) = probe() {
            return Some(found);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Processes below `pid`, whatever namespaces they are in.
fn descendants(pid: i32) -> Vec<i32> {
    let parents: Vec<(i32, i32)> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![pid];
    loop {
        let more: Vec<i32> = parents
            .iter()
            .filter(|(child, parent)| found.contains(parent) && !found.contains(child))
            .map(|(child, _)| *child)
            .collect();
        if more.is_empty() {
            return found.split_off(1);
        }
        found.extend(more);
    }
}

/// Names of control groups at the top of every hierarchy.
fn groups() -> Vec<String> {
    let hierarchies = fs::read_dir("/sys/fs/cgroup")
        .into_iter()
        .flatten()
        .flatten();
    hierarchies
        .flat_map(|hierarchy| {
            fs::read_dir(hierarchy.path())
                .into_iter()
                .flatten()
                .flatten()
        })
        .map(|group| group.file_name().to_string_lossy().into_owned())
        .collect()
}
