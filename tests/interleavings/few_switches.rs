//! A scheduler that tries all orders of threads with few switches between threads, instead of random orders.

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

/// Tries every order of threads in which a thread that could continue is stopped at most `switches_max` times.
pub(super) struct FewSwitches {
    switches_max: usize,
    /// The decision at each step, and the number of its alternatives.
    decisions: Vec<(usize, usize)>,
    step: usize,
    switches: usize,
    begun: bool,
}

impl FewSwitches {
    pub(super) fn new(switches_max: usize) -> Self {
        Self { switches_max, decisions: Vec::new(), step: 0, switches: 0, begun: false }
    }
}

impl Scheduler for FewSwitches {
    fn new_execution(&mut self) -> Option<Schedule> {
        // The next order differs in the last decision that has a further alternative.
        while self.decisions.pop_if(|(chosen, choices)| *chosen + 1 == *choices).is_some() {}
        match self.decisions.last_mut() {
            Some((chosen, _)) => *chosen += 1,
            None if self.begun => return None,
            None => self.begun = true,
        }
        (self.step, self.switches) = (0, 0);
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let mut tasks: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        let going_on = tasks.iter().position(|&task| Some(task) == current && !is_yielding);
        if let Some(at) = going_on {
            tasks.swap(0, at);
            if self.switches == self.switches_max {
                tasks.truncate(1);
            }
        }
        if self.step == self.decisions.len() {
            self.decisions.push((0, tasks.len()));
        }
        let (chosen, choices) = self.decisions[self.step];
        assert_eq!(choices, tasks.len(), "the scene is not the same again");
        self.step += 1;
        self.switches += usize::from(going_on.is_some() && chosen > 0);
        Some(tasks[chosen])
    }

    /// Returns the same number each time, so that no wait ends without a reason.
    fn next_u64(&mut self) -> u64 {
        1
    }
}
