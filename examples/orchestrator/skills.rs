//! The skills of the DAG, and the code that runs them. An orchestrator can copy `run` and `execute`.
//!
//! An [`Execution`] is a guard: if it is dropped before the skill has ended, for example by a panic, it still records
//! how the execution ended.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use runledger::metrics::{ErrorCategory, Status};
use runledger::{Execution, Skill, hash_bytes, hash_reader};
use serde_json::{Value, json};

/// The output of each skill that has ended. `None` if the skill did not succeed.
type Outputs = BTreeMap<&'static str, Option<Value>>;
type Output = Result<Value, Box<dyn Error>>;

/// A skill of the DAG.
pub(crate) struct Node {
    name: &'static str,
    /// The skills that must succeed before this one starts.
    needs: &'static [&'static str],
    body: fn(&mut Execution, &Outputs) -> Output,
}

pub(crate) const DAG: &[Node] = &[
    Node { name: "walk-sources", needs: &[], body: walk_sources },
    Node { name: "read-manifest", needs: &[], body: read_manifest },
    Node { name: "read-credentials", needs: &[], body: read_credentials },
    Node { name: "supervise-worker", needs: &[], body: supervise_worker },
    Node { name: "hash-sources", needs: &["walk-sources"], body: hash_sources },
    Node { name: "shorten-title", needs: &["read-manifest"], body: shorten_title },
    Node { name: "publish", needs: &["read-credentials"], body: |_, _| Ok(json!("published")) },
    Node { name: "cross-check", needs: &["hash-sources"], body: cross_check },
];

/// Runs the skills in waves. A skill belongs to the next wave if all skills that it needs have ended. The skills of a
/// wave run at the same time, each in its own thread.
pub(crate) fn run(root: &Execution, dag: &'static [Node]) -> io::Result<()> {
    let mut outputs = Outputs::new();
    while outputs.len() < dag.len() {
        let ready =
            |node: &&Node| !outputs.contains_key(node.name) && node.needs.iter().all(|need| outputs.contains_key(need));
        let wave: Vec<&'static Node> = dag.iter().filter(ready).collect();
        assert!(!wave.is_empty(), "the DAG has a cycle");
        let ended = thread::scope(|scope| {
            let start = |node: &'static Node| {
                // The record of the child execution names its parent, its run and its path. The guard moves to the
                // thread.
                let execution = root.child(Skill::new(node.name, "1.0.0"));
                let outputs = &outputs;
                thread::Builder::new()
                    .name(node.name.to_owned())
                    .spawn_scoped(scope, move || execute(node, execution, outputs))
            };
            let threads = wave.iter().map(|node| Ok((node.name, start(node)?))).collect::<io::Result<Vec<_>>>()?;
            // A thread that panicked has dropped its guard, which recorded the execution as panicked.
            let join = |(name, thread): (_, thread::ScopedJoinHandle<'_, _>)| (name, thread.join().ok().flatten());
            Ok::<_, io::Error>(threads.into_iter().map(join).collect::<Outputs>())
        })?;
        outputs.extend(ended);
    }
    Ok(())
}

/// Runs one skill. The guard `execution` writes exactly one record, even if this function panics.
fn execute(node: &Node, mut execution: Execution, outputs: &Outputs) -> Option<Value> {
    if let Some(need) = node.needs.iter().find(|need| outputs[*need].is_none()) {
        execution.record_mut().set_error_reason(format!("needs {need}, which did not succeed"));
        execution.finish(Status::Cancelled);
        return None;
    }
    match (node.body)(&mut execution, outputs) {
        Ok(output) => {
            execution.record_mut().output_hash = Some(hash_bytes(output.to_string()));
            execution.succeed();
            Some(output)
        }
        Err(error) => {
            execution.fail(&error);
            None
        }
    }
}

/// Reads the output of a skill as a list of texts.
fn texts(outputs: &Outputs, skill: &str) -> Result<Vec<String>, serde_json::Error> {
    serde_json::from_value(json!(outputs[skill]))
}

fn walk_sources(execution: &mut Execution, _: &Outputs) -> Output {
    execution.enter("list"); // a step, which is timed and appended to `skill_path_in_dag`
    let (mut directories, mut files) = (vec![concat!(env!("CARGO_MANIFEST_DIR"), "/src").into()], Vec::new());
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir::<std::path::PathBuf>(directory)? {
            let path = entry?.path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    execution.enter("sort");
    files.sort();
    execution.set_tag("files", files.len());
    Ok(json!(files))
}

fn hash_sources(execution: &mut Execution, outputs: &Outputs) -> Output {
    let files = texts(outputs, "walk-sources")?;
    execution.record_mut().input_hash = Some(hash_bytes(files.join("\n")));
    execution.enter("hash");
    let hash = |file: &String| Ok(format!("{}  {file}", hash_reader(fs::File::open(file)?)?));
    Ok(json!(files.iter().map(hash).collect::<io::Result<Vec<_>>>()?))
}

fn read_manifest(execution: &mut Execution, _: &Outputs) -> Output {
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))?;
    execution.record_mut().input_hash = Some(hash_bytes(&manifest));
    let keys: Vec<_> = manifest.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    Ok(json!(keys))
}

/// Compares the hashes with those of `sha256sum`. This shows how a skill records a program that it runs.
fn cross_check(execution: &mut Execution, outputs: &Outputs) -> Output {
    execution.enter("sha256sum");
    let theirs = Command::new("sha256sum").args(texts(outputs, "walk-sources")?).output()?;
    execution.record_mut().error_code = theirs.status.code().filter(|&code| code != 0).map(i64::from);
    execution.enter("compare");
    let ours = texts(outputs, "hash-sources")?;
    let same = String::from_utf8(theirs.stdout)?.lines().eq(&ours);
    execution.record_mut().output_correct = Some(same);
    execution.record_mut().decision_made = Some(if same { "APPROVE" } else { "BLOCK" }.to_owned());
    Ok(json!(same))
}

/// Fails, because the file does not exist.
fn read_credentials(execution: &mut Execution, _: &Outputs) -> Output {
    execution.record_mut().error_category = Some(ErrorCategory::Auth); // instead of Unknown, if the skill fails
    let path = "no-such-credentials.toml";
    let text = fs::read_to_string(path).map_err(|error| format!("read {path}: {error}"))?;
    execution.record_mut().error_category = None;
    Ok(json!(text))
}

/// Panics, because it splits a string in the middle of a character.
fn shorten_title(_: &mut Execution, _: &Outputs) -> Output {
    let title = String::from("Ledger — what ran");
    Ok(json!(title[..8]))
}

/// Starts a worker process and kills it during its execution, as the kernel does when memory runs out.
fn supervise_worker(execution: &mut Execution, _: &Outputs) -> Output {
    let (run_id, id) = (execution.record_mut().run.run_id.clone().unwrap_or_default(), execution.id().to_string());
    let mut worker = Command::new(std::env::current_exe()?)
        .args(["worker", &run_id, &id])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    execution.enter("wait-until-begun");
    let mut said = String::new();
    BufReader::new(worker.stdout.take().ok_or("the worker has no output")?).read_line(&mut said)?;
    worker.kill()?; // with SIGKILL, so no destructor of the worker runs
    Err(format!("the worker said {said:?} and ended by {}", worker.wait()?).into())
}
