//! The origins of the costs of a run, such as known prices or a report of the vendor.

use super::Run;
use super::text::{escape_markdown, or_unknown, unescape, unless_unknown};
use crate::cost::PriceTable;
use crate::metrics::{Call, CostProvenance, CostSource, ExecutionMetrics, LlmCall, Meter, Usage, Usd};

/// Says where the cost of the calls of one model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PriceLine {
    /// The model, as the vendor names it, or `None` if it is unknown.
    pub model: Option<String>,
    /// The origin of the cost.
    pub basis: PriceBasis,
}

/// The origin of a cost.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PriceBasis {
    /// The cost was calculated with these prices. A meter is a kind of usage, such as input tokens. The price of a
    /// meter is for [`Meter::per`] units.
    Prices(Vec<(Meter, Usd)>),
    /// The cost was calculated with another price table, and not with the table that was passed to
    /// [`RunLog::new`](super::RunLog::new). The text is the version of that other table.
    OtherTable(String),
    /// The cost was calculated with the price table that was passed to [`RunLog::new`](super::RunLog::new). The text is
    /// the version of this table. The prices of the call are unknown, because the record lacks the tokens of the call,
    /// or the table has no price for the call.
    ByTable(String),
    /// The vendor reported the cost.
    Reported,
    /// The cost was recorded without its origin.
    WithoutOrigin,
    /// The cost is unknown, since no price is known.
    Unknown,
    /// The cost is unknown, since it was not recorded. The table that was passed to
    /// [`RunLog::new`](super::RunLog::new) has a price for the model.
    NotRecorded,
}

const CALCULATED: &str = "calculated at:";
const BY_TABLE: [&str; 2] = ["calculated by the price table ", ", which is not at hand"];
const REPORTED: &str = "reported by the vendor";
const NOT_TOLD: &str = "as recorded: where it comes from is not told";
const UNKNOWN: &str = "unknown: no price is known";
const NOT_RECORDED: &str = "unknown: it was not recorded, although a price is known";
const NO_MODEL: &str = "model unknown";

