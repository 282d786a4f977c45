//! A row, which is the sum of some executions, with the names of its skill and its model.

use chrono::{DateTime, Utc};

use super::key::{Key, Spot, start_of};
use super::names::Names;
use super::pages::PageRows;
use crate::cost::report::sum::Sum;

/// The sum of executions of one skill that began in one hour UTC. Its [`Place`] says which sums of a report include
/// the row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row<'n> {
    /// The number of the hour in which the executions began. Hour 0 began at 1970-01-01T00:00:00Z, and earlier hours
    /// are negative.
    pub(crate) hour: i64,
    pub(crate) skill: &'n str,
    pub(crate) place: Place<'n>,
    pub(crate) sum: Sum,
}

/// Says which sums of a report include a row. The model is `None` if it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place<'n> {
    /// The row is included in the totals and, unless the report is by model, in the sum of a group. Other rows have the
    /// sums of these executions by model.
    Whole,
    /// The row is included only in the sum of one model.
    Model(Option<&'n str>),
    /// The row is included in the sum of a group, in the totals, and in the sum of the one model that the executions
    /// used.
    Both(Option<&'n str>),
    /// The row is included only in the number of executions that used no model.
    WithoutModel,
}

/// Reads the rows of a page. The item of a row that cannot be read is `None`.
pub(crate) fn rows<'n>(names: &'n Names, page: &[u8]) -> impl Iterator<Item = Option<Row<'n>>> {
    PageRows::of(page).map(|row| {
        let (key, sum) = row?;
        let (skill, place) = named(key, names)?;
        Some(Row { hour: key.hour(), skill, place, sum: sum.to_sum() })
    })
}

/// Returns the skill and the place of a row; `None` if one of the names does not exist.
pub(super) fn named(key: Key, names: &Names) -> Option<(&str, Place<'_>)> {
    let place = match (key.spot, key.spot.model()) {
        (_, Some((model, in_whole))) => {
            let model = match model {
                Some(number) => Some(names.get(number)?),
                None => None,
            };
            if in_whole { Place::Both(model) } else { Place::Model(model) }
        }
        (Spot::WHOLE, None) => Place::Whole,
        (_, None) => Place::WithoutModel,
    };
    Some((names.get(key.skill)?, place))
}

/// Returns the first and the last millisecond of an hour; `None` if the hour is not in the years 0 to 9999.
pub(in crate::cost::report) fn ends_of(hour: i64) -> Option<[DateTime<Utc>; 2]> {
    let first = start_of(hour)?;
    Some([first, first.plus_ms(3_599_999)].map(|time| time.to_chrono()))
}
