use std::sync::Barrier;

use super::*;

/// A directory with a file of limits.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// Writes one entry for each text in `limits`. Each text begins with the value of the key `api`, and leaves out the
    /// keys `source` and `as_of`.
    fn new(limits: &[&str]) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        let rest = r#""source": "us", "as_of": "2026-03-01""#;
        let entries: Vec<_> = limits.iter().map(|limit| format!("{{\"api\": {limit}, {rest}}}")).collect();
        std::fs::write(place.path("limits.json"), format!("[{}]", entries.join(",\n"))).unwrap();
        place
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// Returns the denial of a call, which also has the command that shows the limit.
    fn denial(&self, api: &str, why: &str) -> String {
        let directory = std::fs::canonicalize(self.directory.path()).unwrap();
        let ledger = directory.join("execution_metrics.jsonl");
        format!("{why}. To look: runledger quota {api} --ledger {}", ledger.display())
    }

    fn global(&self) -> Global {
        Global { ledger: self.path("execution_metrics.jsonl"), json: false, color: clap::ColorChoice::Never }
    }

    /// Opens the budgets as another process would.
    fn open(&self) -> Budgets {
        Budgets::open(Duration::from_secs(60), || None, &self.global()).unwrap().unwrap()
    }

    fn files(&self) -> Vec<std::ffi::OsString> {
        let mut names: Vec<_> =
            std::fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }
}

const CALLS: &str = r#""tools", "limit": 4, "unit": "calls", "period": "total", "enforce": true"#;
const DOLLARS: &str = r#""money", "limit": 2.5, "unit": "usd", "period": "total", "enforce": true, "unknown": "allow""#;

fn allowed(budgets: &Budgets) -> Vec<String> {
    let judged = budgets.before().unwrap();
    assert_eq!(judged.verdict, Verdict::Allow);
    judged.holds
}

fn denied(budgets: &Budgets) -> String {
    let judged = budgets.before().unwrap();
    assert_eq!(judged.holds, [""; 0]);
    match judged.verdict {
        Verdict::Deny(why) => why,
        other => panic!("{other:?}"),
    }
}

fn used(budgets: &Budgets) -> (u64, u64) {
    let status = budgets.quota().status("tools").unwrap();
    (status.consumed, status.held)
}

