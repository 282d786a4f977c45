//! Looks for alerts in the ledger, the quota and the reports of vendors. To examine the ledger means to look for its
//! problems, as `runledger escalate` does.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runledger::alerts::{Alert, ObservedAlerts, of_damage, of_escalations, of_limit};
use runledger::baseline::{Skipped, week_start};
use runledger::governance::{Escalations, Policy};
use runledger::journal::JournalOptions;
use runledger::quota::{Limits, ObservedReports, QuotaReplay};
use runledger::{Error, ErrorKind, LedgerReader, Records, Timestamp, Uuid};

use crate::clock;
use crate::failure::{self, Failure};
use crate::global::Global;
use crate::limits::{self, OwnLimits};
use crate::observed;
use crate::records;
use crate::term::output;
use crate::warnings::warn;

pub(super) const DAY_MS: u64 = 24 * 60 * 60 * 1000;
pub(super) const WEEK_MS: u64 = 7 * DAY_MS;
/// The subjects of alerts about damage, other than the ledger itself.
pub(super) const QUOTA_FILE: &str = "quota.jsonl";
pub(super) const OBSERVED_FILE: &str = "observed.jsonl";
/// The time after which the ledger is examined again although it has no new lines. An execution that is in flight for
/// too long is a problem, but it adds no line.
const EXAMINE_EVERY: Duration = Duration::from_secs(60);
/// The shortest time between two examinations.
const EXAMINE_PAUSE: Duration = Duration::from_secs(1);
/// The next examination begins only after this many times the duration of the last examination. So examinations take at
/// most about a twentieth of the time if there are new lines, and otherwise a hundredth.
const EXAMINE_PART: u32 = 20;
const EXAMINE_PART_IDLE: u32 = 100;

pub(super) struct Evaluation {
    global: Global,
    own: OwnLimits,
    policy: Policy,
    reader: LedgerReader,
    /// The ledger's id.
    ledger: Uuid,
    /// Reads the records that were appended since the last look.
    appended: Records,
    limits: Limits,
    /// The error of the last attempt to read the limits. `None` if they were read.
    unread_limits: Option<String>,
    quota: QuotaReplay,
    /// How many damaged lines of the quota's journal were reported by warnings so far.
    named: usize,
    reports: ObservedReports,
    observed: ObservedAlerts,
    /// True if the ledger may have records that were not examined.
    is_behind: bool,
    /// The end of the last examination, and the time that the examination took.
    last: Option<(Instant, Duration)>,
}

impl Evaluation {
    pub(super) fn open(policy: Policy, own: OwnLimits, global: &Global) -> Result<Self, Failure> {
        let reader = records::reader(global)?;
        let limits = own.load(global)?;
        Ok(Self {
            quota: replay(&limits, global),
            named: 0,
            reports: observed::journal(global).reports(),
            observed: ObservedAlerts::default(),
            global: global.clone(),
            own,
            policy,
            ledger: reader.follow()?.id(),
            // The first look returns the last record of the ledger, although this record is not new. This does no harm,
            // because the whole ledger is examined at the start anyway.
            appended: reader.records_from_last(1)?,
            reader,
            limits,
            unread_limits: None,
            is_behind: true,
            last: None,
        })
    }

    /// Returns the alerts that the ledger, the quota and the reports cause now. Some of them may have been returned
    /// before. If `at_once` is true, the ledger is examined in any case. Otherwise, the ledger is examined when it has
    /// new lines, and from time to time.
    pub(super) fn look(&mut self, at_once: bool) -> Result<Vec<Alert>, Failure> {
        let ledger = self.ledger;
        let mut found = Vec::new();
        self.look_at_limits(ledger, &mut found)?;
        let mut skipped = Skipped::default();
        while let Some(report) = self.reports.next_report(&mut skipped)? {
            found.extend(self.observed.add(&self.policy.alerts, ledger, &report));
        }
        skipped.errors().iter().for_each(|error| records::name(error, &self.global));
        let (policy, now) = (&self.policy.alerts, clock::now());
        found.extend(of_damage(policy, ledger, OBSERVED_FILE, &skipped, week(now), now));
        found.extend(of_damage(policy, ledger, QUOTA_FILE, self.quota.skipped(), week(now), now));
        if !self.policy.alerts.escalations.is_empty() {
            self.follow()?;
            if at_once || self.is_time() {
                self.examine(ledger, &mut found)?;
            }
        }
        Ok(found)
    }

