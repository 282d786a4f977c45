//! `runledger watch`

mod dry_run;
mod evaluate;
mod lines;
mod program;
mod receiver;
mod wait;
mod watcher;
mod webhook;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use runledger::Error;
use runledger::alerts::AlertJournal;
use runledger::journal::JournalOptions;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits::OwnLimits;
use crate::period::When;
use crate::policy_file;
use crate::records;
use crate::term::output;
use crate::warnings::warn;
use evaluate::Evaluation;
use receiver::Receiver;
use watcher::Watcher;

/// The time between two looks for a ledger that does not exist yet.
const LEDGER_PAUSE: Duration = Duration::from_millis(100);

/// Send alerts to a command or a webhook
///
/// Follows the ledger, and sends each kind of alert once for each subject and window. A window is the period of a
/// limit, a window that a vendor reports, or a week. The key `alerts` of the policy says what is watched and where
/// alerts go. These are the kinds of alerts:
///
/// - budget_warning, budget_end: a budget has reached the percentage `warn` of its limit (warning), or is used up
///   (end). A limit is a budget if it is in dollars or is enforced.
///
/// - quota_yellow, quota_red: at least 50 % (yellow) or 80 % (red) of a quota is used. `runledger quota` shows the same
///   levels.
///
/// - damage: lines of the ledger, of quota.jsonl or of observed.jsonl cannot be read. The alert is sent once a week.
///
/// - observed_yellow, observed_red: a vendor reported that at least 50 % (yellow) or 80 % (red) of a window of a
///   subscription is used.
///
/// - The name of a problem, such as cost_discrepancy: `runledger escalate` finds this problem in the current week.
///
/// If one use of a limit reaches several levels, one alert is sent, for the most serious one: budget_end, quota_red,
/// budget_warning, quota_yellow. The text of the alert also names the other level that was reached. A problem of
/// `escalate` is always an alert of its own, even if a limit of the same name causes an alert too.
///
/// An alert is sent as one JSON object: as one line on stdin of the command, or as the body of a POST request. The
/// alert is delivered if the command exits with 0, or if the answer has a status from 200 to 299. Otherwise, another
/// attempt follows after a pause, which doubles from about 1 second to 5 minutes. If a webhook asks for a longer pause
/// with Retry-After, that pause is kept. After `attempts_max` attempts, the alert has failed. The next start without
/// --once tries a failed alert again if its window has not ended.
///
/// Before and after each attempt, this command stores in the ledger's internal directory which alerts are due, sent or
/// failed. So each alert is delivered once, even if this command is killed and started again. There is one exception:
/// if the command is killed between the answer of the receiver and the next write, the alert is delivered again, with
/// the same `id`. A receiver that ignores known ids gets each alert exactly once.
///
/// An alert whose window ended while this command did not run is still sent if the window ended less than a day ago.
/// Windows that ended before the first start of this command cause no alert.
///
/// If there is no ledger yet, the command waits for one. With --once or --dry-run, it fails instead.
///
/// The command takes no lock of the ledger or the quota, so no other process waits for it. It prints one line for each
/// alert that was sent or has failed. SIGINT and SIGTERM end the command.
///
/// Exits with 1 if an alert has failed. With --once, also exits with 1 if an alert was not delivered yet.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: show what would have been sent in the last week, and why
  runledger watch --policy policy.json --dry-run --since 7d
Example: send alerts every minute from cron
  runledger watch --policy policy.json --once

The keys of `alerts` in a policy. A policy has either `command` or `webhook`:
  {
    \"alerts\": {
      \"escalations\": [\"cost_discrepancy\", \"model_misuse\"],
      \"budgets\": [\"warning\", \"end\"],
      \"quotas\": [\"RED\"],
      \"observed\": [\"YELLOW\", \"RED\"],
      \"damage\": true,
      \"command\": [\"notify-team\", \"--urgent\"],
      \"timeout_s\": 10,
      \"attempts_max\": 20
    }
  }
  webhook  replaces `command`, for example with
           \"webhook\": \"https://alerts.example/hook\". The address is https,
           or http to this machine. Redirects are not followed, and
           proxies are not used. The name and password in an address are sent
           with basic authentication")]
pub(crate) struct Args {
    /// The policy file. `runledger policy` prints the default
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Examine everything once, deliver the alerts that are due, and end
    #[arg(long, conflicts_with = "dry_run")]
    once: bool,
    /// Print the alerts that would have been sent with the present policy and limits, and why. Sends and writes
    /// nothing. The time of a problem of `escalate` is the end of the first day (UTC) on which the problem existed
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run, print the alerts since this time, but at most those of the last 366 days [default: 30d]. WHEN
    /// has the same forms as for `runledger escalate`
    #[arg(long, value_name = "WHEN", requires = "dry_run", allow_hyphen_values = true)]
    since: Option<When>,
    #[command(flatten)]
    own: OwnLimits,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let policy = policy_file::read(Some(&args.policy))?;
    if args.dry_run {
        return dry_run::run(&policy, args.since, &args.own, global, out);
    }
    let receiver = Receiver::new(&policy.alerts, &args.policy)?;
    let alerts = policy.alerts.clone();
    let stop = stop(global);
    if !args.once && !has_ledger(&stop, global)? {
        return Ok(ExitCode::Yes);
    }
    let mut evaluation = Evaluation::open(policy, args.own.clone(), global)?;
    let style = global.style();
    let options = JournalOptions::new(Arc::new(clock::unix_ms)).on_warning(move |error: &Error| warn("", error, style));
    let mut journal = AlertJournal::open(&global.ledger, clock::now(), options)?;
    // With --once, a failed alert is not tried again. Otherwise, a program such as cron, which starts --once again and
    // again, would cause attempts for ever.
    if !args.once {
        journal.retry_failed(clock::now())?;
    }
    let mut watcher = Watcher::new(journal, alerts, receiver, stop);
    let is_done = if args.once {
        watcher.run_once(&mut evaluation, global, out)?
    } else {
        watcher.run(&mut evaluation, global, out)?
    };
    Ok(if is_done { ExitCode::Yes } else { ExitCode::No })
}

/// Waits until there is a ledger. Returns false if a signal arrived before.
fn has_ledger(stop: &AtomicBool, global: &Global) -> Result<bool, Failure> {
    let mut is_said = false;
    while !stop.load(Ordering::Relaxed) {
        match records::reader(global) {
            Err(Failure::Library(error)) if error.io_kind() == Some(io::ErrorKind::NotFound) => {}
            found => return found.map(|_| true),
        }
        if !is_said {
            let text = format!("waiting for the ledger {}, which does not exist yet", global.ledger.display());
            output::note(&text, "waiting", global.style());
            is_said = true;
        }
        thread::sleep(LEDGER_PAUSE);
    }
    Ok(false)
}

/// Returns a flag that is set when a signal asks this process to end. Warns if signals cannot be handled. A signal may
/// then end the process at any moment.
fn stop(global: &Global) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let register = |signal| {
        // A second signal ends the process at once, even if the process waits for a receiver.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        flag::register(signal, Arc::clone(&stop))
    };
    if let Err(error) = [SIGINT, SIGTERM].into_iter().try_for_each(|signal| register(signal).map(drop)) {
        output::warning(&format!("signals are not handled: {error}"), "io", global.style());
    }
    stop
}