#[test]
fn without_an_enforced_limit_no_journal_is_created() {
    let place = Place::new(&[r#""tools", "limit": 4, "unit": "calls", "period": "total", "warn": 1"#]);
    assert!(Budgets::open(Duration::ZERO, || None, &place.global()).unwrap().is_none());
    assert_eq!(place.files(), ["limits.json"]);
    std::fs::remove_file(place.path("limits.json")).unwrap();
    assert!(Budgets::open(Duration::ZERO, || None, &place.global()).unwrap().is_none());
    assert_eq!(place.files(), [""; 0]);
}

#[test]
fn limits_or_a_journal_that_cannot_be_read_are_errors() {
    let place = Place::new(&[CALLS]);
    std::fs::create_dir(place.path("quota.jsonl")).unwrap();
    let error = Budgets::open(Duration::ZERO, || None, &place.global()).unwrap_err();
    assert!(crate::failure::text(&error).contains("quota.jsonl: "), "{error}");
    std::fs::write(place.path("limits.json"), "[").unwrap();
    let error = Budgets::open(Duration::ZERO, || None, &place.global()).unwrap_err();
    assert!(crate::failure::text(&error).contains("limits.json: line 1 (byte "), "{error}");
}

#[test]
fn calls_are_counted_when_they_end_and_denied_when_none_is_left() {
    let place = Place::new(&[CALLS]);
    let budgets = place.open();
    assert_eq!(budgets.metered(), [""; 0]);
    let holds: Vec<_> = (0..4).map(|_| allowed(&place.open())).collect();
    assert_eq!(holds, [["1"], ["2"], ["3"], ["4"]]);
    assert_eq!(
        denied(&budgets),
        place.denial("tools", "nothing is left of the limit tools: 0 of 4 calls used in total, 4 held, 0 left")
    );
    for hold in &holds[..3] {
        place.open().after(hold, true).unwrap();
    }
    assert_eq!(used(&budgets), (3, 1));
    // The end of a call can be reported again.
    budgets.after(&holds.concat(), true).unwrap();
    assert_eq!(used(&budgets), (4, 0));
    assert_eq!(
        denied(&budgets),
        place.denial("tools", "nothing is left of the limit tools: 4 of 4 calls used in total, 0 held, 0 left")
    );
    // An id that this journal does not have is ignored.
    budgets.after(&["77".to_owned(), "x".to_owned()], true).unwrap();
    assert_eq!(used(&budgets), (4, 0));
}

#[test]
fn a_call_that_was_not_made_does_not_count() {
    let place = Place::new(&[CALLS, DOLLARS]);
    let budgets = place.open();
    budgets.after(&allowed(&budgets), false).unwrap();
    assert_eq!(used(&budgets), (0, 0));
    assert_eq!(budgets.quota().budget("money").unwrap().status().unwrap().unknown, 0);
}

#[test]
fn dollars_are_allowed_while_any_are_left_and_not_counted_here() {
    let place = Place::new(&[DOLLARS]);
    let budgets = place.open();
    assert_eq!(budgets.metered(), ["money"]);
    let hold = allowed(&budgets);
    let money = budgets.quota().budget("money").unwrap();
    let status = money.status().unwrap();
    assert_eq!((status.unknown, status.unknown_held), (0, 1));
    budgets.after(&hold, true).unwrap();
    let status = money.record_consumption(Some("2.499999999999".parse().unwrap())).unwrap();
    assert_eq!((status.unknown, status.held), (0, Usd::ZERO));
    budgets.after(&allowed(&budgets), true).unwrap();
    money.record_consumption(Some("0.1".parse().unwrap())).unwrap();
    assert_eq!(
        denied(&budgets),
        place.denial(
            "money",
            "nothing is left of the limit money: 2.599999999999 of 2.5 usd used in total, 0 held, 0 left"
        )
    );
}

#[test]
fn a_denial_of_one_limit_releases_the_holds_of_the_others() {
    // `all` is judged before `tools`, and `zero` after it.
    let all = r#""all", "limit": 9, "unit": "calls", "period": "total", "enforce": true"#;
    let zero = r#""zero", "limit": 9, "unit": "tokens", "period": "day", "zone": "Europe/Zurich", "enforce": true, "unknown": "deny""#;
    let place = Place::new(&[zero, CALLS, all]);
    let budgets = place.open();
    let why = denied(&budgets);
    assert!(
        why.starts_with(
            "the limit zero denies calls whose amount is unknown in advance, such as tool calls: \
             0 of 9 tokens used in the current day in Europe/Zurich, 0 held, 9 left until 20"
        ),
        "{why}"
    );
    assert_eq!(used(&budgets), (0, 0));
    assert_eq!(budgets.quota().status("all").unwrap().held, 0);
}

#[test]
fn a_person_is_asked_from_the_percentage_on() {
    let place = Place::new(&[&format!("{CALLS}, \"warn\": 50"), &format!("{DOLLARS}, \"warn\": 100")]);
    let budgets = place.open();
    budgets.quota().record_consumption("tools", Some(1)).unwrap();
    let holds = allowed(&budgets);
    assert_eq!(holds.len(), 2);
    // Only consumed amounts count for the percentage, so calls in flight do not count.
    let second = allowed(&budgets);
    budgets.after(&holds, true).unwrap();
    budgets.after(&second, true).unwrap();
    let judged = budgets.before().unwrap();
    let text = "at least 50 % of the limit tools is used: 3 of 4 calls used in total, 1 held, 0 left";
    assert_eq!(judged.verdict, Verdict::Ask(text.to_owned()));
    assert_eq!(judged.holds.len(), 2);
    budgets.after(&judged.holds, true).unwrap();
    assert_eq!(used(&budgets), (4, 0));
}

/// Each thread opens the journal itself. So the threads exclude each other with the lock of the journal, like
/// processes.
#[test]
fn sixteen_callers_are_never_granted_more_than_the_limit() {
    let assumed = DOLLARS.replace("\"allow\"", "{\"assume\": 0.9}");
    for (limit, granted, held) in [(CALLS, 4, "4"), (&*assumed, 2, "1.8")] {
        let place = Place::new(&[limit]);
        let begin = Barrier::new(16);
        let judge = || {
            let budgets = place.open();
            begin.wait();
            budgets.before().unwrap()
        };
        let judged: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(judge)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(judged.iter().filter(|judged| judged.verdict == Verdict::Allow).count(), granted);
        let budgets = place.open();
        assert_eq!(held_of(&budgets), held);
        judged.iter().for_each(|judged| budgets.after(&judged.holds, true).unwrap());
        assert_eq!(held_of(&budgets), "0");
    }
}

/// Returns the held amount of the only limit.
fn held_of(budgets: &Budgets) -> String {
    let api = &budgets.enforced[0].api;
    match budgets.quota().budget(api) {
        Ok(budget) => budget.status().unwrap().held.to_string(),
        Err(_) => budgets.quota().status(api).unwrap().held.to_string(),
    }
}
