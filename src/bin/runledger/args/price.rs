//! `runledger price`

use super::prices::OwnPrices;

/// Price calls: JSON lines on stdin, one line of answer for each
///
/// A line is {"model": …, "provider": …, "usage": {…}, "at": …, "variant": {"processing": "batch"}}; model and usage are
/// required, and `at` is now if it is not told. A usage may have input_tokens, output_tokens, cache_read_tokens,
/// cache_write_tokens, cache_write_1h_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, requests,
/// web_searches, audio_seconds, and the other meters of the library; a whole includes its parts. What is absent was not
/// used, or its part is not known; a null beside other tokens is unknown and has no price.
///
/// The answer has the exact cost as a decimal string, its parts, and where the price comes from. A line that cannot be
/// priced is answered with {"error": …, "kind": …, "near": […]}. Exits with 0 once every line has its answer.
#[derive(Debug, clap::Args)]
#[command(after_help = r#"Example: one call
  echo '{"model": "gpt-4", "usage": {"input_tokens": 5, "output_tokens": 1}}' |
    runledger price"#)]
pub(crate) struct Price {
    #[command(flatten)]
    pub(crate) own: OwnPrices,
}
