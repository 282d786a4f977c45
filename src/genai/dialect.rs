//! The versions of the conventions.

/// The version of OpenTelemetry's conventions for generative AI whose names are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// The names of version 1.41, which most collectors and libraries know.
    #[default]
    V1_41,
    /// The names of the main branch of the conventions, which are still in development, and the proposed names of costs.
    Latest,
}
