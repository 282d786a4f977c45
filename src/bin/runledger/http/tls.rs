//! Configures encrypted connections. Uses the platform's TLS library, and the root certificates that the platform trusts.

use ureq::config::ConfigBuilder;
use ureq::tls::{RootCerts, TlsConfig, TlsProvider};
use ureq::typestate::AgentScope;

pub(super) const IS_BUILT_IN: bool = true;

pub(super) fn configured(builder: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    let library = TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier);
    builder.tls_config(library.build())
}
