//! Finds the executions below given executions, which are the roots of trees.

use std::collections::{BTreeSet, HashMap, HashSet};

use runledger::{ExecutionMetrics, LedgerReader, Uuid};

use super::calls::Callers;
use super::tree::{Node, Trees};
use crate::execution_id::IdPrefix;
use crate::failure::Failure;
use crate::global::Global;
use crate::records;

/// The largest number of levels below a root. A program that reads the JSON may refuse an object with many more levels.
const LEVELS_MAX: usize = 50;
/// The largest number of executions that are held until their places in the trees are known.
const EXECUTIONS_MAX: usize = 100_000;

/// Returns the trees of the executions whose ids begin with the digits of `ids`.
pub(super) fn trees(ids: &[IdPrefix], global: &Global) -> Result<Trees, Failure> {
    // The executions in flight are read before the ledger, so that an execution that ends in the meantime is not
    // missed.
    let begun: Vec<_> = records::in_flight(global)?.into_iter().map(|begun| begun.record).collect();
    let root = |id: &IdPrefix| match records::find(id, global) {
        Ok(record) => Ok(Node::of(record, false)),
        Err(failure @ Failure::Absent(_)) => Ok(Node::of(only_one(id, &begun).ok_or(failure)?, true)),
        Err(failure) => Err(failure),
    };
    let roots = ids.iter().map(root).collect::<Result<Vec<_>, Failure>>()?;
    let reader = records::reader(global)?;
    let mut known = Known { roots: roots.iter().map(|root| root.id).collect(), ..Known::default() };
    begun.into_iter().for_each(|record| known.add(record, true));
    let mut trees = Trees::new(roots);
    for level in 0..=LEVELS_MAX {
        let parents: HashMap<Uuid, usize> = trees.level(level).map(|(at, node)| (node.id, at)).collect();
        if parents.is_empty() {
            break;
        }
        let runs: Vec<_> = trees.level(level).filter_map(|(_, node)| node.run.clone()).collect();
        for run in runs {
            known.read_run(run, &reader, global)?;
        }
        known.read_strays(parents.keys().copied().collect(), &reader, global)?;
        for node in known.take_children(&parents) {
            let Some(&parent) = known.parent(&node).and_then(|parent| parents.get(&parent)) else { continue };
            if known.roots.contains(&node.id) {
                trees.set_cycle();
            } else if level < LEVELS_MAX {
                trees.add(parent, node);
            } else {
                trees.leave_out(parent);
            }
        }
    }
    trees.roll_up();
    Ok(trees)
}

/// Returns the execution in flight whose id begins with the digits of `id`. Returns `None` if no execution or several
/// executions have such an id.
fn only_one(id: &IdPrefix, begun: &[ExecutionMetrics]) -> Option<ExecutionMetrics> {
    let mut found = begun.iter().filter(|record| record.execution_id.simple().to_string().starts_with(&id.digits));
    found.next().filter(|_| found.next().is_none()).cloned()
}

/// The executions that were read and are not in a tree yet. Executions that cannot have a parent are left out.
#[derive(Default)]
struct Known {
    roots: BTreeSet<Uuid>,
    nodes: HashMap<Uuid, Node>,
    callers: Callers,
    /// The executions that are in a tree already.
    placed: HashSet<Uuid>,
    /// The runs that were read.
    runs: HashSet<String>,
}

impl Known {
    /// Adds an execution. If it has several records, the last one is used.
    fn add(&mut self, record: ExecutionMetrics, in_flight: bool) {
        self.callers.add(&record);
        let node = Node::of(record, in_flight);
        if (node.parent.is_some() || node.is_of_hook) && !self.placed.contains(&node.id) {
            self.nodes.insert(node.id, node);
        } else {
            self.nodes.remove(&node.id);
        }
    }

    fn parent(&self, node: &Node) -> Option<Uuid> {
        self.callers.parent(node.id, node.parent)
    }

    /// Reads the executions of a run and of its child runs.
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

    /// Reads the executions that have no run, and that name one of `parents` as their parent.
    fn read_strays(&mut self, parents: BTreeSet<Uuid>, reader: &LedgerReader, global: &Global) -> Result<(), Failure> {
        let skipped = reader.each_stray(&parents, |record| {
            self.add(record, false);
            self.nodes.len() <= EXECUTIONS_MAX
        })?;
        // If a run was read, a warning about these lines has already been given.
        if self.runs.is_empty() {
            records::warn_of(&skipped, global);
        }
        self.check()
    }

    fn check(&self) -> Result<(), Failure> {
        let root = self.roots.first().filter(|_| self.nodes.len() > EXECUTIONS_MAX);
        root.map_or(Ok(()), |root| Err(Failure::LargeTree(*root, EXECUTIONS_MAX)))
    }

    /// Removes and returns the children of `parents`.
    fn take_children(&mut self, parents: &HashMap<Uuid, usize>) -> Vec<Node> {
        let is_child = |node: &Node| self.parent(node).is_some_and(|parent| parents.contains_key(&parent));
        let ids: Vec<_> = self.nodes.values().filter(|node| is_child(node)).map(|node| node.id).collect();
        self.placed.extend(&ids);
        ids.iter().filter_map(|id| self.nodes.remove(id)).collect()
    }
}
