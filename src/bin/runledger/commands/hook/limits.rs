//! Applies the enforced limits to the events of an agent.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runledger::hook::{HookAgent, HookEvent};
use runledger::import::MeterFormat;
use runledger::quota::ListedHold;
use runledger::{ExecutionMetrics, Uuid};

use super::holder::Holder;
use crate::budget::{Budgets, Judged, Verdict};
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::meter::{BYTES_MAX, SessionFile, measure};
use crate::price_table::OwnPrices;
use crate::term::{output, printable};

/// How long a hook waits for the lock of the quota's journal.
const LOCK_DEADLINE: Duration = Duration::from_secs(1);

/// Returns the path of a sub-agent's transcript. The transcript can be in `directory`, or in the directory of a
/// workflow below `directory`. Returns `None` if there is no such file.
fn file_of(directory: &Path, sub_agent: &str) -> Option<PathBuf> {
    let name = format!("agent-{sub_agent}.jsonl");
    let workflows = directory.join("workflows").read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files = [directory.to_owned()].into_iter().chain(workflows).map(|directory| directory.join(&name));
    files.find(|file| file.is_file())
}

/// The enforced limits. A limit that cannot be read or counted never stops the agent: the hook warns instead.
pub(super) struct EnforcedLimits<'a> {
    global: &'a Global,
    prices: &'a OwnPrices,
    /// The execution of a tool call that begins; `None` for any other event.
    begins: Option<Uuid>,
    /// The limits, which are read when they are first needed. `None` if no limit is enforced, or if the limits cannot
    /// be read.
    opened: OnceCell<Option<Budgets>>,
    /// The first reason why a limit was not enforced.
    failure: OnceCell<String>,
    /// The first file of a session that may repeat calls of another session. Such calls were counted again.
    repeating: OnceCell<PathBuf>,
    /// The models that have no known price, and whose calls were counted for this event.
    unpriced: RefCell<BTreeSet<String>>,
}

impl<'a> EnforcedLimits<'a> {
    pub(super) fn new(begins: Option<Uuid>, prices: &'a OwnPrices, global: &'a Global) -> Self {
        Self {
            global,
            prices,
            begins,
            opened: OnceCell::new(),
            failure: OnceCell::new(),
            repeating: OnceCell::new(),
            unpriced: RefCell::default(),
        }
    }

    /// Counts what the session has used, according to its transcript. The event names the session and the transcript.
    pub(super) fn measure(&self, event: &HookEvent<'_>) {
        let Some(budgets) = self.opened().filter(|budgets| !budgets.metered().is_empty()) else { return };
        self.warned(self.measure_with(budgets, event));
    }

    /// Returns the verdict on a tool call, and the ids of the holds that were reserved for the call.
    pub(super) fn before(&self) -> Judged {
        let allowed = || Judged { verdict: Verdict::Allow, holds: Vec::new() };
        let judged = self.opened().map(|budgets| budgets.before().map_err(Failure::from));
        let judged = judged.and_then(|judged| self.warned(judged)).unwrap_or_else(allowed);
        match (judged.verdict, self.without_price()) {
            (Verdict::Allow, Some(why)) => Judged { verdict: Verdict::Ask(why), ..judged },
            (verdict, _) => Judged { verdict, ..judged },
        }
    }

    /// Returns a warning if the session has used a model without a price, and a limit counts the calls of such a model
    /// as 0. Otherwise, returns `None`.
    fn without_price(&self) -> Option<String> {
        let models: Vec<_> = self.unpriced.borrow().iter().map(|model| printable(model).into_owned()).collect();
        let limits = self.opened()?.without_unknown();
        let (first, _) = (limits.first()?, models.first()?);
        let limits = format!("{} {}", if limits.len() == 1 { "the limit" } else { "the limits" }, limits.join(", "));
        Some(format!(
            "no price is known for calls of {}, so they use up nothing of {limits}. To let each such call use up an \
             assumed amount, set the limit again with --unknown AMOUNT: `runledger quota set {first} … --unknown AMOUNT`. \
             To give a model a price, set RUNLEDGER_PRICES to a file of prices",
            models.join(", "),
        ))
    }

    /// Ends the holds of a tool call. `was_made` is false if the tool did not run.
    pub(super) fn after(&self, holds: &[String], was_made: bool) {
        if let Some(budgets) = self.opened().filter(|_| !holds.is_empty()) {
            self.warned(budgets.after(holds, was_made).map_err(Failure::from));
        }
    }

    /// Returns the open holds. Returns an empty list if no limit is enforced, or if the holds cannot be read.
    pub(super) fn open_holds(&self) -> Vec<ListedHold> {
        let holds = self.opened().map(|budgets| budgets.quota().holds().map_err(Failure::from));
        holds.and_then(|holds| self.warned(holds)).unwrap_or_default()
    }

    /// Returns why a limit was not enforced, or why its count may be wrong. Returns `None` if there is no such reason.
    pub(super) fn notice(&self) -> Option<String> {
        let repeating = |path: &PathBuf| {
            format!(
                "the file system does not report when {} was created. If the session was forked from another one, the limits \
                 count the copied calls again",
                path.display()
            )
        };
        let reasons = self.failure.get().cloned().or_else(|| self.without_price());
        reasons.or_else(|| self.repeating.get().map(repeating))
    }

    fn opened(&self) -> Option<&Budgets> {
        let holder = || Some(Holder::of_this_hook(self.begins?, self.global).to_text());
        self.opened.get_or_init(|| self.warned(Budgets::open(LOCK_DEADLINE, holder, self.global)).flatten()).as_ref()
    }

    fn measure_with(&self, budgets: &Budgets, event: &HookEvent<'_>) -> Result<(), Failure> {
        let (Some(path), Some(session)) = (event.transcript().map(PathBuf::from), event.session()) else {
            return Ok(());
        };
        let agent = event.agent().name();
        let mut files = vec![(format!("{agent} {session}"), path.clone())];
        if let (HookAgent::ClaudeCode, Some(sub_agent)) = (event.agent(), event.agent_id()) {
            let file = event.agent_transcript().map(PathBuf::from);
            let file = file.or_else(|| file_of(&path.with_extension("").join("subagents"), &sub_agent));
            files.extend(file.map(|file| (format!("{agent} {session} {sub_agent}"), file)));
        }
        let format = match event.agent() {
            HookAgent::Codex => MeterFormat::Codex,
            _ => MeterFormat::ClaudeCode,
        };
        let table = OnceCell::new();
        let fill_costs = |record: &mut ExecutionMetrics| {
            let table = table.get_or_init(|| self.warned(self.prices.table_of_file()));
            if let Some(table) = table {
                table.fill_costs(record);
                let unpriced = record.trace.llm_calls.iter().filter(|call| call.exact_cost().is_none());
                self.unpriced.borrow_mut().extend(unpriced.map(|call| call.model_name.clone()));
            }
        };
        for (source, path) in &files {
            let created = SessionFile::created_at(path);
            let file = SessionFile { format, source, path, session: Some(&session), created };
            if measure(budgets.quota(), &budgets.metered(), &fill_costs, &file, BYTES_MAX)?.may_repeat {
                self.repeating.get_or_init(|| path.clone());
            }
        }
        Ok(())
    }

    fn warned<T>(&self, result: Result<T, Failure>) -> Option<T> {
        let warn = |failure: &Failure| {
            let text = format!("the limits are not enforced: {}", failure::text(failure));
            output::warning(&text, failure.kind(), self.global.style());
            self.failure.get_or_init(|| text);
        };
        result.inspect_err(warn).ok()
    }
}
