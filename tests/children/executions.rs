//! A child process that records a few executions, and checks of the ledger that must pass however the child ended.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;

use runledger::ledger::{Execution, Recorded};
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Options, Skill, Timestamp, Uuid};

use super::{Report, arguments, contents, is_interrupted, ledger_path, prepare, report, segments};

pub(crate) const SIGKILL: i32 = 9;
/// Nearly as much as the commit area holds, so that every second such record moves its base.
const LARGE_BYTES: usize = 1_000_000;
/// The tasks of [`Scene::Tasks`].
const TASKS: usize = 8;
const LEFT: &str = "left behind";

/// The state of the ledger before the child runs, and the size of the child's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// There is no ledger, so the child creates it.
    New,
    /// A ledger that a killed process has left, with an execution without a record, and a torn line.
    AfterKill,
    /// A ledger in which each line begins a new segment.
    Rotating,
    /// A ledger with one record. Every second record of the child has a megabyte.
    Large,
    /// A ledger in which the child records executions of a tenth of a megabyte until one is not durable.
    Endless,
    /// A ledger with one record. The child has eight tasks, which use the async calls.
    Tasks,
}

impl Scene {
    fn options(self) -> Options {
        let options = Options::new().on_warning(|_| {});
        if self == Self::Rotating { options.rotate_bytes(Some(1)) } else { options }
    }

    /// Creates the state that the child finds.
    #[track_caller]
    pub(crate) fn prepare(self, directory: &Path) {
        match self {
            Self::New | Self::Rotating | Self::Endless => {}
            Self::AfterKill => {
                let mut child = Command::new(&arguments()[0]);
                child.args(&arguments()[1..]).stderr(Stdio::null());
                assert_eq!(prepare(&mut child, "leave", directory).status().unwrap().signal(), Some(SIGKILL));
                let path = ledger_path(directory);
                assert_eq!(std::fs::read(&path).unwrap(), b"");
                std::fs::write(&path, b"{\"execution_id\":\"0199").unwrap();
            }
            Self::Large | Self::Tasks => {
                let ledger = Ledger::open(ledger_path(directory)).unwrap();
                assert!(ledger.begin(Skill::new("before", "1.0.0")).succeed().is_durable());
            }
        }
    }

    /// Returns the number of records in the ledger that the child has not reported.
    fn records_before(self) -> usize {
        usize::from(matches!(self, Self::AfterKill | Self::Large | Self::Tasks))
    }

    /// Returns the number of tasks of the child, each of which has at most one execution that it has not reported.
    fn tasks(self) -> usize {
        if self == Self::Tasks { TASKS } else { 1 }
    }
}

/// The results of one or more runs of the child in a directory.
pub(crate) struct Run {
    pub(crate) scene: Scene,
    pub(crate) directory: PathBuf,
    /// The number of runs of the child in the directory.
    pub(crate) times: usize,
    pub(crate) status: ExitStatus,
    /// A text for the messages of failed assertions.
    pub(crate) at: String,
}

impl Run {
    /// Runs the child once in `directory`, which is prepared, with the command `wrapper`.
    #[track_caller]
    pub(crate) fn new(scene: Scene, directory: &Path, wrapper: &[&str], at: String) -> Self {
        let arguments = arguments();
        let words: Vec<&str> = wrapper.iter().copied().chain(arguments.iter().map(String::as_str)).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stderr(Stdio::null());
        let status = prepare(&mut command, &format!("{scene:?}"), directory).status().unwrap();
        Self { scene, directory: directory.to_owned(), times: 1, status, at }
    }

    pub(crate) fn path(&self) -> PathBuf {
        ledger_path(&self.directory)
    }

    pub(crate) fn reported(&self) -> Reported {
        Reported::read(&self.directory.join("report"))
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(SIGKILL)
    }
}

