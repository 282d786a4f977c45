//! Random values of the keys of a record, by the schema that `runledger schema record` prints.

use serde_json::{Map, Value, json};

use super::random::Random;

/// The first microsecond of February 2026, since 1970.
const MONTH_US: i64 = 1_769_904_000_000_000;
const DAY_US: i64 = 86_400_000_000;

const TEXTS: [&str; 12] = [
    "draw",
    "a b",
    "",
    " ",
    "über 日本語",
    "\u{1f600} \u{0301}",
    "\"quoted\" \\ back",
    "line\nfeed\r\ttab",
    "\u{0}\u{1f}\u{7f}\u{2028}",
    "null",
    "0.1",
    "{\"seq\":1,\"hash\":\"\"}",
];

/// Returns a value that the schema of a key allows. `name` is the key.
pub(super) fn value(random: &mut Random, name: &str, schema: &Value) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return random.pick(words).clone();
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    if types.contains(&"null") && random.one_in(6) {
        return Value::Null;
    }
    let pattern = schema["pattern"].as_str().unwrap_or_default();
    match types[0] {
        "string" if schema["format"] == "uuid" => random.id().into(),
        "string" if schema["format"] == "date-time" => time(random, 0).into(),
        "string" if pattern == "\\S" => format!("s{}", random.pick(&TEXTS)).into(),
        "string" if pattern.starts_with("^[0-9a-f]{") => {
            let digits = pattern.trim_start_matches("^[0-9a-f]{").trim_end_matches("}$").parse().unwrap();
            random.hex(digits).into()
        }
        "string" if name == "error_reason" && random.one_in(4) => "ä€".repeat(random.below(400)).into(),
        "string" => (*random.pick(&TEXTS)).into(),
        "boolean" => random.one_in(2).into(),
        "integer" if name == "error_code" => random.pick(&[json!(i64::MIN), json!(-1), json!(0), json!(7)]).clone(),
        "integer" => count(random, name).into(),
        "number" if name.ends_with("_usd") => amount(random),
        "number" => {
            let max = schema["maximum"].as_f64().unwrap_or(1e9);
            json!(max * random.below(10_001) as f64 / 10_000.0)
        }
        "array" => (0..random.below(3)).map(|_| value(random, "", &schema["items"])).collect(),
        "object" if schema.get("properties").is_some() => object(random, schema, 2).into(),
        "object" if schema["additionalProperties"]["type"] == "string" => {
            let entry = |random: &mut Random| (format!("k{}", random.below(3)), (*random.pick(&TEXTS)).into());
            (0..random.below(3)).map(|_| entry(random)).collect::<Map<_, _>>().into()
        }
        "object" => (0..random.below(4)).map(|at| (format!("t{at}"), any(random, 3))).collect::<Map<_, _>>().into(),
        other => panic!("the schema has a type that the test does not know: {other}"),
    }
}

/// Returns an object with the required keys and one in `times` of the others.
pub(super) fn object(random: &mut Random, schema: &Value, times: usize) -> Map<String, Value> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut object = Map::new();
    for (key, schema) in schema["properties"].as_object().unwrap() {
        if ["seq", "prev", "hash"].contains(&key.as_str()) {
            continue;
        }
        if required.contains(&key.as_str()) || random.one_in(times) {
            object.insert(key.clone(), value(random, key, schema));
        }
    }
    object
}

/// Returns any JSON value.
fn any(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => random.one_in(2).into(),
        2 => (random.next() as i64 >> random.below(64)).into(),
        3 => json!(random.below(1_000_000) as f64 / 64.0),
        4 => (*random.pick(&TEXTS)).into(),
        5 => (0..random.below(3)).map(|_| any(random, depth - 1)).collect(),
        _ => (0..random.below(3)).map(|at| (format!("k{at}"), any(random, depth - 1))).collect::<Map<_, _>>().into(),
    }
}

/// Returns a count. A part of a usage is smaller than its whole.
fn count(random: &mut Random, name: &str) -> u64 {
    let step = match name {
        "cache_write_1h" | "cache_read_audio" | "cache_read_image" | "annotated_pages" => 0,
        "cache_read" | "cache_write" | "input_audio" | "input_image" | "input_video" | "reasoning" | "citation"
        | "output_audio" | "output_image" | "output_video" | "pages" => 1_000,
        "tokens_input" | "tokens_output" => 1_000_000,
        _ if random.one_in(8) => return *random.pick(&[0, 1, u64::MAX - 1, u64::MAX]),
        _ => 0,
    };
    step + random.below(100) as u64
}

/// Returns an amount of at most 12 decimals, as a number or a string.
pub(super) fn amount(random: &mut Random) -> Value {
    let pico = random.next() % 10_u64.pow(1 + random.below(14) as u32);
    let text = usd(u128::from(pico));
    if random.one_in(2) { text.into() } else { serde_json::from_str(&text).unwrap() }
}

/// Returns an amount, which is given in units of 10⁻¹² US dollars, in US dollars without trailing zeros.
pub(super) fn usd(pico: u128) -> String {
    let text = format!("{}.{:012}", pico / 10_u128.pow(12), pico % 10_u128.pow(12));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Returns the number of 10⁻¹² US dollars in an amount that is a number or a string.
pub(super) fn pico(amount: &Value) -> u128 {
    let text = match amount {
        Value::String(text) => text.clone(),
        number => format!("{:.12}", number.as_f64().unwrap()),
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}{decimals:0<12}").parse().unwrap()
}

/// Returns a time in February 2026 that is later than the first `days` days, in one of several forms of
/// RFC 3339.
pub(super) fn time(random: &mut Random, days: i64) -> String {
    let unit = *random.pick(&[1_000_000, 1_000, 1]);
    let us = (DAY_US * (1 + days) + random.next() as i64 % (DAY_US / 2)) / unit * unit;
    let offset_minutes = *random.pick(&[0, 0, 60, -330]);
    let local = us + offset_minutes * 60_000_000;
    let (seconds, fraction) = (local / 1_000_000, local % 1_000_000);
    let (day, hour, minute) = (1 + seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let mut text = format!("2026-02-{day:02}T{hour:02}:{minute:02}:{:02}", seconds % 60);
    if fraction != 0 {
        text += format!(".{fraction:06}").trim_end_matches('0');
    }
    match offset_minutes {
        0 => text += "Z",
        minutes => {
            let sign = if minutes < 0 { '-' } else { '+' };
            text += &format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        }
    }
    text
}

/// Returns the microseconds since 1970 of a time in February 2026.
pub(super) fn unix_us(time: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| time[range].parse::<i64>().unwrap();
    assert_eq!(&time[..8], "2026-02-", "{time}");
    let seconds = ((number(8..10) - 1) * 24 + number(11..13)) * 3_600 + number(14..16) * 60 + number(17..19);
    let rest = &time[19..];
    let end = rest.find(['Z', '+', '-']).unwrap();
    let fraction = format!("{:0<6}", rest[..end].trim_start_matches('.'));
    let offset = match &rest[end..] {
        "Z" => 0,
        offset => {
            let minutes = offset[1..3].parse::<i64>().unwrap() * 60 + offset[4..6].parse::<i64>().unwrap();
            if offset.starts_with('-') { -minutes } else { minutes }
        }
    };
    MONTH_US + seconds * 1_000_000 + fraction.parse::<i64>().unwrap() - offset * 60_000_000
}
