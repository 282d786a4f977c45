//! `runledger redact`

use std::io::{Read, Write};

use runledger::ledger::{Redact, Redaction};
use runledger::{Error, ErrorKind, Uuid};

use crate::execution_id::IdPrefix;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::global::Global;
use crate::term::{output, printable};
use crate::{ledger, records};

/// The largest text that is read from stdin, in bytes.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// Take a text out of stored lines, in a ledger that still verifies
///
/// Replaces each text at the field, in all lines of the execution, by a marker such as `[redacted:by-hand:2bb8]`. The
/// four digits are the beginning of the text's SHA-256. With --text, replaces only that part of the texts. The lines of
/// the execution in the archives that the ledger knows are changed too.
///
/// A new line of the ledger states which lines were changed, by whom and why. `runledger verify` accepts the changed
/// lines because of this statement, and lists them as `redacted`. A head that was stored earlier still fits the ledger.
/// If the command is killed, each line has either its old or its new text. `verify` then says that a text still has to
/// be taken out. Repeat the command to complete the redaction.
///
/// The command also overwrites the text in the internal files of the ledger, and searches these files for it. It lists
/// what still has the text, or may have it, such as lines of other executions, backups and exports. Somebody may have
/// read a recorded secret, so also change the secret itself, such as the password of an account. The page `security` of
/// the documentation says what a redaction proves, and what the file system and the disk may keep.
///
/// A field is a path of keys with dots between them, as in the JSON of `runledger show`: `error_reason`,
/// `tags.customer`, `trace.steps.0.name`. A number counts the entries of a list from 0, and `*` matches any key or
/// number. A path addresses all texts at it and below it, so `trace` addresses every text of the trace. With --text,
/// `*` addresses every text of the record. Numbers, times, the id of the execution and the words of the format, such as
/// the status, cannot be replaced.
///
/// If the active segment has the text, this segment is sealed first, and a new file becomes the active segment. The
/// ledger is locked while its segments are copied. Other processes wait, or spill their records and append them later.
/// The text of an execution in flight can be taken out only after the execution has ended. Exits with 1 if no execution
/// has the id.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: take a password out without writing it on the command line
  runledger redact 019c5d2a-6b00 --field error_reason --text - --by ann \\
    --why 'a password' < secret.txt
Example: take the whole error message out
  runledger redact 019c5d2a-6b00 --field error_reason --by ann \\
    --why 'names of customers'")]
pub(crate) struct Args {
    /// The id of the execution, or its first digits if no other id begins with them. An execution in an archive needs
    /// its whole id
    id: IdPrefix,
    /// The path of the texts, such as error_reason or tags.customer
    #[arg(long, value_name = "PATH")]
    field: String,
    /// Take only this text out; `-` reads it from stdin, without its last line feed
    #[arg(long)]
    text: Option<String>,
    /// Why the text is taken out. The ledger keeps this reason, so it must not have the text
    #[arg(long)]
    why: String,
    /// Who takes the text out [default: the name in the environment variable USER]
    #[arg(long, value_name = "NAME", env = "USER", hide_env = true)]
    by: String,
}

pub(crate) fn run(args: &Args, global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let text =
        args.text.as_deref().map(|text| if text == "-" { read_text() } else { Ok(text.to_owned()) }).transpose()?;
    let id = match Uuid::try_parse(&args.id.digits) {
        Ok(id) => id,
        Err(_) => records::find(&args.id, global)?.execution_id,
    };
    let wanted = Redact::new(&args.field, &args.by, &args.why);
    let wanted = match text {
        Some(text) => wanted.text(text),
        None => wanted,
    };
    // The command must not create a ledger.
    records::reader(global)?;
    let absent = |error: Error| match error.kind() {
        ErrorKind::UnknownExecution => Failure::Absent(args.id.given.clone()),
        _ => error.into(),
    };
    let done = ledger::open(global)?.redact(id, &wanted).map_err(absent)?;
    if global.json {
        output::json_line(out, &done)?;
    } else {
        report(&done, out)?;
    }
    Ok(ExitCode::Yes)
}

fn read_text() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().take(TEXT_BYTES_MAX + 1).read_to_string(&mut text).map_err(Failure::Input)?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        let why = format!("found a longer text; expected at most {TEXT_BYTES_MAX} bytes");
        return Err(Failure::Input(std::io::Error::new(std::io::ErrorKind::InvalidData, why)));
    }
    let end = text.strip_suffix('\n').map_or(text.len(), str::len);
    text.truncate(end);
    Ok(text)
}

fn report(done: &Redaction, out: &mut impl Write) -> Result<(), Failure> {
    let numbers: Vec<_> = done.lines.iter().map(ToString::to_string).collect();
    writeln!(out, "redacted   {}", done.execution_id)?;
    writeln!(out, "lines      {}, as stated in line {}", numbers.join(", "), done.statement)?;
    for path in &done.segments {
        writeln!(out, "replaced   {}", printable(&path.display().to_string()))?;
    }
    for path in &done.overwritten {
        writeln!(out, "cleared    {}", printable(&path.display().to_string()))?;
    }
    for left in &done.left {
        writeln!(out, "left       {}", printable(left))?;
    }
    Ok(())
}