/// The reports of the child before it ended.
#[derive(Debug, Default)]
pub(crate) struct Reported {
    /// True if the child began its own work. If not, the fault affected the test harness before.
    pub(crate) started: bool,
    pub(crate) panicked: bool,
    pub(crate) refused: bool,
    pub(crate) done: bool,
    /// The executions whose `begin` returned.
    pub(crate) begun: Vec<Uuid>,
    /// The answer to each record, `durable`, `spilled` or `lost`, and its line number, or 0 if it has none.
    pub(crate) answers: HashMap<Uuid, (String, u64)>,
    /// The executions that were not marked as begun.
    pub(crate) unmarked: Vec<Uuid>,
}

impl Reported {
    pub(crate) fn read(path: &Path) -> Self {
        let mut reported = Self::default();
        for line in report(path) {
            let id = || line[1].parse::<Uuid>().unwrap();
            match line[0].as_str() {
                "started" => reported.started = true,
                "panicked" => reported.panicked = true,
                "refused" => reported.refused = true,
                "done" => reported.done = true,
                "begun" => reported.begun.push(id()),
                "unmarked" => reported.unmarked.push(id()),
                answer => _ = reported.answers.insert(id(), (answer.to_owned(), line[2].parse().unwrap())),
            }
        }
        reported
    }

    pub(crate) fn count(&self, answer: &str) -> usize {
        self.answers.values().filter(|(given, _)| given == answer).count()
    }
}

/// Opens the ledger and compares it with the reports of the child.
pub(crate) fn check(run: &Run) {
    let (at, reported, path) = (&run.at, run.reported(), run.path());
    assert!(!reported.panicked, "{at}: the child panicked");
    let open = || Options::new().on_warning(|_| {}).open(&path).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    drop(open());
    let found = contents(&path, at);
    for id in &reported.begun {
        let Some((_, record)) = found.get(id) else {
            // The begin mark and the record could not be written, and the child got answers that say so.
            let lost = reported.answers.get(id).is_some_and(|(answer, _)| answer == "lost");
            assert!(lost && reported.unmarked.contains(id), "{at}: begun and without a record: {reported:?}");
            continue;
        };
        match reported.answers.get(id) {
            Some((answer, _)) if answer != "lost" => assert!(succeeded(record), "{at}: {answer}, and then {record:?}"),
            // The child was killed within the call that ends the execution, so the record may be there.
            _ => assert!(is_interrupted(record) || succeeded(record), "{at}: {record:?}"),
        }
    }
    for (id, (answer, line)) in &reported.answers {
        match found.get(id) {
            Some((seq, _)) => assert!(*line == 0 || line == seq, "{at}: reported line {line}, found line {seq}"),
            None => assert_eq!(answer, "lost", "{at}: a record is missing"),
        }
    }
    let left: Vec<_> = found.values().filter(|(_, record)| record.skill_name == LEFT).collect();
    assert!(left.iter().all(|(_, record)| is_interrupted(record)), "{at}");
    assert_eq!(left.len(), usize::from(run.scene == Scene::AfterKill), "{at}: what was left behind");
    // In each run, each task may have begun an execution, or appended a record, without a report of the child.
    let known = |id: &Uuid| reported.begun.contains(id) || reported.answers.contains_key(id);
    let unknown = found.keys().filter(|id| !known(id)).count();
    let allowed = run.scene.records_before() + run.scene.tasks() * (run.times - usize::from(reported.done));
    assert!(unknown <= allowed, "{at}: {unknown} records that were not reported: {reported:?}");

    let bytes = || segments(&path).iter().map(|segment| std::fs::read(segment).unwrap()).collect::<Vec<_>>();
    let once = bytes();
    drop(open());
    assert!(once == bytes(), "{at}: a second opening changed the ledger");
}

pub(crate) fn succeeded(record: &ExecutionMetrics) -> bool {
    record.status == Some(Status::Success) && record.execution_succeeded == Some(true)
}

