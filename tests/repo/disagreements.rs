//! Promise: `data/litellm-disagreements.md` lists all prices that differ between LiteLLM and genai-prices.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use runledger::cost::import::{Stamp, genai_prices, litellm};
use runledger::metrics::{Call, Meter};
use runledger::{ErrorKind, PriceTable, Timestamp, Usage, Usd};
use serde_json::Value;

const REPORT: &str = "tests/data/litellm-disagreements.md";
const AT: &str = "2026-11-20T12:00:00Z";

/// The ways to serve a call. OpenAI's fast mode is called priority in both tables.
const VARIANTS: [(&str, Option<(&str, &str)>); 4] = [
    ("standard", None),
    ("batch", Some(("processing", "batch"))),
    ("flex", Some(("service_tier", "flex"))),
    ("priority", Some(("service_tier", "priority"))),
];

fn at() -> Timestamp {
    AT.parse().unwrap()
}

/// The price of a part of a usage.
#[derive(Clone, Copy, PartialEq)]
enum Price {
    Own(Usd),
    /// The table has no price for the part, and bills it at this price of its whole.
    OfWhole(Usd),
    /// The table refuses the usage, or has no model.
    None,
}

impl Price {
    fn usd(self) -> Option<Usd> {
        match self {
            Self::Own(usd) | Self::OfWhole(usd) => Some(usd),
            Self::None => None,
        }
    }
}

/// A table, and the sizes of input at which its rows change their prices.
struct Side {
    table: PriceTable,
    bounds: BTreeMap<(String, String), BTreeSet<u64>>,
}

impl Side {
    fn new(json: &str) -> Self {
        let rows: Value = serde_json::from_str(json).unwrap();
        let mut bounds = BTreeMap::new();
        for row in rows["models"].as_array().unwrap() {
            let name = |key: &str| row[key].as_str().unwrap().to_owned();
            let mut found = BTreeSet::new();
            collect_bounds(row, &mut found);
            bounds.insert((name("provider"), name("model")), found);
        }
        Self { table: PriceTable::from_json(json).unwrap(), bounds }
    }

    /// Returns the row for a model of the provider itself, if there is one.
    fn row(&self, provider: &str, model: &str) -> Option<&str> {
        for meter in Meter::ALL {
            match self.table.cost_of(&Call::new(model, usage(meter, 1_000)).provider(provider), at()) {
                Ok(cost) => {
                    return Some(cost.matched).filter(|_| cost.provider == provider && cost.matched_by.is_empty());
                }
                // No other usage finds the model either, and a search for similar names takes long.
                Err(error) if error.kind() == ErrorKind::UnknownModel => return None,
                Err(_) => {}
            }
        }
        None
    }

    /// Returns the price of `meter` in a call with an input of `size`.
    fn price(&self, provider: &str, model: &str, variant: Option<(&str, &str)>, meter: Meter, size: u64) -> Price {
        let call = Call::new(model, usage(meter, size)).provider(provider);
        let call = variant.iter().fold(call, |call, &(key, value)| call.variant(key, value));
        let Ok(cost) = self.table.cost_of(&call, at()) else { return Price::None };
        let price = |wanted: Meter| cost.parts.iter().find(|part| part.meter == wanted).map(|part| part.price);
        match (price(meter), wholes(meter).into_iter().find_map(price)) {
            (Some(own), _) => Price::Own(own),
            (None, Some(whole)) => Price::OfWhole(whole),
            (None, None) => Price::None,
        }
    }

    fn has_variant(&self, provider: &str, model: &str, variant: (&str, &str)) -> bool {
        Meter::ALL.into_iter().any(|meter| {
            let call = Call::new(model, usage(meter, 1_000)).provider(provider).variant(variant.0, variant.1);
            self.table.cost_of(&call, at()).is_ok_and(|cost| !cost.variant.is_empty())
        })
    }
}

fn collect_bounds(value: &Value, found: &mut BTreeSet<u64>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_bounds(value, found)),
        Value::Object(object) => {
            found.extend(object.get("above").and_then(Value::as_u64));
            found.extend(object.get("from").and_then(Value::as_u64).map(|from| from - 1));
            object.values().for_each(|value| collect_bounds(value, found));
        }
        _ => {}
    }
}

