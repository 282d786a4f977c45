//! A name as an argument.

/// Reads the name of a skill or an agent, which a record must have.
pub(super) fn name(text: &str) -> Result<String, String> {
    match text.trim().is_empty() {
        true => Err("expected a name, found none".to_owned()),
        false => Ok(text.to_owned()),
    }
}
