//! The child that records a few executions, and what must be true of them however it ended.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use runledger::ledger::{Execution, Recorded};
use runledger::metrics::Status;
use runledger::{Answer, ExecutionMetrics, Ledger, Options, Skill, Timestamp, Uuid};

use super::{Report, arguments, contents, is_interrupted, ledger_path, prepare, report, segments};

pub(crate) const SIGKILL: i32 = 9;
/// Nearly what the commit area holds, so that every second such record moves its base.
const LARGE_BYTES: usize = 1_000_000;
const LEFT: &str = "left behind";

/// What the child finds, and how large its records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// Nothing: it makes the ledger.
    New,
    /// What a killed process left: an execution without a record, and a torn line.
    AfterKill,
    /// A ledger whose every line begins a new segment.
    Rotating,
    /// A ledger with one record. Of the child's own every second has a megabyte.
    Large,
    /// A ledger in which the child records executions of a tenth of a megabyte until one is not durable.
    Endless,
}

impl Scene {
    fn options(self) -> Options {
        let options = Options::new().on_warning(|_| {});
        if self == Self::Rotating { options.rotate_bytes(Some(1)) } else { options }
    }

    /// Makes what the child is to find.
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
            Self::Large => {
                let ledger = Ledger::open(ledger_path(directory)).unwrap();
                assert!(ledger.begin(Skill::new("before", "1.0.0")).succeed().is_durable());
            }
        }
    }

    /// How many records stand in the ledger without the child's word for it.
    fn records_before(self) -> usize {
        usize::from(matches!(self, Self::AfterKill | Self::Large))
    }
}

/// One or more runs of the child in a directory.
pub(crate) struct Run {
    pub(crate) scene: Scene,
    pub(crate) directory: PathBuf,
    /// How often the child has been run there.
    pub(crate) times: usize,
    pub(crate) status: ExitStatus,
    /// What a failed assertion is to say.
    pub(crate) at: String,
}

impl Run {
    /// Runs the child once in `directory`, which is prepared, behind the words of `wrapper`.
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

    pub(crate) fn told(&self) -> Told {
        Told::read(&self.directory.join("report"))
    }

    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(SIGKILL)
    }
}

/// What the child said before it ended.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Whether it came to its own work: a fault may also meet the test harness.
    pub(crate) started: bool,
    pub(crate) panicked: bool,
    pub(crate) refused: bool,
    pub(crate) done: bool,
    /// Executions whose `begin` returned.
    pub(crate) begun: Vec<Uuid>,
    /// What became of a record: `durable`, `spilled` or `lost`, and its line number, 0 without one.
    pub(crate) answers: HashMap<Uuid, (String, u64)>,
    /// Executions that were not marked as begun.
    pub(crate) unmarked: Vec<Uuid>,
}

impl Told {
    pub(crate) fn read(path: &Path) -> Self {
        let mut told = Self::default();
        for line in report(path) {
            let id = || line[1].parse::<Uuid>().unwrap();
            match line[0].as_str() {
                "started" => told.started = true,
                "panicked" => told.panicked = true,
                "refused" => told.refused = true,
                "done" => told.done = true,
                "begun" => told.begun.push(id()),
                "unmarked" => told.unmarked.push(id()),
                answer => _ = told.answers.insert(id(), (answer.to_owned(), line[2].parse().unwrap())),
            }
        }
        told
    }

    pub(crate) fn count(&self, answer: &str) -> usize {
        self.answers.values().filter(|(given, _)| given == answer).count()
    }
}

/// Opens the ledger and compares what it holds with what the child was told.
pub(crate) fn check(run: &Run) {
    let (at, told, path) = (&run.at, run.told(), run.path());
    assert!(!told.panicked, "{at}: the child panicked");
    let open = || Options::new().on_warning(|_| {}).open(&path).unwrap_or_else(|error| panic!("{at}: {error:?}"));
    drop(open());
    let found = contents(&path, at);
    for id in &told.begun {
        let Some((_, record)) = found.get(id) else {
            // Neither its mark nor its record could be written, and it was told so.
            let lost = told.answers.get(id).is_some_and(|(answer, _)| answer == "lost");
            assert!(lost && told.unmarked.contains(id), "{at}: begun and without a record: {told:?}");
            continue;
        };
        match told.answers.get(id) {
            Some((answer, _)) if answer != "lost" => assert!(succeeded(record), "{at}: {answer}, and then {record:?}"),
            // Killed within the call that ends it: the record may be there.
            _ => assert!(is_interrupted(record) || succeeded(record), "{at}: {record:?}"),
        }
    }
    for (id, (answer, line)) in &told.answers {
        match found.get(id) {
            Some((seq, _)) => assert!(*line == 0 || line == seq, "{at}: told line {line}, found line {seq}"),
            None => assert_eq!(answer, "lost", "{at}: a record is not there"),
        }
    }
    let left: Vec<_> = found.values().filter(|(_, record)| record.skill_name == LEFT).collect();
    assert!(left.iter().all(|(_, record)| is_interrupted(record)), "{at}");
    assert_eq!(left.len(), usize::from(run.scene == Scene::AfterKill), "{at}: what was left behind");
    // In each run one execution may have been begun, or one record appended, without the child's word for it.
    let known = |id: &Uuid| told.begun.contains(id) || told.answers.contains_key(id);
    let unknown = found.keys().filter(|id| !known(id)).count();
    let allowed = run.scene.records_before() + run.times - usize::from(told.done);
    assert!(unknown <= allowed, "{at}: {unknown} records that nobody knows: {told:?}");

    let bytes = || segments(&path).iter().map(|segment| std::fs::read(segment).unwrap()).collect::<Vec<_>>();
    let once = bytes();
    drop(open());
    assert!(once == bytes(), "{at}: a second opening changed the ledger");
}

