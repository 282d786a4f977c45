//! Rules that turn the spellings of models in logs, libraries and gateways into the names in the tables.
//!
//! Each rule rewrites one part of a name. The new name means the same model of the same provider. The provenance of a
//! cost lists the rules that were used. [`closest`] applies the rules to a name until a table has one of the new names.

use super::region::Region;

/// A model, its provider and its region, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spelling {
    pub(super) name: String,
    /// The provider that the call or the name states; `None` if both state none.
    pub(super) provider: Option<String>,
    /// The region that was split off the name, or that the call states.
    pub(super) region: Option<String>,
    /// The routing that the name requests from OpenRouter, such as `online`.
    pub(super) routing: Option<&'static str>,
    /// The names of the rules that led from the name of the call to this spelling.
    pub(super) by: Vec<&'static str>,
}

/// A [`Spelling`] that borrows its texts, for a lookup.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) name: &'a str,
    pub(super) provider: Option<&'a str>,
    pub(super) region: Option<&'a str>,
    pub(super) routing: Option<&'static str>,
    pub(super) by: &'a [&'static str],
}

/// A rule: its name, and the function that changes a spelling. The function returns `None` if the rule does not apply.
type Rule = (&'static str, fn(&Spelling, &SharedName<'_>) -> Option<Spelling>);

/// A function that returns the shared name of a provider. The shared name is the same for all tables. The function
/// returns `None` if no table has the provider.
type SharedName<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The name of the rule for the latest release of a model.
pub(super) const LATEST: &str = "latest release";

