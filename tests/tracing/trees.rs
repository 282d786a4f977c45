//! Promise: each execution has the right parent, and each call is listed once, by its nearest execution. This holds
//! whatever tree the spans form, and whichever threads open, enter and close them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use runledger::ExecutionMetrics;
use tracing::{Dispatch, Span, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Place};

/// What a span of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Skill,
    Agent,
    Tool,
    Call,
    Plain,
}

/// A span: what it is, its parent (an earlier span, or none), and the threads that open and close it.
#[derive(Debug, Clone)]
struct Node {
    sort: Sort,
    parent: Option<usize>,
    opened_by: usize,
    closed_by: usize,
    entered: u8,
}

const THREADS: usize = 4;

fn node() -> impl Strategy<Value = (Sort, Option<prop::sample::Index>, usize, usize, u8)> {
    let sort = prop::sample::select(vec![Sort::Skill, Sort::Agent, Sort::Tool, Sort::Call, Sort::Call, Sort::Plain]);
    let parent = prop::option::weighted(0.9, any::<prop::sample::Index>());
    (sort, parent, 0..THREADS, 0..THREADS, 0..3_u8)
}

fn tree() -> impl Strategy<Value = Vec<Node>> {
    prop::collection::vec(node(), 1..60).prop_map(|nodes| {
        let place = |(at, (sort, parent, opened_by, closed_by, entered)): (
            usize,
            (_, Option<prop::sample::Index>, _, _, _),
        )| {
            let parent = parent.filter(|_| at > 0).map(|parent| parent.index(at));
            Node { sort, parent, opened_by, closed_by, entered }
        };
        nodes.into_iter().enumerate().map(place).collect()
    })
}

/// Opens the span with the number `at`. The number of a call is its input, and that of an execution its name.
fn open(node: &Node, at: usize, parent: Option<&Span>) -> Span {
    let (parent, name) = (parent.and_then(Span::id), format!("n{at}"));
    match node.sort {
        Sort::Skill => info_span!(parent: parent, "skill", runledger.skill = name),
        Sort::Agent => {
            info_span!(parent: parent, "a", gen_ai.operation.name = "invoke_agent", gen_ai.agent.name = name)
        }
        Sort::Tool => info_span!(parent: parent, "t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = name),
        Sort::Call => info_span!(
            parent: parent,
            "c",
            gen_ai.operation.name = "chat",
            gen_ai.request.model = "gpt-4",
            gen_ai.usage.input_tokens = at as u64,
            gen_ai.usage.output_tokens = 0,
        ),
        Sort::Plain => info_span!(parent: parent, "plain", name),
    }
}

/// Runs `work` on a new thread and waits for it, so that each span is opened and closed by different threads.
fn on_thread(number: usize, dispatch: &Dispatch, work: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let name = format!("thread {number}");
        let run = || tracing::dispatcher::with_default(dispatch, work);
        std::thread::Builder::new().name(name).spawn_scoped(scope, run).unwrap().join().unwrap();
    });
}

/// Returns the nearest ancestor that is an execution, and whether a call is between it and the span.
fn above(tree: &[Node], at: usize) -> (Option<usize>, bool) {
    let (mut next, mut is_in_call) = (tree[at].parent, false);
    while let Some(ancestor) = next {
        match tree[ancestor].sort {
            Sort::Skill | Sort::Agent | Sort::Tool => return (Some(ancestor), is_in_call),
            // A call without an execution around it is an execution itself.
            Sort::Call if above(tree, ancestor).0.is_none() => return (Some(ancestor), is_in_call),
            Sort::Call => is_in_call = true,
            Sort::Plain => {}
        }
        next = tree[ancestor].parent;
    }
    (None, is_in_call)
}

