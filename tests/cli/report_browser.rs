//! The page of `runledger report` in a real browser, at three widths, light and dark. Nothing overlaps, is clipped or
//! overflows, and all text has enough contrast. The page loads nothing from elsewhere, and its tables can be sorted.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::children::has_tool;
use crate::commands::{Place, record, time, usd};
use crate::report::{HOSTILE, many, page};
use runledger::metrics::{ErrorCategory, Status};
use runledger::quota::{Limits, QuotaOptions};
use runledger::{ExecutionMetrics, Quota, Usage, hash_bytes};
use serde_json::Value;

pub(super) const WIDTHS: [u32; 3] = [390, 1280, 1920];

/// Examines the page, and sends what it found to the page around it.
const CHECK: &str = r##"
const faults = [];
const say = (what, text) => faults.push(`${what}: ${String(text).trim().slice(0, 60)}`);
const root = document.documentElement;
if (root.scrollWidth > innerWidth) say("overflow", root.scrollWidth);
if (performance.getEntriesByType("resource").length > 0) say("request", performance.getEntriesByType("resource")[0].name);
const hidden = (element) => element.closest("script, style, caption, .away, svg, .ys b") ||
  getComputedStyle(element).visibility === "hidden" || (innerWidth <= 720 && element.closest("thead"));
const luminance = (rgb) => rgb.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const colour = (text) => text.match(/[\d.]+/g).map(Number);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const found = colour(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found.slice(0, 3);
  }
  return [255, 255, 255];
};
const boxes = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, element = node.parentElement;
  if (!node.data.trim() || hidden(element)) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  for (const box of range.getClientRects()) {
    if (box.width === 0) continue;
    if (box.left < -0.5 || box.right > innerWidth + 0.5) say("outside", node.data);
    for (let at = element; at && at !== document.body; at = at.parentElement) {
      const outer = at.getBoundingClientRect();
      if (getComputedStyle(at).overflow !== "visible" && (box.right > outer.right + 1 || box.bottom > outer.bottom + 1)) say("clipped", node.data);
    }
    boxes.push([box, node]);
  }
  const style = getComputedStyle(element);
  const [one, other] = [luminance(colour(style.color).slice(0, 3)), luminance(behind(element))];
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (contrast < 4.5) say(`contrast ${contrast.toFixed(2)}`, node.data);
}
for (const [at, [a, one]] of boxes.entries()) {
  for (const [b, other] of boxes.slice(at + 1)) {
    const [across, down] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
    if (one !== other && across > 1 && down > 3) say("overlap", `${one.data} | ${other.data}`);
  }
}
for (const table of document.querySelectorAll("table")) {
  const heading = table.tHead.rows[0].cells[table.tHead.rows[0].cells.length > 2 ? 2 : 1], button = heading.querySelector("button");
  if (!button) { say("no button", heading.textContent); continue; }
  const keys = () => [...table.tBodies[0].rows].map((row) => row.cells[heading.cellIndex]).map((cell) => cell.dataset.key ?? cell.textContent);
  const before = keys().sort().join();
  button.click();
  const numbers = keys().map(Number);
  const sorts = numbers.some(Number.isNaN) || numbers.every((key, at) => at === 0 || numbers[at - 1] >= key);
  if (heading.getAttribute("aria-sort") !== "descending" || !sorts || keys().sort().join() !== before) say("not sorted", heading.textContent);
}
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
parent.postMessage(JSON.stringify({ page: location.pathname.split("/").pop(), width: innerWidth, dark, texts: boxes.length, height: root.scrollHeight, faults: faults.slice(0, 20) }), "*");
"##;

/// Shows the page at all widths, and collects what the examination found.
const FRAMES: &str = r#"<!doctype html><meta charset="utf-8"><meta name="color-scheme" content="light dark"><body>
<script>const found = []; addEventListener("message", (event) => { found.push(event.data); document.getElementById("found").textContent = "[" + found.join() + "]"; });</script>
<pre id="found"></pre>FRAMES</body>"#;

pub(super) fn base64(hex: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: String =
        hex.chars().map(|digit| format!("{:04b}", digit.to_digit(16).unwrap())).collect::<String>() + "00";
    (0..43)
        .map(|at| char::from(DIGITS[usize::from_str_radix(&bits[at * 6..at * 6 + 6], 2).unwrap()]))
        .collect::<String>()
        + "="
}

/// Returns the command of the browser without a window.
pub(super) fn browser(directory: &Path, dark: bool) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["120", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--disable-background-networking", "--disable-component-update", "--no-first-run"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", directory.join("profile").display()))
        .arg(format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 }));
    command
}

/// Runs the browser. Returns the document after its scripts ran, and what the browser logged.
fn browse(directory: &Path, file: &str, dark: bool) -> (String, String) {
    let output = browser(directory, dark)
        .args(["--window-size=1920,1080", "--dump-dom"])
        .arg(format!("file://{}", directory.join(file).display()))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let log = text(&output.stderr);
    assert!(output.status.success(), "{log}");
    (text(&output.stdout), log)
}

