//! The usage of one or more calls of a model.

use serde::{Deserialize, Serialize};

use super::Meter;
use super::faults::Faults;
use crate::error::Result;

/// The usage of a model, counted in the same way for every vendor: **a whole includes its parts**. Input includes
/// tokens read from or written to a prompt cache. Cache writes include the tokens that are cached for an hour. Output
/// includes reasoning.
///
/// Vendors count in different ways. [`from_anthropic`](Self::from_anthropic), [`from_openai`](Self::from_openai) and
/// [`from_gemini`](Self::from_gemini) convert what the vendors report. The usages of several calls can be added up.
/// But price each call separately, because the price of a token can depend on the size of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub struct Usage {
    /// All input tokens.
    pub input: u64,
    /// All output tokens.
    pub output: u64,
    /// The known parts of the tokens, and other counts.
    pub parts: UsageParts,
}

/// Parts of the tokens, and other counts that are billed. A count is `None` if it was not reported, which is not the
/// same as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UsageParts {
    /// Input tokens read from a prompt cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Input tokens written to a prompt cache, no matter how long the cache keeps them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<u64>,
    /// Input tokens written to a prompt cache that keeps them for an hour instead of 5 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Input tokens that are audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<u64>,
    /// Input tokens that are images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_image: Option<u64>,
    /// Input tokens that are video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_video: Option<u64>,
    /// Input tokens that are audio and were read from a prompt cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_audio: Option<u64>,
    /// Input tokens that are images and were read from a prompt cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_image: Option<u64>,
    /// Output tokens that are reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
    /// Output tokens that are citations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citation: Option<u64>,
    /// Output tokens that are audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<u64>,
    /// Output tokens that are images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_image: Option<u64>,
    /// Output tokens that are video.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_video: Option<u64>,
    /// API calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Web searches by the vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_searches: Option<u64>,
    /// Searches of stored files by the vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_searches: Option<u64>,
    /// The duration of audio in the input or the output, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_ms: Option<u64>,
    /// The duration of generated video, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_ms: Option<u64>,
    /// The time for which a deployment was rented, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_ms: Option<u64>,
    /// Characters of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub characters: Option<u64>,
    /// Messages of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// Pages of documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Pages of documents that were annotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotated_pages: Option<u64>,
}

impl UsageParts {
    /// Returns the field of `meter`. Returns `None` for input and output, which are fields of [`Usage`].
    fn place(&mut self, meter: Meter) -> Option<&mut Option<u64>> {
        Some(match meter {
            Meter::Input | Meter::Output => return None,
            Meter::CacheRead => &mut self.cache_read,
            Meter::CacheWrite => &mut self.cache_write,
            Meter::CacheWrite1h => &mut self.cache_write_1h,
            Meter::InputAudio => &mut self.input_audio,
            Meter::InputImage => &mut self.input_image,
            Meter::InputVideo => &mut self.input_video,
            Meter::CacheReadAudio => &mut self.cache_read_audio,
            Meter::CacheReadImage => &mut self.cache_read_image,
            Meter::Reasoning => &mut self.reasoning,
            Meter::Citation => &mut self.citation,
            Meter::OutputAudio => &mut self.output_audio,
            Meter::OutputImage => &mut self.output_image,
            Meter::OutputVideo => &mut self.output_video,
            Meter::Requests => &mut self.requests,
            Meter::WebSearches => &mut self.web_searches,
            Meter::FileSearches => &mut self.file_searches,
            Meter::AudioMs => &mut self.audio_ms,
            Meter::VideoMs => &mut self.video_ms,
            Meter::DeploymentMs => &mut self.deployment_ms,
            Meter::Characters => &mut self.characters,
            Meter::Messages => &mut self.messages,
            Meter::Pages => &mut self.pages,
            Meter::AnnotatedPages => &mut self.annotated_pages,
        })
    }
}

/// Each entry has a whole and some of its parts. These parts do not overlap, so their sum must not exceed the whole.
const NESTED: [(Meter, &[Meter]); 9] = [
    (Meter::Input, &[Meter::CacheRead, Meter::CacheWrite]),
    (Meter::Input, &[Meter::InputAudio, Meter::InputImage, Meter::InputVideo]),
    (Meter::CacheWrite, &[Meter::CacheWrite1h]),
    (Meter::CacheRead, &[Meter::CacheReadAudio, Meter::CacheReadImage]),
    (Meter::InputAudio, &[Meter::CacheReadAudio]),
    (Meter::InputImage, &[Meter::CacheReadImage]),
    (Meter::Output, &[Meter::Reasoning, Meter::Citation]),
    (Meter::Output, &[Meter::OutputAudio, Meter::OutputImage, Meter::OutputVideo]),
    (Meter::Pages, &[Meter::AnnotatedPages]),
];

/// Some parts that together exceed their whole.
pub(super) struct Excess {
    pub(super) parts: Vec<Meter>,
    pub(super) sum: u128,
    pub(super) whole: Meter,
    pub(super) whole_count: u64,
}

/// Finds parts that together exceed their whole. `counts` is in the order of [`Meter::ALL`]. Unknown counts are not
/// checked.
pub(super) fn excesses(counts: &[Option<u64>; Meter::COUNT]) -> impl Iterator<Item = Excess> {
    NESTED.into_iter().filter_map(|(whole, parts)| {
        let whole_count = counts[whole as usize]?;
        // Any sum of counts fits in 128 bits.
        let sum = parts.iter().filter_map(|&part| counts[part as usize]).map(u128::from).sum();
        let known = || parts.iter().copied().filter(|&part| counts[part as usize].is_some());
        (sum > u128::from(whole_count)).then(|| Excess { parts: known().collect(), sum, whole, whole_count })
    })
}

