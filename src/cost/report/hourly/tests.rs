//! Tests of sums by hour, and of the reports that are computed from these sums.

use std::collections::BTreeSet;

use chrono::{FixedOffset, MappedLocalTime, NaiveDate, NaiveDateTime, TimeZone, Utc, Weekday};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::cost::{CostBy, Report};
use crate::error::ErrorKind;
use crate::metrics::{CostTier, ExecutionMetrics, Kind, LlmCall, Timestamp, UsageParts, Usd};

const BY_ROWS: [CostBy; 5] = [CostBy::Day, CostBy::Week, CostBy::Month, CostBy::Model, CostBy::Skill];

/// The largest amount in most tests. The amount is so small that a row can hold the sums of 60 records.
const USUAL: i128 = 1 << 52;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hour_of(time: Timestamp) -> i64 {
    time.unix_ms().div_euclid(3_600_000)
}

/// A zone whose clocks change once.
#[derive(Debug, Clone, PartialEq)]
struct Changing {
    before: FixedOffset,
    at: NaiveDateTime,
    after: FixedOffset,
}

impl Changing {
    fn new(before: i32, at: &str, after: i32) -> Self {
        let [before, after] = [before, after].map(|minutes| FixedOffset::east_opt(60 * minutes).unwrap());
        Self { before, at: time(at).to_chrono().naive_utc(), after }
    }

    /// In St. John's, clocks went back from 00:01 to 23:01.
    fn st_johns() -> Self {
        Self::new(-150, "2010-11-07T02:31:00Z", -210)
    }
}

impl TimeZone for Changing {
    type Offset = FixedOffset;

    fn from_offset(offset: &FixedOffset) -> Self {
        Self { before: *offset, at: NaiveDateTime::MIN, after: *offset }
    }

    fn offset_from_local_date(&self, _: &NaiveDate) -> MappedLocalTime<FixedOffset> {
        MappedLocalTime::None
    }

    fn offset_from_local_datetime(&self, _: &NaiveDateTime) -> MappedLocalTime<FixedOffset> {
        MappedLocalTime::None
    }

    fn offset_from_utc_date(&self, date: &NaiveDate) -> FixedOffset {
        self.offset_from_utc_datetime(&date.and_time(chrono::NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        if *utc < self.at { self.before } else { self.after }
    }
}

fn sums_of(records: &[ExecutionMetrics]) -> crate::Result<HourlySums> {
    let mut sums = HourlySums::default();
    records.iter().try_for_each(|record| sums.add(record))?;
    Ok(sums)
}

type Bytes = (Vec<u8>, Vec<Vec<u8>>);

fn bytes_of(sums: &HourlySums, page_bytes: usize) -> Bytes {
    (sums.names(), sums.pages(page_bytes).map(|(_, page)| page).collect())
}

fn check<Z>(by: CostBy, zone: Z, records: &[ExecutionMetrics], bytes: &Bytes) -> Result<(), TestCaseError>
where
    Z: TimeZone + Clone + PartialEq + std::fmt::Debug,
{
    let skills = ["", "a", "a skill with a long name: 日本"].map(str::to_owned);
    let empty = Report::in_zone(by, zone).week_start(Weekday::Wed).with_skills(skills);
    let in_one_group = |record: &&ExecutionMetrics| empty.is_in_one_group(hour_of(record.timestamp_start));
    let records: Vec<_> = records.iter().filter(in_one_group).cloned().collect();
    let names = Names::decode(&bytes.0).unwrap();
    // The rows of hours that are not in one group are left out, like their records.
    let mut from_rows = empty.clone();
    let all = bytes.1.iter().flat_map(|page| rows(&names, page)).map(Option::unwrap);
    let added = all.filter(|row| empty.is_in_one_group(row.hour)).try_for_each(|row| from_rows.add_row(&row));
    let mut from_records = empty.clone();
    match (records.iter().try_for_each(|record| from_records.add(record)), added) {
        (Ok(()), Ok(())) => prop_assert_eq!(from_records, from_rows),
        (records, rows) => prop_assert_eq!(records.is_ok(), rows.is_ok(), "{:?}", by),
    }
    Ok(())
}

fn count() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![Just(None), (0..5_u64).prop_map(Some), (0..5_000_u64).prop_map(Some)]
}

fn amount(largest: i128) -> impl Strategy<Value = Option<Usd>> {
    let pico = prop_oneof![4 => 0..4_i128, 4 => 0..5_000_000_000_000_i128, 1 => 0..=largest];
    prop::option::of(pico.prop_map(Usd::from_pico))
}

fn model() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("")), Just(Some("a")), Just(Some("b")), Just(Some("claude"))]
}

fn cached() -> impl Strategy<Value = UsageParts> {
    (count(), count()).prop_map(|(read, write)| {
        let mut parts = UsageParts::default();
        (parts.cache_read, parts.cache_write) = (read, write);
        parts
    })
}

