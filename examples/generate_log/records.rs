//! Generates records that resemble those of an orchestrator.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each benchmark uses a part; an example that fails should say where"
)]

use runledger::metrics::{CostProvenance, ErrorCategory, Status, Step};
use runledger::{ExecutionMetrics, PriceTable, Result, Timestamp, Usage, Uuid, hash_bytes};

/// An endless source of records. The number of skills and the seed determine the records.
pub(crate) struct Records {
    prices: &'static PriceTable,
    skills: Vec<Skill>,
    start: Timestamp,
    /// The time from the start of one execution to the start of the next is less than this.
    pause_ms_max: u64,
    /// The state of SplitMix64 (Steele, Lea, Flood 2014).
    state: u64,
}

struct Skill {
    name: String,
    version: &'static str,
    /// The model that the skill calls. `None` if the skill does not call a model.
    model: Option<&'static str>,
    latency_median_ms: f64,
}

const NAMES: [&str; 10] = [
    "git-push-autonomous",
    "blog-publish",
    "summarise",
    "code-review",
    "deploy",
    "render-scene",
    "triage-issue",
    "translate",
    "extract-invoice",
    "plan-week",
];
const MODELS: [Option<&str>; 4] = [Some("gpt-4"), Some("gpt-3.5-turbo"), Some("claude-3-opus"), None];

impl Records {
    /// Creates a source of records of `skills` different skills.
    pub(crate) fn new(skills: u64, seed: u64) -> Self {
        let skill = |number: usize| {
            let (name, round) = (NAMES[number % NAMES.len()], number / NAMES.len());
            Skill {
                name: if round == 0 { name.to_owned() } else { format!("{name}-{round}") },
                version: ["0.1.0", "1.4.2", "2.0.0"][number % 3],
                model: MODELS[number % MODELS.len()],
                latency_median_ms: 200.0 * 1.35f64.powi(number as i32 % 13),
            }
        };
        let start = Timestamp::from_unix_ms(1_770_422_400_000).unwrap_or(Timestamp::UNIX_EPOCH);
        let prices = PriceTable::bundled().expect("the bundled prices can be read");
        let skills = (0..skills.max(1) as usize).map(skill).collect();
        Self { prices, skills, start, pause_ms_max: 2_000, state: seed }
    }

    /// Spreads the next `records` records over about `ms` milliseconds. Without this call, one execution starts each
    /// second on average.
    pub(crate) fn spread(mut self, records: u64, ms: u64) -> Self {
        self.pause_ms_max = (2 * ms / records.max(1)).max(1);
        self
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a random whole number from 0 to `end` − 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.random() % end.max(1)
    }

    /// Returns a random number in [0, 1).
    fn share(&mut self) -> f64 {
        (self.random() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Returns true with this probability.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// Returns a random number of the standard normal distribution, by the method of Box and Muller (1958).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.share(), self.share());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Returns the next record.
    ///
    /// # Errors
    /// Fails if the bundled price table has no price for a model of the skills.
    pub(crate) fn next_record(&mut self) -> Result<ExecutionMetrics> {
        let id = Uuid::from_u64_pair(self.random(), self.random());
        self.start = self.start.plus_ms(self.random() % self.pause_ms_max);
        let start = self.start;
        let deviation = self.normal();
        let (pick, ended) = (self.random(), !self.chance(0.002));
        let skill = &self.skills[pick as usize % self.skills.len()];
        let mut record = ExecutionMetrics::new(id, skill.name.clone(), skill.version, start);
        record.orchestrator_version = Some("2.3.1".to_owned());
        let latency = (skill.latency_median_ms * (0.6 * deviation).exp()).round() as u64;
        let failed = pick >> 32 & 63 == 0;
        match (ended, failed) {
            (false, _) => record.set_status(Status::Interrupted),
            (true, true) => record.set_status(Status::Failed),
            (true, false) => record.set_status(Status::Success),
        }
        if ended {
            record.timestamp_end = Some(start.plus_ms(latency + 3));
            record.total_latency_ms = Some(latency);
            record.wall_clock_time_ms = Some(latency + 3);
        }
        if failed && ended {
            record.error_category = Some(ErrorCategory::Network);
            record.set_error_reason("the remote closed the connection: \"broken pipe\"");
        }
        if let Some(model) = skill.model {
            let usage = Usage::new(500 + (pick >> 16) % 3_000, 100 + (pick >> 24) % 900);
            record.set_usage(model, &usage);
            self.prices.cost(model, &usage, start)?.fill(&mut record);
            // Most records have a cost but do not say where it comes from.
            if pick >> 48 & 7 != 0 {
                record.cost = CostProvenance::default();
            }
        }
        record.confidence_score = Some((pick >> 8 & 0xff) as f64 / 256.0);
        // Some records have more fields.
        if pick >> 40 & 3 == 0 {
            record.decision_made = Some("APPROVE".to_owned());
            record.skill_path_in_dag = Some(format!("orchestrator -> {}", skill.name));
            record.tags.insert("branch".to_owned(), "main".into());
        }
        if pick >> 42 & 15 == 0 {
            record.input_hash = Some(hash_bytes(pick.to_le_bytes()));
            for (name, part) in [("rules-engine", 10), ("executor", 90)] {
                let mut step = Step::new(name, start);
                step.duration_ms = ended.then_some(latency * part / 100);
                record.trace.steps.push(step);
            }
        }
        Ok(record)
    }
}
