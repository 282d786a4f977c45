//! Holds the rows of one file of a price table, and finds the row of a model. A row has the prices of one model of one
//! provider.

use std::borrow::Cow;
use std::collections::HashMap;

use super::pattern::Rule;
use crate::cost::row::Row;
use crate::metrics::Timestamp;

/// The rows of one file. The **place** of a provider is its index in `providers`.
pub(in crate::cost) struct Layer {
    pub(in crate::cost) version: String,
    pub(in crate::cost) as_of: Timestamp,
    pub(in crate::cost) source: String,
    pub(in crate::cost) providers: Vec<Provider>,
    /// The place of each provider, by the provider's name in lower case.
    pub(in crate::cost) provider_names: HashMap<String, usize>,
    pub(in crate::cost) rows: Vec<Row>,
    /// The indexes in `rows` of all models with a certain name or alias. The key is this name in lower case. A provider
    /// has at most one model with the same name.
    pub(in crate::cost) names: HashMap<String, Vec<usize>>,
}

/// A vendor that serves models.
pub(in crate::cost) struct Provider {
    pub(in crate::cost) name: String,
    /// Patterns of other names for the provider.
    pub(in crate::cost) names: Rule,
    /// Patterns of models. If a call for such a model names no provider, the call is assumed to go to this provider.
    pub(in crate::cost) serves: Rule,
    /// The places of other providers whose prices apply to models for which this provider has no row.
    pub(in crate::cost) falls_back_to: Vec<usize>,
    /// The indexes of the provider's rows that have patterns for other names.
    pub(in crate::cost) ruled: Vec<usize>,
}

/// The provider that serves a model, as far as it is known. A provider is given as a list of places, because a file
/// can list one provider under several names.
#[derive(Clone, Copy)]
pub(super) enum Served<'n> {
    /// The call names this provider. If the model's name begins with the same provider, the text is the rest of the
    /// name.
    By(&'n [usize], Option<&'n str>),
    /// The call names no provider.
    ByAny {
        /// The provider in front of the name, and the name without this provider.
        prefixed: Option<(&'n [usize], &'n str)>,
        /// The provider whose patterns in `serves` match the name.
        home: &'n [usize],
    },
}

/// The result of a search in one layer.
pub(super) enum Found<'t> {
    /// A row. The flag is true if the row belongs to a provider in [`Served`]. It is false if a provider in
    /// [`Served`] falls back to the provider of the row.
    Row(&'t Row, bool),
    /// The only row with the name. It belongs to a provider that is not in [`Served`].
    Other(&'t Row),
    /// Several rows, of several providers, that have the name. No rule prefers one of them.
    Several(Vec<&'t Row>),
    Nothing,
}

impl Layer {
    /// Returns the row for `name`, which is in lower case. If the call names no provider, and exactly one provider has
    /// `name` as the name or an alias of a model, the row of this provider takes precedence over patterns with a `*`.
    pub(super) fn find(&self, name: &str, served: Served<'_>) -> Found<'_> {
        let (prefixed, home) = match served {
            Served::By(places, rest) => {
                return self.served_by(places, name, rest).map_or(Found::Nothing, |(row, own)| Found::Row(row, own));
            }
            Served::ByAny { prefixed, home } => (prefixed, home),
        };
        let declared = self.names.get(name).map_or(&[][..], Vec::as_slice);
        let ruled = |matches| Some((home.iter().find_map(|&place| self.ruled(place, name, matches))?, true));
        let found = prefixed
            .and_then(|(places, rest)| self.first_of(places, |place| self.declared(place, rest)))
            .or_else(|| Some((self.has(home, name)?, true)))
            .or_else(|| ruled(Rule::matches_closely));
        let loosely =
            || ruled(Rule::matches).or_else(|| prefixed.and_then(|(places, rest)| self.served_by(places, rest, None)));
        match (found, declared) {
            (None, &[only]) => Found::Other(&self.rows[only]),
            (found, declared) => match found.or_else(loosely) {
                Some((row, own)) => Found::Row(row, own),
                None if declared.is_empty() => Found::Nothing,
                None => Found::Several(declared.iter().map(|&at| &self.rows[at]).collect()),
            },
        }
    }

    /// Searches the rows of the providers at `places` for a row with `model` as its name or as an alias.
    pub(super) fn has(&self, places: &[usize], model: &str) -> Option<&Row> {
        places.iter().find_map(|&place| self.declared(place, model))
    }

    /// Calls `find` for each provider at `places`. Returns the first row, with the flag true. If there is no row, calls
    /// `find` for the providers to which these providers fall back. Returns the first of their rows, with the flag
    /// false.
    fn first_of<'t>(&'t self, places: &[usize], find: impl Fn(usize) -> Option<&'t Row>) -> Option<(&'t Row, bool)> {
        let own = places.iter().find_map(|&place| find(place));
        let mut others = places.iter().flat_map(|&place| &self.providers[place].falls_back_to);
        own.map(|row| (row, true)).or_else(|| others.find_map(|&other| find(other)).map(|row| (row, false)))
    }

    /// Searches the providers at `places` for the model `name` and then, if `rest` is given, for the model `rest`.
    /// The flag has the same meaning as in [`first_of`](Self::first_of).
    fn served_by(&self, places: &[usize], name: &str, rest: Option<&str>) -> Option<(&Row, bool)> {
        self.first_of(places, |place| {
            std::iter::once(name)
                .chain(rest)
                .find_map(|name| self.declared(place, name).or_else(|| self.ruled(place, name, Rule::matches)))
        })
    }

    /// Returns the row of the provider at `place` that has `name` as its name or as an alias.
    fn declared(&self, place: usize, name: &str) -> Option<&Row> {
        let mut rows = self.names.get(name).into_iter().flatten().map(|&row| &self.rows[row]);
        rows.find(|row| row.provider == self.providers[place].name)
    }

    /// Returns the first row of the provider at `place` whose rule matches `name`.
    fn ruled(&self, place: usize, name: &str, matches: fn(&Rule, &str) -> bool) -> Option<&Row> {
        let mut rows = self.providers[place].ruled.iter().map(|&row| &self.rows[row]);
        rows.find(|row| matches(&row.rule, name))
    }
}

/// Returns `name` in lower case and without blanks at its ends, as tables store names. Most names already have this
/// form, and are then not copied.
pub(in crate::cost) fn lower(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(name.to_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
