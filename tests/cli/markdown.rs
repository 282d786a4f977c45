//! Commands print verdicts as Markdown, for people who read a pull request or a job summary.

use std::fs;

use pulldown_cmark::{Event, Options, Parser};

use crate::baseline::frozen_place;
use crate::commands::{Place, call, command, output, record, usd};
use runledger::metrics::{RunIds, Status};
use runledger::{ExecutionMetrics, Usage};

/// Returns the texts that GitHub displays. Fails if the document has a link, an image or HTML other than line breaks
/// and empty comments.
fn displayed(markdown: &str) -> String {
    let mut text = String::new();
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Text(part) | Event::Code(part) => text.push_str(&part),
            Event::InlineHtml(html) => assert!(["<br>", "<!-- -->"].contains(&&*html), "{html}"),
            Event::Html(html) => panic!("{html}"),
            Event::Start(pulldown_cmark::Tag::Link { .. } | pulldown_cmark::Tag::Image { .. }) => panic!("{markdown}"),
            Event::End(_) => text.push('\n'),
            _ => {}
        }
    }
    text
}

#[test]
fn a_comparison_lists_what_is_worse_first_and_says_what_is_needed() {
    let place = frozen_place();
    assert_eq!(
        place.run(["compare", "--markdown"]).answer(1),
        "\
### Metrics of skills: 2 worse, 0 better, 5 no change shown, 1 too few

Compared with the baselines of the week from 2026-02-09T00:00:00.000Z. Judged: 7 of 8.

| verdict | skill | metric | baseline | recent | change, 99 % interval | p | values | needed for a verdict |
| --- | --- | --- | --: | --: | --: | --: | --: | --- |
| worse | `publish` | `success_rate` | 100.0% | 74.4% | -39.5% … -14.7% | <0.0001 | 168 / 82 |  |
| worse | `publish` | `latency_ms` | 3250 | 3850 | 16.3% … 21.0% | <0.0001 | 168 / 82 |  |
| no change shown | `publish` | `cost_mean_usd` | 0.01 | 0.01 | 0.0% … 0.0% | 1.0000 | 168 / 82 |  |
| no change shown | `publish` | `tokens_mean` | 1003 | 1003 | -0.1% … 0.1% | 1.0000 | 168 / 82 |  |
| no change shown | `search` | `success_rate` | 100.0% | 100.0% | -7.5% … 3.8% | 1.0000 | 168 / 82 |  |
| no change shown | `search` | `latency_ms` | 3250 | 3250 | -2.1% … 2.4% | 1.0000 | 168 / 82 |  |
| no change shown | `search` | `tokens_mean` | 1003 | 1003 | -0.1% … 0.1% | 1.0000 | 168 / 82 |  |
| too few | `search` | `cost_mean_usd` | - | - | - | - | 0 / 0 | 30 more in the baseline, 30 more recent |

`values` shows the number of known values in the baseline, and in the recent executions.
"
    );
    let day = ["compare", "--markdown", "--since", "2026-02-05", "--until", "2026-02-05", "--skill", "publish"];
    let document = place.run(day).answer(3);
    assert_eq!(document.matches("| 168 / 24 | 6 more recent |\n").count(), 4, "{document}");
}

#[test]
fn a_gate_displays_hostile_names_literally() {
    let run = "@octocat [x](http://evil.example) <img src=x> |`` `a` \u{202e}\u{1b}[2J";
    let mut of_run: ExecutionMetrics = record(1, "| @skill |", "2026-02-14T14:23:00Z", None, Status::Interrupted);
    of_run.run = RunIds::new(run);
    let place = Place::with(&[of_run]);
    let document = place.run(["gate", "--markdown", "--run", run]).answer(1);
    assert!(document.starts_with("### FAIL: run ``` "), "{document}");
    assert!(document.len() <= 60_000 && !document.contains(['\u{1b}', '\u{202e}']), "{document}");
    let text = displayed(&document);
    assert!(text.starts_with("FAIL: run @octocat [x](http://evil.example) <img src=x> "), "{text}");
    assert!(text.contains("Executions: 1, in flight: 0, spilled: 0. Reasons to fail: "), "{text}");
    // The same run gives the same document.
    assert_eq!(place.run(["gate", "--markdown", "--run", run]).answer(1), document);
}