/// Returns what a ledger must hold for a tree: for each execution its parent, and the inputs of its calls.
fn expected(tree: &[Node]) -> BTreeMap<usize, (Option<usize>, Vec<u64>)> {
    let mut found: BTreeMap<usize, (Option<usize>, Vec<u64>)> = BTreeMap::new();
    for (at, node) in tree.iter().enumerate() {
        let (parent, _) = above(tree, at);
        match (node.sort, parent) {
            (Sort::Plain, _) => {}
            (Sort::Call, Some(execution)) => found.get_mut(&execution).unwrap().1.push(at as u64),
            (Sort::Call, None) => _ = found.insert(at, (None, vec![at as u64])),
            _ => _ = found.insert(at, (parent, Vec::new())),
        }
    }
    found
}

/// Returns what the records of a ledger hold, in the form of [`expected`].
fn found(records: &[ExecutionMetrics]) -> BTreeMap<usize, (Option<usize>, Vec<u64>)> {
    let number = |record: &ExecutionMetrics| match record.skill_name.strip_prefix('n') {
        Some(number) => number.parse().unwrap(),
        // If a call is an execution itself, its own call is the outermost one, which was opened first.
        None => record.trace.llm_calls.iter().filter_map(|call| call.tokens_input).min().unwrap() as usize,
    };
    let numbers: BTreeMap<_, _> = records.iter().map(|record| (record.execution_id, number(record))).collect();
    assert_eq!(numbers.len(), records.len());
    let of = |record: &ExecutionMetrics| {
        let mut calls: Vec<_> = record.trace.llm_calls.iter().map(|call| call.tokens_input.unwrap()).collect();
        calls.sort_unstable();
        (record.run.parent_execution_id.map(|parent| numbers[&parent]), calls)
    };
    records.iter().map(|record| (number(record), of(record))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_execution_has_its_parent_and_every_call_its_execution(tree in tree(), order in any::<u64>()) {
        let place = Place::new();
        let layer = place.layer();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer.clone()));
        let spans: Mutex<Vec<Option<Span>>> = Mutex::default();
        for (at, node) in tree.iter().enumerate() {
            on_thread(node.opened_by, &dispatch, || {
                let mut spans = spans.lock().unwrap();
                let parent = node.parent.and_then(|parent| spans[parent].clone());
                let span = open(node, at, parent.as_ref());
                (0..node.entered).for_each(|_| drop(span.enter()));
                spans.push(Some(span));
            });
        }
        // A span's handle may be dropped before those of its children. It then closes with its last child.
        let mut closing: Vec<usize> = (0..tree.len()).collect();
        closing.sort_by_key(|&at| (at as u64 + 1).wrapping_mul(order | 1).rotate_left(17));
        for at in closing {
            on_thread(tree[at].closed_by, &dispatch, || drop(spans.lock().unwrap()[at].take()));
        }
        drop(dispatch);
        prop_assert!(layer.flush(LONG));
        prop_assert_eq!(found(&place.records()), expected(&tree));
        prop_assert_eq!(place.warnings(), Vec::<String>::new());
    }
}

/// Threads open, enter and close spans of one tree at the same time.
#[test]
fn nesting_is_right_while_threads_share_a_parent() {
    let place = Place::new();
    let layer = place.layer();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer.clone()));
    let root = tracing::dispatcher::with_default(&dispatch, || Arc::new(info_span!("r", runledger.skill = "root")));
    let threads: Vec<_> = (0..16)
        .map(|thread| {
            let (dispatch, root) = (dispatch.clone(), Arc::clone(&root));
            std::thread::spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    for round in 0..50 {
                        let _root = root.enter();
                        let name = format!("t{thread}-{round}");
                        let tool =
                            info_span!("t", gen_ai.operation.name = "execute_tool", gen_ai.tool.name = name.as_str());
                        let _tool = tool.enter();
                        drop(info_span!("c", gen_ai.operation.name = "chat", gen_ai.request.model = name));
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    tracing::dispatcher::with_default(&dispatch, || drop(root));
    assert!(layer.flush(LONG));
    let root = place.record("root");
    let records = place.records();
    assert_eq!(records.len(), 801);
    for record in records.iter().filter(|record| record.skill_name != "root") {
        assert_eq!(record.run.parent_execution_id, Some(root.execution_id));
        let [call] = &record.trace.llm_calls[..] else { panic!("{record:?}") };
        assert_eq!(call.model_name, record.skill_name);
    }
}
