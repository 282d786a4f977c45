//! Finds the faults of a fleet from the names and the footers of its files.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{Days, NaiveDate};
use uuid::Uuid;

use super::fault::{FleetFault, FleetFaultKind as Kind};
use crate::ship::{FileName, Footer};

/// The hash before the first line of a ledger: 64 zeros.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A file, and what its footer says.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) name: FileName,
    pub(super) footer: Footer,
    /// The number of rows of the row groups. `None` if it is impossible.
    pub(super) rows: Option<u64>,
}

/// Returns the ranges of lines that are missing or that several files have. `names` are the files of one ledger, sorted
/// by their first and last lines. `claimed` is the first line of the last claim. The lines up to `after` are not missing.
pub(super) fn ranges(ledger: Uuid, names: &[FileName], claimed: Option<u64>, after: u64) -> Vec<FleetFault> {
    let mut faults = Vec::new();
    // The file that ends last so far. All lines up to its end were seen, or were reported as a gap.
    let mut furthest: Option<&FileName> = None;
    let mut before: Option<&FileName> = None;
    for name in names {
        let end = furthest.map_or(after, |file| file.last);
        let next = end.saturating_add(1);
        if name.first > next {
            let detail = format!("no file has the lines {next} to {}", name.first - 1);
            faults.push(FleetFault::new(Kind::Gap, ledger, detail));
        } else if let Some(furthest) = furthest.filter(|_| name.first < next) {
            faults.push(twice(ledger, name, before.filter(|before| before.first == name.first), furthest));
        }
        if name.last > end {
            furthest = Some(name);
        }
        before = Some(name);
    }
    let end = furthest.map_or(after, |file| file.last);
    if let Some(first) = claimed.filter(|&first| first > end) {
        let detail = format!(
            "found a claim for lines from {first} on, and no file with them. The file was removed, or is not stored yet. If \
             it is not stored yet, the next `runledger ship` of this ledger stores it"
        );
        faults.push(FleetFault::new(Kind::Claim, ledger, detail));
    }
    faults
}

/// Returns the fault of a file that has lines of an earlier file. `same` is a file that begins with the same line.
fn twice(ledger: Uuid, name: &FileName, same: Option<&FileName>, furthest: &FileName) -> FleetFault {
    match same {
        Some(same) if (same.last, &same.hash16) != (name.last, &name.hash16) => {
            let detail = format!(
                "found another file that begins with line {}, {same}. Two ledgers may have one id, such as copies of one \
                 ledger on two machines",
                name.first
            );
            FleetFault::new(Kind::Fork, ledger, detail).file(name)
        }
        same => {
            let other = same.unwrap_or(furthest);
            let detail = format!("found lines that {other} has too; expected each line in one file");
            FleetFault::new(Kind::Overlap, ledger, detail).file(name)
        }
    }
}

/// Returns the files that do not continue the chain of the file before them. `files` are files of one ledger.
pub(super) fn chain(files: &[Seen]) -> Vec<FleetFault> {
    let mut ends: HashMap<u64, Vec<&str>> = HashMap::from([(0, vec![NO_HASH])]);
    for file in files {
        ends.entry(file.footer.last).or_default().push(&file.footer.last_hash);
    }
    let broken = |file: &&Seen| {
        let before = ends.get(&file.footer.first.saturating_sub(1));
        // If no file ends before this one, the gap is reported instead.
        before.is_some_and(|hashes| !hashes.contains(&file.footer.prev_hash.as_str()))
    };
    let fault = |Seen { name, footer, .. }: &Seen| {
        let line = footer.first.saturating_sub(1);
        let detail = format!(
            "found {} as the hash of line {line}; expected the hash that the file before it has. One of the files was \
             replaced, or two ledgers have one id",
            footer.prev_hash
        );
        FleetFault::new(Kind::Chain, name.ledger, detail).file(name)
    };
    files.iter().filter(broken).map(fault).collect()
}

/// Returns the disagreement between the name and the footer of a file.
pub(super) fn footer(seen: &Seen) -> Option<FleetFault> {
    let Seen { name, footer, rows } = seen;
    let detail = if footer.ledger != name.ledger {
        format!("the footer names the ledger {}; expected the ledger of the name", footer.ledger)
    } else if (footer.first, footer.last) != (name.first, name.last) {
        format!("the footer names the lines {} to {}; expected the lines of the name", footer.first, footer.last)
    } else if !footer.last_hash.starts_with(&name.hash16) {
        format!("the footer has the last hash {}; expected the hash of the name", footer.last_hash)
    } else if *rows != Some(footer.records) || footer.records > name.last.saturating_sub(name.first) + 1 {
        let rows = rows.map_or_else(|| "an impossible number of".to_owned(), |rows| rows.to_string());
        format!("found {rows} rows; expected {} rows, as the footer says", footer.records)
    } else {
        return None;
    };
    Some(FleetFault::new(Kind::Footer, name.ledger, detail).file(name))
}

