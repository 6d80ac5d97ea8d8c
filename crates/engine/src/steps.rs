//! Runs a plan's steps in a sandbox and says how each phase went. Blocking.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use apa_model::report::{EntryRecord, PhaseRecord, PhaseStatus};
use apa_model::{
    FileContent, Hostile, Incomplete, IncompleteCode, Limits, Phase, Plan, PlannedFile,
    ProcessExit, Program, Step, StepKind,
};
use apa_sandbox::{Command, Running, Sandbox, SandboxError};
use apa_trace::Session;

use crate::checklist::{Checklist, DETAIL_BYTES, fresh_name};
use crate::code::Code;
use crate::printed::{last_line, telling_line};
use crate::progress::{Observer, Progress};

/// How often a waiting supervisor looks at deadlines and limits.
const TICK: Duration = Duration::from_millis(25);
/// How long a harness's lines may lag behind its end.
const LAST_LINES: Duration = Duration::from_millis(200);
/// How often a harness is started again before the rest of its list is given up.
const MAX_RESTARTS: usize = 64;

/// The phase going on now, for those who stamp flows with it.
#[derive(Clone, Debug)]
pub(crate) struct PhaseClock(Arc<AtomicU8>);

const PHASES: [Phase; 9] = [
    Phase::Fetch,
    Phase::Static,
    Phase::Install,
    Phase::InterpreterStart,
    Phase::GemCommand,
    Phase::Import,
    Phase::Execute,
    Phase::Uninstall,
    Phase::Linger,
];

impl PhaseClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU8::new(0)))
    }

    pub(crate) fn now(&self) -> Phase {
        PHASES[usize::from(self.0.load(Ordering::Relaxed)).min(PHASES.len() - 1)]
    }

    fn set(&self, phase: Phase) {
        let index = PHASES
            .iter()
            .position(|candidate| *candidate == phase)
            .unwrap_or(0);
        self.0
            .store(u8::try_from(index).unwrap_or(0), Ordering::Relaxed);
    }
}

/// One sandbox with a plan to carry out.
pub(crate) struct Runner<'a> {
    pub(crate) sandbox: &'a mut dyn Sandbox,
    pub(crate) session: &'a Session,
    pub(crate) clock: &'a PhaseClock,
    pub(crate) limits: &'a Limits,
    pub(crate) artifact: &'a str,
    pub(crate) observer: &'a Observer,
    pub(crate) deadline: Instant,
    pub(crate) incomplete: Vec<Incomplete>,
    /// Where lists of entries were put; a harness removes its own.
    pub(crate) lists: BTreeSet<Hostile>,
    /// Harnesses tell of code that is made while the package runs.
    pub(crate) probes: bool,
    /// What they told.
    pub(crate) code: Code,
}

/// How a command or an entry went.
struct Outcome {
    status: PhaseStatus,
    entries: Vec<EntryRecord>,
}

