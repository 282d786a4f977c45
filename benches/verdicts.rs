//! Measures how often `compare` is wrong: `cargo bench --bench verdicts [-- --runs 1000]`.
//!
//! Each run generates executions of one skill for two sides: the baseline and the recent side. It freezes the baseline
//! and compares the recent side with it. Each row of a table shows the measured share next to its bar: the largest
//! acceptable share of false alarms, or the smallest acceptable power. The seed of the random numbers is fixed, so each
//! call prints the same numbers.
//!
//! - **False alarms**: both sides have the same distribution. A run is a false alarm if the verdict on any metric is
//!   better or worse.
//! - **Power**: one metric of the recent side is worse. A run is a hit if the verdict on this metric is worse, and the
//!   power is the share of hits. In rows with `all known`, executions have all four metrics. In rows with `alone`,
//!   executions have only the metric that changed.
//!
//! An execution starts every 15 minutes, except in the rows of a nightly job. The four metrics are drawn independently:
//! outcome, latency, cost and number of tokens.
//!
//! The level of a statistical test is the probability with which it may raise a false alarm. For a given level, no test
//! has more power than the likelihood-ratio test, which knows the distributions of both sides. The proof is in Lehmann
//! and Romano, "Testing Statistical Hypotheses", third edition (2005), theorem 3.2.1.
//!
//! If the logarithms of the values are normally distributed, this limit is `Φ(δ / error − z)`:
//!
//! - `Φ` is the distribution function of the standard normal distribution.
//! - `δ` is the true difference of the mean logarithms, and `error` is the standard error of this difference.
//! - `z` is the number that a standard normal variable exceeds with a probability equal to the level.
//!
//! For rates, the same formula holds approximately after the arcsine transformation. The table shows the limit for a
//! test of one metric in one direction, at two levels. The column `optimum` has the limit for 1 %, the level of a whole
//! comparison. The column `of four` has the limit for 0.3 %. This is the level at which a comparison of four metrics
//! tests for a higher latency, and also for a lower success rate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that fails should say where")]

use std::f64::consts::PI;

use runledger::baseline::{Accumulator, SkillComparison, Verdict};
use runledger::metrics::Status;
use runledger::{Baselines, ExecutionMetrics, Timestamp, Usd, Uuid};

const MINUTE_MS: u64 = 60_000;
/// The minutes from the start of an execution to the start of the next.
const STEP: u64 = 15;
/// The share of failed executions before any change.
const FAILED: f64 = 0.02;

fn main() {
    let runs = runs();
    println!("{runs} runs each; fixed seed\n");
    println!("{:<34} {:>12} {:>8} {:>8}", "false alarms", "n", "found", "bar");
    let sizes = [(3_000, 30), (1_000, 100), (100, 1_000), (1_000, 1_000), (400, 40)];
    // If one side has fewer than 30 executions, a change is reported only at a stricter significance level.
    let few = [(1_000, 5), (1_000, 15), (30, 20)];
    for (name, shape) in SHAPES {
        for size in sizes.into_iter().chain(few) {
            row(name, size, alarms(runs, size, Source { shape, load: Load::None }), 0.01);
        }
    }
    for (name, load) in [("AR(1) load 0.7, by hour", Load::Hourly), ("AR(1) load 0.7, by execution", Load::Each)] {
        // If both sides cover only a day, no test can distinguish a few slow hours from a change.
        for size in sizes.into_iter().chain(few).chain([(100, 100)]) {
            row(name, size, alarms(runs, size, Source { shape: Shape::LogNormal(0.7), load }), 0.03);
        }
    }
    // These baselines cover 90 to 365 days. Such long histories have long blocks.
    for (load, size) in [
        (Load::Hourly, (30_000, 30)),
        (Load::Hourly, (17_280, 96)),
        (Load::Hourly, (35_040, 96)),
        (Load::Hourly, (35_040, 672)),
        (Load::Each, (35_040, 96)),
        (Load::Nightly, (365 * NIGHTLY, NIGHTLY)),
        (Load::Nightly, (90 * NIGHTLY, NIGHTLY)),
        (Load::Nightly, (365 * NIGHTLY, 3 * NIGHTLY)),
    ] {
        let name = match load {
            Load::Each => "AR(1) load 0.7, by execution",
            Load::Nightly => "50 each night, load 0.2 by night",
            _ => "AR(1) load 0.7, by hour",
        };
        row(name, size, alarms(runs, size, Source { shape: Shape::LogNormal(0.7), load }), 0.03);
    }
    println!("\n{:<34} {:>12} {:>8} {:>8} {:>8} {:>8}", "power", "n", "found", "bar", "optimum", "of four");
    for known in [Known::All, Known::Changed] {
        for before in [200, 3_000, 30_000] {
            let hits = power(runs, (before, 200), Change { known, ..SLOWER });
            power_row("latency +20 %", known, before, hits, 0.60, 1.2_f64.ln());
        }
        for before in [200, 3_000, 30_000] {
            let hits = power(runs, (before, 200), Change { known, ..FAILING });
            let angle = |share: f64| 2.0 * share.sqrt().asin();
            power_row("success 98 % to 93 %", known, before, hits, 0.70, angle(FAILING.failed) - angle(FAILED));
        }
    }
}