const RULES: [Rule; 18] = [
    ("gateway instead of the provider", |s, _| {
        let is_gateway = s.provider.as_deref().is_some_and(|name| GATEWAYS.contains(&name));
        is_gateway.then(|| Spelling { provider: None, ..s.clone() })
    }),
    // The Vercel AI SDK appends the API to the provider's name: `groq.transcription`.
    ("API after the provider", |s, shared| {
        let given = s.provider.as_deref().filter(|given| shared(given).is_none())?;
        let (provider, _api) = given.rsplit_once('.')?;
        Some(s.of(provider))
    }),
    ("gateway or route before the name", |s, _| {
        let rest = ROUTES.iter().find_map(|route| s.name.strip_prefix(route));
        let gateway = || s.name.split_once('/').filter(|(gateway, _)| GATEWAYS.contains(gateway)).map(|(_, rest)| rest);
        rest.or_else(gateway).map(|rest| s.named(rest))
    }),
    ("provider before the name", |s, shared| {
        let (provider, rest) = s.name.split_once(['/', ':'])?;
        let stated = shared(provider);
        let fits = match &s.provider {
            None => stated.is_some(),
            Some(given) => given == provider || stated.is_some() && stated == shared(given),
        };
        (fits && !rest.is_empty()).then(|| s.named(rest).of(provider))
    }),
    ("resource name of Google Cloud", |s, _| {
        let (before, resource) = s.name.split_once("publishers/")?;
        let (_, model) = resource.split_once("/models/")?;
        let location = before.split_once("locations/").and_then(|(_, rest)| rest.split('/').next());
        let vertex = s.named(model).of(s.provider.as_deref().unwrap_or("google"));
        Some(vertex.within(location.and_then(Region::read)))
    }),
    ("ARN of Bedrock", |s, _| {
        let mut parts = s.name.strip_prefix("arn:")?.splitn(5, ':');
        let (_partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
        let (kind, model) = parts.nth(1)?.split_once('/')?;
        let names_model = ["foundation-model", "inference-profile"].contains(&kind);
        let profile = Region::split(model).map(|(region, _)| region);
        // The name of an inference profile begins with a region. The rule `region before the name` removes it later.
        let region = Region::read(region).filter(|_| profile.is_none());
        (service == "bedrock" && names_model).then(|| s.named(model).of("bedrock").within(region))
    }),
    ("Bedrock id without the provider", |s, _| {
        let id = Region::split(&s.name).map_or(s.name.as_str(), |(_, id)| id);
        let (vendor, _) = id.split_once('.')?;
        (s.provider.is_none() && BEDROCK_VENDORS.contains(&vendor)).then(|| s.of("bedrock"))
    }),
    ("region before the name", |s, _| {
        let (region, rest) = Region::split(&s.name)?;
        (s.provider.is_some() && s.region.is_none()).then(|| s.named(rest).within(Some(region)))
    }),
    ("context window after the name", |s, _| Some(s.named(s.name.strip_suffix("[1m]")?))),
    ("routing after the name", |s, _| {
        let of_openrouter = s.provider.as_deref().is_none_or(|provider| provider == "openrouter");
        let &routing = ROUTINGS.iter().find(|routing| s.name.ends_with(*routing)).filter(|_| of_openrouter)?;
        let (name, _) = s.name.rsplit_once(':')?;
        Some(Spelling { routing: Some(&routing[1..]), ..s.named(name).of("openrouter") })
    }),
    (LATEST, |s, _| {
        let name = s.name.strip_suffix("-latest").or_else(|| s.name.strip_suffix("@latest"))?;
        Some(s.named(name))
    }),
    ("mode after the name", |s, _| {
        let name = MODES.iter().find_map(|mode| s.name.strip_suffix(mode))?;
        Some(s.named(name))
    }),
    ("effort after the name", |s, _| {
        let name = EFFORTS.iter().find_map(|effort| s.name.strip_suffix(effort))?;
        // For other vendors, these words mean sizes, as in `magistral-medium`.
        name.contains("claude-").then(|| s.named(name))
    }),
    ("3.5 without its point", |s, _| Some(s.named(&format!("gpt-3.5-{}", s.name.strip_prefix("gpt-35-")?)))),
    ("version before the family", |s, _| version_before_family(&s.name).map(|name| s.named(&name))),
    ("family before the version", |s, _| family_before_version(&s.name).map(|name| s.named(&name))),
    ("version with another separator", |s, _| {
        let with_hyphens = replaced_between_digits(&s.name, b'.', b'-');
        with_hyphens.or_else(|| replaced_between_digits(&s.name, b'-', b'.')).map(|name| s.named(&name))
    }),
    ("date with other separators", |s, _| other_date(&s.name).map(|name| s.named(&name))),
];

/// Gateways: services that pass calls on to a provider, at the provider's price. A call may name a gateway as its
/// provider, or in front of the model.
const GATEWAYS: [&str; 7] =
    ["litellm_proxy", "litellm", "portkey", "helicone", "gateway", "vercel_ai_gateway", "ai-gateway"];

/// Parts of a name that select an API or an account.
const ROUTES: [&str; 7] =
    ["models/", "converse/", "converse_like/", "invoke/", "responses/", "chat/", "accounts/fireworks/models/"];

/// The vendors in the ids of Bedrock's models.
const BEDROCK_VENDORS: [&str; 18] = [
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
    "zai",
];

/// The suffixes by which OpenRouter chooses a provider or adds a search.
const ROUTINGS: [&str; 4] = [":nitro", ":floor", ":online", ":exacto"];

/// Suffixes that select a mode of a model and do not change its price.
const MODES: [&str; 5] = [":thinking", ":beta", "-thinking", "-thought", "@default"];

/// The suffixes that state the effort in Cursor's names of Claude models.
const EFFORTS: [&str; 4] = ["-low", "-medium", "-high", "-max"];

/// The families of Claude models. The version of a model is before or after its family.
const FAMILIES: [&str; 5] = ["opus", "sonnet", "haiku", "fable", "mythos"];

impl<'a> Asked<'a> {
    /// Returns the spelling as the call states it, before any rule is applied. The texts must be in lower case.
    pub(super) fn given(name: &'a str, provider: Option<&'a str>, region: Option<&'a str>) -> Self {
        Self { name, provider, region, routing: None, by: &[] }
    }
}

impl From<Asked<'_>> for Spelling {
    fn from(asked: Asked<'_>) -> Self {
        let Asked { name, provider, region, routing, by } = asked;
        let owned = str::to_owned;
        Self { name: owned(name), provider: provider.map(owned), region: region.map(owned), routing, by: by.to_vec() }
    }
}

impl Spelling {
    pub(super) fn asked(&self) -> Asked<'_> {
        let Self { name, provider, region, routing, by } = self;
        Asked { name, provider: provider.as_deref(), region: region.as_deref(), routing: *routing, by }
    }

    fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    fn of(&self, provider: &str) -> Self {
        Self { provider: Some(provider.to_owned()), ..self.clone() }
    }

    /// Adds a region that the name states. [`Region::Everywhere`] means the standard service, so it adds no region.
    fn within(self, region: Option<Region>) -> Self {
        match region {
            Some(Region::Only(region)) => Self { region: Some(region.to_owned()), ..self },
            Some(Region::Everywhere) | None => self,
        }
    }
}

/// The largest number of rules that are applied to a name. A name that needs more rules is treated as unknown.
const RULES_MAX: usize = 5;
/// The largest number of spellings that are tried for one name.
const SPELLINGS_MAX: usize = 64;

