//! Checks the numbers of the attempts to generate each shot: no number is skipped, and no two successful attempts have
//! the same number.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::reason::{Reasons, Rule};
use crate::metrics::{ExecutionMetrics, Kind, shortened};

/// The attempts, by shot.
#[derive(Default)]
pub(super) struct Attempts {
    shots: BTreeMap<Shot, Vec<Attempt>>,
}

/// A skill, a scene and a shot.
type Shot = (String, Option<String>, String);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Attempt {
    count: u64,
    id: Uuid,
    succeeded: bool,
}

impl Attempts {
    pub(super) fn add(&mut self, record: &ExecutionMetrics) {
        let production = &record.production;
        if let (Kind::Generation, Some(shot), Some(count)) = (&record.kind, &production.shot_id, production.regen_count)
        {
            let of = (record.skill_name.clone(), production.scene_id.clone(), shot.clone());
            let succeeded = record.execution_succeeded == Some(true);
            self.shots.entry(of).or_default().push(Attempt { count, id: record.execution_id, succeeded });
        }
    }

    pub(super) fn judge(&mut self, reasons: &mut Reasons) {
        for ((skill, _, shot), attempts) in &mut self.shots {
            let shot = shortened(shot);
            attempts.sort_unstable();
            for same in attempts.chunk_by(|one, other| one.count == other.count) {
                let succeeded: Vec<Uuid> =
                    same.iter().filter(|attempt| attempt.succeeded).map(|attempt| attempt.id).collect();
                if succeeded.len() > 1 {
                    let found = format!("several attempts at shot {shot} have the regen_count {}", same[0].count);
                    for id in succeeded {
                        reasons.add(Rule::RegenUntracked, Some(skill), found.clone(), Some(id));
                    }
                }
            }
            // The first attempt in this run may have a number above 0, because the attempts before it can belong to an
            // earlier run.
            for pair in attempts.windows(2) {
                let (before, after) = (pair[0].count, pair[1].count);
                let found = match after - before {
                    0 | 1 => continue,
                    2 => format!("shot {shot} has no record of attempt {}", before + 1),
                    _ => format!("shot {shot} has no records of attempts {} to {}", before + 1, after - 1),
                };
                reasons.add(Rule::MissingEntry, Some(skill), found, None);
            }
        }
    }
}