prop_compose! {
    fn call(largest: i128)(
        model in prop::sample::select(vec!["a", "b", "c"]),
        input in count(),
        output in count(),
        cost in amount(largest),
        parts in prop_oneof![2 => Just(UsageParts::default()), 1 => cached()],
        unpriced in prop::option::weighted(0.2, Just("eu".to_owned())),
    ) -> LlmCall {
        let mut call = LlmCall::new(1, model);
        (call.tokens_input, call.tokens_output, call.cost_usd, call.parts) = (input, output, cost, parts);
        call.cost.region_unpriced = unpriced;
        call
    }
}

fn start() -> impl Strategy<Value = Timestamp> {
    let around = |text: &str, hours: i64| {
        let middle = time(text).unix_ms();
        middle - hours * 3_600_000..middle + hours * 3_600_000
    };
    let ms = prop_oneof![
        4 => around("2010-11-07T02:31:00Z", 3),
        2 => around("1970-01-01T00:00:00Z", 40),
        1 => around("2026-11-20T12:00:00Z", 2_000),
        1 => -62_167_219_200_000..-62_167_119_200_000_i64,
        1 => 253_402_200_799_999..=253_402_300_799_999_i64,
    ];
    ms.prop_map(|ms| Timestamp::from_unix_ms(ms).unwrap())
}

prop_compose! {
    fn record(largest: i128)(
        skill in prop::sample::select(vec!["", "a", "s", "a skill with a long name: 日本"]),
        start in start(),
        model in model(),
        (input, output, used) in (count(), count(), count()),
        parts in prop_oneof![2 => Just(UsageParts::default()), 1 => cached()],
        cost in amount(largest),
        is_exact in any::<bool>(),
        calls in prop_oneof![2 => Just(vec![]), 1 => prop::collection::vec(call(largest), 1..6)],
        sums_up in prop::bool::weighted(0.8),
        routing in prop::bool::weighted(0.1),
        unpriced in prop::option::weighted(0.2, Just("input_audio".to_owned())),
        (tier, lower) in (prop::option::weighted(0.2, Just(CostTier::Premium)), prop::option::weighted(0.2, 1..7_u64)),
    ) -> ExecutionMetrics {
        let mut record = ExecutionMetrics::new(Uuid::from_u128(1), skill, "1", start);
        record.kind = if routing { Kind::ModelRouting } else { Kind::default() };
        record.model.name = model.map(str::to_owned);
        record.model.parts = parts;
        record.cost.part_unpriced = unpriced;
        record.cost_tier = tier;
        record.tags.extend(lower.map(|call| ("lower_bound_calls".to_owned(), vec![call].into())));
        (record.tokens_input, record.tokens_output, record.tokens_used) = (input, output, used);
        record.cost_usd = cost.map(Usd::round_to_record);
        record.cost.exact_usd = cost.filter(|_| is_exact);
        if sums_up && !calls.is_empty() {
            let sum = |count: fn(&LlmCall) -> Option<u64>| calls.iter().map(count).sum::<Option<u64>>();
            record.tokens_input = sum(|call| call.tokens_input);
            record.tokens_output = sum(|call| call.tokens_output);
            record.tokens_used = None;
            record.cost.exact_usd = None;
            record.cost_usd = calls
                .iter()
                .map(|call| call.cost_usd)
                .reduce(|sum, cost| sum?.checked_add(cost?))
                .flatten()
                .map(Usd::round_to_record);
        }
        record.trace.llm_calls = calls;
        record
    }
}