/// Returns where the costs of the calls in the run come from, in the order of the calls. Each pair of a model and an
/// origin is listed once.
pub(super) fn of_run(run: &Run, prices: &PriceTable) -> Vec<PriceLine> {
    let mut lines = Vec::new();
    for execution in run.executions().iter().filter(|execution| execution.used_model()) {
        for mut call in execution.calls() {
            if call.cost_usd.is_none() {
                // `cost` of the record is also the provenance of its only call. But the exact amount in it belongs to
                // the execution and not to the call, so the amount is removed.
                call.cost.exact_usd = None;
            }
            let basis = basis(execution, &call, prices);
            let line = PriceLine { model: Some(call.model_name).filter(|name| !name.is_empty()), basis };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}

/// Returns the origin of the cost of `call`. If only the execution has a cost, this cost includes the cost of the
/// call, and both costs have the same origin.
fn basis(execution: &ExecutionMetrics, call: &LlmCall, prices: &PriceTable) -> PriceBasis {
    if call.cost_usd.is_none() && execution.exact_cost().is_none() {
        return if has_price(execution, call, prices) { PriceBasis::NotRecorded } else { PriceBasis::Unknown };
    }
    let is_told = call.cost_usd.is_some() && call.cost != CostProvenance::default();
    let cost = if is_told { &call.cost } else { &execution.cost };
    if cost.source == Some(CostSource::Reported) {
        return PriceBasis::Reported;
    }
    match &cost.table {
        Some(table) => match rates(execution, call, table, prices) {
            Some(rates) => PriceBasis::Prices(rates),
            None if prices.files().any(|file| file.version == table) => PriceBasis::ByTable(table.clone()),
            None => PriceBasis::OtherTable(table.clone()),
        },
        None => PriceBasis::WithoutOrigin,
    }
}

/// Returns true if `prices` has a price for the call. If the usage of the call is unknown, returns true if `prices` has
/// a price for any call of the model.
fn has_price(execution: &ExecutionMetrics, call: &LlmCall, prices: &PriceTable) -> bool {
    let any = || Call::new(&call.model_name, Usage::new(1, 1));
    let call = execution.call_of(call).unwrap_or_else(any);
    prices.cost_if_known(&call, execution.timestamp_start).is_some()
}

/// Returns the prices of input and output, and of the other meters that `call` used. Returns `None` if the usage of the
/// call is unknown, or if `prices` has no price for the call from the version `table`.
fn rates(execution: &ExecutionMetrics, call: &LlmCall, table: &str, prices: &PriceTable) -> Option<Vec<(Meter, Usd)>> {
    let mut call = execution.call_of(call)?;
    call.usage.input = call.usage.input.max(1);
    call.usage.output = call.usage.output.max(1);
    let cost = prices.cost_if_known(&call, execution.timestamp_start)?;
    (cost.table == table).then(|| cost.parts.iter().map(|part| (part.meter, part.price)).collect())
}

impl PriceLine {
    /// Returns a line such as `*Cost calculated at: Input $15/1M, Output $75/1M (claude-opus-4-5)*`.
    pub(super) fn to_markdown(&self) -> String {
        let basis = match &self.basis {
            PriceBasis::Prices(rates) => {
                format!("{CALCULATED} {}", rates.iter().map(rate).collect::<Vec<_>>().join(", "))
            }
            PriceBasis::OtherTable(table) => BY_TABLE.join(&version(table)),
            PriceBasis::ByTable(table) => format!("{}{}", BY_TABLE[0], version(table)),
            PriceBasis::Reported => REPORTED.to_owned(),
            PriceBasis::WithoutOrigin => NOT_TOLD.to_owned(),
            PriceBasis::Unknown => UNKNOWN.to_owned(),
            PriceBasis::NotRecorded => NOT_RECORDED.to_owned(),
        };
        format!("*Cost {basis} ({})*", or_unknown(self.model.as_deref(), NO_MODEL))
    }

    /// Reads a line that [`to_markdown`](Self::to_markdown) wrote.
    pub(super) fn parse(markdown: &str) -> Option<Self> {
        let (basis, model) = markdown.strip_prefix("*Cost ")?.strip_suffix(")*")?.split_once(" (")?;
        let basis = match basis {
            REPORTED => PriceBasis::Reported,
            NOT_TOLD => PriceBasis::WithoutOrigin,
            UNKNOWN => PriceBasis::Unknown,
            NOT_RECORDED => PriceBasis::NotRecorded,
            _ => match basis.strip_prefix(CALCULATED) {
                Some(rates) => {
                    let rates = rates.trim_start().split(", ").filter(|rate| !rate.is_empty());
                    PriceBasis::Prices(rates.map(parse_rate).collect::<Option<_>>()?)
                }
                None => {
                    let table = basis.strip_prefix(BY_TABLE[0])?;
                    match table.strip_suffix(BY_TABLE[1]) {
                        Some(table) => PriceBasis::OtherTable(unescape(table)),
                        None => PriceBasis::ByTable(unescape(table)),
                    }
                }
            },
        };
        Some(Self { model: unless_unknown(model, NO_MODEL), basis })
    }
}

/// Returns the version of a table as Markdown. `parse` takes the text after the first " (" as the model, and a comma
/// ends the version. So these two characters are escaped.
fn version(table: &str) -> String {
    escape_markdown(table).replace('(', "\\(").replace(',', "\\,")
}

/// Returns a text such as `Input $15/1M`.
fn rate((meter, price): &(Meter, Usd)) -> String {
    format!("{} ${price}/{}", label(*meter), per(*meter))
}

fn parse_rate(text: &str) -> Option<(Meter, Usd)> {
    let (name, rest) = text.split_once(" $")?;
    let meter = Meter::ALL.into_iter().find(|meter| label(*meter) == name)?;
    Some((meter, rest.strip_suffix(per(meter))?.strip_suffix('/')?.parse().ok()?))
}

/// Returns the name of the meter for people, such as `Cache read`.
fn label(meter: Meter) -> String {
    let name = meter.name().replace('_', " ");
    name[..1].to_uppercase() + &name[1..]
}

fn per(meter: Meter) -> &'static str {
    match meter.per() {
        1_000_000 => "1M",
        1_000 => "1K",
        _ => "1h",
    }
}