/// Returns the days without a file of the ledger, between days with files. Consecutive days are one fault.
pub(super) fn missing_days(ledger: Uuid, names: &[FileName]) -> Vec<FleetFault> {
    let days: BTreeSet<NaiveDate> = names.iter().map(|name| name.date).collect();
    let pairs = days.iter().zip(days.iter().skip(1));
    let missing = pairs.filter_map(|(day, next)| {
        let (first, last) = (day.succ_opt()?, next.pred_opt()?);
        (first <= last).then(|| match first == last {
            true => format!("no file has the date {first}"),
            false => format!("no file has a date from {first} to {last}"),
        })
    });
    missing.map(|detail| FleetFault::new(Kind::MissingDay, ledger, detail)).collect()
}

/// Returns the ledgers whose last file is more than `late` days older than the newest file of all. `newest` has the date of
/// the newest file of each ledger. Dates after `today` come from clocks that were wrong, and are not compared.
pub(super) fn late(newest: &BTreeMap<Uuid, NaiveDate>, today: NaiveDate, late: u32) -> Vec<FleetFault> {
    let of_all = newest.values().filter(|&&date| date <= today).max().copied().unwrap_or_default();
    let Some(limit) = of_all.checked_sub_days(Days::new(late.into())) else { return Vec::new() };
    let fault = |(&ledger, date): (&Uuid, &NaiveDate)| {
        let detail = format!("the last file has the date {date}; the newest file of the fleet has {of_all}");
        FleetFault::new(Kind::Late, ledger, detail)
    };
    newest.iter().filter(|&(_, &date)| date < limit).map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEDGER: Uuid = Uuid::from_u128(7);

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// The hash of line `line` of a ledger.
    fn hash(line: u64) -> String {
        if line == 0 { NO_HASH.to_owned() } else { format!("{line:064x}").chars().rev().collect() }
    }

    fn name(first: u64, last: u64) -> FileName {
        FileName::new(day("2026-11-20"), LEDGER, first, last, &hash(last))
    }

    fn seen(first: u64, last: u64) -> Seen {
        let records = last - first + 1;
        let (first_hash, last_hash, prev_hash) = (hash(first), hash(last), hash(first - 1));
        let footer = Footer { ledger: LEDGER, first, first_hash, last, last_hash, prev_hash, records };
        Seen { name: name(first, last), footer, rows: Some(records) }
    }

    fn kinds(faults: &[FleetFault]) -> Vec<Kind> {
        faults.iter().map(|fault| fault.kind).collect()
    }

    #[test]
    fn a_whole_ledger_has_no_fault() {
        let files = [seen(1, 5), seen(6, 6), seen(7, 20)];
        let names = files.clone().map(|file| file.name);
        assert_eq!(ranges(LEDGER, &names, Some(7), 0), []);
        assert_eq!(ranges(LEDGER, &[], None, 0), []);
        assert_eq!((chain(&files), missing_days(LEDGER, &names)), (vec![], vec![]));
        assert!(files.iter().all(|file| footer(file).is_none()));
    }

    #[test]
    fn a_missing_range_of_lines_is_a_gap() {
        let faults = ranges(LEDGER, &[name(3, 5), name(6, 6), name(9, 20)], None, 0);
        assert_eq!(kinds(&faults), [Kind::Gap, Kind::Gap]);
        assert_eq!(faults[0].detail, "no file has the lines 1 to 2");
        assert_eq!(faults[1].detail, "no file has the lines 7 to 8");
        assert_eq!(chain(&[seen(3, 5), seen(9, 20)]), []);
        assert_eq!(ranges(LEDGER, &[name(3, 5)], None, 2), []);
    }

    #[test]
    fn a_claim_without_its_file_is_a_fault_only_at_the_end() {
        assert_eq!(kinds(&ranges(LEDGER, &[name(1, 5)], Some(6), 0)), [Kind::Claim]);
        assert_eq!(kinds(&ranges(LEDGER, &[], Some(1), 0)), [Kind::Claim]);
        assert_eq!(kinds(&ranges(LEDGER, &[name(1, 5), name(8, 9)], Some(8), 0)), [Kind::Gap]);
    }

    #[test]
    fn lines_in_two_files_are_an_overlap() {
        let doubled = FileName::new(day("2026-11-21"), LEDGER, 1, 5, &hash(5));
        assert_eq!(kinds(&ranges(LEDGER, &[name(1, 5), doubled, name(6, 7)], None, 0)), [Kind::Overlap]);
        let within = ranges(LEDGER, &[name(1, 9), name(4, 5), name(6, 12), name(13, 13)], None, 0);
        assert_eq!(kinds(&within), [Kind::Overlap, Kind::Overlap]);
        assert!(within[1].detail.contains("/1-9-"), "{}", within[1]);
    }

    #[test]
    fn two_files_that_begin_with_one_line_are_a_fork() {
        assert_eq!(kinds(&ranges(LEDGER, &[name(1, 5), name(6, 7), name(6, 9), name(10, 11)], None, 0)), [Kind::Fork]);
        let other = FileName::new(day("2026-11-20"), LEDGER, 1, 5, &hash(6));
        assert_eq!(kinds(&ranges(LEDGER, &[name(1, 5), other], None, 0)), [Kind::Fork]);
    }

    #[test]
    fn a_file_that_does_not_continue_the_file_before_it_breaks_the_chain() {
        let mut second = seen(6, 9);
        second.footer.prev_hash = hash(77);
        assert_eq!(kinds(&chain(&[seen(1, 5), second.clone(), seen(10, 12)])), [Kind::Chain]);
        let mut first = seen(1, 5);
        first.footer.prev_hash = hash(77);
        assert_eq!(kinds(&chain(&[first.clone(), seen(6, 9)])), [Kind::Chain]);
        // The second ledger of a fork continues its own files.
        first.footer.prev_hash = hash(0);
        first.footer.last_hash = hash(77);
        assert_eq!(chain(&[seen(1, 5), first, seen(6, 9), second]), []);
    }

    #[test]
    fn a_footer_that_says_something_else_than_the_name_is_a_fault() {
        let changes: [fn(&mut Seen); 6] = [
            |seen| seen.footer.ledger = Uuid::from_u128(8),
            |seen| seen.footer.first = 2,
            |seen| seen.footer.last = 6,
            |seen| seen.footer.last_hash = hash(6),
            |seen| seen.footer.records = 3,
            |seen| (seen.footer.records, seen.rows) = (9, Some(9)),
        ];
        for change in changes {
            let mut changed = seen(1, 5);
            change(&mut changed);
            assert_eq!(footer(&changed).map(|fault| fault.kind), Some(Kind::Footer), "{changed:?}");
        }
        // Lines can be damaged, so a file can have fewer rows than lines.
        let mut fewer = seen(1, 5);
        (fewer.footer.records, fewer.rows) = (3, Some(3));
        assert_eq!(footer(&fewer), None);
    }

    #[test]
    fn days_without_a_file_are_missing_only_between_days_with_files() {
        let on = |date: &str| FileName::new(day(date), LEDGER, 1, 1, &hash(1));
        let names = ["2026-11-20", "2026-11-24", "2026-11-21", "2026-11-26"].map(on);
        let faults = missing_days(LEDGER, &names);
        assert_eq!(kinds(&faults), [Kind::MissingDay, Kind::MissingDay]);
        assert_eq!(faults[0].detail, "no file has a date from 2026-11-22 to 2026-11-23");
        assert_eq!(faults[1].detail, "no file has the date 2026-11-25");
    }

    #[test]
    fn a_ledger_is_late_if_its_last_file_is_older_than_the_limit() {
        let dates = ["2026-11-20", "2026-11-22", "2026-11-23"];
        let newest = dates.iter().zip(1..).map(|(date, id)| (Uuid::from_u128(id), day(date))).collect();
        let today = day("2026-11-23");
        let faults = late(&newest, today, 2);
        assert_eq!((kinds(&faults), faults[0].ledger), (vec![Kind::Late], Some(Uuid::from_u128(1))));
        assert_eq!((late(&newest, today, 3), late(&newest, today, 0).len()), (vec![], 2));
        // The clock of the third machine is a day ahead.
        assert_eq!(late(&newest, day("2026-11-22"), 2), []);
        assert_eq!(late(&newest, day("2026-11-01"), 0), []);
    }
}