pub(crate) fn succeeded(record: &ExecutionMetrics) -> bool {
    record.status == Some(Status::Success) && record.execution_succeeded == Some(true)
}

/// The child: what the ignored test `child` is to call.
pub(crate) fn child(task: &str, directory: &Path) {
    if task == "leave" {
        let ledger = Ledger::open(ledger_path(directory)).unwrap();
        let _left = ledger.begin(Skill::new(LEFT, "1.0.0"));
        kill_myself();
    }
    let scenes = [Scene::New, Scene::AfterKill, Scene::Rotating, Scene::Large, Scene::Endless];
    let scene = scenes.into_iter().find(|scene| format!("{scene:?}") == task).unwrap();
    let told = std::sync::Arc::new(Report::open(&directory.join("report")));
    told.say("started");
    let panicked = std::sync::Arc::clone(&told);
    std::panic::set_hook(Box::new(move |_| panicked.say("panicked")));
    // A ledger that cannot be opened promised nothing.
    match scene.options().open(ledger_path(directory)) {
        Ok(ledger) => work(&ledger, scene, &told),
        Err(_) => told.say("refused"),
    }
    told.say("done");
    // The test harness has calls of its own, which nobody is to count.
    std::process::exit(0);
}

fn kill_myself() -> ! {
    Command::new("kill").args(["-KILL", &std::process::id().to_string()]).status().unwrap();
    unreachable!("the signal has arrived before kill(1) ends")
}

fn work(ledger: &Ledger, scene: Scene, told: &Report) {
    if scene == Scene::Endless {
        while record(told, ledger, Skill::new("endless", "1.0.0"), LARGE_BYTES / 10).is_durable() {}
        return;
    }
    let large = "x".repeat(if scene == Scene::Large { LARGE_BYTES } else { 0 });
    let mut parent = begin(told, ledger.begin(Skill::new("parent", "1.0.0")));
    _ = finish(told, begin(told, parent.child(Skill::new("nested", "1.0.0"))));
    parent.set_tag("filler", large.clone());
    _ = finish(told, parent);
    _ = record(told, ledger, Skill::new("alone", "1.0.0"), 0);
    let mut elsewhere = ExecutionMetrics::new(Uuid::now_v7(), "made elsewhere", "1.0.0", Timestamp::UNIX_EPOCH);
    elsewhere.timestamp_end = Some(Timestamp::UNIX_EPOCH);
    elsewhere.set_status(Status::Success);
    elsewhere.tags.insert("filler".to_owned(), large.into());
    answer(told, elsewhere.execution_id, &ledger.append(&elsewhere).unwrap());
}

/// Records an execution with a tag of so many bytes, and reports what became of it.
pub(crate) fn record(told: &Report, ledger: &Ledger, skill: Skill, bytes: usize) -> Recorded {
    let mut run = begin(told, ledger.begin(skill));
    run.set_tag("filler", "x".repeat(bytes));
    finish(told, run)
}

fn begin(told: &Report, run: Execution) -> Execution {
    told.say(&format!("begun {}", run.id()));
    run
}

fn finish(told: &Report, run: Execution) -> Recorded {
    let id = run.id();
    let recorded = run.succeed();
    if recorded.unmarked.is_some() {
        told.say(&format!("unmarked {id}"));
    }
    answer(told, id, &recorded.answer);
    recorded
}

fn answer(told: &Report, id: Uuid, answer: &Answer) {
    told.say(&match answer {
        Answer::Durable { seq } => format!("durable {id} {seq}"),
        Answer::Spilled(_) => format!("spilled {id} 0"),
        Answer::Lost(_) => format!("lost {id} 0"),
        other => format!("unexpected {id} {other:?}"),
    });
}
