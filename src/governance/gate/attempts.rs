//! Checks the numbers of the attempts to generate each shot. They must begin with 0 and have no gaps, and successful
//! attempts must have different numbers.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::reason::{Reasons, Rule};
use crate::metrics::{ExecutionMetrics, Kind, shortened};

/// The attempts to generate shots, by shot.
#[derive(Default)]
pub(super) struct Attempts {
    shots: BTreeMap<Shot, OfShot>,
}

/// A scene and a shot.
type Shot = (Option<String>, String);

#[derive(Default)]
struct OfShot {
    /// The numbered attempts, by skill.
    skills: BTreeMap<String, Vec<Attempt>>,
    /// The number of attempts without a `regen_count`. A different rule reports these attempts.
    unnumbered: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Attempt {
    count: u64,
    id: Uuid,
    succeeded: bool,
}

impl Attempts {
    pub(super) fn add(&mut self, record: &ExecutionMetrics) {
        let production = &record.production;
        let (Kind::Generation, Some(shot)) = (&record.kind, &production.shot_id) else { return };
        let of_shot = self.shots.entry((production.scene_id.clone(), shot.clone())).or_default();
        let Some(count) = production.regen_count else {
            of_shot.unnumbered += 1;
            return;
        };
        let succeeded = record.execution_succeeded == Some(true);
        let attempt = Attempt { count, id: record.execution_id, succeeded };
        of_shot.skills.entry(record.skill_name.clone()).or_default().push(attempt);
    }

    pub(super) fn judge(&mut self, reasons: &mut Reasons) {
        for ((scene, shot), of_shot) in &mut self.shots {
            let scene = scene.as_ref().map(|scene| format!(" of scene {}", shortened(scene))).unwrap_or_default();
            let shot = format!("{}{scene}", shortened(shot));
            let counts = of_shot.skills.values().flatten().map(|attempt| attempt.count).collect();
            for (skill, attempts) in &mut of_shot.skills {
                attempts.sort_unstable();
                judge_equal(skill, &shot, attempts, reasons);
                judge_gaps(skill, &shot, attempts, (&counts, of_shot.unnumbered), reasons);
            }
        }
    }
}

/// Reports successful attempts that have the same number.
fn judge_equal(skill: &str, shot: &str, attempts: &[Attempt], reasons: &mut Reasons) {
    for same in attempts.chunk_by(|one, other| one.count == other.count) {
        let succeeded: Vec<Uuid> = same.iter().filter(|attempt| attempt.succeeded).map(|attempt| attempt.id).collect();
        if succeeded.len() > 1 {
            let found = format!("several successful attempts at shot {shot} have the regen_count {}", same[0].count);
            for id in succeeded {
                reasons.add(Rule::RegenUntracked, Some(skill), found.clone(), Some(id));
            }
        }
    }
}

/// Reports the numbers that are missing. `counts` are the numbers of all attempts at the shot by any skill, because
/// another skill can have made the first attempts. An attempt without a number can be the missing attempt. `unnumbered`
/// is the number of such attempts.
fn judge_gaps(
    skill: &str,
    shot: &str,
    attempts: &[Attempt],
    (counts, unnumbered): (&BTreeSet<u64>, u64),
    reasons: &mut Reasons,
) {
    let first = attempts.first().map_or(0, |attempt| attempt.count);
    let mut next = 0;
    let mut gaps = Vec::new();
    for count in counts.range(..first).copied().chain(attempts.iter().map(|attempt| attempt.count)) {
        if count > next {
            gaps.push(next..=count - 1);
        }
        next = count.saturating_add(1);
    }
    let missing = gaps.iter().fold(0, |missing: u64, gap| missing.saturating_add(gap.end() - gap.start() + 1));
    if missing <= unnumbered {
        return;
    }
    for gap in gaps {
        let found = match (gap.start(), gap.end()) {
            (first, last) if first == last => format!("shot {shot} has no record of attempt {first}"),
            (first, last) => format!("shot {shot} has no records of attempts {first} to {last}"),
        };
        reasons.add(Rule::MissingEntry, Some(skill), found, None);
    }
}
