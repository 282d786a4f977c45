//! Measures `runledger import claude-code`: `cargo bench --bench import --features cli [-- --dir DIRECTORY]`.
//!
//! The sessions are two files of 500 MB, which repeat the sample session with other ids. The lines of the sample are
//! short, because its texts were replaced. In the second kind of files, its texts have lengths as in real sessions.
//!
//! The floors read the same bytes in one thread. The first floor only splits the bytes into lines. The second floor
//! also parses each line, but keeps no value.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{arguments, machine};
use serde::de::IgnoredAny;

const SAMPLE: &str = include_str!("../tests/data/transcripts/claude-code.jsonl");
const FILES: u64 = 2;
const FILE_BYTES: u64 = 500_000_000;

fn main() {
    let directory = arguments().directory.join("import");
    fs::create_dir_all(&directory).unwrap();
    println!("{}", machine(&directory));
    for (kind, sample) in [("short", SAMPLE.to_owned()), ("real", with_long_texts(SAMPLE))] {
        let files = files(&directory.join(kind), &sample);
        let line_bytes = sample.len() / sample.lines().count();
        println!("\n{kind} lines: {FILES} files, {line_bytes} bytes in a line\n");
        println!("{:<24} {:>9} {:>9} {:>9}", "", "s", "MB/s", "MiB");
        // This pass, which is not measured, reads the files into the page cache.
        split(&files);
        let print = |what: &str, took: Duration, memory: String| {
            let rate = (FILES * FILE_BYTES) as f64 / 1e6 / took.as_secs_f64();
            println!("{what:<24} {:>9.2} {rate:>9.0} {memory:>9}", took.as_secs_f64());
        };
        print("floor: lines", split(&files), String::new());
        print("floor: JSON", parse(&files), String::new());
        let ledger = directory.join("ledger");
        let _ = fs::remove_dir_all(&ledger);
        fs::create_dir_all(&ledger).unwrap();
        for what in ["first import", "second import"] {
            let (took, kibibytes, summary) = import(&directory.join(kind), &ledger.join("ledger.jsonl"));
            print(what, took, format!("{:.0}", kibibytes as f64 / 1024.0));
            let counts = ["executions", "calls", "repeated_lines"].map(|key| format!("{} {key}", summary[key]));
            println!("  {}", counts.join(", "));
        }
    }
}

/// Returns the sample with texts as long as in real sessions.
fn with_long_texts(sample: &str) -> String {
    const TEXT: &str = r#"    let total = sum_of(\"item\", count);\n"#;
    let lengths = [
        ("\"text\":\"", 600),
        ("\"thinking\":\"", 500),
        ("\"signature\":\"", 800),
        ("\"tool_result\",\"content\":\"", 6_000),
        ("\"filePath\":\"xxxxxxxxxxxxxxxxxxxxxxxx\",\"content\":\"", 6_000),
        ("\"file_path\":\"xxxxxxxxxxxxxxxxxxxxxxxx\",\"content\":\"", 3_000),
        ("\"originalFile\":\"", 12_000),
        ("\"old_string\":\"", 600),
        ("\"new_string\":\"", 600),
    ];
    lengths.into_iter().fold(sample.to_owned(), |sample, (before, bytes)| {
        sample.replace(&format!("{before}xxx"), &format!("{before}{}xxx", TEXT.repeat(bytes / TEXT.len() + 1)))
    })
}

/// Returns the files in the directory, and writes them first if they are missing.
fn files(directory: &Path, sample: &str) -> Vec<PathBuf> {
    fs::create_dir_all(directory).unwrap();
    let ids = places_of_ids(sample);
    let mut number = 0_u32;
    let paths = (0..FILES).map(|file| directory.join(format!("{file}.jsonl")));
    paths
        .inspect(|path| {
            if path.metadata().is_ok_and(|metadata| metadata.len() == FILE_BYTES) {
                return;
            }
            println!("writing {}", path.display());
            let mut file = BufWriter::new(File::create(path).unwrap());
            let mut bytes = sample.as_bytes().to_vec();
            let mut left = FILE_BYTES as usize;
            while left > 0 {
                number += 1;
                let digits = format!("{number:06x}");
                ids.iter().for_each(|&end| bytes[end - 6..end].copy_from_slice(digits.as_bytes()));
                // The last copy is cut at the end of a line, and the rest is empty lines.
                let whole = bytes.len() <= left;
                file.write_all(if whole { &bytes } else { b"\n" }).unwrap();
                left -= if whole { bytes.len() } else { 1 };
            }
            file.flush().unwrap();
        })
        .collect()
}

/// Returns where each id ends.
fn places_of_ids(sample: &str) -> Vec<usize> {
    let kinds = ["msg_01", "req_01", "toolu_01", "\"sessionId\":\"", "\"uuid\":\"", "\"parentUuid\":\""];
    let starts = kinds.iter().flat_map(|kind| sample.match_indices(kind).map(|(at, kind)| at + kind.len()));
    starts
        .map(|start| start + sample[start..].find(|letter: char| !(letter.is_alphanumeric() || letter == '-')).unwrap())
        .filter(|&end| sample[..end].ends_with(|letter: char| letter.is_alphanumeric()))
        .collect()
}

fn each_line(files: &[PathBuf], mut visit: impl FnMut(&[u8])) -> Duration {
    let begin = Instant::now();
    let mut line = Vec::new();
    for file in files {
        let mut input = BufReader::with_capacity(1 << 18, File::open(file).unwrap());
        while input.read_until(b'\n', &mut line).unwrap() > 0 {
            visit(&line);
            line.clear();
        }
    }
    begin.elapsed()
}

fn split(files: &[PathBuf]) -> Duration {
    each_line(files, |line| _ = std::hint::black_box(line))
}

fn parse(files: &[PathBuf]) -> Duration {
    each_line(files, |line| {
        if line != b"\n" {
            serde_json::from_slice::<IgnoredAny>(line).unwrap();
        }
    })
}

/// Imports the directory. Returns how long it took, the most memory in KiB, and the summary.
fn import(directory: &Path, ledger: &Path) -> (Duration, u64, serde_json::Value) {
    let begin = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_runledger"));
    command.args(["import", "claude-code", "--json", "--ledger"]).arg(ledger).arg(directory);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        most = peak.unwrap_or(most);
        std::thread::sleep(Duration::from_millis(2));
    }
    let took = begin.elapsed();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    (took, most, serde_json::from_slice(&output.stdout).unwrap())
}
