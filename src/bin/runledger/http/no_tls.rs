//! Configures connections in a build without TLS. Such a build cannot post to an address with `https`.

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

pub(super) const IS_BUILT_IN: bool = false;

pub(super) fn configured(builder: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    builder
}
