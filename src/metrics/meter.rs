//! The quantities that vendors count and bill.

use std::fmt;

/// A quantity that a vendor counts, such as tokens of one kind, requests, searches, milliseconds, characters or pages.
///
/// A meter can be part of another meter, which is called its whole. For example, cache reads are part of the input, and
/// reasoning is part of the output. [`wholes`](Self::wholes) returns the wholes of a meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Meter {
    /// All input tokens.
    Input,
    /// Input tokens read from a prompt cache.
    CacheRead,
    /// Input tokens written to a prompt cache, no matter how long the cache keeps them.
    CacheWrite,
    /// Input tokens written to a prompt cache that keeps them for an hour.
    CacheWrite1h,
    /// Input tokens that are audio.
    InputAudio,
    /// Input tokens that are images.
    InputImage,
    /// Input tokens that are video.
    InputVideo,
    /// Input tokens that are audio and were read from a prompt cache.
    CacheReadAudio,
    /// Input tokens that are images and were read from a prompt cache.
    CacheReadImage,
    /// All output tokens.
    Output,
    /// Output tokens that are reasoning.
    Reasoning,
    /// Output tokens that are citations.
    Citation,
    /// Output tokens that are audio.
    OutputAudio,
    /// Output tokens that are images.
    OutputImage,
    /// Output tokens that are video.
    OutputVideo,
    /// API calls. A few models are billed by call.
    Requests,
    /// Web searches by the vendor.
    WebSearches,
    /// Searches of stored files by the vendor.
    FileSearches,
    /// The duration of audio in the input or the output, in milliseconds.
    AudioMs,
    /// The duration of generated video, in milliseconds.
    VideoMs,
    /// The time for which a deployment was rented, in milliseconds.
    DeploymentMs,
    /// Characters of text.
    Characters,
    /// Messages of text.
    Messages,
    /// All pages of documents.
    Pages,
    /// Pages of documents that were annotated.
    AnnotatedPages,
}

/// The constants of one meter. The method of [`Meter`] with the same name describes each field.
struct Facts {
    name: &'static str,
    usage_key: &'static str,
    price_key: &'static str,
    per: u64,
    wholes: &'static [Meter],
}

/// The number of tokens that a price is for.
const TOKENS: u64 = 1_000_000;
const HOUR_MS: u64 = 3_600_000;

const fn tokens(
    name: &'static str,
    usage_key: &'static str,
    price_key: &'static str,
    wholes: &'static [Meter],
) -> Facts {
    Facts { name, usage_key, price_key, per: TOKENS, wholes }
}

const fn count(name: &'static str, price_key: &'static str, per: u64, wholes: &'static [Meter]) -> Facts {
    Facts { name, usage_key: name, price_key, per, wholes }
}

impl Meter {
    /// The number of meters.
    pub(crate) const COUNT: usize = 25;

