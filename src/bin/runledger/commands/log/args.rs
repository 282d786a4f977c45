//! The arguments of `runledger log`: one subcommand for each kind of record.

use std::any::Any;

use clap::{ArgMatches, FromArgMatches};
use runledger::Usd;
use runledger::metrics::Kind;
use serde_json::{Map, Value};

use crate::ending::Ending;
use crate::price_table::OwnPrices;
use crate::record_args::{Fields, Form, OPTIONS, Opt, text, value};

/// A subcommand.
struct Sub {
    name: &'static str,
    kind: Kind,
    about: &'static str,
    long: &'static str,
    example: &'static str,
    /// The name of the required option. Empty if no option is required.
    required: &'static str,
    /// The names of the options, in groups, in the order of the help.
    options: &'static [&'static [&'static str]],
}

/// The options that name the model.
const MODEL: &[&str] = &["model", "provider", "tier"];
/// The options that say how many tokens a call used.
const TOKENS: &[&str] = &["input-tokens", "output-tokens", "cache-read-tokens", "cache-write-tokens"];

static SUBS: [Sub; 4] = [
    Sub {
        name: "routing",
        kind: Kind::ModelRouting,
        about: "Record which model a router chose",
        long: "The token options say how many tokens you expect the call to use. Without --estimate, the estimated \
               cost is computed from these tokens. --tier is the class of models that the router selected, such as \
               Premium.",
        example: "record the choice of a model
  runledger log routing --model gpt-4 --tier Premium --estimate 0.06 \\
    --reason 'a face, close up'",
        required: "model",
        options: &[MODEL, &["reason", "estimate"], TOKENS, &["scene", "shot"]],
    },
    Sub {
        name: "generation",
        kind: Kind::Generation,
        about: "Record an attempt to generate something, such as a clip of a scene",
        long: "A first attempt has --regen-count 0, and a retry has the next number. Without --cost, the cost is \
               computed from the tokens and the price table. For an attempt that failed, use --status error.",
        example: "record a first attempt that took 7 seconds
  runledger log generation --model gpt-4 --input-tokens 1000 \\
    --output-tokens 500 --regen-count 0 --scene s-2 --shot s-2-004 \\
    --artifact s-2-004_v1.png --took 7",
        required: "",
        options: &[
            MODEL,
            TOKENS,
            &["cost", "artifact", "outcome", "regen-count", "scene", "shot", "shot-type", "duration", "status"],
            &["error-message"],
        ],
    },
    Sub {
        name: "qc",
        kind: Kind::Qc,
        about: "Record the result of a quality control",
        long: "PASS accepts the artifact, FAIL rejects it, and FIX asks for changes. Only a control that called a \
               model itself has a model, tokens and a cost.",
        example: "record that an artifact was rejected
  runledger log qc --artifact s-2-004_v1.png --outcome FAIL \\
    --violation 'six fingers' --scene s-2 --shot s-2-004",
        required: "outcome",
        options: &[
            &["artifact", "outcome", "violation", "drift", "scene", "shot", "shot-type"],
            MODEL,
            TOKENS,
            &["cost"],
        ],
    },
    Sub {
        name: "budget",
        kind: Kind::BudgetGate,
        about: "Record a check against a budget",
        long: "APPROVE allows the work, and BLOCK forbids it. --estimate is the amount that was requested.",
        example: "record that a budget allows 1.50 US dollars
  runledger log budget --decision APPROVE --estimate 1.5 \\
    --reason '8.50 USD are left'",
        required: "decision",
        options: &[&["decision", "reason", "estimate", "scene", "shot"]],
    },
];

/// The options that all subcommands share. The help lists them after the subcommand's own options.
const COMMON: [&str; 6] = ["skill", "skill-version", "run-id", "parent", "took", "metadata"];

const fn option(name: &'static str, value: &'static str, help: &'static str, form: Form) -> Opt {
    Opt { name, value, help, form }
}

/// The options of `log` that are not in [`OPTIONS`].
static OWN: [Opt; 13] = [
    option("skill", "NAME", "The name of this kind of work [default: the name of the subcommand]", Form::Text),
    option("skill-version", "VERSION", "The version of the skill [default: unknown]", Form::Text),
    option("took", "SECONDS", "How long the work took, up to now [default: unknown]", Form::Seconds),
    option("metadata", "JSON", "Other data, as a JSON object, which is stored as the record's tags", Form::Object),
    option("reason", "TEXT", "The reason for the decision", Form::Text),
    option("estimate", "USD", "The expected cost in US dollars, with at most 12 decimals", Form::Usd),
    option("decision", "DECISION", "The decision", Form::Words(&["APPROVE", "BLOCK"])),
    option("violation", "TEXT", "A violation that was found. Repeat the option for several violations", Form::Texts),
    option("drift", "CATEGORY", "How the artifact differs from the request, as a category", Form::Text),
    option("shot-type", "TYPE", "The type of the shot, such as close-up", Form::Text),
    option("duration", "SECONDS", "The length of the generated clip [default: unknown]", Form::Seconds),
    option("status", "STATUS", "How the attempt ended", Form::Ending),
    option("error-message", "TEXT", "What went wrong, or why the attempt was cancelled", Form::Text),
];

const ABOUT: &str = "Record a routing decision, a generation, a QC or a budget check";

const LONG: &str =
    "Each call appends one record of work that has ended: the decision of a model router, an attempt to \
generate something, a quality control (QC) of the result, or a check against a budget.

The environment variables RUNLEDGER_RUN_ID and RUNLEDGER_PARENT_EXECUTION_ID provide the run and the parent of the \
record. `runledger run` sets both for the command that it runs. RUNLEDGER_PRICES names your own price table.

Prints an indented JSON object; with --json, the object is on a single line. `answer` is `durable` if the record is in \
the ledger, and `spilled` if the record is stored next to the ledger until a later command appends it. `seq` is the \
number of the record's line. An unknown amount is null. If the record cannot be stored, the object has \"success\": false, and \
\"error\" says why.";

const AFTER: &str = "Example: a retry after a quality control, in a run that passes its gate
  runledger run --skill pipeline --run-id run-8 -- bash -c '
    runledger log budget --decision APPROVE --estimate 1.5
    runledger log routing --model gpt-4 --tier Premium --estimate 0.06
    runledger log generation --model gpt-4 --input-tokens 1000 \\
      --output-tokens 500 --regen-count 0 --shot s-4 --took 7 \\
      --artifact s-4_v1.png
    runledger log qc --artifact s-4_v1.png --outcome FAIL --violation hands
    runledger log generation --model o3 --input-tokens 1000 \\
      --output-tokens 500 --regen-count 1 --shot s-4 --took 9 \\
      --artifact s-4_v2.png
    runledger log qc --artifact s-4_v2.png --outcome PASS'
  runledger gate --run run-8";

/// The arguments of the subcommand that was called.
#[derive(Debug)]
pub(crate) struct Args {
    pub(super) kind: Kind,
    name: &'static str,
    pub(super) fields: Fields,
    pub(super) own: OwnPrices,
    skill: Option<String>,
    pub(super) skill_version: Option<String>,
    pub(super) took_ms: Option<i64>,
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) reason: Option<String>,
    pub(super) estimate: Option<Usd>,
    pub(super) decision: Option<String>,
    pub(super) violations: Vec<String>,
    pub(super) drift: Option<String>,
    pub(super) shot_type: Option<String>,
    pub(super) duration: Option<f64>,
    pub(super) ending: Ending,
    pub(super) error_message: Option<String>,
}

