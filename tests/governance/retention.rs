//! Promise: the treatment of each run log and each segment follows from its facts, the policy and the time, and has a
//! reason.

use std::collections::BTreeSet;

use proptest::prelude::*;
use runledger::metrics::TracedError;
use runledger::runlog::retention::{
    Action, FailedRuns, Item, LogFacts, LogFile, LogHeader, RetentionPolicy, RunMarks, SegmentFacts, Subject, plan,
};
use runledger::{ErrorKind, ExecutionMetrics, Timestamp, Uuid};
use serde_json::json;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const STARTED: &str = "2026-01-03T14:30:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns the time `days` days after the run began.
fn after(days: u64) -> Timestamp {
    time(STARTED).plus_ms(days * DAY_MS)
}

fn facts(succeeded: Option<bool>, improvement: Option<bool>) -> LogFacts {
    LogFacts::new(time(STARTED), succeeded, improvement)
}

fn archive_failed() -> RetentionPolicy {
    RetentionPolicy::from_json(r#"{"failed": "archive"}"#).unwrap()
}

/// Returns the treatment of one run log, and its reason.
fn of_log(facts: LogFacts, policy: &RetentionPolicy, now: Timestamp) -> (Action, String) {
    let items = plan(&[LogFile::new("a.md", Ok(facts))], &[], &BTreeSet::new(), policy, now);
    let [item] = &items[..] else { panic!("{items:?}") };
    assert_eq!(item.subject, Subject::RunLog { name: "a.md".to_owned() });
    (item.action, item.reason.clone())
}

const ROUTINE: (Option<bool>, Option<bool>) = (Some(true), Some(false));

#[test]
fn keep_run_logs_for_30_days_minimum() {
    let outcomes = [None, Some(false), Some(true)];
    for (succeeded, improvement) in outcomes.iter().flat_map(|one| outcomes.map(|other| (*one, other))) {
        for (now, reason) in [
            (after(29), "29 days old, less than 30 days"),
            (Timestamp::from_unix_ms(after(30).unix_ms() - 1).unwrap(), "29 days old, less than 30 days"),
            (time(STARTED), "0 days old, less than 30 days"),
            (time("2026-01-02T14:00:00Z"), "-2 days old, less than 30 days"),
        ] {
            let facts = facts(succeeded, improvement);
            assert_eq!(of_log(facts, &archive_failed(), now), (Action::Keep, reason.to_owned()));
        }
    }
    let longer = RetentionPolicy::from_json(r#"{"min_days": 31}"#).unwrap();
    let routine = facts(ROUTINE.0, ROUTINE.1);
    assert_eq!(of_log(routine, &longer, after(30)).0, Action::Keep);
    assert_eq!(of_log(routine, &longer, after(31)).0, Action::Delete);
}

#[test]
fn a_policy_below_30_days_or_with_anything_else_is_refused() {
    let error = RetentionPolicy::from_json(r#"{"min_days": 29}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(error.to_string(), "cannot use a retention policy: found min_days 29; expected at least 30");
    assert_eq!(RetentionPolicy::from_json("{}").unwrap(), RetentionPolicy::default());
    let default = RetentionPolicy::default();
    assert_eq!((default.min_days, default.failed), (30, FailedRuns::Keep));
    for other in
        ["", "[]", r#"{"min_day": 30}"#, r#"{"min_days": -1}"#, r#"{"min_days": "30"}"#, r#"{"failed": "delete"}"#]
    {
        assert_eq!(RetentionPolicy::from_json(other).unwrap_err().kind(), ErrorKind::Malformed, "{other}");
    }
}

#[test]
fn archive_logs_from_sessions_that_led_to_major_improvements() {
    for succeeded in [Some(true), Some(false)] {
        for policy in [RetentionPolicy::default(), archive_failed()] {
            let archived = of_log(facts(succeeded, Some(true)), &policy, after(45));
            assert_eq!(archived, (Action::Archive, "45 days old, and its run led to an improvement".to_owned()));
        }
    }
}

#[test]
fn delete_routine_successful_runs_after_30_days() {
    let deleted = of_log(facts(ROUTINE.0, ROUTINE.1), &RetentionPolicy::default(), after(30));
    assert_eq!(deleted, (Action::Delete, "30 days old, and its run succeeded without an improvement".to_owned()));
}

#[test]
fn never_delete_run_logs_linked_to_open_errors() {
    let open = BTreeSet::from(["a.md".to_owned()]);
    for (succeeded, improvement) in [ROUTINE, (Some(true), Some(true)), (Some(false), Some(false))] {
        let logs = ["a.md", "b.md"].map(|name| LogFile::new(name, Ok(facts(succeeded, improvement))));
        let items = plan(&logs, &[], &open, &archive_failed(), after(10_000));
        assert_eq!((items[0].action, items[0].reason.as_str()), (Action::Keep, "linked to an open error"));
        assert_ne!(items[1].action, Action::Keep);
    }
}

#[test]
fn logs_of_failed_runs_are_kept_unless_the_policy_archives_them() {
    let failed = facts(Some(false), Some(false));
    assert_eq!(of_log(failed, &RetentionPolicy::default(), after(400)), (Action::Keep, "its run failed".to_owned()));
    assert_eq!(
        of_log(failed, &archive_failed(), after(400)),
        (Action::Archive, "400 days old, and its run failed".to_owned())
    );
    // A failed run is archived even if it is unknown whether it led to an improvement.
    assert_eq!(of_log(facts(Some(false), None), &archive_failed(), after(400)).0, Action::Archive);
}

#[test]
fn logs_with_unknown_facts_are_kept_and_named() {
    let policy = archive_failed();
    assert_eq!(
        of_log(facts(None, Some(true)), &policy, after(400)),
        (Action::Keep, "unknown: its run has not ended, or its result is unknown".to_owned())
    );
    assert_eq!(
        of_log(facts(Some(true), None), &policy, after(400)),
        (
            Action::Keep,
            "unknown: some records of its run are missing, and a missing record may mark the run as an improvement"
                .to_owned()
        )
    );
    let file = LogFile::new("notes.txt", Err("it is no run log".to_owned()));
    let items = plan(&[file], &[], &BTreeSet::new(), &policy, after(400));
    assert_eq!((items[0].action, items[0].reason.as_str()), (Action::Keep, "unknown: it is no run log"));
}

fn segment(number: u64, days_old: Option<u64>, stays: Option<&str>) -> SegmentFacts {
    let latest = days_old.map(|days| Timestamp::from_unix_ms(after(100).unix_ms() - (days * DAY_MS) as i64).unwrap());
    SegmentFacts::new(number, latest, stays.map(str::to_owned))
}

fn of_segments(segments: &[SegmentFacts]) -> Vec<(u64, Action, String)> {
    let items = plan(&[], segments, &BTreeSet::new(), &RetentionPolicy::default(), after(100));
    let item = |item: Item| match item.subject {
        Subject::Segment { number } => (number, item.action, item.reason),
        other => panic!("{other:?}"),
    };
    items.into_iter().map(item).collect()
}

#[test]
fn sealed_segments_older_than_the_policy_move_to_the_archive_from_the_first_one_on() {
    let keep = |number, reason: &str| (number, Action::Keep, reason.to_owned());
    let archive = |number, reason: &str| (number, Action::Archive, reason.to_owned());
    let oldest = segment(1, Some(45), None);
    assert_eq!(
        of_segments(&[
            segment(3, Some(29), None),
            segment(2, Some(30), None),
            oldest.clone(),
            segment(4, Some(90), None),
            segment(5, None, Some("it is the last sealed segment")),
        ]),
        [
            archive(1, "its last execution is 45 days old"),
            archive(2, "its last execution is 30 days old"),
            keep(3, "its last execution is 29 days old, less than 30 days"),
            keep(4, "the earlier segment 3 is kept"),
            keep(5, "the earlier segment 3 is kept"),
        ]
    );
    assert_eq!(
        of_segments(&[oldest.clone(), segment(2, None, None), segment(3, Some(45), None)])[1..],
        [
            keep(2, "its age is unknown, since one of its lines is not a record"),
            keep(3, "the earlier segment 2 is kept")
        ]
    );
    assert_eq!(of_segments(&[oldest, segment(2, Some(45), Some("torn"))])[1], keep(2, "torn"));
}

/// The items of a plan in JSON, as a program reads them.
#[test]
fn an_item_in_json() {
    let logs = [LogFile::new("a.md", Ok(facts(ROUTINE.0, ROUTINE.1)))];
    let items = plan(&logs, &[segment(7, Some(1), None)], &BTreeSet::new(), &RetentionPolicy::default(), after(100));
    assert_eq!(
        serde_json::to_value(items).unwrap(),
        json!([
            {
                "kind": "segment",
                "number": 7,
                "action": "keep",
                "reason": "its last execution is 1 day old, less than 30 days",
            },
            {
                "kind": "run_log",
                "name": "a.md",
                "action": "delete",
                "reason": "100 days old, and its run succeeded without an improvement",
            },
        ])
    );
}

fn any_log() -> impl Strategy<Value = LogFile> {
    let flag = || prop::option::of(any::<bool>());
    let facts =
        (-62_167_219_200_000..=253_402_300_799_999i64, flag(), flag()).prop_map(|(ms, succeeded, improvement)| {
            LogFacts::new(Timestamp::from_unix_ms(ms).unwrap(), succeeded, improvement)
        });
    let facts = prop_oneof![4 => facts.prop_map(Ok), 1 => "[a-z]{1,5}".prop_map(Err)];
    ("[a-e]{1,2}", facts).prop_map(|(name, facts)| LogFile::new(name, facts))
}

proptest! {
    /// Whatever the input, a run log is deleted only if it is a routine success, is old enough, and is linked to no
    /// open error. No segment is deleted. Every treatment has a reason.
    #[test]
    fn only_routine_successes_are_ever_deleted(
        logs in prop::collection::vec(any_log(), 0..20),
        segments in prop::collection::vec((0..20u64, prop::option::of(0..100u64), any::<bool>()), 0..8),
        open in prop::collection::btree_set("[a-e]{1,2}", 0..6),
        min_days in 30..u32::MAX,
        archive_failed: bool,
        now in -62_167_219_200_000..=253_402_300_799_999i64,
    ) {
        let failed = if archive_failed { "archive" } else { "keep" };
        let policy = RetentionPolicy::from_json(&json!({"min_days": min_days, "failed": failed}).to_string()).unwrap();
        let segments: Vec<_> =
            segments.into_iter().map(|(number, days, stays)| segment(number, days, stays.then_some("x"))).collect();
        let items = plan(&logs, &segments, &open, &policy, Timestamp::from_unix_ms(now).unwrap());
        prop_assert_eq!(items.len(), logs.len() + segments.len());
        let mut archived = true;
        for item in items {
            prop_assert!(!item.reason.is_empty());
            match &item.subject {
                Subject::Segment { .. } => {
                    prop_assert_ne!(item.action, Action::Delete);
                    prop_assert!(archived || item.action == Action::Keep, "a gap");
                    archived = item.action == Action::Archive;
                }
                Subject::RunLog { name } if item.action != Action::Keep => {
                    prop_assert!(!open.contains(name));
                    let old = |facts: &LogFacts| now - facts.started.unix_ms() >= i64::from(min_days) * DAY_MS as i64;
                    let due = logs.iter().filter(|log| log.name == *name).any(|log| log.facts.as_ref().is_ok_and(|facts| {
                        let routine = (facts.succeeded, facts.improvement) == ROUTINE;
                        old(facts) && (item.action == Action::Archive || routine)
                    }));
                    prop_assert!(due, "{:?}", item);
                }
                _ => {}
            }
        }
    }
}

const NAME: &str = "2026-01-03_14-30_review-tagged-1.md";

/// Returns the template of a run log, filled in.
fn log(status: &str, resolution: &str) -> String {
    format!(
        "# Run Log: Review tagged\n**Started:** 2026-01-03 14:30\n**Mode:** 1\n**Status:** {status}\n\n---\n\n\
         ## Step 1: Fetch\n**Time:** 14:32\n**Status:** no header any more\n\n---\n\n\
         ## Errors Encountered\n| Time | Error | Context | Resolution |\n|------|-------|---------|------------|\n\
         | 14:35 | AttributeError | Parsing | {resolution} |\n"
    )
}

#[test]
fn the_header_of_the_template_is_read() {
    for (status, succeeded) in [("Completed", Some(true)), ("Failed", Some(false)), ("In Progress", None)] {
        let header = LogHeader::read(NAME, &log(status, "Used correct wrapped JSON parsing")).unwrap();
        assert_eq!(
            (header.started, header.succeeded, header.run, header.pending),
            (time(STARTED), succeeded, None, false)
        );
    }
    let with_run = log("Failed", "PENDING").replace("**Mode:**", "**Run:** `nightly-7`\n**Mode:**");
    let header = LogHeader::read(NAME, &with_run).unwrap();
    assert_eq!((header.run.as_deref(), header.pending), (Some("nightly-7"), true));
    let crlf = log("Completed", "fixed").replace('\n', "\r\n");
    assert_eq!(LogHeader::read(NAME, &crlf).unwrap().succeeded, Some(true));
}

#[test]
fn a_text_that_is_not_a_run_log_is_refused_with_every_reason() {
    let text = log("Completed", "");
    let reasons = |name: &str, text: &str| LogHeader::read(name, text).unwrap_err().details().join("; ");
    let no_name = "its name is not YYYY-MM-DD_HH-MM_mode-N.md";
    for name in [
        "",
        ".md",
        "notes.md",
        "2026-01-03_14-30_review.md",
        "2026-01-03_14-30_review-x.md",
        "2026-01-03_14-30_-1.md",
        "2026-01-03_14-30_review-1.txt",
        "2026-13-03_14-30_review-1.md",
        "2026-01-03_14:30_review-1.md",
        "2026-01-03-14-30_review-1.md",
        "日本語日本語_review-1.md",
    ] {
        assert_eq!(reasons(name, &text), no_name, "{name}");
    }
    let other_minute = "2026-01-03_14-31_review-tagged-1.md";
    assert_eq!(reasons(other_minute, &text), "its name and its header have different times");
    assert_eq!(
        reasons("notes.md", "hello"),
        format!(
            "{no_name}; its header has no **Started:** YYYY-MM-DD HH:MM; \
             its header has no **Status:** Completed, Failed or In Progress"
        )
    );
    // A line of the header that occurs twice does not count.
    for doubled in ["**Started:** 2025-01-03 14:30", "**Status:** Failed"] {
        let text = text.replace("\n\n---", &format!("\n{doubled}\n\n---"));
        assert!(reasons(NAME, &text).starts_with("its header has no **S"), "{doubled}");
    }
    for started in
        ["2026-1-3 14:30", "2026-02-30 14:30", "2026-01-03T14:30", "2026-01-03 14:30 or so", "YYYY-MM-DD HH:MM"]
    {
        let text = text.replace("2026-01-03 14:30", started);
        assert_eq!(reasons(NAME, &text), "its header has no **Started:** YYYY-MM-DD HH:MM", "{started}");
    }
    assert!(reasons(NAME, &log("[Completed]", "")).starts_with("its header has no **Status:**"));
}

#[test]
fn a_run_is_marked_as_an_improvement_by_a_tag_of_any_of_its_records() {
    let record = |id: u128, run: Option<&str>| {
        let mut record = ExecutionMetrics::new(Uuid::from_u128(id), "s", "1", time(STARTED));
        record.run.run_id = run.map(str::to_owned);
        record
    };
    let alone = Uuid::from_u128(4).to_string();
    let mut marks = RunMarks::of(["r-1", "r-2", &alone, "absent"].map(str::to_owned));
    let mut improved = record(2, Some("r-1"));
    improved.tags.insert("improvement".to_owned(), json!(true));
    let mut of_another = record(3, Some("r-3"));
    of_another.tags.clone_from(&improved.tags);
    let mut not_true = record(5, Some("r-2"));
    not_true.tags.insert("improvement".to_owned(), json!("true"));
    let mut by_itself = record(4, None);
    by_itself.tags.clone_from(&improved.tags);
    for record in [record(1, Some("r-1")), improved, of_another, not_true, by_itself, record(6, Some("r-1"))] {
        marks.add(&record);
    }
    assert_eq!(
        ["r-1", "r-2", &alone, "absent", "r-3"].map(|run| marks.improvement(run)),
        [Some(true), Some(false), Some(true), None, None]
    );
}

#[test]
fn an_error_without_a_resolution_is_open() {
    let mut marks = RunMarks::of(["mended", "open"].map(str::to_owned));
    for (run, resolution) in [("mended", Some("restarted")), ("open", Some("restarted")), ("open", None)] {
        let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", time(STARTED));
        record.run.run_id = Some(run.to_owned());
        let mut error = TracedError::new(time(STARTED), "timeout");
        error.resolution = resolution.map(str::to_owned);
        record.trace.errors = vec![error];
        marks.add(&record);
    }
    assert_eq!(["mended", "open", "absent"].map(|run| marks.has_unresolved_error(run)), [false, true, false]);
}
