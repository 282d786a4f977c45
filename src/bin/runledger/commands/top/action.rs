//! Lists the actions of the user.

/// An action that a key causes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    /// Stops the process, as Ctrl-Z does in other programs.
    Suspend,
    Down,
    Up,
    PageDown,
    PageUp,
    First,
    Last,
    /// Opens the record under the cursor.
    Open,
    /// Undoes the last step.
    Close,
    Help,
    /// Changes the order of the list.
    Sort,
    /// Selects the next status as the filter.
    Status,
    /// Lets the user type the filter for the name of the skill.
    Search,
    Type(char),
    Erase,
    /// Ends typing, and keeps the typed filter.
    Keep,
}