/// Returns all meters that include a meter, directly or not.
fn wholes(meter: Meter) -> Vec<Meter> {
    let direct = meter.wholes();
    direct.iter().flat_map(|&whole| std::iter::once(whole).chain(wholes(whole))).collect()
}

/// Returns a usage of one kind only, with an input of `size` tokens if the kind is counted in tokens.
fn usage(meter: Meter, size: u64) -> Usage {
    let input = if meter.is_tokens() { size } else { 0 };
    let wholes = wholes(meter);
    let is_input = meter == Meter::Input || wholes.contains(&Meter::Input);
    let count = if is_input { size } else { meter.per() };
    wholes.into_iter().chain([meter]).fold(Usage::new(input, 0), |usage, meter| usage.with(meter, count))
}

/// A disagreement, as one line of the report.
struct Line {
    kind: String,
    text: String,
}

/// Returns the lines for one model, which the first side names `row` and the second side `model`.
fn compare(ours: &Side, theirs: &Side, provider: &str, row: &str, model: &str) -> Vec<Line> {
    let bounds = |side: &Side, name: &str| side.bounds[&(provider.to_owned(), name.to_owned())].clone();
    let mut sizes = BTreeSet::from([1_000]);
    for bound in bounds(ours, row).into_iter().chain(bounds(theirs, model)) {
        sizes.extend([bound, bound + 1]);
    }
    let name = if row.eq_ignore_ascii_case(model) { model.to_owned() } else { format!("{model} (there {row})") };
    let mut lines = Vec::new();
    let mut standard: BTreeMap<Meter, Vec<Compared>> = BTreeMap::new();
    for (served, variant) in VARIANTS {
        if let Some(variant) = variant {
            let (here, there) =
                (ours.has_variant(provider, row, variant), theirs.has_variant(provider, model, variant));
            if here != there {
                let who = if here { "genai-prices" } else { "LiteLLM" };
                let has = |has: bool| if has { "has prices" } else { "none" };
                let text = format!("| {provider}/{name} | {served} | all | {} | {} |", has(here), has(there));
                lines.push(Line { text, kind: format!("{served}: only {who} has prices") });
            }
            if !here || !there {
                continue;
            }
        }
        for meter in Meter::ALL {
            let compared: Vec<Compared> = sizes
                .iter()
                .map(|&size| Compared {
                    size,
                    here: ours.price(provider, row, variant, meter, size),
                    there: theirs.price(provider, model, variant, meter, size),
                })
                .filter(Compared::differ)
                .collect();
            // If the variant changes none of these prices, the line of the standard prices is enough.
            let known = standard.get(&meter).is_some_and(|known| *known == compared);
            if let Some(first) = compared.first().filter(|_| !known) {
                let what = match (first.here, first.there) {
                    (_, Price::None) => "only genai-prices has a price",
                    (Price::None, _) => "only LiteLLM has a price",
                    _ if first.size == 1_000 => "another price",
                    _ => "another price for large inputs",
                };
                let (here, there) = (list(&compared, |one| one.here), list(&compared, |one| one.there));
                let key = meter.price_key();
                lines.push(Line {
                    text: format!("| {provider}/{name} | {served} | {key} | {here} | {there} |"),
                    kind: format!("{}, {key}: {what}", if variant.is_some() { "a variant" } else { "standard" }),
                });
            }
            if variant.is_none() {
                standard.insert(meter, compared);
            }
        }
    }
    lines
}

/// The prices of both tables for one kind of usage, with an input of one size.
#[derive(PartialEq)]
struct Compared {
    size: u64,
    here: Price,
    there: Price,
}

impl Compared {
    /// Returns true if the prices differ. If no side has a price for the kind itself, returns false, because the
    /// difference is then listed for the whole.
    fn differ(&self) -> bool {
        let own = |price: Price| matches!(price, Price::Own(_));
        self.here.usd() != self.there.usd() && (own(self.here) || own(self.there))
    }
}

/// Returns the prices of one side, with the sizes at which they change.
fn list(compared: &[Compared], side: fn(&Compared) -> Price) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut last = None;
    for one in compared {
        let price = side(one).usd();
        if last != Some(price) {
            let price = price.map_or("none".to_owned(), |price| price.to_string());
            texts.push(if one.size == 1_000 { price } else { format!("{price} from {}", one.size) });
        }
        last = Some(price);
    }
    texts.join(", ")
}