fn runs() -> u64 {
    let mut words = std::env::args().skip_while(|word| word != "--runs").skip(1);
    words.next().map_or(1_000, |runs| runs.parse().unwrap())
}

fn row(name: &str, (before, after): (u64, u64), share: f64, bar: f64) {
    let size = format!("{before}/{after}");
    let missed = if share > bar { "  missed" } else { "" };
    println!("{name:<34} {size:>12} {:>6.1} % {:>6.1} %{missed}", share * 100.0, bar * 100.0);
}

fn power_row(what: &str, known: Known, before: u64, share: f64, bar: f64, effect: f64) {
    let (name, size) =
        (format!("{what}, {}", if known == Known::All { "all known" } else { "alone" }), format!("{before}/200"));
    let error = (1.0 / before as f64 + 1.0 / 200.0).sqrt();
    let [best, of_four] = [2.326_348, 2.747_781].map(|z| 100.0 * normal(effect / error - z));
    let missed = if share < bar { "  missed" } else { "" };
    println!(
        "{name:<34} {size:>12} {:>6.1} % {:>6.1} % {best:>6.1} % {of_four:>6.1} %{missed}",
        share * 100.0,
        bar * 100.0
    );
}

/// Returns the value of the distribution function of the standard normal distribution, by the series of Abramowitz and
/// Stegun 26.2.11.
fn normal(z: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (0.0, z, 1.0);
    while term.abs() > 1e-17 {
        sum += term;
        odd += 2.0;
        term *= z * z / odd;
    }
    0.5 + (-z * z / 2.0).exp() / (2.0 * PI).sqrt() * sum
}

// The generated executions.

#[derive(Clone, Copy)]
enum Shape {
    Normal,
    LogNormal(f64),
    Pareto,
    TwoModes,
}

const SHAPES: [(&str, Shape); 5] = [
    ("normal", Shape::Normal),
    ("log-normal, sigma 1", Shape::LogNormal(1.0)),
    ("log-normal, sigma 1.5", Shape::LogNormal(1.5)),
    ("Pareto 1.5", Shape::Pareto),
    ("two modes", Shape::TwoModes),
];

/// A load is a random factor that multiplies the values of a metric, so that neighbouring executions resemble each
/// other.
#[derive(Clone, Copy, PartialEq)]
enum Load {
    None,
    /// Each hour has its own load, which is correlated with the load of the previous hour.
    Hourly,
    /// Each execution has its own load, which is correlated with the load of the previous execution.
    Each,
    /// [`NIGHTLY`] executions start each night, a minute apart. Each night has its own load, which is independent of
    /// the loads of other nights.
    Nightly,
}

#[derive(Clone, Copy)]
struct Source {
    shape: Shape,
    load: Load,
}

/// The metrics that the executions have: all four, or only the one that changed.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    All,
    Changed,
}

/// How the recent side differs: the factor of its latencies, and its share of failed executions. `known` applies to
/// both sides.
#[derive(Clone, Copy)]
struct Change {
    latency: f64,
    failed: f64,
    known: Known,
}

const SAME: Change = Change { latency: 1.0, failed: FAILED, known: Known::All };
const SLOWER: Change = Change { latency: 1.2, ..SAME };
const FAILING: Change = Change { failed: 0.07, ..SAME };

impl Change {
    fn is_slower(&self) -> bool {
        self.latency > 1.0
    }
}

/// The generator SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number in (0, 1].
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / 2f64.powi(53)
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (2.0 * PI * self.uniform()).cos()
    }

    fn value(&mut self, shape: Shape) -> f64 {
        match shape {
            Shape::Normal => (1.0 + 0.2 * self.normal()).max(0.0),
            Shape::LogNormal(sigma) => (sigma * self.normal()).exp(),
            Shape::Pareto => self.uniform().powf(-1.0 / 1.5),
            Shape::TwoModes if self.uniform() < 0.8 => (0.2 + 0.02 * self.normal()).max(0.0),
            Shape::TwoModes => (2.0 + 0.2 * self.normal()).max(0.0),
        }
    }
}

