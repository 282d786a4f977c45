//! A moment in time, as records store it.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text::shortened;
use crate::error::{Error, ErrorKind};

/// A moment in UTC with microsecond precision, in the years 0 to 9999. It is written with three decimals, as in
/// `2026-02-14T14:23:00.000Z`. If it is not a whole number of milliseconds, it is written with six decimals.
///
/// Any RFC 3339 text in these years can be read. The colon in its offset may be missing (`+0530`). The time is
/// converted to UTC, and digits beyond microseconds are dropped. A leap second such as `23:59:60` is read as the
/// start of the next second.
///
/// ```
/// let t: runledger::Timestamp = "2026-02-14T15:23:00.123+01:00".parse()?;
/// assert_eq!(t.to_string(), "2026-02-14T14:23:00.123Z");
/// let t: runledger::Timestamp = "2026-02-14T15:23:00.1234567+01:00".parse()?;
/// assert_eq!(t.to_string(), "2026-02-14T14:23:00.123456Z");
/// let leap: runledger::Timestamp = "2016-12-31T23:59:60.5Z".parse()?;
/// assert_eq!(leap.to_string(), "2017-01-01T00:00:00.000Z");
/// # Ok::<(), runledger::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_us: i64,
}

/// From 0000-01-01T00:00:00.000Z to 9999-12-31T23:59:59.999999Z, the range of a year with four digits.
const RANGE_US: std::ops::RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_300_799_999_999;

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const UNIX_EPOCH: Self = Self { unix_us: 0 };

    /// Returns the moment `unix_ms` milliseconds after 1970-01-01T00:00:00Z; `None` if it is not in the years 0 to
    /// 9999.
    pub fn from_unix_ms(unix_ms: i64) -> Option<Self> {
        Self::from_unix_us(unix_ms.checked_mul(1_000)?)
    }

    /// Returns the moment `unix_us` microseconds after 1970-01-01T00:00:00Z; `None` if it is not in the years 0 to
    /// 9999.
    pub fn from_unix_us(unix_us: i64) -> Option<Self> {
        RANGE_US.contains(&unix_us).then_some(Self { unix_us })
    }

    /// Returns the whole milliseconds since 1970-01-01T00:00:00Z, rounded down. The number is negative for a moment
    /// before that.
    pub fn unix_ms(self) -> i64 {
        self.unix_us.div_euclid(1_000)
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z. The number is negative for a moment before that.
    pub fn unix_us(self) -> i64 {
        self.unix_us
    }

    /// Returns the moment `ms` milliseconds later. Adds only as many milliseconds as fit before the end of the year
    /// 9999.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        let unix_us = self.unix_us.saturating_add_unsigned(ms.saturating_mul(1_000));
        let last_us = *RANGE_US.end() - 999 + self.unix_us.rem_euclid(1_000);
        Self { unix_us: unix_us.min(last_us) }
    }

    /// Returns the whole milliseconds since `earlier`, rounded down. Returns `None` if `earlier` is actually later
    /// than this moment. This can happen if a clock was set back.
    ///
    /// ```
    /// use runledger::Timestamp;
    ///
    /// let [start, end] = [1_000, 1_250].map(|ms| Timestamp::from_unix_ms(ms).expect("in range"));
    /// assert_eq!((end.ms_since(start), start.ms_since(end)), (Some(250), None));
    /// ```
    pub fn ms_since(self, earlier: Self) -> Option<u64> {
        u64::try_from(self.unix_us - earlier.unix_us).ok().map(|us| us / 1_000)
    }

    /// Returns the same moment as a type of chrono.
    pub fn to_chrono(self) -> DateTime<Utc> {
        // The default is never used, because chrono's range of 262 thousand years includes `RANGE_US`.
        DateTime::from_timestamp_micros(self.unix_us).unwrap_or_default()
    }
}

impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = Error;

    /// Drops digits beyond microseconds, and converts a leap second to the start of the next second.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`] outside the years 0 to 9999.
    fn try_from(time: DateTime<Utc>) -> Result<Self, Error> {
        // chrono represents a moment in a leap second as the previous second with 1,000,000 µs or more.
        let leap_us = i64::from(time.timestamp_subsec_micros()) - 1_000_000;
        Self::from_unix_us(time.timestamp_micros() - leap_us.max(0)).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "convert a time").detail(format!("{time} is not in the years 0 to 9999"))
        })
    }
}