fn report(genai: &str, other: &str) -> String {
    let stamp = |version: &str| Stamp {
        version: version.to_owned(),
        as_of: "2026-11-20".to_owned(),
        source: "MIT licence".to_owned(),
    };
    let ours = Side::new(&genai_prices(genai, &stamp("genai-prices 0.2.3")).unwrap().json);
    let theirs = Side::new(&litellm(other, &stamp("litellm 1.109.1")).unwrap().json);
    let (mut compared, mut differing, mut only_theirs) = (0, 0, 0);
    let mut seen = BTreeSet::new();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines = Vec::new();
    let shared: BTreeSet<&str> = ours.table.models().map(|(provider, _)| provider).collect();
    for (provider, model) in theirs.table.models() {
        let row = if shared.contains(provider) { ours.row(provider, model) } else { None };
        let Some(row) = row else {
            only_theirs += 1;
            continue;
        };
        compared += 1;
        seen.insert((provider, row));
        let found = compare(&ours, &theirs, provider, row, model);
        differing += usize::from(!found.is_empty());
        for Line { kind, text } in found {
            *kinds.entry(kind).or_default() += 1;
            lines.push(text);
        }
    }
    lines.sort();
    let only_ours = ours.table.models().filter(|row| !seen.contains(row)).count();
    let mut text = String::new();
    writeln!(text, "# Where LiteLLM 1.109.1 disagrees with genai-prices 0.2.3, at {AT}\n").unwrap();
    text.push_str(
        "`RUNLEDGER_PRICE_DATA=DIRECTORY RUNLEDGER_WRITE=1 cargo test --test repo disagreements` makes this report.\n\
         Without `RUNLEDGER_WRITE`, the command checks it. The directory has the two projects' own files.\n\n\
         A model of LiteLLM is compared if genai-prices, by its own rules, has a row of the same provider for it.\n\
         Prices are in US dollars for a million tokens or characters, for a thousand requests or pages, or for an\n\
         hour. If a table has no price for a part of a usage, it bills the part at the price of its whole, which is\n\
         then listed. `none` means that the table has no price at all, or refuses the usage. A price with `from` is\n\
         for inputs of at least that size.\n\n",
    );
    writeln!(text, "| models | |\n|---|---:|").unwrap();
    writeln!(text, "| compared | {compared} |\n| equal in everything | {} |", compared - differing).unwrap();
    writeln!(text, "| differing | {differing} |\n| only in LiteLLM | {only_theirs} |").unwrap();
    writeln!(text, "| only in genai-prices | {only_ours} |\n").unwrap();
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, count)| (std::cmp::Reverse(*count), kind.clone()));
    writeln!(text, "| kind | disagreements |\n|---|---:|").unwrap();
    kinds.iter().for_each(|(kind, count)| writeln!(text, "| {kind} | {count} |").unwrap());
    writeln!(text, "\n| model | served | what | genai-prices | LiteLLM |\n|---|---|---|---|---|").unwrap();
    lines.iter().for_each(|line| writeln!(text, "{line}").unwrap());
    text
}

#[test]
fn the_report_matches_the_two_files() {
    let directory = std::env::var_os("RUNLEDGER_PRICE_DATA").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = directory.unwrap_or_else(|| root.join("../shared/data"));
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
    let files = read("genai-prices-0.2.3.json").zip(read("litellm-model-prices-1.109.1.json"));
    let Some((genai, other)) = files else {
        println!("NOT TESTED: the price tables are not here; RUNLEDGER_PRICE_DATA names their directory");
        return;
    };
    let report = report(&genai, &other);
    if std::env::var_os("RUNLEDGER_WRITE").is_some() {
        std::fs::write(root.join(REPORT), &report).unwrap();
    }
    let kept = std::fs::read_to_string(root.join(REPORT)).unwrap();
    // Not `assert_eq!`, which would print both.
    if let Some((line, (kept, found))) = (1..).zip(kept.lines().zip(report.lines())).find(|(_, (a, b))| a != b) {
        panic!("{REPORT}:{line}: found {found}, the file has {kept}");
    }
    assert_eq!(kept.len(), report.len(), "{REPORT} ends elsewhere");
}
