//! `runledger quota set`

use std::io::Write;
use std::path::Path;

use runledger::Usd;
use runledger::quota::Period;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::argument::{name, whole};
use crate::clock;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::limits;
use crate::term::{output, printable};
use crate::zone::Zone;

/// Store a limit in `limits.json` next to the ledger
///
/// The stored limit overrides the bundled limit of the same API. Each command that uses limits reads the file. If the
/// file has a limit for the API, the new limit keeps the old value of each option that is not given. Otherwise,
/// --limit, --unit and --per are required. All other limits in the file keep their text and their order. Setting the
/// same limit again changes nothing.
///
/// A limit counts what is used from now on, as reported by `quota consume`, `quota settle` and the hook. It does not
/// count the executions in the ledger. The hook counts sessions only for limits that are enforced. If a limit becomes
/// enforced while a session runs, the hook counts this session from its start. It never counts a session that had ended
/// before the limit became enforced.
///
/// The file has the format of `runledger quota --limits`. If it is not a valid table of limits, the command fails and
/// changes nothing.
///
/// With --json, prints {"api_name": …, "changed": …, "old": …, "new": …, "file": …}. `old` is null if the file had no
/// limit for the API.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: allow 20 dollars a day, and ask a person from 16 dollars on
  runledger quota set anthropic --limit 20 --unit usd --per day \\
    --zone Europe/Zurich --warn 80 --enforce
Example: set and enforce a limit, and later stop enforcing it, but keep it
  runledger quota set openai --limit 5 --unit usd --per day --enforce
  runledger quota set openai --no-enforce")]
pub(super) struct Args {
    /// The name of the API
    #[arg(value_parser = name)]
    name: String,
    /// The most that may be used in one period
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    limit: Option<String>,
    /// The unit of the limit
    #[arg(long, value_parser = ["tokens", "calls", "usd"])]
    unit: Option<String>,
    /// The period after which counting restarts: minute, hour, day, week, month, quarter, year or total. A period of a
    /// number of hours, such as 5h, begins with the first use
    #[arg(long, value_name = "PERIOD", value_parser = |text: &str| text.parse::<Period>())]
    per: Option<Period>,
    /// The time zone in which days and longer periods begin: an IANA name such as Europe/Zurich, or an offset such as
    /// +02:00 [default: UTC]
    #[arg(long, value_parser = zone)]
    zone: Option<String>,
    /// A percentage of the limit, from 1 to 100. When it is reached, the hook of an agent asks before each tool call.
    /// Includes --enforce
    #[arg(long, value_name = "PERCENT", value_parser = whole::<u8>(1, 100))]
    warn: Option<u8>,
    /// Let the hook of an agent deny tool calls when nothing is left
    #[arg(long)]
    enforce: bool,
    /// Stop enforcing the limit
    #[arg(long, conflicts_with_all = ["enforce", "warn"])]
    no_enforce: bool,
    /// What happens to a call whose amount is unknown before the call. `deny` denies the call. `allow` allows the call
    /// while any of the quota remains. If an AMOUNT is given, the call counts as this amount [default: deny, or allow
    /// with --enforce]. With `allow`, a model without a price uses up nothing; assume an amount if a limit must stop
    /// such a model
    #[arg(long, value_name = "deny|allow|AMOUNT", allow_negative_numbers = true)]
    unknown: Option<String>,
    /// Where the limit comes from [default: `runledger quota set`]
    #[arg(long, value_name = "TEXT", value_parser = name)]
    source: Option<String>,
}

/// The answer in JSON, which says what was changed.
#[derive(Serialize)]
struct Set<'a> {
    api_name: &'a str,
    changed: bool,
    old: Option<&'a RawValue>,
    new: &'a RawValue,
    file: &'a Path,
}

/// The values of an existing limit that the new limit keeps.
#[derive(Default, Deserialize)]
struct Kept {
    limit: Option<Box<RawValue>>,
    unit: Option<String>,
    period: Option<String>,
    source: Option<String>,
    as_of: Option<String>,
    thresholds: Option<Box<RawValue>>,
    zone: Option<String>,
    unknown: Option<Box<RawValue>>,
    #[serde(default)]
    enforce: bool,
    warn: Option<u8>,
}