    fn look_at_limits(&mut self, ledger: Uuid, found: &mut Vec<Alert>) -> Result<(), Failure> {
        let unread = match self.own.load(&self.global) {
            Ok(limits) => {
                if limits != self.limits {
                    self.quota = replay(&limits, &self.global);
                    self.limits = limits;
                }
                None
            }
            // A person may be editing the file of limits. Until the file is valid again, the earlier limits are used.
            Err(Failure::Library(error)) => Some(error),
            Err(failure) => return Err(failure),
        };
        let text = unread.as_ref().map(|error| failure::text(error));
        if text != self.unread_limits
            && let Some(error) = unread
        {
            warn("the earlier limits are used", &error, self.global.style());
        }
        self.unread_limits = text;
        self.quota.read_on(|used| found.extend(of_limit(&self.policy.alerts, ledger, used)))?;
        let named = std::mem::replace(&mut self.named, self.quota.skipped().errors().len());
        self.quota.skipped().errors().iter().skip(named).for_each(|error| records::name(error, &self.global));
        Ok(())
    }

    /// Sets `is_behind` if the ledger has new lines. Ignores lines that cannot be read, because the examination reports
    /// them.
    fn follow(&mut self) -> Result<(), Failure> {
        for record in &mut self.appended {
            self.is_behind = true;
            if let Err(error) = record
                && !matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Archived)
                && error.io_kind() != Some(io::ErrorKind::PermissionDenied)
            {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Returns true if the ledger is to be examined now.
    fn is_time(&self) -> bool {
        self.last.is_none_or(|(at, took)| {
            let (pause, part) =
                if self.is_behind { (EXAMINE_PAUSE, EXAMINE_PART) } else { (EXAMINE_EVERY, EXAMINE_PART_IDLE) };
            at.elapsed() >= pause.max(took * part)
        })
    }

    /// Examines this week, and also the previous week if that week ended less than a day ago.
    fn examine(&mut self, ledger: Uuid, found: &mut Vec<Alert>) -> Result<(), Failure> {
        let begin = Instant::now();
        let now = clock::now();
        let this = week_start(now);
        let is_first_day = now.ms_since(this).is_some_and(|ms| ms < DAY_MS);
        let last = minus_ms(this, WEEK_MS);
        let starts = if is_first_day { vec![last, this] } else { vec![this] };
        let since = starts.first().copied().unwrap_or(this);
        let reference_ms = self.policy.escalation.reference_days.saturating_mul(DAY_MS);
        let windows = starts.into_iter().map(|start| {
            let window = Escalations::new(self.policy.escalation.clone(), start, Some(start.plus_ms(WEEK_MS)))?;
            Ok((window, now))
        });
        let windows = windows.collect::<Result<Vec<_>, Error>>()?;
        let scan = self.reader.scan().between(Some(minus_ms(since, reference_ms)), Some(this.plus_ms(WEEK_MS)));
        let examined = self.reader.escalate_each(&scan, windows)?;
        let skipped = examined.skipped.count() + examined.unreadable.len() as u64;
        for report in &examined.reports {
            found.extend(of_escalations(&self.policy.alerts, ledger, report, skipped, now));
        }
        found.extend(of_damage(&self.policy.alerts, ledger, &name(&self.global), &examined.skipped, week(now), now));
        self.last = Some((Instant::now(), begin.elapsed()));
        self.is_behind = false;
        Ok(())
    }
}

/// Returns a reader that replays the quota's journal from its start. The journal need not exist.
pub(super) fn replay(limits: &Limits, global: &Global) -> QuotaReplay {
    let style = global.style();
    let options = JournalOptions::new(Arc::new(clock::unix_ms));
    let options = options.on_warning(move |error: &Error| {
        output::warning(&failure::text(error), failure::kind(error), style);
    });
    QuotaReplay::new(limits::journal(global), limits, options)
}

/// Returns the file name of the ledger.
pub(super) fn name(global: &Global) -> String {
    global.ledger.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the start and the end of the week of `at`.
pub(super) fn week(at: Timestamp) -> [Timestamp; 2] {
    let start = week_start(at);
    [start, start.plus_ms(WEEK_MS)]
}

pub(super) fn minus_ms(at: Timestamp, ms: u64) -> Timestamp {
    let earlier = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_unix_ms(at.unix_ms().checked_sub(ms)?));
    earlier.unwrap_or(Timestamp::UNIX_EPOCH)
}
