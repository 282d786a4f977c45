//! Checks the surroundings of a ledger: the file system, the disk, the process, the clock and the prices.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Check, Level};
use crate::cost::PriceTable;
use crate::disk::free_bytes;
use crate::disk::platform::{file_bytes_max, file_system, is_network, open_files_max};
use crate::disk::{Disk, FileType, Storage, is_shared, mode};
use crate::error::{Error, Result};
use crate::id::new_id;
use crate::journal::format::Layout;
use crate::journal::write::probe::{Probe, probe};
use crate::journal::write::refusals::check_place;
use crate::journal::{PAYLOAD_BYTES_MAX, ROTATE_BYTES};
use crate::ledger::redact::{JOURNALS_BESIDE, archives_of};
use crate::metrics::Timestamp;

/// If the median of the syncs takes this long or longer, the check warns, because every record waits for a sync.
const SYNC_SLOW_US: u128 = 20_000;
/// If the median of the syncs is shorter than this, the check warns, because no disk is so fast.
const SYNC_IMPOSSIBLE_US: u128 = 5;
/// If this process may open fewer files than this number, the check warns. A ledger with few segments has about ten
/// files open. A process that appends to a ledger with many segments keeps up to 64 segments and their indexes open, so
/// it has about 140 files open. The other files are for the program itself.
const OPEN_FILES_MIN: u64 = 256;
/// A clock that shows an earlier time is wrong, because this version did not exist at that time.
const CLOCK_MIN: &str = "2026-01-01T00:00:00.000Z";
const PRICES_DAYS_MAX: i64 = 30;
const DAY_MS: i64 = 86_400_000;

pub(super) fn checks(layout: &Layout, now: Timestamp) -> Vec<Check> {
    let directory = layout.active().ancestors().skip(1).find(|directory| matches!(Disk.stat(directory), Ok(Some(_))));
    let directory = directory.unwrap_or(Path::new("."));
    let mut checks = vec![of_file_system(file_system(directory)), of_place(layout, directory), of_permissions(layout)];
    match probe(&Disk, directory, &format!(".runledger-doctor-{}", new_id(now.unix_ms()))) {
        Ok(found) => checks.extend(of_probe(found)),
        Err(source) => {
            let error = Error::io("create and sync a file", directory, source);
            checks.push(Check::new("files", Level::Fault, error.to_string(), Some("make the directory writable")));
        }
    }
    let free = free_bytes(directory).map_err(|source| Error::io("read the free space", directory, source));
    checks.extend([of_space(free), of_file_length(), of_open_files(open_files_max()), of_clock(now), of_prices(now)]);
    checks
}

fn of_file_system(found: Option<String>) -> Check {
    const NAME: &str = "file system";
    match found {
        None => Check::warning(NAME, "not known", "make sure that the ledger is on a local disk"),
        Some(network) if is_network(&network) => Check::fault(
            NAME,
            format!("{network}, over a network, where locks and syncs cannot be trusted"),
            "choose a local disk",
        ),
        Some(memory) if matches!(memory.as_str(), "tmpfs" | "ramfs") => {
            Check::warning(NAME, format!("{memory}, in memory, which the next restart clears"), "choose a disk")
        }
        Some(overlay) if overlay == "overlay" => Check::warning(
            NAME,
            "overlay, the file system of a container, which is deleted with the container",
            "choose a volume that outlives the container",
        ),
        Some(other) => Check::ok(NAME, other),
    }
}

fn of_place(layout: &Layout, directory: &Path) -> Check {
    match check_place(&Disk, layout) {
        Ok(_) if layout.active().parent() == Some(directory) => Check::ok("location", directory.display().to_string()),
        Ok(_) => Check::ok("location", format!("to be created below {}", directory.display())),
        Err(error) => Check::failed("location", Level::Fault, &error),
    }
}