impl Usage {
    /// Returns a usage whose parts are unknown.
    ///
    /// ```
    /// let usage = runledger::Usage::new(1_000, 500).cache_read(800);
    /// assert_eq!((usage.input, usage.output, usage.parts.cache_read), (1_000, 500, Some(800)));
    /// ```
    pub fn new(input: u64, output: u64) -> Self {
        Self { input, output, ..Self::default() }
    }

    /// Sets how many of the input tokens were read from a cache.
    #[must_use]
    pub fn cache_read(self, tokens: u64) -> Self {
        self.with(Meter::CacheRead, tokens)
    }

    /// Sets how many of the input tokens were written to a cache, no matter how long the cache keeps them.
    #[must_use]
    pub fn cache_write(self, tokens: u64) -> Self {
        self.with(Meter::CacheWrite, tokens)
    }

    /// Sets how many of the input tokens were written to a cache that keeps them for an hour.
    #[must_use]
    pub fn cache_write_1h(self, tokens: u64) -> Self {
        self.with(Meter::CacheWrite1h, tokens)
    }

    /// Sets how many of the output tokens were reasoning.
    #[must_use]
    pub fn reasoning(self, tokens: u64) -> Self {
        self.with(Meter::Reasoning, tokens)
    }

    /// Sets the count of `meter`.
    ///
    /// ```
    /// use runledger::{Usage, metrics::Meter};
    ///
    /// let usage = Usage::new(1_000, 500).with(Meter::WebSearches, 2);
    /// assert_eq!((usage.get(Meter::WebSearches), usage.get(Meter::FileSearches)), (Some(2), None));
    /// ```
    #[must_use]
    pub fn with(mut self, meter: Meter, count: u64) -> Self {
        match meter {
            Meter::Input => self.input = count,
            Meter::Output => self.output = count,
            part => {
                if let Some(place) = self.parts.place(part) {
                    *place = Some(count);
                }
            }
        }
        self
    }

    /// Returns the count of `meter`; `None` if it was not reported.
    pub fn get(&self, meter: Meter) -> Option<u64> {
        self.counts()[meter as usize]
    }

    /// Like [`counts`](Self::counts), but if the count of a meter was not reported, returns the sum of its parts
    /// instead. If this sum is 0, the count stays unknown.
    pub(crate) fn counts_with_wholes(&self) -> [Option<u64>; Meter::COUNT] {
        let reported = self.counts();
        let mut counts = reported;
        for part in Meter::ALL.into_iter().rev() {
            let Some(count @ 1..) = counts[part as usize] else { continue };
            for &whole in part.wholes().iter().filter(|&&whole| reported[whole as usize].is_none()) {
                let known = &mut counts[whole as usize];
                *known = Some(known.unwrap_or(0).saturating_add(count));
            }
        }
        counts
    }

    /// Returns the count of every meter, in the order of [`Meter::ALL`].
    pub(crate) fn counts(&self) -> [Option<u64>; Meter::COUNT] {
        let Self { input, output, parts } = self;
        [
            Some(*input),
            parts.cache_read,
            parts.cache_write,
            parts.cache_write_1h,
            parts.input_audio,
            parts.input_image,
            parts.input_video,
            parts.cache_read_audio,
            parts.cache_read_image,
            Some(*output),
            parts.reasoning,
            parts.citation,
            parts.output_audio,
            parts.output_image,
            parts.output_video,
            parts.requests,
            parts.web_searches,
            parts.file_searches,
            parts.audio_ms,
            parts.video_ms,
            parts.deployment_ms,
            parts.characters,
            parts.messages,
            parts.pages,
            parts.annotated_pages,
        ]
    }

    /// Checks that no parts exceed their whole.
    ///
    /// ```
    /// let error = runledger::Usage::new(100, 0).cache_read(200).validate().unwrap_err();
    /// assert_eq!(error.details(), ["cache_read_tokens: expected at most input_tokens = 100, found 200"]);
    /// ```
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`](crate::ErrorKind::Invalid), with one entry in
    /// [`details`](crate::Error::details) for each group of parts that exceeds its whole.
    pub fn validate(&self) -> Result<()> {
        let mut faults = Faults::default();
        for Excess { parts, sum, whole, whole_count } in excesses(&self.counts_with_wholes()) {
            let fields: Vec<_> = parts.into_iter().map(Meter::usage_key).collect();
            let expected = format_args!("at most {} = {whole_count}", whole.usage_key());
            faults.add(fields.join(" + "), expected, sum);
        }
        faults.into_result("accept a usage")
    }

    /// Returns the sum of two usages. A sum that exceeds `u64::MAX` becomes `u64::MAX`. If a count is known in only
    /// one of the usages, this count is the sum.
    #[must_use]
    pub fn saturating_add(&self, other: &Self) -> Self {
        // A `Usage` is large, so copy it only for the counts that change.
        let mut sum = *self;
        for ((meter, own), other) in Meter::ALL.into_iter().zip(self.counts()).zip(other.counts()) {
            if let Some(other) = other {
                sum = sum.with(meter, own.unwrap_or(0).saturating_add(other));
            }
        }
        sum
    }
}
