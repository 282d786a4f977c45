//! Builds and prints trees of executions, with the sums of their costs and durations.

use std::io::Write;

use runledger::metrics::{QcOutcome, Status};
use runledger::{ExecutionMetrics, Timestamp, Usd, Uuid};
use serde::Serialize;

use crate::execution_table::{PRODUCTION, production, status};
use crate::failure::Failure;
use crate::term::short_id::shortest;
use crate::term::{Column, Table, cell, short};

/// The values of an execution that a tree shows or needs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Node {
    #[serde(rename = "execution_id")]
    pub(super) id: Uuid,
    #[serde(rename = "parent_execution_id")]
    pub(super) parent: Option<Uuid>,
    #[serde(rename = "run_id")]
    pub(super) run: Option<String>,
    skill_name: String,
    #[serde(rename = "timestamp_start")]
    pub(super) start: Timestamp,
    /// `None` if the status is unknown, or if the execution is in flight.
    status: Option<Status>,
    in_flight: bool,
    /// True if a hook recorded the execution.
    #[serde(skip)]
    pub(super) is_of_hook: bool,
    total_latency_ms: Option<u64>,
    cost_usd: Option<Usd>,
    model: Option<String>,
    scene_id: Option<String>,
    shot_id: Option<String>,
    regen_count: Option<u64>,
    outcome: Option<QcOutcome>,
    artifact: Option<String>,
    /// The cells of the columns [`PRODUCTION`].
    #[serde(skip)]
    production: [String; PRODUCTION.len()],
    /// True if the cost is a lower bound, because the final usage of a call is unknown.
    lower_bound: bool,
    /// False if the execution has ended and used no model. Such an execution has no cost, so its cost does not count as
    /// unknown.
    #[serde(skip)]
    can_cost: bool,
}

impl Node {
    pub(super) fn of(record: ExecutionMetrics, in_flight: bool) -> Self {
        Self {
            id: record.execution_id,
            parent: record.run.parent_execution_id,
            start: record.timestamp_start,
            status: if in_flight { None } else { status(&record) },
            in_flight,
            is_of_hook: record.is_of_hook(),
            production: production(&record),
            can_cost: in_flight || record.has_cost(),
            lower_bound: record.is_lower_bound(),
            scene_id: record.production.scene_id,
            shot_id: record.production.shot_id,
            regen_count: record.production.regen_count,
            outcome: record.production.outcome,
            artifact: record.production.artifact,
            total_latency_ms: record.total_latency_ms,
            cost_usd: record.cost_usd,
            run: record.run.run_id,
            skill_name: record.skill_name,
            model: record.model.name,
        }
    }
}

/// The sums of an execution and of all executions below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(super) struct Total {
    pub(super) executions: u64,
    /// The sum of the known durations; `None` if all are unknown.
    pub(super) latency_ms: Option<u64>,
    pub(super) latency_unknown: u64,
    /// The sum of the known costs; `None` if no cost is known.
    pub(super) cost_usd: Option<Usd>,
    /// The number of executions with an unknown cost. An execution that has ended and used no model is not counted.
    pub(super) cost_unknown: u64,
    /// The number of executions whose cost is a lower bound.
    pub(super) lower_bounds: u64,
    /// The number of executions directly below the deepest level. They and the executions below them are not in the
    /// sums.
    pub(super) left_out: u64,
}

impl Total {
    fn of(node: &Node) -> Self {
        Self {
            executions: 1,
            latency_ms: node.total_latency_ms,
            latency_unknown: node.total_latency_ms.is_none().into(),
            cost_usd: node.cost_usd,
            cost_unknown: (node.can_cost && node.cost_usd.is_none()).into(),
            lower_bounds: node.lower_bound.into(),
            left_out: 0,
        }
    }

    fn add(&mut self, other: &Self) {
        let usd = |a: Usd, b: Usd| Usd::from_pico(a.pico().saturating_add(b.pico()));
        self.executions += other.executions;
        self.latency_ms = sum(self.latency_ms, other.latency_ms, u64::saturating_add);
        self.latency_unknown += other.latency_unknown;
        self.cost_usd = sum(self.cost_usd, other.cost_usd, usd);
        self.cost_unknown += other.cost_unknown;
        self.lower_bounds += other.lower_bounds;
        self.left_out += other.left_out;
    }

    /// Returns the sums of durations and costs. `≥` precedes a sum that is a lower bound.
    fn texts(&self) -> [String; 2] {
        let text = |sum: String, unknown: u64| short::bounded(sum, unknown + self.left_out > 0);
        let latency = self.latency_ms.map(|ms| text(short::count(ms.into()), self.latency_unknown));
        let cost = self.cost_usd.map(|usd| text(short::usd(usd), self.cost_unknown + self.lower_bounds));
        [cell(latency), cell(cost)]
    }
}

fn sum<T>(a: Option<T>, b: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(add(a, b)),
        (a, b) => a.or(b),
    }
}

/// An execution in a tree.
#[derive(Debug)]
struct Placed {
    node: Node,
    /// The number of levels above the execution.
    level: usize,
    /// The position of the parent; `None` for a root.
    parent: Option<usize>,
    total: Total,
}

/// Trees of executions. The roots are given, and all executions below a root are in its tree. In `placed`, each parent
/// comes before its children.
#[derive(Debug)]
pub(super) struct Trees {
    placed: Vec<Placed>,
    /// True if a root is below itself or below another root.
    is_cycle: bool,
}

/// An execution and the executions below it, in the form for JSON.
#[derive(Serialize)]
pub(super) struct Branch {
    #[serde(flatten)]
    node: Node,
    total: Total,
    children: Vec<Branch>,
}