#[test]
fn the_costs_count_what_is_unknown_at_each_sum() {
    let place = Place::new();
    let by_model = "\
### Cost: 0.0945 USD for 4 executions, without the unknown cost of 2 of them

Without a model, and so without a cost: 1 execution.

| model | executions | input | output | cache w | cache r | tokens | USD |
| --- | --: | --: | --: | --: | --: | --: | --: |
| **total** | 4 | 4310 (1 unknown) | 505 (1 unknown) | - (4 unknown) | - (4 unknown) | 4815 (1 unknown) | 0.0945 (2 unknown) |
| `gpt-4` | 2 | 2000 | 500 | - (2 unknown) | - (2 unknown) | 2500 | 0.0900 |
| `claude-haiku-4-5` | 1 | 2300 | 0 | - (1 unknown) | - (1 unknown) | 2300 | 0.0045 |
| - | 1 | - (1 unknown) | - (1 unknown) | - (1 unknown) | - (1 unknown) | - (1 unknown) | - (1 unknown) |
| `llama-9` | 1 | 10 | 5 | - (1 unknown) | - (1 unknown) | 15 | - (1 unknown) |

In parentheses: the number of executions with an unknown part, which is not in the sum.
";
    assert_eq!(place.run(["cost", "--markdown"]).answer(0), by_model);
    // The newest day is first, and a lower bound is marked.
    let mut bound = record(7, "draw", "2026-02-15T12:00:00Z", Some(5), Status::Success);
    bound.set_usage("gpt-4", &Usage::new(1, 1));
    bound.trace.llm_calls = vec![call(1, "gpt-4", 2, "0.5")];
    bound.cost_usd = Some(usd("0.5"));
    bound.tags.insert("lower_bound_calls".to_owned(), vec![1].into());
    place.append_again(&bound);
    let by_day = place.run(["cost", "--markdown", "--by", "day"]).answer(0);
    assert_eq!(
        by_day,
        "\
### Cost: ≥0.5945 USD for 5 executions, without the unknown cost of 2 of them

Without a model, and so without a cost: 1 execution.

| day | executions | input | output | cache w | cache r | tokens | USD |
| --- | --: | --: | --: | --: | --: | --: | --: |
| **total** | 5 | 4311 (1 unknown) | ≥506 (1 unknown) | - (5 unknown) | - (5 unknown) | ≥4817 (1 unknown) | ≥0.5945 (2 unknown) |
| `2026-02-15` | 1 | 1 | ≥1 | - (1 unknown) | - (1 unknown) | ≥2 | ≥0.5000 |
| `2026-02-14` | 4 | 4310 (1 unknown) | 505 (1 unknown) | - (4 unknown) | - (4 unknown) | 4815 (1 unknown) | 0.0945 (2 unknown) |

In parentheses: the number of executions with an unknown part, which is not in the sum.

`≥` marks lower bounds: the final usage of a call was not reported for 1 execution.
"
    );
    let empty = Place::with(&[]).run(["cost", "--markdown"]).answer(0);
    assert_eq!(
        empty,
        "\
### Cost: no execution used a model

| model | executions | input | output | cache w | cache r | tokens | USD |
| --- | --: | --: | --: | --: | --: | --: | --: |
| **total** | 0 | - | - | - | - | - | - |
"
    );
}

#[test]
fn costs_of_many_hostile_names_fit_and_the_rest_is_counted() {
    let records: Vec<_> = (1..=3_000_u128)
        .map(|id| {
            let name = format!("{id} | @skill `` [x](http://evil.example) <img src=x> \u{200f}{}", "|".repeat(300));
            let mut record = record(id, &name, "2026-02-14T14:23:00Z", Some(1), Status::Success);
            record.set_usage("m", &Usage::new(10, 1));
            record.cost_usd = Some(usd(&format!("0.{id:04}")));
            record
        })
        .collect();
    let place = Place::of_earlier_version(&records);
    let document = place.run(["cost", "--markdown", "--by", "skill"]).answer(0);
    assert!(document.len() <= 60_000, "{}", document.len());
    assert!(!document.contains('\u{200f}'));
    let rows = document.lines().filter(|line| line.starts_with("| ``` ")).count();
    assert!(document.contains(&format!("\n{} more rows do not fit here.\n", 3_000 - rows)), "{rows}");
    // The dearest skill is first, and its name is displayed literally.
    let text = displayed(&document);
    let name = "3000 | @skill `` [x](http://evil.example) <img src=x> \\u{200f}|||";
    assert!(text.contains(name), "{}", &text[..500]);
    assert_eq!(place.run(["cost", "--markdown", "--by", "skill"]).answer(0), document);
}

#[test]
fn the_job_summary_grows_beside_the_usual_output() {
    let place = frozen_place();
    let summary = place.path("summary.md");
    fs::write(&summary, "earlier\n").unwrap();
    let with = |args: &[&str], summary: &str| {
        let mut command = command();
        output(command.current_dir(place.directory.path()).args(args).env("GITHUB_STEP_SUMMARY", summary))
    };
    let path = summary.to_str().unwrap();
    let usual = place.run(["compare"]).answer(1);
    assert_eq!(with(&["compare", "--step-summary"], path).answer(1), usual);
    let markdown = place.run(["compare", "--markdown"]).answer(1);
    assert_eq!(fs::read_to_string(&summary).unwrap(), format!("earlier\n{markdown}"));
    assert_eq!(with(&["compare", "--step-summary", "--markdown"], path).answer(1), markdown);
    assert_eq!(fs::read_to_string(&summary).unwrap(), format!("earlier\n{markdown}{markdown}"));
    assert_eq!(
        with(&["compare", "--step-summary"], "").complaint(2),
        "runledger: cannot append to the job summary: GITHUB_STEP_SUMMARY is not set; expected the path of a file, as in \
         a step of GitHub Actions\n"
    );
    let refused = with(&["compare", "--step-summary"], place.path("absent/summary.md").to_str().unwrap()).complaint(2);
    assert!(
        refused.contains("cannot append to the job summary: ") && refused.contains("absent/summary.md"),
        "{refused}"
    );
    assert!(place.run(["compare", "--markdown", "--json"]).complaint(2).contains("cannot be used with"));
}
