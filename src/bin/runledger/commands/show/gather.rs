//! Finds the executions below an execution.

use std::collections::{BTreeSet, HashMap, HashSet};

use runledger::{ExecutionMetrics, LedgerReader, Uuid};

use super::tree::{Node, Tree};
use crate::execution_id::IdPrefix;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;

/// The number of levels below the root. A program that reads the JSON may refuse an object with many more levels.
const LEVELS_MAX: usize = 50;
/// The largest number of executions that are held in memory.
const EXECUTIONS_MAX: usize = 100_000;

/// Returns the tree of the execution whose id begins with the digits of `id`.
pub(super) fn tree(id: &IdPrefix, global: &Global) -> Result<Tree, Failure> {
    // The executions in flight are read before the ledger, so that an execution that ends in the meantime is not missed.
    let begun: Vec<_> = records::in_flight(global)?.into_iter().map(|begun| begun.record).collect();
    let root = match records::find(id, global) {
        Ok(record) => Node::of(record, false),
        Err(failure @ Failure::Absent(_)) => Node::of(only_one(id, &begun).ok_or(failure)?, true),
        Err(failure) => return Err(failure),
    };
    let reader = records::reader(global)?;
    let mut known = Known { root: root.id, ..Known::default() };
    begun.into_iter().for_each(|record| known.add(record, true));
    let mut tree = Tree::new(root);
    for level in 0..=LEVELS_MAX {
        let parents: HashMap<Uuid, usize> = tree.level(level).map(|(at, node)| (node.id, at)).collect();
        if parents.is_empty() {
            break;
        }
        let runs: Vec<_> = tree.level(level).filter_map(|(_, node)| node.run.clone()).collect();
        for run in runs {
            known.read_run(run, &reader, global)?;
        }
        known.read_strays(parents.keys().copied().collect(), &reader, global)?;
        for node in known.take_children(&parents) {
            let Some(&parent) = node.parent.as_ref().and_then(|parent| parents.get(parent)) else { continue };
            if node.id == tree.root().id {
                tree.set_cycle();
            } else if level < LEVELS_MAX {
                tree.add(parent, node);
            } else {
                tree.leave_out(parent);
            }
        }
    }
    tree.roll_up();
    Ok(tree)
}

/// Returns the only one of the executions in flight whose id begins with the digits of `id`.
fn only_one(id: &IdPrefix, begun: &[ExecutionMetrics]) -> Option<ExecutionMetrics> {
    let mut found = begun.iter().filter(|record| record.execution_id.simple().to_string().starts_with(&id.digits));
    found.next().filter(|_| found.next().is_none()).cloned()
}

/// The executions that were read and are not in the tree yet. Only executions with a parent are held.
#[derive(Default)]
struct Known {
    root: Uuid,
    nodes: HashMap<Uuid, Node>,
    /// The executions that are in the tree already.
    placed: HashSet<Uuid>,
    /// The runs that were read.
    runs: HashSet<String>,
}

impl Known {
    /// Adds an execution. If it has several records, the last one is used.
    fn add(&mut self, record: ExecutionMetrics, in_flight: bool) {
        let node = Node::of(record, in_flight);
        if node.parent.is_some() && !self.placed.contains(&node.id) {
            self.nodes.insert(node.id, node);
        } else {
            self.nodes.remove(&node.id);
        }
    }

    /// Reads the executions of a run, and those of its child runs.
    fn read_run(&mut self, run: String, reader: &LedgerReader, global: &Global) -> Result<(), Failure> {
        if !self.runs.insert(run.clone()) {
            return Ok(());
        }
        let skipped = reader.each_naming_run(&run, |record| {
            self.add(record, false);
            self.nodes.len() <= EXECUTIONS_MAX
        })?;
        records::warn_of(&skipped, global);
        self.check()
    }

    /// Reads the executions without a run that name one of `parents` as their parent.
    fn read_strays(&mut self, parents: BTreeSet<Uuid>, reader: &LedgerReader, global: &Global) -> Result<(), Failure> {
        let skipped = reader.each_stray(&parents, |record| {
            self.add(record, false);
            self.nodes.len() <= EXECUTIONS_MAX
        })?;
        // Reading the run has already warned of these lines.
        if self.runs.is_empty() {
            records::warn_of(&skipped, global);
        }
        self.check()
    }

    fn check(&self) -> Result<(), Failure> {
        if self.nodes.len() > EXECUTIONS_MAX { Err(Failure::LargeTree(self.root, EXECUTIONS_MAX)) } else { Ok(()) }
    }

    /// Removes and returns the children of `parents`.
    fn take_children(&mut self, parents: &HashMap<Uuid, usize>) -> Vec<Node> {
        let is_child = |node: &Node| node.parent.is_some_and(|parent| parents.contains_key(&parent));
        let ids: Vec<_> = self.nodes.values().filter(|node| is_child(node)).map(|node| node.id).collect();
        self.placed.extend(&ids);
        ids.iter().filter_map(|id| self.nodes.remove(id)).collect()
    }
}
