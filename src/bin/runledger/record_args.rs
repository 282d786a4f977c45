//! The options that set fields of a record, which `run`, `start`, `progress`, `complete` and `log` share.
//!
//! The options are defined in tables. clap's derive would also work, but it would add about a kilobyte to the program
//! for each option of each command.

use std::any::Any;

use clap::builder::{EnumValueParser, PossibleValuesParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, FromArgMatches};
use runledger::metrics::{CostTier, Kind, LlmCall, QcOutcome};
use runledger::{Usd, Uuid};

use crate::argument;
use crate::ending::Ending;

/// An option of a command.
pub(crate) struct Opt {
    /// The name without the hyphens at its beginning, such as `run-id`.
    pub(crate) name: &'static str,
    /// What the help calls the value, such as `ID`.
    pub(crate) value: &'static str,
    pub(crate) help: &'static str,
    pub(crate) form: Form,
}

/// The form of an option's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// An empty text counts as not given, because in a shell, an unset variable in quotes becomes an empty argument.
    Text,
    /// One or more texts. The option can be given several times.
    Texts,
    /// One of these words.
    Words(&'static [&'static str]),
    Count,
    Usd,
    Id,
    Seconds,
    Object,
    Ending,
}

impl Opt {
    /// Returns the definition of the option for clap.
    pub(crate) fn arg(&self) -> Arg {
        let arg = Arg::new(self.name).long(self.name).value_name(self.value).help(self.help);
        match self.form {
            Form::Text => arg,
            Form::Texts => arg.action(ArgAction::Append),
            Form::Words(words) => arg.value_parser(PossibleValuesParser::new(words)),
            Form::Count => arg.value_parser(argument::count).allow_negative_numbers(true),
            Form::Usd => arg.value_parser(argument::usd).allow_negative_numbers(true),
            Form::Id => arg.value_parser(argument::id),
            Form::Seconds => arg.value_parser(argument::seconds).allow_negative_numbers(true),
            Form::Object => arg.value_parser(argument::object),
            Form::Ending => arg.value_parser(EnumValueParser::<Ending>::new()).default_value("success"),
        }
    }
}

/// Returns the value of an option. Returns `None` if the option was not given, or if the command does not have it.
pub(crate) fn value<T: Any + Clone + Send + Sync>(matches: &ArgMatches, name: &str) -> Option<T> {
    matches.try_get_one(name).ok().flatten().cloned()
}

/// Like [`value`], but for a text. An empty text counts as not given.
pub(crate) fn text(matches: &ArgMatches, name: &str) -> Option<String> {
    value(matches, name).filter(|text: &String| !text.is_empty())
}

const fn option(name: &'static str, value: &'static str, help: &'static str, form: Form) -> Opt {
    Opt { name, value, help, form }
}

/// The options that set fields of a record.
pub(crate) static OPTIONS: [Opt; 16] = [
    option(
        "run-id",
        "ID",
        "The id of the run. A new execution gets the value of RUNLEDGER_RUN_ID by default",
        Form::Text,
    ),
    option(
        "parent",
        "UUID",
        "The id of the execution that started this one. A new execution gets the value of \
         RUNLEDGER_PARENT_EXECUTION_ID by default",
        Form::Id,
    ),
    option("kind", "KIND", "The kind of the record [default: skill]", Form::Words(Kind::KNOWN)),
    option("model", "NAME", "The model, as its vendor names it", Form::Text),
    option("provider", "NAME", "The provider that served the model, such as openai", Form::Text),
    option(
        "tier",
        "TIER",
        "The cost tier of the model [default: the tier in the price table]",
        Form::Words(CostTier::KNOWN),
    ),
    option("input-tokens", "NUMBER", "All input tokens of the call, including cached ones", Form::Count),
    option("output-tokens", "NUMBER", "All output tokens of the call, including reasoning", Form::Count),
    option("cache-read-tokens", "NUMBER", "The input tokens that were read from a prompt cache", Form::Count),
    option("cache-write-tokens", "NUMBER", "The input tokens that were written to a prompt cache", Form::Count),
    option(
        "cost",
        "USD",
        "The cost of the call in US dollars, with at most 12 decimals [default: computed from the tokens]",
        Form::Usd,
    ),
    option("artifact", "NAME", "The artifact with its version, such as shot-004_v2.png", Form::Text),
    option("outcome", "OUTCOME", "The verdict on the artifact", Form::Words(QcOutcome::KNOWN)),
    option("regen-count", "NUMBER", "The number of earlier attempts: 0 for the first attempt", Form::Count),
    option("scene", "ID", "The id of the scene", Form::Text),
    option("shot", "ID", "The id of the shot", Form::Text),
];

/// The values of [`OPTIONS`] that were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    pub(crate) run_id: Option<String>,
    pub(crate) parent: Option<Uuid>,
    pub(crate) kind: Option<Kind>,
    pub(crate) model: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) tier: Option<CostTier>,
    /// The tokens and the cost of a call, without its model. `None` if no tokens and no cost were given.
    pub(crate) usage: Option<Box<LlmCall>>,
    pub(crate) artifact: Option<String>,
    pub(crate) outcome: Option<QcOutcome>,
    pub(crate) regen_count: Option<u64>,
    pub(crate) scene: Option<String>,
    pub(crate) shot: Option<String>,
}

impl clap::Args for Fields {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(OPTIONS.iter().map(|option| option.arg().help_heading("Fields of the record")))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Fields {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let text = |name| text(matches, name);
        let count = |name| value(matches, name);
        let mut call = LlmCall::new(1, "");
        call.tokens_input = count("input-tokens");
        call.tokens_output = count("output-tokens");
        call.parts.cache_read = count("cache-read-tokens");
        call.parts.cache_write = count("cache-write-tokens");
        call.cost_usd = value::<Usd>(matches, "cost");
        if let Some(Err(error)) = call.call().map(|call| call.validate()) {
            return Err(clap::Error::raw(ErrorKind::ValueValidation, format!("{}\n", error.details().join("; "))));
        }
        Ok(Self {
            run_id: text("run-id"),
            parent: value(matches, "parent"),
            kind: text("kind").map(|kind| kind.as_str().into()),
            model: text("model"),
            provider: text("provider"),
            tier: text("tier").map(|tier| tier.as_str().into()),
            usage: Some(Box::new(call)).filter(|call| **call != LlmCall::new(1, "")),
            artifact: text("artifact"),
            outcome: text("outcome").map(|outcome| outcome.as_str().into()),
            regen_count: count("regen-count"),
            scene: text("scene"),
            shot: text("shot"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