impl Timestamp {
    /// Writes the moment into `place`, and returns the text. The text has 24 bytes, or 27 bytes if the moment is not
    /// a whole number of milliseconds. Every record contains several timestamps, so this method avoids the slower
    /// formatter of chrono.
    fn text(self, place: &mut [u8; 27]) -> &[u8] {
        let t = self.to_chrono();
        let (ms, us) = (t.timestamp_subsec_micros() / 1_000, t.timestamp_subsec_micros() % 1_000);
        *place = *b"0000-00-00T00:00:00.000000Z";
        put_digits(&mut place[0..4], t.year().unsigned_abs());
        put_digits(&mut place[5..7], t.month());
        put_digits(&mut place[8..10], t.day());
        put_digits(&mut place[11..13], t.hour());
        put_digits(&mut place[14..16], t.minute());
        put_digits(&mut place[17..19], t.second());
        put_digits(&mut place[20..23], ms);
        if us == 0 {
            place[23] = b'Z';
            return &place[..24];
        }
        put_digits(&mut place[23..26], us);
        place
    }
}

impl Timestamp {
    /// Reads a text in exactly the form with 24 bytes that [`text`](Self::text) writes. Returns `None` for any other
    /// form, and for a leap second.
    pub(super) fn from_written(text: &[u8; 24]) -> Option<Self> {
        const ZERO: &[u8; 24] = b"0000-00-00T00:00:00.000Z";
        // XOR with `ZERO` turns a digit into its value, and any other expected character into 0. So each resulting byte
        // has a limit: 9 where a digit is expected, and 0 elsewhere. Adding 127 minus the limit sets the highest bit of
        // each byte that exceeds its limit, if the byte is below 128. Higher bytes have this bit already. Eight bytes
        // are checked at once.
        let mut pairs = [0; 24];
        let mut wrong = 0;
        for ((eight, zero), place) in text.as_chunks().0.iter().zip(ZERO.as_chunks().0).zip(pairs.as_chunks_mut().0) {
            let above = u64::from_le_bytes(*eight) ^ u64::from_le_bytes(*zero);
            let room = u64::from_le_bytes(zero.map(|byte| if byte == b'0' { 127 - 9 } else { 127 }));
            // Only a wrong byte can carry into the next byte. The text is refused in this case anyway.
            wrong |= (above.wrapping_add(room) | above) & u64::from_ne_bytes([0x80; 8]);
            // Each byte becomes the two-digit number that begins at this byte. The number is at most 99, so there is no
            // carry into the next byte. (If the text is invalid, the result is not used.)
            *place = above.wrapping_mul(10).wrapping_add(above >> 8).to_le_bytes();
        }
        // Both digits of each two-digit number that is read here are in the same group of eight bytes.
        let two = |at: usize| u32::from(pairs[at]);
        let (year, month, day) = (two(0) * 100 + two(2), two(5), two(8));
        let (hour, minute, second) = (two(11), two(14), two(17));
        let ms = two(20) * 10 + two(21) % 10;
        let right = wrong == 0 && (1..=12).contains(&month) && day != 0 && hour < 24 && minute < 60 && second < 60;
        // Every month has at least 28 days.
        if !right || day > 28 && day > days_of_month(year, month) {
            return None;
        }
        // Years are counted from March here, so the leap day is at the end of a year. Each group of five months from
        // March on has 153 days. A leap day is added every fourth year, except in three of four century years.
        let (years, months) = if month > 2 { (year + 4800, month - 3) } else { (year + 4799, month + 9) };
        let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1;
        let minutes = (i64::from(days) - DAYS_BEFORE_1970) * 1_440 + i64::from(hour * 60 + minute);
        Some(Self { unix_us: (minutes * 60_000 + i64::from(second * 1_000 + ms)) * 1_000 })
    }

    /// Like [`from_written`](Self::from_written), but reads the form with 27 bytes.
    pub(super) fn from_written_with_us(text: &[u8; 27]) -> Option<Self> {
        let ([whole @ .., a], us) = text.split_first_chunk::<24>()?;
        let [b, c, b'Z'] = *us else { return None };
        let mut short = [b'Z'; 24];
        short[..23].copy_from_slice(whole);
        let digits = [*a, b, c];
        let us = digits.iter().fold(0, |us, digit| us * 10 + i64::from(digit.wrapping_sub(b'0')));
        let time = Self::from_written(&short).filter(|_| digits.iter().all(u8::is_ascii_digit))?;
        Some(Self { unix_us: time.unix_us + us })
    }

