//! Reads names.

use super::names::{Attribute, NAMES};

impl Attribute {
    /// Returns true if the attribute can change the name, the version or the run of an execution.
    pub(crate) fn is_name(self) -> bool {
        use Attribute::*;
        matches!(
            self,
            Skill
                | SkillVersion
                | RunId
                | SkillName
                | SkillResource
                | ToolName
                | AgentName
                | AgentVersion
                | WorkflowName
                | EntityName
                | Session
        )
    }
}

/// Returns what the attribute `name` says, or `None` if the attribute is not read.
pub(crate) fn attribute(name: &str) -> Option<Attribute> {
    let at = NAMES.binary_search_by(|(known, ..)| (*known).cmp(name)).ok()?;
    NAMES.get(at).map(|&(_, attribute, _)| attribute)
}

/// Returns the name that price tables use for a provider. Price tables know most names of OpenTelemetry.
pub(crate) fn provider(name: &str) -> &str {
    super::names::PROVIDERS.iter().find(|(known, _)| *known == name).map_or(name, |&(_, priced)| priced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_and_each_is_found() {
        assert!(NAMES.is_sorted_by(|(a, ..), (b, ..)| a < b));
        for (name, says, _) in NAMES {
            assert_eq!(attribute(name), Some(says), "{name}");
        }
        assert_eq!(attribute("gen_ai.usage"), None);
        assert_eq!(attribute(""), None);
    }

    #[test]
    fn azure_has_one_name_in_price_tables() {
        assert_eq!(["azure.ai.inference", "x_ai", "openai"].map(provider), ["azure", "x-ai", "openai"]);
    }
}