impl Runner<'_> {
    /// Carries out every step, then watches what stayed behind.
    pub(crate) fn run(&mut self, plan: &Plan) -> Result<Vec<PhaseRecord>, SandboxError> {
        self.sandbox.write_files(&plan.files)?;
        let mut phases = Vec::new();
        let mut at = 0;
        while at < plan.steps.len() {
            let phase = plan.steps[at].phase;
            let end = plan.steps[at..].iter().position(|step| step.phase != phase);
            let end = end.map_or(plan.steps.len(), |length| at + length);
            phases.push(self.phase(phase, &plan.steps[at..end], &plan.files)?);
            at = end;
        }
        phases.push(self.linger());
        Ok(phases)
    }

    fn phase(
        &mut self,
        phase: Phase,
        steps: &[Step],
        files: &[PlannedFile],
    ) -> Result<PhaseRecord, SandboxError> {
        let started = Instant::now();
        let until = self.deadline.min(started + self.limits.phase(phase));
        self.enter(phase);
        let mut status = PhaseStatus::Completed;
        let mut entries = Vec::new();
        let before = self.incomplete.len();
        for step in steps {
            self.tell(Progress::Step {
                phase,
                name: step.name.clone(),
            });
            let outcome = if Instant::now() >= until {
                self.note(
                    IncompleteCode::PhaseSkipped,
                    phase,
                    format!("no time was left for {}", step.name),
                );
                Outcome {
                    status: PhaseStatus::TimedOut,
                    entries: vec![entry(&step.name, "not_reached", "")],
                }
            } else {
                self.step(step, files, until)?
            };
            status = worse(status, outcome.status);
            entries.extend(outcome.entries);
        }
        self.collect_limits(phase);
        let limits_hit: Vec<String> = self.incomplete[before..].iter().map(describe).collect();
        let hit = self.incomplete[before..]
            .iter()
            .any(|reason| is_resource(reason.code));
        if hit && status != PhaseStatus::TimedOut {
            status = PhaseStatus::LimitHit;
        }
        Ok(self.record(phase, status, started, limits_hit, entries))
    }

    fn step(
        &mut self,
        step: &Step,
        files: &[PlannedFile],
        until: Instant,
    ) -> Result<Outcome, SandboxError> {
        match &step.kind {
            StepKind::Once => self.once(step, until),
            StepKind::Proven {
                line,
                unless,
                milliseconds,
            } => {
                let until = until.min(Instant::now() + Duration::from_millis(*milliseconds));
                self.proven(step, line, unless, until)
            }
            StepKind::Entries(names) => self.entries(step, names, files, until),
            StepKind::Place(files) => Ok(self.place(step, files)),
            StepKind::Programs(programs, ms) => self.programs(step, programs, *ms, until),
        }
    }

    fn once(&mut self, step: &Step, until: Instant) -> Result<Outcome, SandboxError> {
        let running = self.spawn(step, &step.argv, false)?;
        let exit = self.wait(&running, step.phase, until);
        if exit.is_none() {
            running.traced.kill_tree();
            self.note(
                IncompleteCode::Timeout,
                step.phase,
                format!("{} did not end in time", step.name),
            );
        }
        let (state, status) = match exit {
            Some(ProcessExit::Status(0)) => ("done", PhaseStatus::Completed),
            Some(ProcessExit::Status(_)) => ("failed", PhaseStatus::Failed),
            Some(ProcessExit::Signal(_)) => ("crashed", PhaseStatus::Failed),
            None => ("timed_out", PhaseStatus::TimedOut),
        };
        let detail = self.output(&running, step.phase, exit);
        if status == PhaseStatus::Failed && step.phase == Phase::Install {
            let last = last_line(&detail);
            self.note(
                IncompleteCode::InstallFailed,
                step.phase,
                format!("{} failed: {last}", step.name),
            );
        }
        Ok(Outcome {
            status,
            entries: vec![EntryRecord {
                name: step.name.as_str().into(),
                status: state.into(),
                detail,
            }],
        })
    }

    /// Puts files in place, one by one: what cannot be put there keeps nothing else away.
    fn place(&mut self, step: &Step, files: &[PlannedFile]) -> Outcome {
        let mut refused = Vec::new();
        for file in files {
            if let Err(error) = self.sandbox.write_files(std::slice::from_ref(file)) {
                refused.push(error.to_string());
            }
        }
        let placed = format!("{} of {} files", files.len() - refused.len(), files.len());
        let Some(first) = refused.first() else {
            return Outcome {
                status: PhaseStatus::Completed,
                entries: vec![entry(&step.name, "done", &placed)],
            };
        };
        let detail = format!(
            "{}: only {placed} could be put in place; {first}",
            step.name
        );
        self.note(IncompleteCode::InstallFailed, step.phase, detail.clone());
        Outcome {
            status: PhaseStatus::Failed,
            entries: vec![entry(&step.name, "failed", &detail)],
        }
    }

    /// Starts each program by itself. One that does not end in its time is ended, and that is all.
    fn programs(
        &mut self,
        step: &Step,
        programs: &[Program],
        milliseconds: u64,
        until: Instant,
    ) -> Result<Outcome, SandboxError> {
        let mut entries = Vec::new();
        let mut status = PhaseStatus::Completed;
        for program in programs {
            if Instant::now() >= until {
                let left = programs.len() - entries.len();
                let detail = format!(
                    "{}: {left} of {} were not reached in time",
                    step.name,
                    programs.len()
                );
                self.note(IncompleteCode::Timeout, step.phase, detail);
                status = PhaseStatus::TimedOut;
                break;
            }
            self.tell(Progress::Entry {
                phase: step.phase,
                done: entries.len(),
                of: programs.len(),
            });
            let running = self.spawn(step, &program.argv, false)?;
            let patience = Instant::now() + Duration::from_millis(milliseconds);
            let exit = self.wait(&running, step.phase, until.min(patience));
            if exit.is_none() {
                running.traced.kill_tree();
            }
            let state = match exit {
                Some(ProcessExit::Status(_)) => "done",
                Some(ProcessExit::Signal(_)) => "crashed",
                None => "ended",
            };
            let detail = self.output(&running, step.phase, exit);
            entries.push(EntryRecord {
                name: program.name.as_str().into(),
                status: state.into(),
                detail,
            });
        }
        let left = programs.iter().skip(entries.len());
        let not_reached: Vec<_> = left.map(|it| entry(&it.name, "not_reached", "")).collect();
        entries.extend(not_reached);
        Ok(Outcome { status, entries })
    }

    /// Runs a command for what it starts on the way, which a line of its output proves.
    fn proven(
        &mut self,
        step: &Step,
        line: &str,
        unless: &str,
        until: Instant,
    ) -> Result<Outcome, SandboxError> {
        let running = self.spawn(step, &step.argv, false)?;
        let exit = self.wait(&running, step.phase, until);
        if exit.is_none() {
            running.traced.kill_tree();
        }
        let printed = running.output().tail.lossy().into_owned();
        let detail = self.output(&running, step.phase, exit);
        let proven = printed.contains(line) && (unless.is_empty() || !printed.contains(unless));
        let (state, status) = if proven {
            ("done", PhaseStatus::Completed)
        } else {
            let last = telling_line(&printed);
            self.note(
                IncompleteCode::HookNotRun,
                step.phase,
                format!("{} did not get to what it is for: {last}", step.name),
            );
            ("failed", PhaseStatus::Failed)
        };
        Ok(Outcome {
            status,
            entries: vec![EntryRecord {
                name: step.name.as_str().into(),
                status: state.into(),
                detail,
            }],
        })
    }

    /// Lets a harness go through `names`, starting it again after whatever it could not survive.
    fn entries(
        &mut self,
        step: &Step,
        names: &[String],
        files: &[PlannedFile],
        until: Instant,
    ) -> Result<Outcome, SandboxError> {
        let mut list = Checklist::new(names);
        list.probes = self.probes;
        let mut restarts = 0;
        let mut status = PhaseStatus::Completed;
        while list.next < names.len() {
            if Instant::now() >= until {
                let left = names.len() - list.next;
                self.note(
                    IncompleteCode::Timeout,
                    step.phase,
                    format!(
                        "{}: {left} of {} were not reached in time",
                        step.name,
                        names.len()
                    ),
                );
                status = PhaseStatus::TimedOut;
                break;
            }
            if restarts > MAX_RESTARTS {
                let left = names.len() - list.next;
                self.note(
                    IncompleteCode::HarnessIncomplete,
                    step.phase,
                    format!(
                        "{}: given up after {MAX_RESTARTS} restarts, {left} not reached",
                        step.name
                    ),
                );
                break;
            }
            restarts += 1;
            let path = format!("/tmp/.{}.json", fresh_name());
            // The harness anew as well: package code of an earlier run may have put something else in its place.
            let harness = files.iter().filter(|file| step.argv.contains(&file.path));
            let mut needed: Vec<PlannedFile> = harness.cloned().collect();
            self.lists.insert(path.as_str().into());
            needed.push(PlannedFile {
                path: path.clone(),
                content: FileContent::Bytes(list.start_run()),
                mode: 0o644,
            });
            if let Err(error) = self.sandbox.write_files(&needed) {
                // The sample may have filled the disk: that ends the step, not the analysis.
                self.note(
                    IncompleteCode::HarnessIncomplete,
                    step.phase,
                    format!("{}: {error}", step.name),
                );
                break;
            }
            let argv: Vec<String> = step
                .argv
                .iter()
                .map(|arg| arg.replace("{entries}", &path))
                .collect();
            let running = self.spawn(step, &argv, true)?;
            self.follow(&running, step, &mut list, until);
        }
        if list.forged {
            self.note(
                IncompleteCode::HarnessIncomplete,
                step.phase,
                format!("{}: the package wrote into its report", step.name),
            );
        }
        if list
            .records
            .iter()
            .any(|record| record.status == "timed_out")
        {
            status = worse(status, PhaseStatus::TimedOut);
        }
        Ok(Outcome {
            status,
            entries: list.into_records(),
        })
    }

    /// Follows one run of a harness until it ends or has to be ended.
    fn follow(&mut self, running: &Running, step: &Step, list: &mut Checklist, until: Instant) {
        let entry_time = Duration::from_millis(self.limits.entry_ms);
        let mut since = Instant::now();
        let mut ended = false;
        loop {
            let line = match &running.report {
                Some(report) => report.recv_timeout(TICK),
                None => Err(RecvTimeoutError::Disconnected),
            };
            match line {
                // A claim does not count as getting on.
                Ok(line) if self.code.take(step.phase, &list.current_name(), &line) => {
                    let now = Instant::now();
                    if now >= until || now >= since + entry_time {
                        self.too_late(running, step, list, now >= until);
                        return;
                    }
                }
                Ok(line) => {
                    ended |= list.take(&line);
                    since = Instant::now();
                    self.tell(Progress::Entry {
                        phase: step.phase,
                        done: list.next,
                        of: list.names.len(),
                    });
                    if ended {
                        // A module that keeps the process alive after the last entry is no fault of the list.
                        let exit = self.wait(
                            running,
                            step.phase,
                            until.min(Instant::now() + Duration::from_secs(2)),
                        );
                        if exit.is_none() {
                            running.traced.kill_tree();
                        }
                        self.output(running, step.phase, exit);
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) | Err(RecvTimeoutError::Disconnected) => {
                    self.collect_limits(step.phase);
                    if let Some(exit) = running.traced.wait(Instant::now()) {
                        ended |= self.drain(running, step.phase, list);
                        let detail = self.output(running, step.phase, Some(exit));
                        if !ended {
                            let name = list.current_name();
                            self.note(
                                IncompleteCode::HarnessIncomplete,
                                step.phase,
                                format!("{}: {name} ended the process it ran in", step.name),
                            );
                            list.crashed("crashed", detail);
                        }
                        return;
                    }
                    if matches!(line, Err(RecvTimeoutError::Disconnected)) {
                        std::thread::sleep(TICK);
                    }
                    let now = Instant::now();
                    if now >= until || now >= since + entry_time {
                        self.too_late(running, step, list, now >= until);
                        return;
                    }
                }
            }
        }
    }

    /// Takes what a harness that has ended had still to say: its last lines may come after its end is known. A process
    /// it left behind can hold the pipe open, so silence ends the wait as well.
    fn drain(&mut self, running: &Running, phase: Phase, list: &mut Checklist) -> bool {
        let mut ended = false;
        while let Some(Ok(line)) = running
            .report
            .as_ref()
            .map(|report| report.recv_timeout(LAST_LINES))
        {
            if !self.code.take(phase, &list.current_name(), &line) {
                ended |= list.take(&line);
            }
        }
        ended
    }

    /// Ends a harness whose entry, or whose phase (`phase`), took too long.
    fn too_late(&mut self, running: &Running, step: &Step, list: &mut Checklist, phase: bool) {
        running.traced.kill_tree();
        let detail = self.output(running, step.phase, None);
        let name = list.current_name();
        let code = if phase {
            IncompleteCode::Timeout
        } else {
            IncompleteCode::EntryTimeout
        };
        self.note(
            code,
            step.phase,
            format!("{}: {name} did not end in time", step.name),
        );
        list.crashed("timed_out", detail);
    }

    fn spawn(
        &mut self,
        step: &Step,
        argv: &[String],
        report: bool,
    ) -> Result<Running, SandboxError> {
        let command = Command {
            argv: argv.to_vec(),
            env: step.env.clone(),
            cwd: step.cwd.clone(),
            owner: step.owner.clone(),
            report,
            output_bytes: self.limits.output_bytes,
        };
        self.sandbox.spawn(&command, self.session)
    }

    fn wait(&mut self, running: &Running, phase: Phase, until: Instant) -> Option<ProcessExit> {
        let mut told = Instant::now();
        loop {
            let now = Instant::now();
            if let Some(exit) = running.traced.wait(until.min(now + TICK)) {
                return Some(exit);
            }
            if Instant::now() >= until {
                return None;
            }
            if told.elapsed() > Duration::from_millis(200) {
                told = Instant::now();
                self.collect_limits(phase);
                let totals = self.session.snapshot();
                self.tell(Progress::Totals {
                    events: totals.events,
                    processes: totals.processes as u64,
                });
            }
        }
    }

    fn output(&mut self, running: &Running, phase: Phase, exit: Option<ProcessExit>) -> Hostile {
        let output = running.output();
        if output.truncated {
            self.note(
                IncompleteCode::OutputLimit,
                phase,
                format!(
                    "{} bytes of output were written, the last {} are kept",
                    output.total, self.limits.output_bytes
                ),
            );
        }
        let tail = output.tail.as_bytes();
        let tail = &tail[tail.len().saturating_sub(DETAIL_BYTES)..];
        match exit {
            Some(ProcessExit::Signal(signal)) => {
                let mut text = format!("ended by signal {signal}\n").into_bytes();
                text.extend_from_slice(tail);
                Hostile::new(text)
            }
            _ => Hostile::new(tail.to_vec()),
        }
    }

    fn linger(&mut self) -> PhaseRecord {
        let started = Instant::now();
        let until = self
            .deadline
            .min(started + self.limits.phase(Phase::Linger));
        self.enter(Phase::Linger);
        let before = self.incomplete.len();
        while self.session.live_processes() > 0 && Instant::now() < until {
            std::thread::sleep(TICK);
            self.collect_limits(Phase::Linger);
        }
        let left = self.session.live_processes();
        let entries = match left {
            0 => Vec::new(),
            left => vec![entry(
                "watched to the end",
                "done",
                &format!("{left} processes were still alive and were ended"),
            )],
        };
        let limits_hit: Vec<String> = self.incomplete[before..].iter().map(describe).collect();
        let status = if limits_hit.is_empty() {
            PhaseStatus::Completed
        } else {
            PhaseStatus::LimitHit
        };
        self.record(Phase::Linger, status, started, limits_hit, entries)
    }

    fn enter(&self, phase: Phase) {
        self.clock.set(phase);
        self.session.set_phase(phase);
    }

    fn collect_limits(&mut self, phase: Phase) {
        for mut reason in self.sandbox.limits_hit() {
            reason.phase = Some(phase);
            if !self
                .incomplete
                .iter()
                .any(|known| known.code == reason.code && known.phase == reason.phase)
            {
                self.incomplete.push(reason);
            }
        }
    }

    fn note(&mut self, code: IncompleteCode, phase: Phase, detail: String) {
        let reason = Incomplete {
            code,
            phase: Some(phase),
            detail: detail.into(),
        };
        if !self.incomplete.contains(&reason) {
            self.incomplete.push(reason);
        }
    }

    fn record(
        &self,
        phase: Phase,
        status: PhaseStatus,
        started: Instant,
        limits_hit: Vec<String>,
        entries: Vec<EntryRecord>,
    ) -> PhaseRecord {
        let wall_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let name = serde_json::to_value(status)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned));
        self.tell(Progress::Phase {
            phase,
            status: name.unwrap_or_default(),
            wall_ms,
        });
        PhaseRecord {
            name: phase,
            artifact: self.artifact.to_owned(),
            status,
            wall_ms,
            limits_hit,
            entries,
        }
    }

    fn tell(&self, progress: Progress) {
        (self.observer)(progress);
    }
}

fn entry(name: &str, status: &str, detail: &str) -> EntryRecord {
    EntryRecord {
        name: name.into(),
        status: status.to_owned(),
        detail: detail.into(),
    }
}

fn describe(reason: &Incomplete) -> String {
    let code = serde_json::to_value(reason.code)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned));
    format!("{}: {}", code.unwrap_or_default(), reason.detail)
}

fn is_resource(code: IncompleteCode) -> bool {
    matches!(
        code,
        IncompleteCode::MemoryLimit
            | IncompleteCode::ProcessLimit
            | IncompleteCode::DiskLimit
            | IncompleteCode::OutputLimit
    )
}

fn worse(a: PhaseStatus, b: PhaseStatus) -> PhaseStatus {
    let rank = |status| match status {
        PhaseStatus::Completed => 0,
        PhaseStatus::Skipped => 1,
        PhaseStatus::Failed => 2,
        PhaseStatus::LimitHit => 3,
        PhaseStatus::TimedOut => 4,
    };
    if rank(b) > rank(a) { b } else { a }
}
