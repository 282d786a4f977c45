//! Makes the record of an event whose execution is not in flight (begun, but not ended).

use uuid::Uuid;

use super::event::{HookEvent, HookStep};
use crate::digest::hash_bytes;
use crate::metrics::{ExecutionMetrics, Status, Timestamp};

impl HookEvent<'_> {
    /// Returns the finished record of an event whose execution is not in flight. If the start of a tool was not
    /// reported and the event has no duration, the record has no durations. Such a record has the tag `start_unknown`,
    /// and its start is the same time as its end. A later record that knows the start can complete it.
    ///
    /// `new_id` is the id of the record if the event does not complete the execution of a tool.
    pub fn finished(&self, new_id: Uuid, now: Timestamp) -> ExecutionMetrics {
        let is_tool = self.step() == HookStep::Complete;
        let id = self.execution_id().filter(|_| is_tool).unwrap_or(new_id);
        let took = if is_tool { self.fields.count("duration_ms") } else { Some(0) };
        let start = took.and_then(|ms| Timestamp::from_unix_ms(now.unix_ms().checked_sub_unsigned(ms)?));
        let mut record = ExecutionMetrics::new(id, self.skill_name(), "unknown", start.unwrap_or(now));
        record.run = self.ids();
        self.begin(&mut record);
        let status = if is_tool { self.complete(&mut record).unwrap_or(Status::Success) } else { Status::Success };
        record.set_status(status);
        if let Some(message) = self.fields.text("last_assistant_message") {
            record.output_hash = Some(hash_bytes(message));
        }
        record.timestamp_end = Some(now);
        match start {
            Some(_) => record.derive_missing(),
            None => _ = record.tags.insert(ExecutionMetrics::START_UNKNOWN.to_owned(), true.into()),
        }
        record
    }
}
