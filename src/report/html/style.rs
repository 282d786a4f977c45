//! The style of the page.

/// The style sheet. The parts of a bar are shades of one colour, from dark to light in light mode, so that they differ
/// without colour too.
pub(super) const STYLE: &str = r#":root {
  color-scheme: light dark;
  --bg: #ffffff; --panel: #f6f7f9; --line: #dfe3e8; --ink: #1b1f24; --soft: #59636e; --accent: #1f4fd8;
  --ok: #116329; --look: #7d4e00; --bad: #b3142b; --unknown: #59636e;
  --s0: #122c76; --s1: #2f5bd3; --s2: #6189e8; --s3: #8fadf1; --s4: #b9cbf7; --s5: #a3abb5;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #0f1216; --panel: #171b21; --line: #2b323b; --ink: #e8ebef; --soft: #9aa5b1; --accent: #8fb0ff;
    --ok: #56d364; --look: #e3b341; --bad: #ff7b72; --unknown: #9aa5b1;
    --s0: #c9d8ff; --s1: #8fb0ff; --s2: #5b84ea; --s3: #3a5dbd; --s4: #294386; --s5: #566170;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 960px; margin: 0 auto; padding: 48px 24px 96px; }
header p, .note, footer { color: var(--soft); }
header p { margin: 4px 0 0; overflow-wrap: anywhere; }
h1 { font-size: 28px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 20px; line-height: 1.3; margin: 0; letter-spacing: -0.005em; overflow-wrap: anywhere; }
section { margin-top: 56px; }
.eyebrow { font-size: 13px; font-weight: 600; color: var(--accent); margin: 0 0 4px; }
.note { font-size: 14px; margin: 6px 0 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(3, 1fr); gap: 16px; margin: 32px 0 0; }
.figures div { border-top: 2px solid var(--line); padding-top: 10px; }
.figures dt { font-size: 13px; color: var(--soft); }
.figures dd { margin: 0; font-size: 26px; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.figures small { display: block; font-size: 13px; line-height: 1.4; font-weight: 400; color: var(--soft); }
.findings { list-style: none; margin: 16px 0 0; padding: 0; }
.findings > li { display: grid; grid-template-columns: 84px 1fr; gap: 16px; padding: 14px 0; border-top: 1px solid var(--line); }
.findings > li:last-child { border-bottom: 1px solid var(--line); }
.findings p { margin: 0; overflow-wrap: anywhere; }
.findings ul { margin: 8px 0 0; padding-left: 18px; font-size: 14px; color: var(--soft); overflow-wrap: anywhere; }
.tone { justify-self: start; align-self: start; font-size: 13px; line-height: 22px; font-weight: 600; padding: 0 10px; border: 1px solid; border-radius: 12px; }
.ok { color: var(--ok); } .look { color: var(--look); } .bad { color: var(--bad); } .unknown { color: var(--unknown); }
.next { margin-top: 32px; padding: 24px; background: var(--panel); border-radius: 8px; font-size: 18px; }
code { font: 0.9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.chart { display: grid; grid-template-columns: auto 1fr; gap: 0 8px; margin-top: 20px; font-size: 12px; color: var(--soft); font-variant-numeric: tabular-nums; }
.ys { position: relative; min-width: 44px; text-align: right; }
.ys span { position: absolute; right: 0; transform: translateY(50%); line-height: 1; white-space: nowrap; }
.ys b { visibility: hidden; font-weight: 400; white-space: nowrap; }
.xs { grid-column: 2; position: relative; height: 24px; }
.xs span { position: absolute; top: 6px; line-height: 1.3; white-space: nowrap; transform: translateX(-50%); }
.xs .first { transform: none; } .xs .last { transform: translateX(-100%); }
.unit { grid-column: 1 / -1; padding-bottom: 14px; }
svg { display: block; width: 100%; overflow: visible; }
.grid { stroke: var(--line); stroke-width: 1; }
.zero { stroke: var(--soft); stroke-width: 1; }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); } .s4 { fill: var(--s4); } .s5 { fill: var(--s5); }
.bars rect { stroke: var(--bg); stroke-width: 1; vector-effect: non-scaling-stroke; }
.bars .open, .open { fill: none; stroke: var(--look); stroke-width: 1.5; stroke-dasharray: 3 2; }
.track { fill: var(--line); }
.ok-bar { fill: var(--ok); } .look-bar { fill: var(--look); } .bad-bar { fill: var(--bad); } .accent-bar { fill: var(--accent); }
.spark { width: 120px; height: 28px; display: inline-block; vertical-align: middle; }
.spark path { fill: none; stroke: var(--accent); stroke-width: 1.5; stroke-linecap: round; vector-effect: non-scaling-stroke; }
.spark .area { fill: var(--accent); opacity: 0.14; stroke: none; }
.whisker { stroke: var(--ink); stroke-width: 2; }
.dot { fill: var(--ink); }
.worse .whisker { stroke: var(--bad); } .worse .dot { fill: var(--bad); }
.better .whisker { stroke: var(--ok); } .better .dot { fill: var(--ok); }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 16px 0 0; padding: 0; font-size: 13px; }
.legend li { display: flex; align-items: baseline; gap: 8px; overflow-wrap: anywhere; min-width: 0; }
.legend svg { width: 10px; height: 10px; flex: none; }
.legend span { color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
table { width: 100%; border-collapse: collapse; margin-top: 16px; font-size: 14px; font-variant-numeric: tabular-nums; }
caption, .away { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
th, td { padding: 8px 0 8px 16px; text-align: left; vertical-align: middle; border-bottom: 1px solid var(--line); font-weight: 400; }
th:first-child, td:first-child { padding-left: 0; }
thead th { font-size: 13px; color: var(--soft); vertical-align: bottom; padding-top: 0; }
th.name { overflow-wrap: anywhere; min-width: 140px; }
.num { text-align: right; white-space: nowrap; }
.wide { width: 24%; }
.wide small { display: block; color: var(--soft); font-size: 12px; line-height: 1.3; text-align: center; white-space: nowrap; }
.level, .when { white-space: nowrap; }
td.id { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
td.id { min-width: 150px; }
.dash { color: var(--soft); }
button { all: unset; cursor: pointer; }
button:hover { color: var(--ink); text-decoration: underline; }
button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
[aria-sort=descending] button::after { content: " ↓"; } [aria-sort=ascending] button::after { content: " ↑"; }
footer { margin-top: 72px; padding-top: 16px; border-top: 1px solid var(--line); font-size: 14px; overflow-wrap: anywhere; }
@media screen and (max-width: 720px) {
  main { padding: 32px 20px 64px; }
  section { margin-top: 44px; }
  .findings > li { grid-template-columns: 1fr; gap: 8px; }
  .xs .inner { display: none; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  thead:focus-within { position: static; width: auto; height: auto; clip-path: none; display: block; }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: 1fr 1fr; gap: 2px 20px; padding: 12px 0; border-bottom: 1px solid var(--line); }
  th, td { display: flex; justify-content: space-between; align-items: center; gap: 12px; padding: 2px 0; border: 0; text-align: right; min-width: 0; }
  td::before { content: attr(data-label); color: var(--soft); font-size: 13px; line-height: 1.3; flex: 0 1 auto; text-align: left; }
  th.name { grid-column: 1 / -1; justify-content: flex-start; text-align: left; font-weight: 600; }
  td.wide, td.id, td.long, td.when, td.line { grid-column: 1 / -1; width: auto; }
  .figures { grid-template-columns: 1fr; gap: 20px; }
  td.wide > :last-child { width: 60%; }
  td.line .spark { width: 60%; }
  .num { white-space: nowrap; }
  .num::before { white-space: normal; }
  td.num.long { white-space: normal; }
}
@media print {
  :root {
    color-scheme: light;
    --bg: #fff; --panel: #fff; --ink: #000; --soft: #444; --line: #bbb; --accent: #1f4fd8;
    --ok: #116329; --look: #7d4e00; --bad: #b3142b; --unknown: #444;
    --s0: #122c76; --s1: #2f5bd3; --s2: #6189e8; --s3: #8fadf1; --s4: #b9cbf7; --s5: #a3abb5;
  }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  section { margin-top: 22pt; }
  tr, .chart, .legend, .findings > li { break-inside: avoid; }
  .eyebrow, h2, .note { break-after: avoid; }
  table { font-size: 9pt; }
  th, td { padding-left: 10px; }
  td.id { font-size: 7pt; min-width: 0; }
  footer { margin-top: 22pt; }
  svg, .tone { print-color-adjust: exact; }
}
"#;