/// Checks that nobody has rights to the ledger's files except the ledger's user, or the group that shares its
/// directory. The ledger creates its files with such permissions, but somebody may have changed them. Only the ledger's
/// own files are checked, so that the command in the advice never changes the permissions of a directory like `/tmp`.
fn of_permissions(layout: &Layout) -> Check {
    const NAME: &str = "permissions";
    let shared = match mode(layout.parent()) {
        Ok(found) => found.is_some_and(is_shared),
        Err(source) => {
            return Check::failed(NAME, Level::Warning, &Error::io("examine the ledger", layout.parent(), source));
        }
    };
    let (taken, others) = if shared { ("o=", 0o007) } else { ("go=", 0o077) };
    let (mut open, mut paths) = (Vec::new(), String::new());
    // Texts of the ledger's records can also be in the journals next to the ledger, and in the archives that its events
    // name. If the events cannot be read, another check reports this.
    let beside = JOURNALS_BESIDE.map(|name| Layout::new(&layout.active().with_file_name(name)));
    let archives = archives_of(&Disk, layout).unwrap_or_default();
    let others_of = beside.into_iter().chain(archives.iter().map(|path| Layout::new(path)));
    for layout in std::iter::once(layout.clone()).chain(others_of) {
        let files = [(layout.active(), FileType::File), (layout.machinery(), FileType::Directory)];
        for (path, file_type) in files {
            let is_ours = Disk.stat(path).map(|stat| stat.is_some_and(|stat| stat.file_type == file_type));
            match is_ours.and_then(|is_ours| if is_ours { mode(path) } else { Ok(None) }) {
                Ok(Some(mode)) if mode & others != 0 => {
                    open.push(format!("{} (mode {mode:04o})", path.display()));
                    paths.push_str(&format!(" '{}'", path.display().to_string().replace('\'', r"'\''")));
                }
                Ok(_) => {}
                Err(source) => {
                    return Check::failed(NAME, Level::Warning, &Error::io("examine the ledger", path, source));
                }
            }
        }
    }
    match (open.is_empty(), shared) {
        (true, false) => Check::ok(NAME, "only for its own user"),
        (true, true) => Check::ok(NAME, "only for the users of its directory's group"),
        (false, _) => Check::warning(
            NAME,
            format!("other users have rights to {}", open.join(" and ")),
            &format!("remove these rights with `chmod -R {taken}{paths}`"),
        ),
    }
}

fn of_probe(found: Probe) -> [Check; 3] {
    let lock = match found.lock_holds {
        Ok(true) => Check::ok("lock", "keeps others out"),
        Ok(false) => Check::fault("lock", "does not keep others out", "choose another file system"),
        Err(error) => Check::fault("lock", format!("does not work: {error}"), "choose another file system"),
    };
    let area = match &found.overwrites {
        Ok(_) => Check::ok("commit area", "can be created"),
        Err(error) => {
            Check::fault("commit area", format!("cannot be created: {error}"), "free some space, or raise the limits")
        }
    };
    [lock, area, of_syncs(&found.overwrites, &found.appends)]
}

fn of_syncs(overwrites: &io::Result<Vec<Duration>>, appends: &io::Result<Vec<Duration>>) -> Check {
    const NAME: &str = "sync";
    let (overwrites, appends) = match (overwrites, appends) {
        (Ok(overwrites), Ok(appends)) => (overwrites, appends),
        (Err(error), _) | (_, Err(error)) => {
            return Check::fault(NAME, format!("cannot be measured: {error}"), "choose another disk");
        }
    };
    let found = format!("overwrite {}; append {}", times(overwrites), times(appends));
    match median(overwrites).as_micros() {
        SYNC_SLOW_US.. => Check::warning(NAME, found, "choose a faster disk, because each record waits for a sync"),
        ..SYNC_IMPOSSIBLE_US => {
            Check::warning(NAME, found, "make sure that syncs are not switched off; this is too fast for a disk")
        }
        _ => Check::ok(NAME, found),
    }
}