impl Args {
    /// Returns the name of the record's skill.
    pub(super) fn skill(&self) -> &str {
        self.skill.as_deref().filter(|skill| !skill.trim().is_empty()).unwrap_or(self.name)
    }
}

/// Returns the definition of the subcommand for clap.
fn command(sub: &Sub) -> clap::Command {
    let all = || OPTIONS.iter().chain(&OWN);
    let named = |name: &&str| all().find(|option| option.name == *name);
    let options = sub.options.iter().copied().flatten().chain(&COMMON).filter_map(named);
    let command =
        clap::Command::new(sub.name).args(options.map(|option| option.arg().required(option.name == sub.required)));
    // A budget check does not compute a cost, so it has no option for prices.
    let command = if sub.kind == Kind::BudgetGate { command } else { <OwnPrices as clap::Args>::augment_args(command) };
    command
        .about(sub.about)
        .long_about(format!("{}\n\n{}", sub.about, sub.long))
        .after_help(format!("Example: {}", sub.example))
}

impl clap::Args for Args {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
            .about(ABOUT)
            .long_about(format!("{ABOUT}\n\n{LONG}"))
            .after_help(AFTER)
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommands(SUBS.iter().map(self::command))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = matches.subcommand().and_then(|(name, matches)| {
            let sub = SUBS.iter().find(|sub| sub.name == name)?;
            Some((sub, matches))
        });
        // clap refuses a call without a known subcommand before this function is called.
        let (sub, matches) = given.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::MissingSubcommand))?;
        fn get<T: Any + Clone + Send + Sync>(matches: &ArgMatches, name: &str) -> Option<T> {
            value(matches, name)
        }
        let text = |name| text(matches, name);
        let has_prices = sub.kind != Kind::BudgetGate;
        let violations = matches.try_get_many("violation").ok().flatten();
        Ok(Self {
            kind: sub.kind.clone(),
            name: sub.name,
            fields: Fields::from_arg_matches(matches)?,
            own: if has_prices { OwnPrices::from_arg_matches(matches)? } else { OwnPrices::default() },
            skill: text("skill"),
            skill_version: text("skill-version"),
            took_ms: get::<f64>(matches, "took").map(|seconds| (seconds * 1000.0).round() as i64),
            metadata: get(matches, "metadata"),
            reason: text("reason"),
            estimate: get(matches, "estimate"),
            decision: text("decision"),
            violations: violations.map(|all| all.cloned().collect()).unwrap_or_default(),
            drift: text("drift"),
            shot_type: text("shot-type"),
            duration: get(matches, "duration"),
            ending: get(matches, "status").unwrap_or(Ending::Success),
            error_message: text("error-message"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