proptest! {
    #[test]
    fn a_report_from_rows_equals_the_report_from_records(
        records in prop::collection::vec(record(USUAL), 0..60),
        splits in prop::collection::vec(0..60_usize, 0..4),
        page_bytes in prop_oneof![Just(1_024_usize), 1_024..5_000_usize],
    ) {
        let whole = sums_of(&records).unwrap();
        let bytes = bytes_of(&whole, page_bytes);
        prop_assert!(bytes.1.iter().all(|page| page.len() <= page_bytes));

        let ends: BTreeSet<_> = splits.into_iter().map(|end| end.min(records.len())).chain([records.len()]).collect();
        let (mut merged, mut from) = (HourlySums::default(), 0);
        for end in ends {
            merged.merge(sums_of(&records[from..end]).unwrap()).unwrap();
            from = end;
        }
        prop_assert_eq!(bytes_of(&merged, page_bytes), bytes.clone());

        let read = HourlySums::from_pages(&bytes.0, bytes.1.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(bytes_of(&read, page_bytes), bytes.clone());
        for by in BY_ROWS {
            check(by, Utc, &records, &bytes)?;
            check(by, FixedOffset::east_opt(19_800).unwrap(), &records, &bytes)?;
            check(by, FixedOffset::west_opt(86_399).unwrap(), &records, &bytes)?;
            check(by, Changing::st_johns(), &records, &bytes)?;
            check(by, Changing::new(570, "2010-11-07T02:30:00Z", 630), &records, &bytes)?;
        }
    }

    /// The amounts are from 0 to the largest amount. Small ones are frequent.
    #[test]
    fn amounts_of_any_size_are_exact_or_an_error(
        records in prop::collection::vec(
            prop_oneof![record(i64::MAX.into()), record(i128::MAX), record(1 << 66)],
            0..8,
        ),
        largest_row in any::<bool>(),
    ) {
        let mut records = records;
        if largest_row {
            records.push(priced("only here", i64::MAX.into()));
        }
        let Ok(sums) = sums_of(&records) else {
            let amounts = records.iter().flat_map(|record| {
                let calls = record.trace.llm_calls.iter().map(LlmCall::exact_cost);
                calls.chain([record.exact_cost()]).flatten().map(Usd::pico).collect::<Vec<_>>()
            });
            prop_assert!(amounts.fold(0, i128::saturating_add) > i64::MAX.into());
            return Ok(());
        };
        let bytes = bytes_of(&sums, 1_024);
        for by in BY_ROWS {
            check(by, Utc, &records, &bytes)?;
        }
    }

    #[test]
    fn damaged_bytes_give_other_rows_or_none(
        records in prop::collection::vec(record(USUAL), 1..30),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
        in_names in any::<bool>(),
    ) {
        let (mut names, mut pages) = bytes_of(&sums_of(&records).unwrap(), 1_024);
        let damaged = if in_names { &mut names } else { &mut pages[0] };
        for (at, byte) in changes {
            let at = at.index(damaged.len());
            damaged[at] = byte;
        }
        if cuts {
            damaged.truncate(length.index(damaged.len()));
        }
        let read = HourlySums::from_pages(&names, pages.iter().map(Vec::as_slice));
        let Some(names) = Names::decode(&names) else {
            prop_assert!(read.is_none());
            return Ok(());
        };
        let all: Vec<_> = pages.iter().flat_map(|page| rows(&names, page)).collect();
        prop_assert!(all.len() <= pages.iter().map(Vec::len).sum());
        prop_assert!(read.is_none() || all.iter().all(Option::is_some));
        for by in BY_ROWS {
            let mut report = Report::new(by);
            let _ = all.iter().flatten().try_for_each(|row| report.add_row(row));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let names = Names::decode(&[1, b'a', 1, b'b']).unwrap();
        prop_assert!(rows(&names, &bytes).count() <= bytes.len());
        let _ = HourlySums::from_pages(&bytes, [bytes.as_slice()]);
    }
}

fn priced(model: &str, pico: i128) -> ExecutionMetrics {
    let mut record = ExecutionMetrics::new(Uuid::from_u128(1), "s", "1", time("1969-12-31T23:59:59.999Z"));
    record.model.name = Some(model.to_owned());
    record.cost_usd = Some(Usd::from_pico(pico));
    record
}

#[test]
fn an_execution_with_one_model_has_one_row() {
    let mut several = priced("m", 7);
    several.trace.llm_calls = [("m", 3), ("n", 4)]
        .map(|(model, pico)| (LlmCall::new(1, model), pico))
        .map(|(mut call, pico)| {
            call.cost_usd = Some(Usd::from_pico(pico));
            call
        })
        .into();
    let mut no_model = priced("m", 0);
    (no_model.model.name, no_model.cost_usd) = (None, None);
    let mut unknown = priced("m", 5);
    unknown.model.name = None;
    let (names, pages) = bytes_of(&sums_of(&[several, priced("m", 1), no_model, unknown]).unwrap(), 1_024);
    let names = Names::decode(&names).unwrap();
    let rows: Vec<_> = rows(&names, &pages[0]).map(Option::unwrap).collect();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.hour, row.skill, row.place, row.sum.executions, row.sum.cost.map(Usd::pico)))
        .collect();
    let expected = [
        (Place::WithoutModel, None),
        (Place::Whole, Some(7)),
        (Place::Both(None), Some(5)),
        (Place::Model(Some("m")), Some(3)),
        (Place::Both(Some("m")), Some(1)),
        (Place::Model(Some("n")), Some(4)),
    ];
    assert_eq!(shown, expected.map(|(place, cost)| (-1, "s", place, 1, cost)));
}