/// Calls `search` for each spelling that one rule makes from `given`, then for each spelling that two rules make, and
/// so on. Stops at the first number of rules for which `search` finds something. Returns everything that `search`
/// finds with this number of rules.
pub(super) fn closest<F>(
    given: Spelling,
    shared: &SharedName<'_>,
    mut search: impl FnMut(&Spelling) -> Option<F>,
) -> Vec<F> {
    let mut seen = vec![given];
    let mut level = 0..1;
    for _ in 0..RULES_MAX {
        for at in level.clone() {
            for (rule, respell) in RULES {
                let Some(mut next) = respell(&seen[at], shared) else { continue };
                let is_new = |seen: &[Spelling]| {
                    seen.iter().all(|one| {
                        (&one.name, &one.provider, &one.region) != (&next.name, &next.provider, &next.region)
                    })
                };
                if seen.len() < SPELLINGS_MAX && is_new(&seen) {
                    next.by.push(rule);
                    seen.push(next);
                }
            }
        }
        level = level.end..seen.len();
        let found: Vec<F> = seen[level.clone()].iter().filter_map(&mut search).collect();
        if !found.is_empty() || level.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn version_before_family(name: &str) -> Option<String> {
    let (before, rest) = name.split_once("claude-")?;
    let at = FAMILIES.iter().find_map(|family| {
        let at = rest.find(&format!("-{family}"))?;
        let after = &rest[at + 1 + family.len()..];
        (is_version(&rest[..at]) && (after.is_empty() || after.starts_with(['-', '@', ':', '['])))
            .then_some((at, *family))
    });
    let (at, family) = at?;
    let (version, after) = (&rest[..at], &rest[at + 1 + family.len()..]);
    Some(format!("{before}claude-{family}-{version}{after}"))
}

fn family_before_version(name: &str) -> Option<String> {
    let (before, rest) = name.split_once("claude-")?;
    let family =
        FAMILIES.iter().find(|family| rest.strip_prefix(**family).is_some_and(|rest| rest.starts_with('-')))?;
    let rest = &rest[family.len() + 1..];
    // The longest text that is a version is used, because `4-5` begins with `4`.
    let ends = std::iter::once(rest.len()).chain(rest.rmatch_indices(['-', '@', ':', '[']).map(|(at, _)| at));
    let end = ends.into_iter().find(|&end| is_version(&rest[..end]))?;
    Some(format!("{before}claude-{}-{family}{}", &rest[..end], &rest[end..]))
}

/// Returns true if `text` is a version: one or two numbers of at most two digits, such as `4`, `4.5` and `4-5`.
fn is_version(text: &str) -> bool {
    let parts: Vec<_> = text.split(['.', '-']).collect();
    let is_number = |part: &&str| matches!(part.len(), 1..=2) && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() <= 2 && parts.iter().all(is_number)
}

/// Replaces `old` by `new` between single digits; `None` if nothing is replaced.
fn replaced_between_digits(name: &str, old: u8, new: u8) -> Option<String> {
    let bytes = name.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_single = |at: usize| digit(at) && (at == 0 || !digit(at - 1)) && !digit(at + 1);
    let mut replaced = bytes.to_vec();
    for at in 1..bytes.len() {
        if bytes[at] == old && is_single(at - 1) && is_single(at + 1) {
            replaced[at] = new;
        }
    }
    String::from_utf8(replaced).ok().filter(|replaced| replaced != name)
}

/// Returns the eight digits of the date in a name; `None` if there is no date.
pub(super) fn date(name: &str) -> Option<String> {
    let at = name.find("-20").or_else(|| name.find("@20"))?;
    let digits: String = name[at + 1..].chars().filter(|c| *c != '-').take(8).collect();
    (digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
}

/// Changes the form of the date in a name. `20251101` becomes `2025-11-01` and vice versa, and an `@` before the date
/// becomes a hyphen.
fn other_date(name: &str) -> Option<String> {
    let at = name.find("-20").or_else(|| name.find("@20"))?;
    let (model, date) = (&name[..at], &name[at + 1..]);
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = date.splitn(4, '-').collect();
    match parts[..] {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
            Some(format!("{model}-{year}{month}{day}"))
        }
        [whole] if digits(whole, 8) && name.as_bytes()[at] == b'@' => Some(format!("{model}-{whole}")),
        [whole] if digits(whole, 8) => Some(format!("{model}-{}-{}-{}", &whole[..4], &whole[4..6], &whole[6..])),
        _ => None,
    }
}
