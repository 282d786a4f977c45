//! The log of a small production, for the tests of derived metrics.

#![allow(dead_code, reason = "each test takes the records that it needs")]

use runledger::metrics::{CostTier, Kind, QcOutcome, Status};
use runledger::{ExecutionMetrics, Usd, Uuid};

/// Returns a success that began `minute` minutes after noon.
pub(crate) fn execution(id: u128, minute: u64) -> ExecutionMetrics {
    let noon: runledger::Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
    let start = noon.plus_ms(minute * 60_000);
    let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "draw", "1.0.0", start);
    record.timestamp_end = Some(start.plus_ms(1500));
    record.wall_clock_time_ms = Some(1500);
    record.set_status(Status::Success);
    record.run.run_id = Some("run-1".into());
    record
}

/// Returns the generation of a shot.
pub(crate) fn generation(id: u128, scene: &str, shot: &str, shot_type: &str) -> ExecutionMetrics {
    let mut record = execution(id, id as u64);
    record.kind = Kind::Generation;
    let production = &mut record.production;
    production.scene_id = Some(scene.into());
    production.shot_id = Some(shot.into());
    production.shot_type = Some(shot_type.into());
    record
}

pub(crate) fn usd(text: &str) -> Option<Usd> {
    Some(text.parse().unwrap())
}

/// Returns the records of a production.
///
/// - 12 close-ups, of which half fail and one has no price and no number of regenerations.
/// - 12 wide shots, of which one has to be repaired and one was interrupted.
/// - 3 shots by drone.
/// - A routing decision, a quality control, a skill without a shot, and one whose model has no price.
pub(crate) fn production() -> Vec<ExecutionMetrics> {
    let mut all = Vec::new();
    for n in 1..=12 {
        let mut record = generation(n, "s1", &format!("c{n:02}"), "close-up");
        (record.model.name, record.model.tier) = (Some("video-1".into()), Some("premium".into()));
        record.cost_usd = if n == 12 { None } else { usd("0.5") };
        record.production.regen_count = if n == 12 { None } else { Some(3) };
        record.production.outcome = Some(if n <= 6 { QcOutcome::Fail } else { QcOutcome::Pass });
        let violations: &[&str] = match n {
            1..=3 => &["hands"],
            4 => &["hands", "text"],
            _ => &[],
        };
        record.production.qc_violations = violations.iter().map(|&text| text.into()).collect();
        record.production.drift_category = match n {
            1 | 2 => Some("identity".into()),
            3 => Some("lighting".into()),
            _ => None,
        };
        all.push(record);
    }
    for n in 13..=27 {
        let wide = n <= 24;
        let (shot, shot_type) = if wide { (format!("w{n}"), "wide") } else { (format!("d{n}"), "drone") };
        let mut record = generation(n, "s2", &shot, shot_type);
        (record.model.name, record.cost_tier, record.cost_usd) =
            (Some("video-2".into()), Some(CostTier::Standard), usd("0.1"));
        record.production.regen_count = Some(u64::from(n <= 16 || !wide));
        if n == 13 {
            record.production.outcome = Some(QcOutcome::Fix);
            record.production.qc_violations = vec!["text".into()];
        }
        if n == 24 {
            record.set_status(Status::Interrupted);
        }
        all.push(record);
    }
    let mut routing = execution(28, 28);
    (routing.kind, routing.model.name) = (Kind::ModelRouting, Some("video-1".into()));
    let mut qc = generation(29, "s1", "c01", "");
    (qc.kind, qc.production.shot_type, qc.production.outcome) = (Kind::Qc, None, Some(QcOutcome::Fail));
    qc.production.qc_violations = vec!["hands".into()];
    let mut without_shot = execution(30, 30);
    without_shot.production.regen_count = Some(2);
    let mut unpriced = execution(31, 31);
    (unpriced.model.name, unpriced.cost_tier) = (Some("gpt-9".into()), Some(CostTier::Unknown));
    unpriced.run.run_id = Some("run-2".into());
    all.extend([routing, qc, without_shot, unpriced]);
    all
}