/// Returns the median of `times`, which are in ascending order. If two times are in the middle, returns the longer one.
fn median(times: &[Duration]) -> Duration {
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn times(times: &[Duration]) -> String {
    // This p99 follows the nearest-rank definition of percentiles.
    let p99 = times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
    format!("p50 {} µs, p99 {} µs of {}", median(times).as_micros(), p99.as_micros(), times.len())
}

fn of_space(free: Result<u64>) -> Check {
    const NAME: &str = "space";
    match free {
        Ok(free) if free >= ROTATE_BYTES => Check::ok(NAME, format!("{} free", size(free))),
        Ok(free) => Check::warning(
            NAME,
            format!("{} free, less than the {} of a segment", size(free), size(ROTATE_BYTES)),
            "free some space; on a full disk, records are spilled or lost",
        ),
        Err(error) => Check::failed(NAME, Level::Warning, &error),
    }
}

/// Checks the limit that the system sets for the size of a file. If there is a limit, a segment ends before it reaches
/// the limit. A record that is larger than the limit cannot be stored.
fn of_file_length() -> Check {
    const NAME: &str = "file size";
    match file_bytes_max() {
        None => Check::ok(NAME, "not limited"),
        Some(limit) if limit >= 2 * PAYLOAD_BYTES_MAX as u64 => Check::ok(NAME, format!("at most {}", size(limit))),
        Some(limit) => Check::warning(
            NAME,
            format!("at most {}, so larger records are lost", size(limit)),
            "raise the limit with `ulimit -f`",
        ),
    }
}

fn of_open_files(limit: Option<u64>) -> Check {
    const NAME: &str = "open files";
    match limit {
        None => Check::ok(NAME, "not limited"),
        Some(limit) if limit >= OPEN_FILES_MIN => Check::ok(NAME, format!("at most {limit}")),
        Some(limit) => Check::warning(NAME, format!("at most {limit}"), "raise the limit with `ulimit -n`"),
    }
}

fn of_clock(now: Timestamp) -> Check {
    let now = now.to_string();
    if now.as_str() < CLOCK_MIN {
        return Check::warning("clock", now, "set the clock, because ids, quotas and rotation depend on it");
    }
    Check::ok("clock", now)
}

fn of_prices(now: Timestamp) -> Check {
    const NAME: &str = "prices";
    let prices = match PriceTable::bundled() {
        Ok(prices) => prices,
        Err(error) => return Check::failed(NAME, Level::Warning, &error),
    };
    let oldest = prices.files().map(|file| file.as_of).min().unwrap_or(now);
    let days = now.unix_ms().saturating_sub(oldest.unix_ms()).div_euclid(DAY_MS);
    let age = format!("{days} {} old", if days == 1 { "day" } else { "days" });
    match days {
        PRICES_DAYS_MAX.. => {
            Check::warning(NAME, age, "update runledger, or import a newer table with `runledger prices import`")
        }
        _ => Check::ok(NAME, age),
    }
}

/// Formats a number of bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut amount, mut unit) = (bytes as f64, "bytes");
    for larger in UNITS {
        if amount < 1024.0 {
            break;
        }
        amount /= 1024.0;
        unit = larger;
    }
    match (bytes, unit) {
        (1, _) => "1 byte".to_owned(),
        (_, "bytes") => format!("{bytes} bytes"),
        _ => format!("{amount:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: Check) -> (Level, String) {
        (check.level, check.found)
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_permanent_local_disk_is_ok() {
        let level = |name: &str| of_file_system(Some(name.to_owned())).level;
        let levels = ["nfs4", "cifs", "tmpfs", "overlay", "ext4", "xfs"].map(level);
        assert_eq!(levels, [Level::Fault, Level::Fault, Level::Warning, Level::Warning, Level::Ok, Level::Ok]);
        assert_eq!(finding(of_file_system(None)), (Level::Warning, "not known".to_owned()));
    }

    #[test]
    fn slow_or_impossibly_fast_syncs_are_warnings() {
        let syncs =
            |micros: [u64; 3]| of_syncs(&Ok(micros.map(Duration::from_micros).to_vec()), &Ok(vec![Duration::ZERO]));
        let found = "overwrite p50 90 µs, p99 9000 µs of 3; append p50 0 µs, p99 0 µs of 1";
        assert_eq!(finding(syncs([80, 90, 9_000])), (Level::Ok, found.to_owned()));
        let levels = [[1, 4, 90], [1, 5, 90], [1, 19_999, 20_000], [1, 20_000, 20_000]].map(|times| syncs(times).level);
        assert_eq!(levels, [Level::Warning, Level::Ok, Level::Ok, Level::Warning]);
        let failed = of_syncs(&Err(io::ErrorKind::StorageFull.into()), &Ok(Vec::new()));
        assert_eq!(finding(failed), (Level::Fault, "cannot be measured: no storage space".to_owned()));
    }

    #[test]
    fn less_space_than_a_segment_takes_is_a_warning() {
        assert_eq!(finding(of_space(Ok(ROTATE_BYTES))), (Level::Ok, "256.0 MiB free".to_owned()));
        let little = (Level::Warning, "1000 bytes free, less than the 256.0 MiB of a segment".to_owned());
        assert_eq!(finding(of_space(Ok(1000))), little);
    }

    /// A ledger with many segments has 64 of them open, each with its index.
    #[test]
    fn a_limit_that_a_ledger_with_many_segments_reaches_is_a_warning() {
        let levels = [Some(64), Some(140), Some(256), None].map(|limit| of_open_files(limit).level);
        assert_eq!(levels, [Level::Warning, Level::Warning, Level::Ok, Level::Ok]);
    }

    #[test]
    fn a_clock_before_this_version_and_old_prices_are_warnings() {
        assert_eq!(of_clock(time("2025-12-31T23:59:59.999Z")).level, Level::Warning);
        assert_eq!(of_clock(time("2026-01-01T00:00:00Z")).level, Level::Ok);
        let day = PriceTable::bundled().unwrap().files().map(|file| file.as_of).min().unwrap();
        let after = |days: u64| finding(of_prices(day.plus_ms(days * DAY_MS.unsigned_abs())));
        assert_eq!(after(29), (Level::Ok, "29 days old".to_owned()));
        assert_eq!(after(30), (Level::Warning, "30 days old".to_owned()));
    }
}
