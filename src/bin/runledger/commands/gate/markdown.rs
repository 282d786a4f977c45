//! Writes the verdict of a gate as Markdown.

use runledger::governance::{GateReport, NotJudged};

use super::reason::text;
use crate::markdown::{Markdown, code, prose};

/// The largest number of executions that are listed for a reason.
const EXECUTIONS_MAX: usize = 10;

pub(super) fn document(report: &GateReport) -> Markdown {
    let GateReport { run_id, verdict, executions, in_flight, spilled, child_runs, not_judged, reasons, .. } = report;
    let mut document = Markdown::new(&format!("{verdict}: run {}", code(run_id)));
    document.paragraph(&format!(
        "Executions: {executions}, in flight: {in_flight}, spilled: {spilled}. Reasons to fail: {}.",
        reasons.len()
    ));
    if !reasons.is_empty() {
        document.list(reasons.iter().map(|reason| {
            let ids =
                reason.executions.iter().take(EXECUTIONS_MAX).map(|id| format!("\n  - {}", code(&id.to_string())));
            let more = reason.executions.len().saturating_sub(EXECUTIONS_MAX);
            let more = if more > 0 { format!("\n  - {more} more") } else { String::new() };
            prose(&text(reason)) + &ids.collect::<String>() + &more
        }));
    }
    if !child_runs.is_empty() {
        document.paragraph(&format!("Child runs, which are not checked here: {}.", child_runs.len()));
        document.list(child_runs.iter().map(|run| code(run)));
    }
    if not_judged.contains(&NotJudged::ExpectedExecutions) {
        document.paragraph("Not judged: which executions were expected. Pass `--expect FILE` to judge it.");
    }
    if not_judged.contains(&NotJudged::Costs) {
        document.paragraph(
            "Not judged: the costs, which are unknown. A hook recorded the tools of this run. `runledger import` adds the \
             turns of the agent with their costs.",
        );
    }
    document
}
