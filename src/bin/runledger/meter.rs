//! Reads the file of a running session, and counts in a quota what the session has used so far. A use is the amount of
//! one call of a model.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use runledger::import::{MeterFormat, SessionMeter, SessionUses};
use runledger::metrics::LlmCall;
use runledger::quota::{Metered, Reading, ReadingUse, Unit};
use runledger::{ExecutionMetrics, Quota, Timestamp, Usd, Uuid, hash_bytes};

use crate::clock;
use crate::failure::Failure;

/// The number of bytes that the hook lets one call of [`measure`] evaluate for each API.
pub(crate) const BYTES_MAX: u64 = 8 * 1024 * 1024;
/// A file is identified by at most this many bytes of its first line.
const HEAD_BYTES_MAX: u64 = 4 * 1024;
/// The longest time by which a call can seem older than its file. A file is created a moment after its first call, and
/// the clock of the file system may be imprecise.
const BEFORE_CREATION_MS: i64 = 2_000;
/// If new lines add nothing to the quota and have fewer bytes than this, the quota does not store that they were read.
/// So few lines can be read again in about a millisecond.
const IDLE_BYTES_MIN: u64 = 64 * 1024;

const OPERATION: &str = "read what a session has used";

/// The file of a running session.
#[derive(Debug)]
pub(crate) struct SessionFile<'a> {
    pub(crate) format: MeterFormat,
    /// The name of the source, which consists of the agent and the session, such as `claude-code s-1`. The identity of
    /// the file is added to it.
    pub(crate) source: &'a str,
    pub(crate) path: &'a Path,
    /// The session whose lines count. Lines that a resumed session copied from another session do not count. `None` if
    /// the lines of all sessions count.
    pub(crate) session: Option<&'a str>,
    /// When the file was created; `None` if the file system does not report it. Calls that are older than the file by
    /// more than [`BEFORE_CREATION_MS`] do not count. A forked session copied them from the file of another session.
    /// They count when that other file is measured.
    pub(crate) created: Option<Timestamp>,
}

impl SessionFile<'_> {
    /// Returns when the file was created. Returns `None` if the file is missing, or if the file system does not report
    /// it.
    pub(crate) fn created_at(path: &Path) -> Option<Timestamp> {
        path.metadata().ok()?.created().ok()?.try_into().ok()
    }
}

/// A function that sets the costs of a record. A cost that it does not set is unknown. The function may load the
/// prices, which takes most of the time of a hook. So it is called only if a call has to be priced.
pub(crate) type FillCosts<'a> = &'a dyn Fn(&mut ExecutionMetrics);

/// What [`measure`] has not read yet, and what it could not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Left {
    /// The number of bytes that are left for the next call. If this number differs between the APIs, the largest one.
    pub(crate) bytes: u64,
    /// True if the file was counted for the first time, and the time of its creation is unknown. The calls that a
    /// forked session copied from another session may then count twice.
    pub(crate) may_repeat: bool,
}

/// Counts what the session has used since this function was last called, for each limit in `apis`. Evaluates at most
/// `bytes_max` bytes for each API, and skips a line that is longer than this.
///
/// Any number of processes can call this function for the same session. Each byte of the file counts once. A missing
/// file is not an error.
///
/// A use counts in the period in which the call was made, so a call of yesterday does not count today. If a new file is
/// longer than `bytes_max`, only its end is read, and one call of unknown amount is counted for the rest.
///
/// # The same file
///
/// A file is identified by `source` and its first line. If the first line has changed, the file counts as a new file,
/// and is read from its start. If a file becomes shorter and keeps its first line, nothing counts until it is longer
/// than the part that was counted.
pub(crate) fn measure(
    quota: &Quota,
    apis: &[&str],
    fill_costs: FillCosts<'_>,
    file: &SessionFile<'_>,
    bytes_max: u64,
) -> Result<Left, Failure> {
    let failed = |source| Failure::File { operation: OPERATION, path: file.path.to_owned(), source };
    // A pipe is not opened, because that would wait for its writer.
    match file.path.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => return Ok(Left::default()),
    }
    let mut lines = match File::open(file.path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Left::default()),
        opened => opened.map_err(failed)?,
    };
    let Some(head) = head(&mut lines).map_err(failed)? else { return Ok(Left::default()) };
    let source = format!("{} {head}", file.source);
    let mut left = Left::default();
    for &api in apis {
        let Some(unit) = quota.limit(api).map(|limit| limit.unit) else { continue };
        let counter = Counter { quota, api, unit, fill_costs, file, source: &source };
        left.may_repeat |= file.created.is_none() && counter.metered()?.is_none();
        left.bytes = left.bytes.max(counter.count(&mut lines, bytes_max, failed)?);
    }
    Ok(left)
}