/// Generates executions one after the other.
struct Executions {
    random: Random,
    source: Source,
    number: u64,
    /// The logarithms of the loads of the outcome, latency, cost and tokens.
    loads: [f64; 4],
}

/// The standard deviation of the logarithm of a load of an hour or an execution.
const LOAD_DEVIATION: f64 = 0.7;
/// The standard deviation of the logarithm of the load of a night.
const NIGHT_DEVIATION: f64 = 0.2;
/// The number of executions in a night.
const NIGHTLY: u64 = 50;
/// The correlation between the logarithms of two successive loads of a metric.
const DECAY: f64 = 0.7;

impl Executions {
    fn new(seed: u64, source: Source) -> Self {
        let mut random = Random(seed);
        let loads = [(); 4].map(|()| LOAD_DEVIATION * random.normal());
        Self { random, source, number: 0, loads }
    }

    fn next(&mut self, change: &Change, is_recent: bool) -> ExecutionMetrics {
        let turns = match self.source.load {
            Load::None => false,
            Load::Hourly => self.number.is_multiple_of(60 / STEP),
            Load::Each => true,
            Load::Nightly => self.number.is_multiple_of(NIGHTLY),
        };
        if turns {
            let (decay, noise) = match self.source.load {
                Load::Nightly => (0.0, NIGHT_DEVIATION),
                _ => (DECAY, LOAD_DEVIATION * f64::sqrt(1.0 - DECAY * DECAY)),
            };
            self.loads.iter_mut().for_each(|load| *load = decay * *load + noise * self.random.normal());
        }
        let factors = self.loads.map(|load| if self.source.load == Load::None { 1.0 } else { load.exp() });
        let minutes = match self.source.load {
            Load::Nightly => self.number / NIGHTLY * 24 * 60 + self.number % NIGHTLY,
            _ => self.number * STEP,
        };
        let start = monday().unix_ms() - (1 << 36) + (minutes * MINUTE_MS) as i64;
        self.number += 1;
        let mut record = ExecutionMetrics::new(Uuid::nil(), "skill", "1.0.0", Timestamp::from_unix_ms(start).unwrap());
        let now = if is_recent { change } else { &SAME };
        let is_failed = self.random.uniform() < now.failed * factors[0];
        let [latency, cost, tokens] = [1, 2, 3].map(|at| self.random.value(self.source.shape) * factors[at]);
        let all = change.known == Known::All;
        if all || change.is_slower() {
            record.total_latency_ms = Some((1_000.0 * now.latency * latency) as u64);
        }
        if all || !change.is_slower() {
            record.set_status(if is_failed { Status::Failed } else { Status::Success });
        }
        if all {
            record.cost_usd = Some(Usd::from_pico((1e6 * cost) as i128 * 10_000));
            record.tokens_used = Some((5_000.0 * tokens) as u64);
        }
        record
    }
}

fn monday() -> Timestamp {
    "2026-02-09T00:00:00Z".parse().unwrap()
}

fn compared(seed: u64, (before, after): (u64, u64), source: Source, change: &Change) -> SkillComparison {
    let mut executions = Executions::new(seed, source);
    let frozen = Baselines::frozen(monday(), (0..before).map(|_| Ok(executions.next(change, false)))).unwrap();
    let mut recent = Accumulator::new();
    (0..after).for_each(|_| recent.add(&executions.next(change, true)));
    frozen.compare(recent).skills["skill"].clone()
}

fn share(runs: u64, is_hit: impl Fn(u64) -> bool) -> f64 {
    (0..runs).filter(|run| is_hit(run.wrapping_mul(0x1234_5678_9abc_def1))).count() as f64 / runs as f64
}

fn alarms(runs: u64, size: (u64, u64), source: Source) -> f64 {
    share(runs, |seed| {
        let skill = compared(seed, size, source, &SAME);
        skill.metrics().iter().any(|(_, metric)| matches!(metric.verdict, Verdict::Better | Verdict::Worse))
    })
}

fn power(runs: u64, size: (u64, u64), change: Change) -> f64 {
    share(runs, |seed| {
        let skill = compared(seed, size, Source { shape: Shape::LogNormal(1.0), load: Load::None }, &change);
        let metric = if change.is_slower() { skill.latency_ms } else { skill.success_rate };
        metric.verdict == Verdict::Worse
    })
}
