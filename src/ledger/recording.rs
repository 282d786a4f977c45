//! The futures that wait until the committer, which is the ledger's thread, has stored a record.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::answer::{REFUSED, UNMARKED};
use super::commit::{Job, Mark, recordable};
use super::json::valid_json;
use super::shared::Shared;
use super::store_all::{APPEND, Valid};
use super::{Answer, Ledger, Recorded};
use crate::committer::{Broken, Order, Promised, abandoned, promise};
use crate::error::Error;
use crate::metrics::ExecutionMetrics;

impl Ledger {
    /// Like [`append`](Self::append), but does not block the thread while the disk syncs. The record is stored even if
    /// the returned future is dropped or never polled.
    ///
    /// # Errors
    /// The errors of [`append`](Self::append), and [`ErrorKind::Unsuitable`](crate::ErrorKind::Unsuitable) in a process
    /// that was forked from the process that opened the ledger.
    pub fn append_async(
        &self,
        record: &ExecutionMetrics,
    ) -> impl Future<Output = Result<Answer, Error>> + Send + use<> {
        let answers = match valid_json(record, &self.shared.options.redactor) {
            Ok(json) => {
                let (answers, promised) = promise();
                let records = vec![Valid { id: record.execution_id, json }];
                match self.order(Job::Append { records, answers }) {
                    Ok(put) => Ordered::Waiting(put, promised),
                    Err(error) => Ordered::Known(Some(vec![Err(error)])),
                }
            }
            Err(error) => Ordered::Known(Some(vec![Err(error)])),
        };
        Appending { shared: Arc::clone(&self.shared), answers }
    }

    /// Asks the committer to store the record of an execution.
    pub(super) fn finish_async(
        &self,
        record: &ExecutionMetrics,
        mark: Option<Mark>,
        unmarked: Option<Error>,
    ) -> Recording {
        let (json, refused) = recordable(record, &self.shared.options.redactor);
        let (answer, promised) = promise();
        let ordered = json.and_then(|json| self.order(Job::Finish { json, mark, answer }));
        let answer = match ordered {
            Ok(put) => Ordered::Waiting(put, promised),
            Err(error) => Ordered::Known(Some(self.shared.lose(error))),
        };
        Recording { shared: Arc::clone(&self.shared), answer, unmarked, refused }
    }
}

/// A result that a caller gets from the committer.
#[derive(Debug)]
enum Ordered<T> {
    /// The first value is a future that puts the job into the committer's queue, or `None` if the job is already done.
    /// The second value is a future that returns the result.
    Waiting(Option<Order<Job>>, Promised<T>),
    /// The result, or `None` once it was taken.
    Known(Option<T>),
}

impl<T> Ordered<T> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T, Broken>> {
        let result = match self {
            Self::Waiting(put, promised) => {
                if let Some(put) = put {
                    ready!(Pin::new(put).poll(context));
                }
                ready!(Pin::new(promised).poll(context))
            }
            Self::Known(result) => result.take().ok_or(Broken),
        };
        *self = Self::Known(None);
        Poll::Ready(result)
    }

    /// Stops waiting. Returns the result if it has arrived already.
    fn leave(&mut self) -> Option<T> {
        match std::mem::replace(self, Self::Known(None)) {
            Self::Waiting(_, promised) => promised.leave(),
            Self::Known(result) => result,
        }
    }
}

/// A future that returns the [`Recorded`] of an execution. The record is stored even if this future is dropped or never
/// polled. If this future is dropped before it is ready, the ledger warns about each problem, even if the program
/// [handles answers](crate::Options::handles_answers) itself.
#[derive(Debug)]
#[must_use = "await it to learn where the record is"]
pub struct Recording {
    pub(super) shared: Arc<Shared>,
    answer: Ordered<Answer>,
    unmarked: Option<Error>,
    refused: Option<Error>,
}

impl Recording {
    pub(super) fn poll_recorded(&mut self, context: &mut Context<'_>) -> Poll<Recorded> {
        let answer = ready!(self.answer.poll(context));
        Poll::Ready(self.recorded(answer.unwrap_or_else(|Broken| self.shared.lose(abandoned(APPEND)))))
    }

    fn recorded(&mut self, answer: Answer) -> Recorded {
        Recorded { answer, unmarked: self.unmarked.take(), refused: self.refused.take() }
    }
}

impl Future for Recording {
    type Output = Recorded;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Recorded> {
        let recorded = ready!(self.poll_recorded(context));
        self.shared.warn_unless_handled(recorded.warnings());
        Poll::Ready(recorded)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // If there is no answer yet, the committer warns when the answer arrives.
        let answer = self.answer.leave();
        answer.iter().for_each(|answer| self.shared.warn_of(answer));
        let marks = self.unmarked.take().map(|error| error.with_consequence(UNMARKED));
        let fields = self.refused.take().map(|error| error.with_consequence(REFUSED));
        marks.iter().chain(&fields).for_each(|warning| self.shared.warn(warning));
    }
}

/// The future of [`Ledger::append_async`].
#[derive(Debug)]
struct Appending {
    shared: Arc<Shared>,
    answers: Ordered<Vec<Result<Answer, Error>>>,
}

impl Future for Appending {
    type Output = Result<Answer, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Answer, Error>> {
        let answer = match ready!(self.answers.poll(context)) {
            Ok(mut answers) => answers.pop().unwrap_or_else(|| Err(abandoned(APPEND))),
            Err(Broken) => Ok(self.shared.lose(abandoned(APPEND))),
        };
        self.shared.warn_unless_handled(answer.as_ref().ok().and_then(Answer::warning));
        Poll::Ready(answer)
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        for answer in self.answers.leave().into_iter().flatten() {
            match answer {
                Ok(answer) => self.shared.warn_of(&answer),
                Err(error) => self.shared.warn(&error),
            }
        }
    }
}
