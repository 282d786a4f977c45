//! Token usage of one or more calls of a model.

/// Tokens that a model used, in one convention for every vendor: **input includes** what was read from or written to a
/// prompt cache, **output includes** reasoning. A part that is `None` was not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Usage {
    /// All input tokens.
    pub input: u64,
    /// All output tokens.
    pub output: u64,
    /// Of the input: read from a prompt cache.
    pub cache_read: Option<u64>,
    /// Of the input: written to a prompt cache with the short life (5 minutes).
    pub cache_write: Option<u64>,
    /// Of the input: written to a prompt cache with the long life (1 hour).
    pub cache_write_1h: Option<u64>,
    /// Of the output: reasoning.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Usage with no cached input and no separate reasoning.
    ///
    /// ```
    /// let usage = runledger::Usage::new(1_000, 500).cache_read(800);
    /// assert_eq!((usage.input, usage.output, usage.cache_read), (1_000, 500, Some(800)));
    /// ```
    pub fn new(input: u64, output: u64) -> Self {
        Self { input, output, ..Self::default() }
    }

    /// Says how many of the input tokens were read from a cache.
    #[must_use]
    pub fn cache_read(self, tokens: u64) -> Self {
        Self { cache_read: Some(tokens), ..self }
    }

    /// Says how many of the input tokens were written to a cache that keeps them 5 minutes.
    #[must_use]
    pub fn cache_write(self, tokens: u64) -> Self {
        Self { cache_write: Some(tokens), ..self }
    }

    /// Says how many of the input tokens were written to a cache that keeps them an hour.
    #[must_use]
    pub fn cache_write_1h(self, tokens: u64) -> Self {
        Self { cache_write_1h: Some(tokens), ..self }
    }

    /// Says how many of the output tokens were reasoning.
    #[must_use]
    pub fn reasoning(self, tokens: u64) -> Self {
        Self { reasoning: Some(tokens), ..self }
    }
}