    /// Like [`from_written`](Self::from_written), but faster if `text` is in the same minute as `read`, which is the
    /// beginning of a text that was read before. `time` is the moment that this text states. This helps because an
    /// execution often ends in the minute in which it started.
    pub(super) fn from_written_beside(text: &[u8; 24], (read, time): (&[u8; 24], Self)) -> Option<Self> {
        let (minute, rest) = text.split_at(17);
        let [a @ b'0'..=b'5', b, b'.', c, d, e, b'Z'] = *rest else { return Self::from_written(text) };
        let digits = [b, c, d, e];
        if minute != &read[..17] || !digits.iter().all(u8::is_ascii_digit) {
            return Self::from_written(text);
        }
        let ms = digits.iter().fold(u32::from(a - b'0'), |ms, digit| ms * 10 + u32::from(digit - b'0'));
        Some(Self { unix_us: time.unix_us - time.unix_us.rem_euclid(60_000_000) + i64::from(ms) * 1_000 })
    }
}

fn days_of_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The number of days from 1 March of the year −4800 to 1 January 1970.
const DAYS_BEFORE_1970: i64 = 2_472_632;

/// Fills `places` with the last decimal digits of `number`.
fn put_digits(places: &mut [u8], mut number: u32) {
    for place in places.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(std::str::from_utf8(self.text(&mut [0; 27])).map_err(|_| fmt::Error)?)
    }
}