impl Trees {
    pub(super) fn new(roots: Vec<Node>) -> Self {
        let place = |node| Placed { total: Total::of(&node), node, level: 0, parent: None };
        Self { placed: roots.into_iter().map(place).collect(), is_cycle: false }
    }

    /// Returns the number of roots.
    fn roots(&self) -> usize {
        self.placed.iter().take_while(|placed| placed.parent.is_none()).count()
    }

    /// Returns the position and the node of each execution on a level.
    pub(super) fn level(&self, level: usize) -> impl Iterator<Item = (usize, &Node)> {
        self.placed
            .iter()
            .enumerate()
            .filter(move |(_, placed)| placed.level == level)
            .map(|(at, placed)| (at, &placed.node))
    }

    /// Adds a child of the execution at the position `parent`.
    pub(super) fn add(&mut self, parent: usize, node: Node) {
        let (level, total) = (self.placed[parent].level + 1, Total::of(&node));
        self.placed.push(Placed { node, level, parent: Some(parent), total });
    }

    /// Counts a child of the execution at the position `parent` that is too deep to be shown.
    pub(super) fn leave_out(&mut self, parent: usize) {
        self.placed[parent].total.left_out += 1;
    }

    pub(super) fn set_cycle(&mut self) {
        self.is_cycle = true;
    }

    /// Adds the sums of each execution to those of its parent. Call this once, after all executions were added.
    pub(super) fn roll_up(&mut self) {
        for at in (0..self.placed.len()).rev() {
            let Placed { parent, total, .. } = self.placed[at];
            if let Some(parent) = parent {
                self.placed[parent].total.add(&total);
            }
        }
    }

    /// Returns the positions of the children of each execution. The child that started first comes first.
    fn children(&self) -> Vec<Vec<usize>> {
        let mut children = vec![Vec::new(); self.placed.len()];
        for (at, placed) in self.placed.iter().enumerate() {
            if let Some(parent) = placed.parent {
                children[parent].push(at);
            }
        }
        children.iter_mut().for_each(|children| {
            children.sort_by_key(|&at| (self.placed[at].node.start, self.placed[at].node.id));
        });
        children
    }

    pub(super) fn into_branches(self) -> Vec<Branch> {
        let (roots, children) = (self.roots(), self.children());
        let mut branches: Vec<Option<Branch>> = Vec::new();
        branches.resize_with(self.placed.len(), || None);
        // Children come after their parents.
        for (at, Placed { node, total, .. }) in self.placed.into_iter().enumerate().rev() {
            let children = children[at].iter().filter_map(|&child| branches[child].take()).collect();
            branches[at] = Some(Branch { node, total, children });
        }
        branches.into_iter().take(roots).flatten().collect()
    }

    /// Writes a table, and the sums of all trees.
    pub(super) fn write(&self, out: &mut impl Write) -> Result<(), Failure> {
        let mut table = Table::new([
            Column::Text("skill"),
            Column::Level("status"),
            Column::Number("ms"),
            Column::Number("total ms"),
            Column::Number("usd"),
            Column::Number("total usd"),
            Column::Name("model"),
            PRODUCTION[0],
            PRODUCTION[1],
            PRODUCTION[2],
            PRODUCTION[3],
            Column::Text("id"),
        ]);
        let mut ids: Vec<_> = self.placed.iter().map(|placed| placed.node.id.as_u128()).collect();
        ids.sort_unstable();
        let children = self.children();
        let mut next: Vec<_> = (0..self.roots()).rev().collect();
        while let Some(at) = next.pop() {
            let Placed { node, level, total, .. } = &self.placed[at];
            let [total_ms, total_usd] = total.texts();
            let [outcome, regen, shot, artifact] = node.production.clone();
            table.row([
                format!("{:indent$}{}", "", node.skill_name, indent = 2 * level),
                if node.in_flight { "in flight".to_owned() } else { cell(node.status.as_ref()) },
                cell(node.total_latency_ms.map(|ms| short::count(ms.into()))),
                total_ms,
                cell(node.cost_usd.map(|usd| short::bounded(short::usd(usd), node.lower_bound))),
                total_usd,
                cell(node.model.as_ref()),
                outcome,
                regen,
                shot,
                artifact,
                shortest(node.id, &ids),
            ]);
            next.extend(children[at].iter().rev());
        }
        table.write(out)?;
        self.write_sums(out)
    }

    fn write_sums(&self, out: &mut impl Write) -> Result<(), Failure> {
        let (roots, mut total) = (self.roots(), Total::default());
        self.placed.iter().take(roots).for_each(|root| total.add(&root.total));
        let [latency, cost] = total.texts();
        let unknown = |count: u64| if count > 0 { format!(", {count} unknown") } else { String::new() };
        writeln!(out, "executions: {}", total.executions)?;
        let bounds = match total.lower_bounds {
            0 => String::new(),
            1 => ", 1 lower bound".to_owned(),
            lower => format!(", {lower} lower bounds"),
        };
        writeln!(out, "total usd: {cost}{}{bounds}", unknown(total.cost_unknown))?;
        writeln!(out, "total ms: {latency}{}", unknown(total.latency_unknown))?;
        if total.left_out > 0 {
            writeln!(
                out,
                "executions that are too deep to be shown, without counting the executions below them: {}",
                total.left_out
            )?;
        }
        let only = self.placed.first().filter(|_| roots == 1);
        if let Some(parent) = only.and_then(|root| root.node.parent) {
            let own = if self.is_cycle { ", which is also in the tree" } else { "" };
            writeln!(out, "parent: {parent}{own}")?;
        }
        Ok(())
    }
}
