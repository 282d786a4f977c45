//! `runledger head`

use std::io::Write;

use crate::args::Global;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::output;
use crate::records;

pub(crate) fn run(global: &Global, out: &mut impl Write) -> Result<ExitCode, Failure> {
    records::refuse_unsuitable(global)?;
    let found = runledger::verify(&global.ledger, &[])?;
    if !found.is_clean() {
        return Err(Failure::Faulty(found.fault_count));
    }
    if found.head.ledger.is_nil() {
        return Err(Failure::NoIdentity(global.ledger.clone()));
    }
    let head = found.head;
    if global.json {
        output::json_line(out, &head)?;
        return Ok(ExitCode::Yes);
    }
    writeln!(out, "ledger   {}", head.ledger)?;
    writeln!(out, "seq      {}", head.seq)?;
    writeln!(out, "hash     {}", head.hash)?;
    writeln!(out, "segment  {}", head.segment)?;
    writeln!(out, "bytes    {}", head.bytes)?;
    Ok(ExitCode::Yes)
}
