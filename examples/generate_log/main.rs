//! Writes a log for experiments: `generate_log PATH [--records 1000000] [--skills 20] [--malformed 0.001] [--seed 1]
//! [--rotate-mb 64]`.
//!
//! The records resemble those of an orchestrator, which is a program that runs many skills. Each record has about 900
//! bytes. The latencies of a skill are log-normal around its median. One execution in 64 has failed. Some records have
//! no model, and so no tokens and no cost. Some executions were interrupted, and have no end and no latency. The same
//! arguments give the same records. The values above are the defaults, except for `--rotate-mb`: without it, the log is
//! one file.
//!
//! The records are written through the ledger's journal, without syncs. A malformed line is the beginning of a record,
//! followed by a brace. Malformed lines are written through the journal, too. So they are part of the hash chain, and
//! `runledger verify` finds no fault. If they were written directly to the file, the ledger would treat them as the
//! remains of a crash and remove them.

mod records;

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use records::Records;
use runledger::Durability;
use runledger::journal::{Journal, JournalOptions};

struct Arguments {
    path: PathBuf,
    records: u64,
    skills: u64,
    /// The share of malformed lines, from 0 to 1.
    malformed: f64,
    seed: u64,
    /// The size, in MB, at which a new segment (a file of the log) begins. 0 if the log is one file.
    rotate_mb: u64,
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let path = words.next().filter(|word| !word.starts_with('-')).ok_or("expected the path of the log first")?;
    let mut arguments =
        Arguments { path: path.into(), records: 1_000_000, skills: 20, malformed: 0.001, seed: 1, rotate_mb: 0 };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("expected a value after {word}"))?;
        match &*word {
            "--records" => arguments.records = number(&value)?,
            "--skills" => arguments.skills = number(&value)?,
            "--malformed" => arguments.malformed = number(&value)?,
            "--seed" => arguments.seed = number(&value)?,
            "--rotate-mb" => arguments.rotate_mb = number(&value)?,
            _ => return Err(format!("unknown argument {word}").into()),
        }
    }
    Ok(arguments)
}

fn number<T: FromStr<Err: Error + 'static>>(text: &str) -> Result<T, Box<dyn Error>> {
    text.parse().map_err(|error| format!("found {text}; expected a number: {error}").into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { path, records, skills, malformed, seed, rotate_mb } = arguments()?;
    if path.exists() {
        return Err(format!("{}: found a file; expected a new path", path.display()).into());
    }
    // The journal uses the clock for the log's id and for the times of events. These times do not matter here, so the
    // clock is fixed.
    let options = JournalOptions::new(Arc::new(|| 1_770_422_400_000))
        .durability(Durability::Flushed)
        .rotate_bytes((rotate_mb > 0).then_some(rotate_mb * 1_000_000));
    let journal = Journal::open(&path, options)?;
    let mut source = Records::new(skills, seed);
    for _ in 0..records {
        let json = source.next_record()?.to_json()?;
        if source.chance(malformed) {
            let beginning = source.below(json.len() as u64 - 1) as usize + 1;
            journal.append(&[&json.as_bytes()[..beginning], b"}"].concat())?;
        } else {
            journal.append(json.as_bytes())?;
        }
    }
    Ok(())
}