impl From<Timestamp> for DateTime<Utc> {
    /// Returns the same moment, like [`to_chrono`](Timestamp::to_chrono).
    fn from(time: Timestamp) -> Self {
        time.to_chrono()
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads an RFC 3339 text. The colon in its offset may be missing.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Malformed`] if the text has a different form or an impossible date. Fails with
    /// [`ErrorKind::Invalid`] if the moment is outside the years 0 to 9999 in UTC.
    fn from_str(text: &str) -> Result<Self, Error> {
        let time = DateTime::parse_from_rfc3339(&with_colon(text)).map_err(|source| {
            Error::new(ErrorKind::Malformed, "read a time")
                .detail(format!("expected RFC 3339 such as 2026-02-14T14:23:00.000Z, found {}", shortened(text)))
                .source(source)
        })?;
        time.with_timezone(&Utc).try_into()
    }
}

/// Adds the colon to an offset without a colon, such as `+0530`. RFC 3339 requires the colon, but many programs omit
/// it.
fn with_colon(text: &str) -> Cow<'_, str> {
    match text.as_bytes() {
        [.., b'+' | b'-', a, b, c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()) => {
            let (before, minutes) = text.split_at(text.len() - 2);
            Cow::Owned(format!("{before}:{minutes}"))
        }
        _ => Cow::Borrowed(text),
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_the_years_with_four_digits() {
        let first = Timestamp::from_unix_us(*RANGE_US.start()).map(|t| t.to_string());
        let last = Timestamp::from_unix_us(*RANGE_US.end()).map(|t| t.to_string());
        assert_eq!(first.as_deref(), Some("0000-01-01T00:00:00.000Z"));
        assert_eq!(last.as_deref(), Some("9999-12-31T23:59:59.999999Z"));
        assert_eq!(Timestamp::from_unix_us(RANGE_US.start() - 1), None);
        assert_eq!(Timestamp::from_unix_us(RANGE_US.end() + 1), None);
        let [first_ms, last_ms] = [RANGE_US.start(), RANGE_US.end()].map(|us| us.div_euclid(1_000));
        assert_eq!(Timestamp::from_unix_ms(last_ms).unwrap().to_string(), "9999-12-31T23:59:59.999Z");
        let outside = [first_ms - 1, last_ms + 1, i64::MIN, i64::MAX].map(Timestamp::from_unix_ms);
        assert_eq!(outside, [None; 4]);
        assert_eq!("1969-12-31T23:59:59.999Z".parse::<Timestamp>().unwrap().unix_ms(), -1);
        let [last, exact] = [0, 1].map(|us| Timestamp::from_unix_us(us).unwrap().plus_ms(u64::MAX).to_string());
        assert_eq!([last, exact], ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999001Z"]);
    }

    #[test]
    fn microseconds_are_kept_and_milliseconds_are_rounded_down() {
        for (text, utc, (unix_ms, unix_us)) in [
            ("1970-01-01T00:00:00.123456Z", "1970-01-01T00:00:00.123456Z", (123, 123_456)),
            ("1970-01-01T00:00:00.123Z", "1970-01-01T00:00:00.123Z", (123, 123_000)),
            ("1970-01-01T00:00:00.123000Z", "1970-01-01T00:00:00.123Z", (123, 123_000)),
            ("1970-01-01T00:00:00.1Z", "1970-01-01T00:00:00.100Z", (100, 100_000)),
            ("1970-01-01T00:00:00.1234Z", "1970-01-01T00:00:00.123400Z", (123, 123_400)),
            ("1970-01-01T01:00:00.000001+01:00", "1970-01-01T00:00:00.000001Z", (0, 1)),
            ("1970-01-01T00:00:00.1234569Z", "1970-01-01T00:00:00.123456Z", (123, 123_456)),
            ("1970-01-01T00:00:00.123456789123Z", "1970-01-01T00:00:00.123456Z", (123, 123_456)),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z", (-1, -1)),
            ("1969-12-31T23:59:59.998999Z", "1969-12-31T23:59:59.998999Z", (-2, -1_001)),
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!((time.to_string().as_str(), time.unix_ms(), time.unix_us()), (utc, unix_ms, unix_us), "{text}");
        }
        let [a, b, c] = [1_999, 2_001, 3_000].map(|us| Timestamp::from_unix_us(us).unwrap());
        assert!(a < b && b < c);
        assert_eq!([b.ms_since(a), c.ms_since(a), c.ms_since(b), a.ms_since(b)], [Some(0), Some(1), Some(0), None]);
        assert_eq!(a.plus_ms(1).unix_us(), 2_999);
    }

    fn read(text: &str) -> Option<String> {
        text.parse::<Timestamp>().ok().map(|time| time.to_string())
    }

    #[test]
    fn an_offset_may_have_no_colon() {
        for (text, utc) in [
            ("2026-02-14T14:23:00+0000", "2026-02-14T14:23:00.000Z"),
            ("2026-02-14T14:23:00.5-0530", "2026-02-14T19:53:00.500Z"),
            ("2026-02-14T14:23:00+05:30", "2026-02-14T08:53:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(utc), "{text}");
        }
        for text in [
            "2026-02-14T14:23:00+053",
            "2026-02-14T14:23:00+05300",
            "2026-02-14T14:23:00+0560",
            "2026-0214",
            "+0000",
            "é+0000",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_read_as_the_start_of_the_next_second() {
        for (text, utc) in [
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
            ("2016-12-31T23:59:60.999Z", "2017-01-01T00:00:00.000Z"),
            ("2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.000Z"),
            ("2016-12-31T12:30:60Z", "2016-12-31T12:31:00.000Z"),
            ("2016-12-31T23:59:59.999Z", "2016-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(utc), "{text}");
        }
        assert_eq!((read("2016-12-31T23:59:61Z"), read("9999-12-31T23:59:60Z")), (None, None));
    }

    /// Generates moments with milliseconds, and moments with microseconds.
    fn moments() -> impl proptest::strategy::Strategy<Value = Timestamp> {
        use proptest::strategy::Strategy;
        let whole = RANGE_US.prop_map(|us| us - us.rem_euclid(1_000));
        proptest::prop_oneof![whole, RANGE_US].prop_map(|us| Timestamp::from_unix_us(us).unwrap())
    }

    /// The text of a moment without its microseconds.
    fn short(time: Timestamp) -> [u8; 24] {
        let whole = Timestamp::from_unix_ms(time.unix_ms()).unwrap();
        whole.text(&mut [0; 27]).try_into().unwrap()
    }

    proptest::proptest! {
        #[test]
        fn every_moment_is_read_back_and_is_written_as_chrono_writes_it(time in moments()) {
            let text = time.to_string();
            proptest::prop_assert_eq!(text.parse::<Timestamp>().unwrap(), time);
            proptest::prop_assert_eq!(Timestamp::try_from(time.to_chrono()).unwrap(), time);
            let is_whole = time.unix_us % 1_000 == 0;
            let written = match text.as_bytes().try_into() {
                Ok(long) => Timestamp::from_written_with_us(long),
                Err(_) => Timestamp::from_written(text.as_bytes().try_into().unwrap()),
            };
            proptest::prop_assert_eq!(written, Some(time));
            let form = if is_whole { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
            proptest::prop_assert_eq!(text, time.to_chrono().format(form).to_string());
        }

        #[test]
        fn moments_are_ordered_by_their_microseconds(a in moments(), b in moments()) {
            let [long_a, long_b] = [a, b].map(|time| time.to_chrono().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
            proptest::prop_assert_eq!(a.cmp(&b), long_a.cmp(&long_b));
            proptest::prop_assert_eq!(a.ms_since(b), u64::try_from(a.unix_us - b.unix_us).ok().map(|us| us / 1_000));
        }

        #[test]
        fn the_fast_parser_of_microseconds_reads_like_the_rfc_3339_parser(text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9][.][0-9]{6}Z") {
            let written = Timestamp::from_written_with_us(text.as_bytes().try_into().unwrap());
            proptest::prop_assert_eq!(written, text.parse().ok());
        }

        #[test]
        fn a_long_text_with_a_changed_byte_is_not_misread(unix_us in RANGE_US, at in 0..27_usize, byte: u8) {
            let mut text = *b"0000-00-00T00:00:00.000000Z";
            Timestamp::from_unix_us(unix_us).unwrap().text(&mut text);
            text[at] = byte;
            let expected = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            let written = Timestamp::from_written_with_us(&text);
            proptest::prop_assert!(written.is_none() || written == expected, "{:?}", text);
        }

        /// The fast parser must refuse leap seconds, because only the general parser reads them.
        #[test]
        fn the_fast_parser_reads_a_text_like_the_rfc_3339_parser(text in "([0-9]{2}00|202[0-9]|[0-9]{4})-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9][.][0-9]{3}Z") {
            let written = Timestamp::from_written(text.as_bytes().try_into().unwrap());
            let expected = text.parse::<Timestamp>().ok().filter(|_| &text[17..19] != "60");
            proptest::prop_assert_eq!(written, expected);
        }

        #[test]
        fn a_text_with_a_changed_byte_is_not_misread(time in moments(), at in 0..24_usize, byte: u8) {
            let mut text = short(time);
            text[at] = byte;
            let expected = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            let written = Timestamp::from_written(&text);
            proptest::prop_assert!(written.is_none() || written == expected, "{:?}", text);
        }

        /// `text` is up to 100 seconds later than `read`. Sometimes one of its bytes is replaced.
        #[test]
        fn a_known_time_does_not_change_how_a_text_is_read(
            read in moments(),
            later_ms in 0..100_000_u64,
            at in 0..24_usize,
            byte in proptest::option::weighted(0.3, proptest::num::u8::ANY),
        ) {
            let mut text = short(read.plus_ms(later_ms));
            byte.into_iter().for_each(|byte| text[at] = byte);
            let beside = Timestamp::from_written_beside(&text, (&short(read), read));
            proptest::prop_assert_eq!(beside, Timestamp::from_written(&text));
        }
    }

    /// Checks every day of 400 years and 60 days. The calendar repeats after 400 years.
    #[test]
    fn every_day_of_400_years_is_read() {
        let day_ms = 86_400_000;
        let first: Timestamp = "1999-12-01T00:00:00.000Z".parse().unwrap();
        let mut days = 0;
        while days < 146_097 + 60 {
            let time = first.plus_ms(days * day_ms);
            assert_eq!(Timestamp::from_written(&short(time)), Some(time));
            days += 1;
        }
    }

    /// Checks dates that exist and dates that do not.
    #[test]
    fn dates_of_leap_years_and_other_years_are_checked() {
        for (year, month, day) in
            [1900, 2000, 2023, 2024].iter().flat_map(|year| (0..1600).map(move |date| (year, date / 80, date % 80)))
        {
            let text = format!("{year}-{month:02}-{day:02}T00:00:00.000Z");
            let written = Timestamp::from_written(text.as_bytes().try_into().unwrap());
            assert_eq!(written, text.parse().ok(), "{text}");
        }
    }
}
