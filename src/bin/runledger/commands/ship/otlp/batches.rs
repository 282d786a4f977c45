//! Posts the records that were not shipped yet, batch by batch.

use runledger::baseline::Skipped;
use runledger::export::otlp::OtlpMessage;
use runledger::sink::otlp::OtlpShipper;

use super::collector::{Collector, Delivery};
use crate::failure::Failure;
use crate::global::Global;
use crate::term::output;

/// What was shipped.
#[derive(Default)]
pub(super) struct Shipped {
    pub(super) records: u64,
    pub(super) items: u64,
    pub(super) rejected: u64,
    /// The number of spans or points that were left out, because the collector refused their messages.
    pub(super) left_out: u64,
    pub(super) last: Option<u64>,
    pub(super) skipped: Skipped,
}

/// Ships the records that were not shipped yet. With `skips`, leaves out the messages whose content the collector refuses.
pub(super) fn ship(
    shipper: &mut OtlpShipper,
    collector: &Collector,
    skips: bool,
    shipped: &mut Shipped,
    global: &Global,
) -> Result<(), Failure> {
    while let Some(batch) = shipper.next_batch(&mut shipped.skipped)? {
        for message in &batch.messages {
            match collector.deliver(&message.json, global)? {
                Delivery::Accepted { rejected } => {
                    shipped.items += message.items;
                    shipped.rejected += rejected;
                }
                Delivery::Refused(why) => {
                    let text = format!("{why}. The message has {}", executions(message));
                    if !skips {
                        return Err(Failure::Collector(format!(
                            "{text}. Use --batch-spans 1 to post one span at a time, and --skip-refused to leave out what \
                             is refused"
                        )));
                    }
                    output::warning(&format!("{text}, and is left out"), "refused", global.style());
                    shipped.left_out += message.items;
                }
            }
        }
        shipper.shipped(&batch)?;
        shipped.records += batch.records;
        shipped.last = Some(batch.last.seq);
    }
    Ok(())
}

/// Names the executions of a message.
fn executions(message: &OtlpMessage) -> String {
    let OtlpMessage { first, last, .. } = message;
    if first == last { format!("the execution {first}") } else { format!("the executions from {first} to {last}") }
}