/// Returns what the examination found in each page at each width: first in light mode, and then in dark mode.
fn examine(place: &Place, pages: &[String]) -> Vec<Value> {
    let directory = place.directory.path();
    // The policy of a copy allows the examination too.
    let allowed = format!("script-src 'sha256-{}' ", base64(&hash_bytes(CHECK.as_bytes())));
    let mut frames = String::new();
    for (number, page) in pages.iter().enumerate() {
        let copy = page.replacen("script-src ", &allowed, 1);
        let copy = copy.replacen("</body>", &format!("<script>{CHECK}</script></body>"), 1);
        assert!(copy.contains(&allowed) && copy.contains(CHECK));
        fs::write(directory.join(format!("copy-{number}.html")), copy).unwrap();
        for width in WIDTHS {
            let size = format!("width=\"{width}\" height=\"900\" style=\"border:0\"");
            frames += &format!("<iframe src=\"copy-{number}.html\" {size}></iframe>");
        }
    }
    fs::write(directory.join("frames.html"), FRAMES.replace("FRAMES", &frames)).unwrap();
    let mut all = Vec::new();
    for dark in [false, true] {
        let (document, log) = browse(directory, "frames.html", dark);
        let found = document.split("<pre id=\"found\">").nth(1).unwrap().split("</pre>").next().unwrap();
        let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let found: Vec<Value> = serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}\n{log}"));
        let mut seen: Vec<_> = found.iter().map(|found| (&found["page"], &found["width"], &found["dark"])).collect();
        seen.sort_by_key(|(page, width, _)| (page.to_string(), width.as_u64()));
        let numbers = 0..pages.len();
        let expected = numbers.flat_map(|number| WIDTHS.map(|width| (format!("copy-{number}.html"), width, dark)));
        let expected: Vec<_> = expected.map(|(page, width, dark)| (page.into(), width.into(), dark.into())).collect();
        assert_eq!(
            seen,
            expected.iter().map(|(page, width, dark): &(Value, Value, Value)| (page, width, dark)).collect::<Vec<_>>()
        );
        all.extend(found);
    }
    all
}

/// Returns executions with long and hostile names, failures of several kinds, and unknown values.
pub(super) fn rich() -> Vec<ExecutionMetrics> {
    let mut records = many();
    for (at, record) in records.iter_mut().enumerate().filter(|(at, _)| at % 9 == 0) {
        record.set_status(if at % 2 == 0 { Status::Failed } else { Status::Interrupted });
        record.error_category = (at % 18 == 0).then_some(ErrorCategory::Timeout);
    }
    for (id, name) in
        ["w".repeat(300), "日本語の技能".repeat(20), "two words ".repeat(20), HOSTILE.to_owned()].iter().enumerate()
    {
        let mut record = record(10_000 + id as u128, name, "2026-11-14T12:00:00Z", Some(86_400_000), Status::Success);
        record.set_usage("m".repeat(200), &Usage::new(10, 1));
        record.cost_usd = Some(usd("123456.789"));
        records.push(record);
    }
    // The last executions of one skill are slower than its earlier ones, so there is a verdict.
    for record in &mut records {
        if record.timestamp_start >= time("2026-11-09T00:00:00Z") && record.skill_name == "skill 3" {
            record.total_latency_ms = record.total_latency_ms.map(|ms| ms * 20);
        }
    }
    records
}

/// Returns a place with a rich ledger, a frozen baseline, and two quotas in use.
pub(super) fn place_with_quotas() -> Place {
    let place = Place::of_earlier_version(&rich());
    place.run(["baseline", "freeze", "--week", "2026-11-09"]);
    let limits = r#"[{"api": "calls", "limit": 100, "unit": "calls", "period": "total", "source": "us", "as_of": "2026-03-01"},
        {"api": "a budget with quite a long name", "limit": 25.5, "unit": "usd", "period": "year", "source": "us", "as_of": "2026-03-01"}]"#;
    fs::write(place.path("limits.json"), limits).unwrap();
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let options = QuotaOptions::new(Arc::new(clock)).limits(Limits::from_json(limits).unwrap());
    let quota = Quota::open(place.path("logs/quota.jsonl"), options).unwrap();
    quota.record_consumption("calls", Some(60)).unwrap();
    let spent = quota.budget("a budget with quite a long name").unwrap();
    spent.record_consumption(Some(usd("24.123456789"))).unwrap();
    place
}

#[test]
fn the_page_is_as_it_should_be_in_a_browser() {
    if !has_tool("chromium", "the page of `report` in a browser") {
        return;
    }
    let place = place_with_quotas();
    let damaged = Place::new().with_a_foreign_line();
    let pages = [
        page(&place, "--limits limits.json"),
        page(&place, "--by model --since 2026-11-14"),
        page(&damaged, ""),
        page(&Place::with(&[]), ""),
    ];
    assert!(pages[0].contains("24.123456789 of 25.5 usd per year"));
    for page in &pages {
        fs::write(place.path("page.html"), page).unwrap();
        let (document, log) = browse(place.directory.path(), "page.html", false);
        assert!(document.contains("<h1>Ledger report</h1>"), "{document}\n{log}");
        let console: Vec<_> = log.lines().filter(|line| line.contains("CONSOLE") || line.contains("Refused")).collect();
        assert_eq!(console, [""; 0]);
    }
    for found in examine(&place, &pages) {
        assert!(found["texts"].as_u64().unwrap() > 10, "{found}");
        assert_eq!(found["faults"], serde_json::json!([]), "{found:#}");
    }

    // The examination finds what a style breaks.
    for (style, fault) in [
        (".note { white-space: nowrap }", "overflow"),
        (".note { color: #8886 }", "contrast"),
        ("section { margin-top: -60px }", "overlap"),
        (".note { height: 4px; overflow: hidden }", "clipped"),
        ("header p { margin-left: -60px }", "outside"),
    ] {
        let broken = pages[0].replacen("</style>", &format!("{style}</style>"), 1);
        let found = examine(&place, &[broken]);
        let has = |found: &Value| {
            found["faults"].as_array().unwrap().iter().any(|text| text.as_str().unwrap().starts_with(fault))
        };
        assert!(found.iter().any(has), "{style}: {found:#?}");
    }
}
