//! The rows of one file of a price table, and the search for the row of a model. A row has the prices of one model of
//! one provider.

use std::borrow::Cow;
use std::collections::HashMap;

use super::pattern::Rule;
use crate::cost::row::Row;
use crate::metrics::Timestamp;

/// The rows of one file.
pub(in crate::cost) struct Layer {
    pub(in crate::cost) version: String,
    pub(in crate::cost) as_of: Timestamp,
    pub(in crate::cost) source: String,
    pub(in crate::cost) providers: Vec<Provider>,
    /// The index in `providers` of each provider, by its name.
    pub(in crate::cost) provider_names: HashMap<String, usize>,
    pub(in crate::cost) rows: Vec<Row>,
    /// For each name, the indexes in `rows` of the models that have this name or alias. The names are in lower case. A
    /// provider has at most one model with the same name.
    pub(in crate::cost) names: HashMap<String, Vec<usize>>,
}

/// A vendor that serves models.
pub(in crate::cost) struct Provider {
    pub(in crate::cost) name: String,
    /// Patterns of other names for the provider.
    pub(in crate::cost) names: Rule,
    /// Patterns of the models that the provider serves if a call names no provider.
    pub(in crate::cost) serves: Rule,
    /// The indexes of other providers. Their prices apply to models for which this provider has no row.
    pub(in crate::cost) falls_back_to: Vec<usize>,
    /// The indexes of the provider's rows that have patterns for other names.
    pub(in crate::cost) ruled: Vec<usize>,
}

/// Who serves a model. Each list of numbers is one provider: the indexes of its entries in `providers`. A file can list
/// the same provider under several names.
#[derive(Clone, Copy)]
pub(super) enum Served<'n> {
    /// The call names this provider. If this provider is also in front of the model's name, the text is the name
    /// without the provider.
    By(&'n [usize], Option<&'n str>),
    /// The call names no provider.
    ByAny {
        /// The provider in front of the name, and the name without this provider.
        prefixed: Option<(&'n [usize], &'n str)>,
        /// The provider that serves models of that name.
        home: &'n [usize],
    },
}

/// The result of a search in one layer.
pub(super) enum Found<'t> {
    /// A row of a provider in [`Served`], or of a provider to which it falls back. The flag is true in the first case,
    /// and false in the second case.
    Row(&'t Row, bool),
    /// The only row with the name. The provider of the row is not in [`Served`].
    Other(&'t Row),
    /// These rows of several providers have the name, and no rule prefers one of them.
    Several(Vec<&'t Row>),
    Nothing,
}

impl Layer {
    /// Returns the row for `name`, which is in lower case. If the call names no provider, a name or an alias that only
    /// one provider has takes precedence over patterns with a `*`.
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

    /// Searches the providers at `places` for the row that has `model` as its name or as an alias.
    pub(super) fn has(&self, places: &[usize], model: &str) -> Option<&Row> {
        places.iter().find_map(|&place| self.declared(place, model))
    }

    /// Returns the first row that `find` returns for a provider at one of `places`, and true. If there is none, returns
    /// the first row that `find` returns for a provider to which these providers fall back, and false.
    fn first_of<'t>(&'t self, places: &[usize], find: impl Fn(usize) -> Option<&'t Row>) -> Option<(&'t Row, bool)> {
        let own = places.iter().find_map(|&place| find(place));
        let mut others = places.iter().flat_map(|&place| &self.providers[place].falls_back_to);
        own.map(|row| (row, true)).or_else(|| others.find_map(|&other| find(other)).map(|row| (row, false)))
    }

    /// Searches the providers at `places` for the model `name` and then, if `rest` is given, for the model `rest`. The
    /// flag is the same as that of [`first_of`](Self::first_of).
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
/// form and are not copied.
pub(in crate::cost) fn lower(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    if name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) {
        Cow::Owned(name.to_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}
