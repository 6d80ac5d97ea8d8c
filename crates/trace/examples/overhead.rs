//! Runs a command bare and traced by turns and prints the medians and their ratio, wall and processor time (of the
//! command and the tracer together; steadier on a busy machine):
//! `overhead [--all-syscalls] ROUNDS PROGRAM ARGS…`. The program's output goes where this one's does.
#![allow(clippy::unwrap_used, clippy::print_stdout, unsafe_code)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use apa_model::Owner;
use apa_trace::Session;
use common::{Blobs, Options, config, soon, start};

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let all_syscalls = args.first().is_some_and(|arg| arg == "--all-syscalls");
    if all_syscalls {
        args.remove(0);
    }
    let rounds: usize = args.remove(0).parse().unwrap();
    let env: Vec<(String, String)> = std::env::vars().collect();
    let (mut bare, mut traced) = (Vec::new(), Vec::new());
    let (mut bare_cpu, mut traced_cpu) = (Vec::new(), Vec::new());
    let mut summary = String::new();
    for _ in 0..rounds {
        let (begun, before) = (Instant::now(), cpu());
        let status = Command::new(&args[0]).args(&args[1..]).status().unwrap();
        assert!(status.success(), "{status}");
        bare.push(begun.elapsed().as_secs_f64());
        bare_cpu.push(cpu() - before);

        let mut config = config(&Arc::new(Blobs::default()));
        config.all_syscalls = all_syscalls;
        config.protected = ["*/.ssh/*", "*/.aws/*", "*/.npmrc", "*/.env", "/etc/shadow"]
            .map(str::to_owned)
            .to_vec();
        let session = Session::start(config);
        let options = Options {
            env: env
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect(),
            ..Options::default()
        };
        let (begun, before) = (Instant::now(), cpu());
        let command = start(&session, &args, Owner::Manager, &options);
        let exit = command
            .wait(soon() + std::time::Duration::from_secs(540))
            .unwrap();
        traced.push(begun.elapsed().as_secs_f64());
        command.kill_tree();
        let trace = session.finish();
        traced_cpu.push(cpu() - before);
        let calls: u64 = trace.syscalls.iter().map(|(_, _, _, count)| count).sum();
        summary = format!(
            "{exit:?}, {calls} calls counted, {} events, {} processes, {} lost",
            trace.events.len(),
            trace.processes.len(),
            trace.lost
        );
    }
    let (bare, traced) = (median(bare), median(traced));
    let (bare_cpu, traced_cpu) = (median(bare_cpu), median(traced_cpu));
    println!(
        "wall {bare:.3} s, traced {traced:.3} s, ratio {:.2}; cpu {bare_cpu:.3} s, traced {traced_cpu:.3} s, \
         ratio {:.2}\n{summary}",
        traced / bare,
        traced_cpu / bare_cpu
    );
}

/// Processor seconds of this process and its ended children.
fn cpu() -> f64 {
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN]
        .into_iter()
        .map(|who| {
            // SAFETY: a rusage is plain numbers, for which zero is a value.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: the kernel writes one rusage to the place given.
            unsafe { libc::getrusage(who, &raw mut usage) };
            seconds(usage.ru_utime) + seconds(usage.ru_stime)
        })
        .sum()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
