//! What a vendor counts to make a bill.

use std::fmt;

/// What a vendor counts: tokens by kind, requests, searches, time, characters, pages.
///
/// Kinds of tokens lie inside each other, [`wholes`](Self::wholes) says how: what is read from a cache is part of the
/// input, what is written for an hour is part of what is written, reasoning is part of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Meter {
    /// Input tokens, all of them.
    Input,
    /// Input tokens read from a prompt cache.
    CacheRead,
    /// Input tokens written to a prompt cache, however long it keeps them.
    CacheWrite,
    /// Input tokens written to a prompt cache that keeps them an hour.
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
    /// Output tokens, all of them.
    Output,
    /// Output tokens spent on reasoning.
    Reasoning,
    /// Output tokens that are citations.
    Citation,
    /// Output tokens that are audio.
    OutputAudio,
    /// Output tokens that are images.
    OutputImage,
    /// Output tokens that are video.
    OutputVideo,
    /// Calls of the API, where each costs something by itself.
    Requests,
    /// Searches of the web by the vendor.
    WebSearches,
    /// Searches of stored files by the vendor.
    FileSearches,
    /// Time of audio heard or spoken, in milliseconds.
    AudioMs,
    /// Time of video generated, in milliseconds.
    VideoMs,
    /// Time that a deployment was rented, in milliseconds.
    DeploymentMs,
    /// Characters of text.
    Characters,
    /// Messages of text.
    Messages,
    /// Pages of documents, all of them.
    Pages,
    /// Pages of documents that were annotated.
    AnnotatedPages,
}

/// What one meter is called and how it is priced.
struct Facts {
    name: &'static str,
    usage_key: &'static str,
    price_key: &'static str,
    per: u64,
    wholes: &'static [Meter],
}

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
    /// How many there are.
    pub(crate) const COUNT: usize = 25;

    /// Every meter, parts behind their wholes.
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

    /// Its name in a record, such as `cache_read` or `audio_ms`.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// Its name where what it counts must be said, such as `cache_read_tokens`.
    pub const fn usage_key(self) -> &'static str {
        self.facts().usage_key
    }

    /// Its name in a price table, which says for how many the price is unless it is a million tokens: `cache_read`,
    /// `thousand_requests`, `audio_hour`.
    pub const fn price_key(self) -> &'static str {
        self.facts().price_key
    }

    /// For how many a price is stated: 1,000,000 tokens or characters, 1,000 requests, searches, messages or pages,
    /// 3,600,000 milliseconds.
    pub const fn per(self) -> u64 {
        self.facts().per
    }

    /// What it is part of, directly. Audio that was read from a cache is part of two wholes.
    pub const fn wholes(self) -> &'static [Self] {
        self.facts().wholes
    }

    /// Whether it counts tokens.
    pub const fn is_tokens(self) -> bool {
        self.per() == TOKENS && !matches!(self, Self::Characters)
    }

    /// Its parts, their parts too.
    pub(crate) fn parts(self) -> impl Iterator<Item = Self> {
        // Parts stand behind their wholes.
        let mask = PARTS[self as usize];
        Self::ALL[self as usize..].iter().copied().filter(move |&part| mask & (1 << part as usize) != 0)
    }
}

/// For each meter, which ones are its parts, directly or not, as bits. A price is looked for at each call.
const PARTS: [u32; Meter::COUNT] = {
    let mut parts = [0; Meter::COUNT];
    // The innermost first, so that the parts of a part are known.
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