#[test]
fn sums_that_are_too_large_are_an_error() {
    let largest = i128::from(i64::MAX);
    for (records, fits) in [
        (vec![priced("m", largest)], true),
        (vec![priced("m", largest), priced("n", largest)], true),
        (vec![priced("m", largest), priced("m", 1)], false),
        (vec![priced("m", largest + 1)], false),
        (vec![priced("m", i128::MAX)], false),
        (vec![priced("m", i128::from(i64::MIN)), priced("m", -1)], false),
    ] {
        let sums = sums_of(&records);
        assert_eq!(sums.is_ok(), fits, "{records:?}");
        let error = sums.err();
        assert!(error.is_none_or(|error| error.kind() == ErrorKind::Overflow));
        let mut merged = HourlySums::default();
        let parts = records.iter().map(|record| sums_of(std::slice::from_ref(record)));
        let merged = parts.into_iter().try_for_each(|part| merged.merge(part?));
        assert_eq!(merged.is_ok(), fits, "{records:?}");
    }
    let memory_bytes = sums_of(&[priced("m", 1), priced("n", 1)]).unwrap().memory_bytes();
    assert_eq!(memory_bytes, 2 * 160 + 3 * 129);
    let mut tokens = priced("m", 0);
    tokens.tokens_output = Some(u64::MAX);
    assert!(sums_of(std::slice::from_ref(&tokens)).is_ok());
    assert!(sums_of(&[tokens.clone(), tokens]).is_err());
}

#[test]
fn sums_use_a_bounded_amount_of_memory() {
    let mut sums = HourlySums::default();
    let mut record = priced("m", 1);
    let added = (0..200_000).take_while(|number| {
        record.skill_name = number.to_string();
        sums.add(&record).is_ok()
    });
    // Each row needs 160 bytes, and each name at least 128.
    assert!((50_000..60_000).contains(&added.count()));
}

#[test]
fn an_hour_with_a_change_of_clocks_or_date_is_not_in_one_group() {
    let is_in = |by, zone: &Changing, at: &str| Report::in_zone(by, zone.clone()).is_in_one_group(hour_of(time(at)));
    let half = Changing::new(330, "1970-01-01T00:00:00Z", 330);
    // Midnight in the zone is 18:30 UTC.
    for (at, expected) in
        [("2026-11-20T17:59:59Z", true), ("2026-11-20T18:10:00Z", false), ("2026-11-20T19:00:00Z", true)]
    {
        assert_eq!(is_in(CostBy::Day, &half, at), expected, "{at}");
        assert!(is_in(CostBy::Month, &half, at) && is_in(CostBy::Skill, &half, at) && is_in(CostBy::Model, &half, at));
    }
    // From Friday to Saturday the week does not change, but from Sunday to Monday it does.
    assert!(is_in(CostBy::Week, &half, "2026-11-20T18:10:00Z") && !is_in(CostBy::Week, &half, "2026-11-22T18:10:00Z"));
    assert!(!is_in(CostBy::Month, &half, "2026-11-30T18:10:00Z"));
    // In local time, the hour begins at 23:30, continues until one minute after midnight, goes back to 23:01, and ends
    // at 23:30 on the first date.
    let st_johns = Changing::st_johns();
    let date = |at: &str| time(at).to_chrono().with_timezone(&st_johns).date_naive().to_string();
    let dates = ["2010-11-07T02:00:00Z", "2010-11-07T02:30:59Z", "2010-11-07T02:59:59Z"].map(date);
    assert_eq!(dates, ["2010-11-06", "2010-11-07", "2010-11-06"]);
    assert!(!is_in(CostBy::Day, &st_johns, "2010-11-07T02:00:00Z"));
    assert!(is_in(CostBy::Day, &st_johns, "2010-11-07T01:00:00Z"));
    // Most zones change their clocks at a whole hour in UTC.
    let zurich = Changing::new(60, "2026-03-29T01:00:00Z", 120);
    assert!(is_in(CostBy::Day, &zurich, "2026-03-29T00:59:59Z") && is_in(CostBy::Day, &zurich, "2026-03-29T01:00:00Z"));
}

#[test]
fn a_report_that_needs_records_refuses_rows() {
    let (names, pages) = bytes_of(&sums_of(&[priced("m", 1)]).unwrap(), 1_024);
    let names = Names::decode(&names).unwrap();
    let row = rows(&names, &pages[0]).next().unwrap().unwrap();
    for by in CostBy::ALL {
        let mut report = Report::new(by);
        assert_eq!(report.has_rows(), BY_ROWS.contains(&by), "{by:?}");
        assert_eq!(report.add_row(&row).is_ok(), report.has_rows(), "{by:?}");
    }
    let mut report = Report::new(CostBy::Day);
    assert!(!report.is_in_one_group(i64::MAX) && !report.is_in_one_group(70_389_528));
    for hour in [i64::MIN, -17_268_673, 70_389_528] {
        assert!(report.add_row(&Row { hour, ..row.clone() }).is_err());
    }
    for hour in [-17_268_672, 70_389_527] {
        assert!(report.add_row(&Row { hour, ..row.clone() }).is_ok() && report.is_in_one_group(hour));
    }
}