/// Does the work of the child. The ignored test `child` calls this function.
pub(crate) fn child(task: &str, directory: &Path) {
    if task == "leave" {
        let ledger = Ledger::open(ledger_path(directory)).unwrap();
        let _left = ledger.begin(Skill::new(LEFT, "1.0.0"));
        kill_myself();
    }
    let scenes = [Scene::New, Scene::AfterKill, Scene::Rotating, Scene::Large, Scene::Endless, Scene::Tasks];
    let scene = scenes.into_iter().find(|scene| format!("{scene:?}") == task).unwrap();
    let report = Arc::new(Report::open(&directory.join("report")));
    report.say("started");
    let panicked = Arc::clone(&report);
    std::panic::set_hook(Box::new(move |_| panicked.say("panicked")));
    // A ledger that cannot be opened guarantees nothing.
    match scene.options().open(ledger_path(directory)) {
        Ok(ledger) => work(&ledger, scene, &report),
        Err(_) => report.say("refused"),
    }
    report.say("done");
    // The calls of the test harness after this are not counted.
    std::process::exit(0);
}

fn kill_myself() -> ! {
    Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status().unwrap();
    unreachable!("the signal has arrived before kill(1) ends")
}

fn work(ledger: &Ledger, scene: Scene, report: &Arc<Report>) {
    if scene == Scene::Tasks {
        return in_tasks(ledger, report);
    }
    if scene == Scene::Endless {
        while record(report, ledger, Skill::new("endless", "1.0.0"), LARGE_BYTES / 10).is_durable() {}
        return;
    }
    let large = "x".repeat(if scene == Scene::Large { LARGE_BYTES } else { 0 });
    let mut parent = begin(report, ledger.begin(Skill::new("parent", "1.0.0")));
    _ = finish(report, begin(report, parent.child(Skill::new("nested", "1.0.0"))));
    parent.set_tag("filler", large.clone());
    _ = finish(report, parent);
    _ = record(report, ledger, Skill::new("alone", "1.0.0"), 0);
    let mut elsewhere = ExecutionMetrics::new(Uuid::now_v7(), "made elsewhere", "1.0.0", Timestamp::UNIX_EPOCH);
    elsewhere.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    elsewhere.set_status(Status::Success);
    elsewhere.tags.insert("filler".to_owned(), large.into());
    answer(report, elsewhere.execution_id, &ledger.append(&elsewhere).unwrap());
}

/// Records executions with the async calls, in tasks of a runtime.
fn in_tasks(ledger: &Ledger, report: &Arc<Report>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (ledger, report) = (ledger.clone(), Arc::clone(report));
            runtime.spawn(async move {
                for _ in 0..4 {
                    let run = begin(&report, ledger.begin_async(Skill::new("task", "1.0.0")).await);
                    let id = run.id();
                    let recorded = run.succeed_async().await;
                    if recorded.unmarked.is_some() {
                        report.say(&format!("unmarked {id}"));
                    }
                    answer(&report, id, &recorded.answer);
                }
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| runtime.block_on(task).unwrap());
}

/// Records an execution with a tag of `bytes` bytes, and reports the answer.
pub(crate) fn record(report: &Report, ledger: &Ledger, skill: Skill, bytes: usize) -> Recorded {
    let mut run = begin(report, ledger.begin(skill));
    run.set_tag("filler", "x".repeat(bytes));
    finish(report, run)
}

fn begin(report: &Report, run: Execution) -> Execution {
    report.say(&format!("begun {}", run.id()));
    run
}

fn finish(report: &Report, run: Execution) -> Recorded {
    let id = run.id();
    let recorded = run.succeed();
    if recorded.unmarked.is_some() {
        report.say(&format!("unmarked {id}"));
    }
    answer(report, id, &recorded.answer);
    recorded
}

fn answer(report: &Report, id: Uuid, answer: &Answer) {
    report.say(&match answer {
        Answer::Durable { seq } => format!("durable {id} {seq}"),
        Answer::Spilled(_) => format!("spilled {id} 0"),
        Answer::Lost(_) => format!("lost {id} 0"),
        other => format!("unexpected {id} {other:?}"),
    });
}