    /// All meters. Each part comes after its wholes.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::InputAudio,
        Self::InputImage,
        Self::InputVideo,
        Self::CacheReadAudio,
        Self::CacheReadImage,
        Self::Output,
        Self::Reasoning,
        Self::Citation,
        Self::OutputAudio,
        Self::OutputImage,
        Self::OutputVideo,
        Self::Requests,
        Self::WebSearches,
        Self::FileSearches,
        Self::AudioMs,
        Self::VideoMs,
        Self::DeploymentMs,
        Self::Characters,
        Self::Messages,
        Self::Pages,
        Self::AnnotatedPages,
    ];

    const fn facts(self) -> Facts {
        use Meter::*;
        match self {
            Input => tokens("input", "input_tokens", "input", &[]),
            CacheRead => tokens("cache_read", "cache_read_tokens", "cache_read", &[Input]),
            CacheWrite => tokens("cache_write", "cache_write_tokens", "cache_write", &[Input]),
            CacheWrite1h => tokens("cache_write_1h", "cache_write_1h_tokens", "cache_write_1h", &[CacheWrite]),
            InputAudio => tokens("input_audio", "input_audio_tokens", "input_audio", &[Input]),
            InputImage => tokens("input_image", "input_image_tokens", "input_image", &[Input]),
            InputVideo => tokens("input_video", "input_video_tokens", "input_video", &[Input]),
            CacheReadAudio => {
                tokens("cache_read_audio", "cache_read_audio_tokens", "cache_read_audio", &[CacheRead, InputAudio])
            }
            CacheReadImage => {
                tokens("cache_read_image", "cache_read_image_tokens", "cache_read_image", &[CacheRead, InputImage])
            }
            Output => tokens("output", "output_tokens", "output", &[]),
            Reasoning => tokens("reasoning", "reasoning_tokens", "reasoning", &[Output]),
            Citation => tokens("citation", "citation_tokens", "citation", &[Output]),
            OutputAudio => tokens("output_audio", "output_audio_tokens", "output_audio", &[Output]),
            OutputImage => tokens("output_image", "output_image_tokens", "output_image", &[Output]),
            OutputVideo => tokens("output_video", "output_video_tokens", "output_video", &[Output]),
            Requests => count("requests", "thousand_requests", 1_000, &[]),
            WebSearches => count("web_searches", "thousand_web_searches", 1_000, &[]),
            FileSearches => count("file_searches", "thousand_file_searches", 1_000, &[]),
            AudioMs => count("audio_ms", "audio_hour", HOUR_MS, &[]),
            VideoMs => count("video_ms", "video_hour", HOUR_MS, &[]),
            DeploymentMs => count("deployment_ms", "deployment_hour", HOUR_MS, &[]),
            Characters => count("characters", "million_characters", 1_000_000, &[]),
            Messages => count("messages", "thousand_messages", 1_000, &[]),
            Pages => count("pages", "thousand_pages", 1_000, &[]),
            AnnotatedPages => count("annotated_pages", "thousand_annotated_pages", 1_000, &[Pages]),
        }
    }

    /// Returns the meter's name in a record, such as `cache_read` or `audio_ms`.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Returns the meter's name with its unit, such as `cache_read_tokens`.
    pub const fn usage_key(self) -> &'static str {
        self.facts().usage_key
    }

    /// Returns the meter's name in a price table, such as `cache_read`. If the price is not for a million tokens, the
    /// name includes the quantity, such as `thousand_requests` or `audio_hour`.
    pub const fn price_key(self) -> &'static str {
        self.facts().price_key
    }

    /// Returns the number of units that a price is for:
    ///
    /// - 1,000,000 tokens or characters;
    /// - 1,000 requests, searches, messages or pages;
    /// - 3,600,000 milliseconds, which is an hour.
    pub const fn per(self) -> u64 {
        self.facts().per
    }

    /// Returns the wholes of this meter: the meters of which it is directly a part. For example, audio that was read
    /// from a cache is a part of two meters: the audio in the input, and all cache reads.
    pub const fn wholes(self) -> &'static [Self] {
        self.facts().wholes
    }

    /// Returns true if the meter counts tokens.
    pub const fn is_tokens(self) -> bool {
        self.per() == TOKENS && !matches!(self, Self::Characters)
    }

    /// Returns the direct and indirect parts of the meter.
    pub(crate) fn parts(self) -> impl Iterator<Item = Self> {
        // The search begins at the meter itself, because parts come after their wholes in `ALL`.
        let mask = PARTS[self as usize];
        Self::ALL[self as usize..].iter().copied().filter(move |&part| mask & (1 << part as usize) != 0)
    }
}

/// The direct and indirect parts of each meter, as bits. The bits are computed at compile time, because pricing uses
/// them for every call.
const PARTS: [u32; Meter::COUNT] = {
    let mut parts = [0; Meter::COUNT];
    // The loop goes backwards, so each part comes before its wholes. So when a part is added to its whole, the parts
    // of this part are already known.
    let mut place = Meter::COUNT;
    while place > 0 {
        place -= 1;
        let wholes = Meter::ALL[place].wholes();
        let mut next = 0;
        while next < wholes.len() {
            parts[wholes[next] as usize] |= parts[place] | 1 << place;
            next += 1;
        }
    }
    parts
};

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