/// Returns a hash that identifies the file. It is the hash of the first line, or of the beginning of this line if the
/// line is long. Returns `None` if the first line is not complete yet.
fn head(file: &mut File) -> io::Result<Option<String>> {
    let bytes = read_at(file, 0, HEAD_BYTES_MAX)?;
    let line = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => bytes.get(..end),
        None => Some(&bytes[..]).filter(|bytes| bytes.len() as u64 == HEAD_BYTES_MAX),
    };
    Ok(line.map(|line| hash_bytes(line).chars().take(16).collect()))
}

fn read_at(file: &mut File, offset: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the offset after the line feed that ends the line at `offset`; `None` if the line is not complete.
fn end_of_line(file: &mut File, mut offset: u64) -> io::Result<Option<u64>> {
    loop {
        let bytes = read_at(file, offset, BYTES_MAX)?;
        if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            return Ok(Some(offset + end as u64 + 1));
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        offset += bytes.len() as u64;
    }
}

/// Counts a session for one API.
struct Counter<'a> {
    quota: &'a Quota,
    api: &'a str,
    unit: Unit,
    fill_costs: FillCosts<'a>,
    file: &'a SessionFile<'a>,
    source: &'a str,
}

impl Counter<'_> {
    /// Counts at most `bytes_max` bytes. Returns the number of bytes that remain for the next call, or 0 if only an
    /// incomplete line remains.
    fn count(&self, lines: &mut File, bytes_max: u64, failed: impl Fn(io::Error) -> Failure) -> Result<u64, Failure> {
        let mut left = bytes_max;
        loop {
            let known = self.metered()?;
            let (from, state) = known.as_ref().map_or((0, ""), |known| (known.counted, known.state.as_str()));
            let len = lines.metadata().map_err(&failed)?.len();
            let remaining = len.saturating_sub(from);
            if remaining == 0 || left == 0 {
                return Ok(remaining);
            }
            // If no part of a long file was counted before, only the end of the file is read.
            let is_skipped = known.is_none() && len > bytes_max;
            let start = if is_skipped { end_of_line(lines, len - bytes_max).map_err(&failed)? } else { Some(from) };
            let Some(start) = start else { return Ok(0) };
            let bytes = read_at(lines, start, left).map_err(&failed)?;
            let since = self.file.created.map(|created| created.unix_ms() - BEFORE_CREATION_MS);
            let since = since.and_then(Timestamp::from_unix_ms);
            let mut meter = SessionMeter::new(self.file.format, self.file.session, state).since(since);
            let SessionUses { bytes: read, uses, .. } = meter.read(&bytes, |call| self.amount(call));
            let mut to = start + read as u64;
            if read == 0 && bytes.len() as u64 == left {
                if left < bytes_max {
                    return Ok(remaining);
                }
                // A line that is longer than `bytes_max` is skipped. A line with a usage is assumed to be shorter.
                match end_of_line(lines, start).map_err(&failed)? {
                    Some(end) => to = end,
                    None => return Ok(0),
                }
            }
            let skipped = is_skipped.then(|| uses.first().map_or_else(clock::now, |used| used.at));
            let is_idle = uses.is_empty() && skipped.is_none();
            let has_more = start + (bytes.len() as u64) < len;
            if to == from || is_idle && !has_more && to - from < IDLE_BYTES_MIN {
                return Ok(0);
            }
            let uses = uses.into_iter().map(|used| (used.at, used.amount, used.unknown));
            let uses: Vec<_> = uses.chain(skipped.map(|at| (at, 0, 1))).collect();
            self.meter(from, to, &uses, meter.state())?;
            left = left.saturating_sub(to - start);
        }
    }

    fn metered(&self) -> Result<Option<Metered>, Failure> {
        Ok(match self.unit {
            Unit::Usd => self.quota.budget(self.api)?.metered(self.source)?,
            _ => self.quota.metered(self.api, self.source)?,
        })
    }

    fn meter(&self, from: u64, to: u64, uses: &[(Timestamp, u64, u64)], state: String) -> Result<(), Failure> {
        let source = self.source.to_owned();
        match self.unit {
            Unit::Usd => {
                let usd = |pico: u64| Usd::from_pico(pico.into());
                let of = |&(at, amount, unknown): &_| ReadingUse { at, amount: usd(amount), unknown };
                let uses = uses.iter().map(of).collect();
                self.quota.budget(self.api)?.meter(Reading { source, from, to, uses, state })?;
            }
            _ => {
                let uses = uses.iter().map(|&(at, amount, unknown)| ReadingUse { at, amount, unknown }).collect();
                self.quota.meter(self.api, Reading { source, from, to, uses, state })?;
            }
        }
        Ok(())
    }

    /// Returns the amount of a call in pico-dollars (10⁻¹² dollars), tokens or calls. Returns `None` if it is unknown.
    fn amount(&self, call: &LlmCall) -> Option<u64> {
        match self.unit {
            Unit::Usd => {
                // `fill_costs` prices the calls of a record. So a temporary record gets this call.
                let at = call.cost.at.unwrap_or(Timestamp::UNIX_EPOCH);
                let mut record = ExecutionMetrics::new(Uuid::nil(), "", "", at);
                record.trace.llm_calls.push(call.clone());
                (self.fill_costs)(&mut record);
                u64::try_from(record.trace.llm_calls.first()?.exact_cost()?.pico()).ok()
            }
            Unit::Tokens => call.tokens_input?.checked_add(call.tokens_output?),
            _ => Some(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::sync::Arc;

    use runledger::quota::{Limits, QuotaOptions};
    use runledger::{PriceTable, QuotaStatus};

    use super::*;

    const LIMITS: &str = r#"[
        {"api": "usd", "limit": 100, "unit": "usd", "period": "day", "source": "us", "as_of": "2026-11-01"},
        {"api": "tokens", "limit": 1000000, "unit": "tokens", "period": "day", "source": "us", "as_of": "2026-11-01"},
        {"api": "all", "limit": 1000000, "unit": "tokens", "period": "total", "source": "us", "as_of": "2026-11-01"}]"#;
    const APIS: [&str; 3] = ["usd", "tokens", "all"];

    struct Fixture {
        directory: tempfile::TempDir,
        quota: Quota,
        created: Option<Timestamp>,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let quota = Self::open(&directory);
            Self { directory, quota, created: None }
        }

        fn open(directory: &tempfile::TempDir) -> Quota {
            let noon = || "2026-11-20T12:30:00Z".parse::<Timestamp>().unwrap().unix_ms();
            let options = QuotaOptions::new(Arc::new(noon)).limits(Limits::from_json(LIMITS).unwrap());
            Quota::open(directory.path().join("quota.jsonl"), options).unwrap()
        }

        fn append(&self, text: &str) {
            let path = self.directory.path().join("s-1.jsonl");
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn measure(&self, quota: &Quota, bytes_max: u64) -> u64 {
            let path = self.directory.path().join("s-1.jsonl");
            let format = MeterFormat::ClaudeCode;
            let (source, session) = ("claude-code s-1", Some("s-1"));
            let file = SessionFile { format, source, path: &path, session, created: self.created };
            let fill_costs = |record: &mut ExecutionMetrics| _ = PriceTable::bundled().unwrap().fill_costs(record);
            measure(quota, &APIS, &fill_costs, &file, bytes_max).unwrap().bytes
        }

        /// Returns three amounts: the dollars of the day, the tokens of the day, and the tokens of all days.
        fn used(&self) -> (String, u64, u64) {
            let status = |api| self.quota.status(api).unwrap().consumed;
            (self.usd().consumed.to_string(), status("tokens"), status("all"))
        }

        fn usd(&self) -> QuotaStatus<Usd> {
            self.quota.budget("usd").unwrap().status().unwrap()
        }

        fn lines(&self) -> usize {
            std::fs::read_to_string(self.directory.path().join("quota.jsonl")).unwrap().lines().count()
        }
    }

    fn line(at: &str, message: u32, model: &str, output: u32) -> String {
        format!(
            r#"{{"type":"assistant","sessionId":"s-1","requestId":"r{message}","timestamp":"{at}","message":{{"id":"msg_{message}","model":"{model}","content":[],"usage":{{"input_tokens":1000,"output_tokens":{output}}}}}}}"#
        ) + "\n"
    }

    const NOON: &str = "2026-11-20T12:00:00Z";
    const OPUS: &str = "claude-opus-4-5";

    #[test]
    fn each_byte_counts_once_for_each_limit() {
        let fixture = Fixture::new();
        assert_eq!(fixture.measure(&fixture.quota, BYTES_MAX), 0, "the file is missing");
        fixture.append(&line("2026-11-19T23:59:59Z", 1, OPUS, 100));
        fixture.append(&line(NOON, 2, OPUS, 200));
        let torn = line(NOON, 2, OPUS, 400);
        fixture.append(&torn[..100]);
        assert_eq!(fixture.measure(&fixture.quota, BYTES_MAX), 0);
        // Opus 4.5 costs $5 for a million input tokens, and $25 for a million output tokens. The call of yesterday does
        // not count today.
        assert_eq!(fixture.used(), ("0.01".to_owned(), 1_200, 2_300));
        let other = Fixture::open(&fixture.directory);
        fixture.measure(&other, BYTES_MAX);
        assert_eq!((fixture.used(), fixture.lines()), (("0.01".to_owned(), 1_200, 2_300), 3));
        fixture.append(&torn[100..]);
        fixture.measure(&other, BYTES_MAX);
        fixture.measure(&fixture.quota, BYTES_MAX);
        assert_eq!(fixture.used(), ("0.015".to_owned(), 1_400, 2_500));
    }

    /// A forked session begins with copies of the lines of the original session. The copies have the id of the fork,
    /// and their original times.
    #[test]
    fn calls_before_the_creation_of_the_file_do_not_count() {
        let fixture = Fixture { created: Some(NOON.parse().unwrap()), ..Fixture::new() };
        fixture.append(&line("2026-11-20T11:00:00Z", 1, OPUS, 100));
        fixture.append(&line("2026-11-20T11:59:57Z", 2, OPUS, 100));
        fixture.measure(&fixture.quota, BYTES_MAX);
        assert_eq!(fixture.used(), ("0".to_owned(), 0, 0));
        fixture.append(&line("2026-11-20T11:59:59Z", 3, OPUS, 100));
        fixture.append(&line("2026-11-20T12:00:01Z", 4, OPUS, 100));
        fixture.measure(&fixture.quota, BYTES_MAX);
        assert_eq!(fixture.used(), ("0.015".to_owned(), 2_200, 2_200));
    }

    #[test]
    fn the_cost_of_a_model_without_a_price_is_unknown() {
        let fixture = Fixture::new();
        fixture.append(&line(NOON, 1, "a-new-model", 100));
        fixture.append(&line(NOON, 1, "a-new-model", 150));
        fixture.measure(&fixture.quota, BYTES_MAX);
        assert_eq!(fixture.used(), ("0".to_owned(), 1_150, 1_150));
        assert_eq!(fixture.usd().unknown, 1);
    }

    #[test]
    fn one_measurement_counts_a_bounded_part() {
        let fixture = Fixture::new();
        let text: String = (0..100).map(|message| line(NOON, message, OPUS, 100)).collect();
        fixture.append(&text[..text.len() / 10]);
        let bytes_max = text.len() as u64 / 5;
        fixture.measure(&fixture.quota, bytes_max);
        fixture.append(&text[text.len() / 10..]);
        let mut remaining = text.len() as u64;
        while remaining > 0 {
            let now = fixture.measure(&fixture.quota, bytes_max);
            assert!(now < remaining && now + 2 * bytes_max > remaining, "{now} of {remaining}");
            remaining = now;
        }
        assert_eq!(fixture.used(), ("0.75".to_owned(), 110_000, 110_000));
    }

    #[test]
    fn only_the_end_of_a_long_new_file_is_read_and_the_rest_is_unknown() {
        let fixture = Fixture::new();
        let text: String = (0..100).map(|message| line(NOON, message, OPUS, 100)).collect();
        fixture.append(&text);
        let last = text.len() - text.split_inclusive('\n').rev().take(10).map(str::len).sum::<usize>();
        assert_eq!(fixture.measure(&fixture.quota, (text.len() - last) as u64 + 5), 0);
        assert_eq!(fixture.used(), ("0.075".to_owned(), 11_000, 11_000));
        assert_eq!((fixture.usd().unknown, fixture.quota.status("all").unwrap().unknown), (1, 1));
    }

    #[test]
    fn a_line_that_is_longer_than_bytes_max_is_skipped() {
        let fixture = Fixture::new();
        fixture.append(&line(NOON, 1, OPUS, 100));
        fixture.measure(&fixture.quota, 1_000);
        fixture.append(&format!("{{\"type\":\"user\",\"text\":\"{}\"}}\n", "x".repeat(5_000)));
        fixture.append(&line(NOON, 2, OPUS, 100));
        fixture.measure(&fixture.quota, 1_000);
        assert_eq!(fixture.measure(&fixture.quota, 1_000), 0);
        assert_eq!(fixture.used(), ("0.015".to_owned(), 2_200, 2_200));
    }

    #[test]
    fn a_replaced_file_is_another_source_and_a_shorter_one_waits() {
        let fixture = Fixture::new();
        let path = fixture.directory.path().join("s-1.jsonl");
        fixture.append(&line(NOON, 1, OPUS, 100));
        fixture.append(&line(NOON, 2, OPUS, 100));
        fixture.measure(&fixture.quota, BYTES_MAX);
        std::fs::write(&path, line(NOON, 1, OPUS, 100)).unwrap();
        fixture.measure(&fixture.quota, BYTES_MAX);
        assert_eq!(fixture.used(), ("0.015".to_owned(), 2_200, 2_200));
        std::fs::write(&path, line(NOON, 3, OPUS, 100)).unwrap();
        fixture.measure(&fixture.quota, BYTES_MAX);
        assert_eq!(fixture.used(), ("0.0225".to_owned(), 3_300, 3_300));
    }

    #[test]
    fn a_directory_is_not_opened() {
        let fixture = Fixture::new();
        std::fs::create_dir(fixture.directory.path().join("s-1.jsonl")).unwrap();
        assert_eq!(fixture.measure(&fixture.quota, BYTES_MAX), 0);
        assert_eq!(fixture.lines(), 0);
    }

    /// A forked session begins with copies of another session's calls. Without the time of the creation, they cannot be
    /// distinguished from its own calls. This is reported once.
    #[test]
    fn a_file_whose_creation_is_unknown_is_reported_once() {
        for (created, expected) in [(None, [true, false]), (Some(Timestamp::UNIX_EPOCH), [false, false])] {
            let fixture = Fixture { created, ..Fixture::new() };
            fixture.append(&line(NOON, 1, OPUS, 100));
            let path = fixture.directory.path().join("s-1.jsonl");
            let may_repeat = || {
                let (format, session) = (MeterFormat::ClaudeCode, Some("s-1"));
                let file = SessionFile { format, source: "s-1", path: &path, session, created };
                measure(&fixture.quota, &["tokens"], &|_| (), &file, BYTES_MAX).unwrap().may_repeat
            };
            assert_eq!([may_repeat(), may_repeat()], expected, "{created:?}");
        }
    }
}