/// Stores the limit. `is_reserved` returns true for the names of the subcommands of `quota`. A limit cannot have such a
/// name.
pub(super) fn run(
    args: &Args,
    is_reserved: impl Fn(&str) -> bool,
    global: &Global,
    out: &mut impl Write,
) -> Result<ExitCode, Failure> {
    let refused = |why: String| Failure::Limit { api: args.name.clone(), why };
    if is_reserved(&args.name) {
        let found = format!("found the name of the command `runledger quota {}`; expected another name", args.name);
        return Err(refused(found));
    }
    let path = limits::path(global);
    let today: String = clock::now().to_string().chars().take(10).collect();
    let (old, new) = limits::change(&path, |text| {
        let table = limits::parse(&path, text.unwrap_or("[]"))?;
        let old = text.and_then(|text| limits::find(text, &args.name)).map(str::to_owned);
        let kept: Kept = old.as_deref().and_then(|old| serde_json::from_str(old).ok()).unwrap_or_default();
        args.check(&kept).map_err(refused)?;
        let entry = |as_of: &str| args.entry(&kept, as_of);
        let new = entry(&today);
        limits::in_zones(&format!("[{new}]")).map_err(|error| refused(reason(&error)))?;
        // Setting the same limit on another day does not change it.
        let of_old_day = limits::in_zones(&format!("[{}]", entry(kept.as_of.as_deref().unwrap_or(&today))));
        if of_old_day.is_ok_and(|same| same.get(&args.name) == table.get(&args.name)) {
            return Ok((None, (old.clone(), old.unwrap_or_default())));
        }
        let changed = limits::put(text.unwrap_or("[]"), &args.name, &new);
        // The file must never become invalid.
        limits::parse(&path, &changed)?;
        Ok((Some(changed), (old, new)))
    })?;
    let changed = old.as_ref() != Some(&new);
    if global.json {
        let raw = |text: &'_ String| RawValue::from_string(text.clone());
        let (old, new) = (old.as_ref().map(raw).transpose(), raw(&new));
        let (old, new) = (old.map_err(std::io::Error::from)?, new.map_err(std::io::Error::from)?);
        let set = Set { api_name: &args.name, changed, old: old.as_deref(), new: &new, file: &path };
        output::json_line(out, &set)?;
        return Ok(ExitCode::Yes);
    }
    match old {
        _ if !changed => writeln!(out, "unchanged: {}", printable(&new))?,
        Some(old) => writeln!(out, "old: {}\nnew: {}", printable(&old), printable(&new))?,
        None => writeln!(out, "new: {}", printable(&new))?,
    }
    let file = std::path::absolute(&path).unwrap_or(path);
    writeln!(out, "file: {}", printable(&file.display().to_string()))?;
    Ok(ExitCode::Yes)
}

impl Args {
    /// Fails with the reason if a required option is missing. An option is not required if an existing limit has its
    /// value.
    fn check(&self, kept: &Kept) -> Result<(), String> {
        let options = [
            ("--limit", self.limit.is_some() || kept.limit.is_some()),
            ("--unit", self.unit.is_some() || kept.unit.is_some()),
            ("--per", self.per.is_some() || kept.period.is_some()),
        ];
        if let Some((option, _)) = options.into_iter().find(|(_, is_known)| !is_known) {
            return Err(format!("found no {option}; expected --limit, --unit and --per for a new limit"));
        }
        let changes_unit = self.unit.is_some() && kept.unit.is_some() && self.unit != kept.unit;
        if changes_unit && self.limit.is_none() {
            return Err(
                "found a new --unit without --limit; expected --limit too, with the amount in the new unit".to_owned()
            );
        }
        Ok(())
    }

    /// Returns the entry for the table of limits as JSON. Takes missing values from `kept`.
    fn entry(&self, kept: &Kept, as_of: &str) -> String {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let source = self.source.as_deref().or(kept.source.as_deref()).unwrap_or("runledger quota set");
        let enforces = self.enforce || self.warn.is_some();
        let unknown = match self.unknown.as_deref() {
            Some(word @ ("deny" | "allow")) => Some(text(word)),
            Some(amount) => Some(format!("{{\"assume\": {}}}", number(amount))),
            None if kept.unknown.is_some() => kept.unknown.as_ref().map(|kept| kept.get().to_owned()),
            None => enforces.then(|| text("allow")),
        };
        let is_enforced = enforces || kept.enforce && !self.no_enforce;
        let warn = self.warn.or(kept.warn).filter(|_| is_enforced);
        let zone = self.zone.as_deref().or(kept.zone.as_deref());
        let kept_limit = || kept.limit.as_ref().map(|kept| kept.get().to_owned());
        let limit = self.limit.as_deref().map(number).or_else(kept_limit);
        let period = self.per.map(|per| per.to_string()).or_else(|| kept.period.clone());
        let entry = [
            ("api", Some(text(&self.name))),
            ("limit", limit),
            ("unit", self.unit.as_deref().or(kept.unit.as_deref()).map(text)),
            ("period", period.as_deref().map(text)),
            ("zone", zone.map(text)),
            ("source", Some(text(source))),
            ("as_of", Some(text(as_of))),
            ("thresholds", kept.thresholds.as_ref().map(|kept| kept.get().to_owned())),
            ("unknown", unknown),
            ("enforce", is_enforced.then(|| "true".to_owned())),
            ("warn", warn.map(|percent| percent.to_string())),
        ];
        let keys = entry.into_iter().filter_map(|(key, value)| Some(format!("\"{key}\": {}", value?)));
        format!("{{{}}}", keys.collect::<Vec<_>>().join(", "))
    }
}

/// Returns the text as a JSON number. If it is not a number, returns it as a JSON string, which the table refuses.
fn number(text: &str) -> String {
    let number: Option<Usd> = text.parse().ok();
    number.map_or_else(|| serde_json::Value::from(text).to_string(), |number| number.to_string())
}

fn zone(text: &str) -> Result<String, String> {
    text.parse::<Zone>().map(|_| text.to_owned())
}

/// Returns why the entry was refused. The text leaves out the position of the entry in the table.
fn reason(error: &runledger::Error) -> String {
    let details = error.details().iter().map(|detail| detail.strip_prefix("[0].").unwrap_or(detail).to_owned());
    details.chain(error.cause().map(ToString::to_string)).collect::<Vec<_>>().join("; ")
}
