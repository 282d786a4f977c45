//! `runledger ship otlp`

mod batches;
mod collector;
mod headers;

use std::io::Write;
use std::thread;
use std::time::Duration;

use runledger::sink::otlp::{CollectorUrl, OtlpShipper};
use serde_json::json;

use crate::argument::whole;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::http::HAS_TLS;
use crate::otlp_args::OtlpArgs;
use crate::records;
use crate::term::{cell, output};
use batches::{Shipped, ship};
use collector::Collector;
use headers::Headers;

/// Ship the ledger to a collector of OpenTelemetry
///
/// Posts the records that were not shipped yet as OTLP/JSON to /v1/traces of the address, or to /v1/metrics with
/// --metrics. `runledger export otlp` describes the spans, and writes the same messages without a network. Executions
/// never wait for the collector.
///
/// The ledger's internal directory stores the last line that the collector has, for each address and signal. This place
/// moves on only after the collector has accepted the messages. So each record is shipped at least once. If the command is
/// killed between the answer and the next write, one batch is shipped again, with the same ids of its spans. Metrics of
/// this batch are then counted twice.
///
/// If the collector does not answer, or answers with 429, 502, 503 or 504, the message is posted again. The pauses double
/// from 1 second to 1 minute. If the collector asks for a longer pause with Retry-After, that pause is kept. Any other
/// status ends the command. If the collector refuses some spans of a message (partial success), the command warns of
/// their number, and ships on.
///
/// With 400, 413 and 422, the collector refuses the content of a message, and would refuse it again. The error names the
/// executions of the message. --batch-spans 1 posts each span in its own message, and --skip-refused leaves out such
/// messages.
///
/// OTEL_EXPORTER_OTLP_HEADERS has more headers, such as `Authorization=Basic%20…`, separated by commas. The name and the
/// password in an address are sent with basic authentication. Redirects are not followed, and proxies are not used. A
/// build without the feature otlp-tls refuses https.
///
/// Prints the number of records and of spans, and the last line that the collector has. Exits with 1 if the collector has
/// refused spans of an accepted message, or if a message was left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ship to a collector on this machine until the command is stopped
  runledger ship otlp http://localhost:4318 --follow")]
pub(crate) struct Args {
    /// The address of the collector, without /v1/traces
    // clap would repeat a wrong value in its message, and an address can contain credentials.
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    otlp: OtlpArgs,
    /// Keep running, and ship new records. If the collector cannot be reached, the command tries again without a time
    /// limit
    #[arg(long)]
    follow: bool,
    /// The time between two searches for new records, with --follow
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = whole::<u32>(1, 86_400))]
    every: u32,
    /// How long to try again while the collector does not accept a message
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = whole::<u32>(0, u32::MAX.into()))]
    retry_for: u32,
    /// How long to wait for one answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = whole::<u32>(1, 3600))]
    timeout: u32,
    /// The most spans of one message
    #[arg(long, value_name = "N", default_value = "512", value_parser = whole::<u32>(1, 100_000))]
    batch_spans: u32,
    /// The most KiB of one message with spans. A single span can be larger
    #[arg(long, value_name = "N", default_value = "1024", value_parser = whole::<u32>(1, 1024 * 1024))]
    batch_kib: u32,
    /// Leave out a message that the collector refuses because of its content. stderr names the executions of the message.
    /// The collector does not get this message later
    #[arg(long)]
    skip_refused: bool,
    /// More headers, as NAME=VALUE pairs
    #[arg(long = "headers", value_name = "PAIRS", env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true)]
    #[arg(hide = true)]
    headers: Option<String>,
}

/// Reads the address. An error does not repeat it.
fn url(text: &str) -> Result<CollectorUrl, String> {
    let url: CollectorUrl = text.parse()?;
    if url.is_encrypted() && !HAS_TLS {
        return Err(
            "expected http, because this runledger was built without TLS for collectors, found https; build it \
                    with the features cli and otlp-tls"
                .to_owned(),
        );
    }
    Ok(url)
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let wrong = |what: &str, why: String| Failure::CollectorArgument(format!("cannot read {what}: {why}"));
    let url = url(&args.url).map_err(|why| wrong("the address of the collector", why))?;
    let headers = args.headers.as_deref().map(Headers::parse).transpose();
    let headers = headers.map_err(|why| wrong("OTEL_EXPORTER_OTLP_HEADERS", why))?.unwrap_or_default();
    records::reader(global)?;
    let options = args.otlp.options().spans_max(args.batch_spans.into());
    let options = options.bytes_max(usize::try_from(args.batch_kib).unwrap_or(usize::MAX).saturating_mul(1024));
    let mut shipper = OtlpShipper::open(&global.ledger, &url, &options)?;
    let seconds = |count: u32| Duration::from_secs(count.into());
    let limit = (!args.follow).then(|| seconds(args.retry_for));
    let collector = Collector::new(&url, args.otlp.signal(), headers, seconds(args.timeout), limit);
    let mut has_rejected = false;
    let mut is_first = true;
    loop {
        let mut shipped = Shipped { last: shipper.last_seq(), ..Shipped::default() };
        // What was shipped before an error is reported too.
        let outcome = ship(&mut shipper, &collector, args.skip_refused, &mut shipped, global);
        records::warn_of(&shipped.skipped, global);
        if is_first || shipped.records > 0 {
            report(&shipped, shipper.id(), args, global, out)?;
            out.flush()?;
            is_first = false;
        }
        outcome?;
        has_rejected |= shipped.rejected + shipped.left_out > 0;
        if !args.follow {
            return Ok(if has_rejected { ExitCode::No } else { ExitCode::Yes });
        }
        thread::sleep(seconds(args.every));
    }
}

fn report(
    shipped: &Shipped,
    ledger: runledger::Uuid,
    args: &Args,
    global: &Global,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let items = args.otlp.items();
    if global.json {
        let answer = json!({
            "ledger": ledger,
            "records": shipped.records,
            items: shipped.items,
            "rejected": shipped.rejected,
            "left_out": shipped.left_out,
            "malformed_lines": shipped.skipped.count(),
            "shipped": shipped.last.map(|seq| json!({ "seq": seq })),
        });
        return Ok(output::json_line(out, &answer)?);
    }
    writeln!(out, "records      {}", shipped.records)?;
    writeln!(out, "{items:11}  {}", shipped.items)?;
    writeln!(out, "rejected     {}", shipped.rejected)?;
    if shipped.left_out > 0 {
        writeln!(out, "left out     {}", shipped.left_out)?;
    }
    writeln!(out, "up to line   {}", cell(shipped.last))?;
    Ok(())
}
