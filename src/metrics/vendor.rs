//! What vendors report as usage, read in the one convention of this crate.

use serde_json::Value;

use super::{Meter, Usage};
use crate::error::{Error, ErrorKind, Result};
use crate::json;

impl Usage {
    /// The usage that [Anthropic's Messages API](https://platform.claude.com/docs/en/api/messages) reports: its `usage`
    /// as JSON.
    ///
    /// `input_tokens` there are neither read from a cache nor written to one, so the input is the sum of all three. Of the
    /// writes, `cache_creation` tells how many are kept for an hour. Thinking is part of the output.
    ///
    /// ```
    /// use runledger::Usage;
    ///
    /// let usage = Usage::from_anthropic(
    ///     r#"{"input_tokens": 1000, "cache_read_input_tokens": 30000, "cache_creation_input_tokens": 2000,
    ///         "cache_creation": {"ephemeral_5m_input_tokens": 1500, "ephemeral_1h_input_tokens": 500},
    ///         "output_tokens": 500, "service_tier": "standard"}"#,
    /// )?;
    /// let expected = Usage::new(33_000, 500).cache_read(30_000).cache_write(2_000).cache_write_1h(500);
    /// assert_eq!(usage, expected);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::Malformed`]: it is no JSON object, a count is no whole number, `input_tokens` or `output_tokens` is
    ///   missing. Unknown keys are passed over; a part that is missing or `null` is not known.
    /// * [`ErrorKind::Invalid`]: parts exceed their whole ([`validate`](Self::validate)).
    /// * [`ErrorKind::Overflow`]: the sums do not fit.
    pub fn from_anthropic(json: &str) -> Result<Self> {
        let report = Report::read("read the usage of an answer of Anthropic", json)?;
        let in_an_hour = report.count("cache_creation.ephemeral_1h_input_tokens")?;
        let by_time = report.sum([report.count("cache_creation.ephemeral_5m_input_tokens")?, in_an_hour])?;
        let written = report.count("cache_creation_input_tokens")?.or(by_time);
        let read = report.count("cache_read_input_tokens")?;
        let plain = report.whole("input_tokens")?;
        let input = report.sum([Some(plain), read, written])?.unwrap_or(plain);
        Self::new(input, report.whole("output_tokens")?)
            .with_known(Meter::CacheRead, read)
            .with_known(Meter::CacheWrite, written)
            .with_known(Meter::CacheWrite1h, in_an_hour)
            .with_known(Meter::Reasoning, report.count("output_tokens_details.thinking_tokens")?)
            .with_known(Meter::WebSearches, report.count("server_tool_use.web_search_requests")?)
            .valid()
    }

    /// The usage that OpenAI reports, as JSON: of [Chat Completions](https://platform.openai.com/docs/api-reference/chat/object)
    /// and embeddings (`prompt_tokens`), of [Responses](https://platform.openai.com/docs/api-reference/responses/object),
    /// images and realtime sessions (`input_tokens`), and of
    /// [transcriptions](https://platform.openai.com/docs/api-reference/audio/json-object) that are billed by the second.
    ///
    /// Cached tokens, audio and images are parts of the input there, reasoning and audio parts of the output, as here.
    /// Searches are not in it: they are items of the answer. Other vendors answer in this shape too; where the total tells
    /// that reasoning is not part of the output, as at xAI, it is added.
    ///
    /// ```
    /// use runledger::{Usage, metrics::Meter};
    ///
    /// let chat = r#"{"prompt_tokens": 10000, "completion_tokens": 2000, "total_tokens": 12000,
    ///     "prompt_tokens_details": {"cached_tokens": 8000, "audio_tokens": null},
    ///     "completion_tokens_details": {"reasoning_tokens": 1500}}"#;
    /// assert_eq!(Usage::from_openai(chat)?, Usage::new(10_000, 2_000).cache_read(8_000).reasoning(1_500));
    ///
    /// let heard = Usage::from_openai(r#"{"type": "duration", "seconds": 9}"#)?;
    /// assert_eq!(heard, Usage::new(0, 0).with(Meter::AudioMs, 9_000));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_anthropic`](Self::from_anthropic), but what is needed is `prompt_tokens` (an embedding has no
    /// `completion_tokens`), or `input_tokens` and `output_tokens`, or `seconds`.
    pub fn from_openai(json: &str) -> Result<Self> {
        let report = Report::read("read the usage of an answer of OpenAI", json)?;
        if report.get("type")?.and_then(Value::as_str) == Some("duration") {
            return Ok(Self::new(0, 0).with(Meter::AudioMs, report.seconds("seconds")?));
        }
        let (input, output) = match report.count("prompt_tokens")? {
            Some(input) => (input, report.count("completion_tokens")?.unwrap_or(0)),
            None => (report.one_of(&["prompt_tokens", "input_tokens"])?, report.whole("output_tokens")?),
        };
        // The last spelling is that of transcriptions and realtime sessions.
        let of_input =
            |part| report.part(["prompt_tokens_details", "input_tokens_details", "input_token_details"], part);
        let of_output =
            |part| report.part(["completion_tokens_details", "output_tokens_details", "output_token_details"], part);
        let reasoning = of_output("reasoning_tokens")?;
        // xAI answers in this shape, but with reasoning outside of what it calls completion: its total tells.
        let with_reasoning = report.sum([Some(output), reasoning])?.unwrap_or(output);
        let total = report.count("total_tokens")?;
        let is_outside = total.is_some() && total == report.sum([Some(input), Some(with_reasoning)])?;
        let output = if is_outside { with_reasoning } else { output };
        Self::new(input, output)
            .with_known(Meter::CacheRead, of_input("cached_tokens")?)
            .with_known(Meter::CacheWrite, of_input("cache_write_tokens")?)
            .with_known(Meter::InputAudio, of_input("audio_tokens")?)
            .with_known(Meter::InputImage, of_input("image_tokens")?)
            .with_known(Meter::CacheReadAudio, of_input("cached_tokens_details.audio_tokens")?)
            .with_known(Meter::CacheReadImage, of_input("cached_tokens_details.image_tokens")?)
            .with_known(Meter::Reasoning, reasoning)
            .with_known(Meter::OutputAudio, of_output("audio_tokens")?)
            .with_known(Meter::OutputImage, of_output("image_tokens")?)
            .valid()
    }

    /// The usage that [Gemini](https://ai.google.dev/api/generate-content#UsageMetadata) reports, there or on Vertex AI:
    /// its `usageMetadata` as JSON.
    ///
    /// What was read from a cache is part of `promptTokenCount`. Thoughts are not part of `candidatesTokenCount`, nor are
    /// the prompts of tools part of `promptTokenCount`: the output and the input are the sums. Counts by modality tell
    /// audio, images and video apart. A count of 0 is not written there, so an answer without candidates has none.
    ///
    /// ```
    /// use runledger::{Usage, metrics::Meter};
    ///
    /// let usage = Usage::from_gemini(
    ///     r#"{"promptTokenCount": 1200, "cachedContentTokenCount": 1000, "toolUsePromptTokenCount": 300,
    ///         "candidatesTokenCount": 50, "thoughtsTokenCount": 150, "totalTokenCount": 1700,
    ///         "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 700}, {"modality": "AUDIO", "tokenCount": 500}]}"#,
    /// )?;
    /// let expected = Usage::new(1_500, 200).cache_read(1_000).reasoning(150).with(Meter::InputAudio, 500);
    /// assert_eq!(usage, expected);
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_anthropic`](Self::from_anthropic), but what is needed is `promptTokenCount`.
    pub fn from_gemini(json: &str) -> Result<Self> {
        let report = Report::read("read the usage of an answer of Gemini", json)?;
        let thoughts = report.count("thoughtsTokenCount")?;
        // The Live API calls them responses.
        let candidates = report.count("candidatesTokenCount")?.or(report.count("responseTokenCount")?);
        let prompt = report.whole("promptTokenCount")?;
        let input = report.sum([Some(prompt), report.count("toolUsePromptTokenCount")?])?.unwrap_or(prompt);
        let of_input = |modality| {
            let tools = report.modality("toolUsePromptTokensDetails", modality)?;
            report.sum([report.modality("promptTokensDetails", modality)?, tools])
        };
        let of_cache = |modality| report.modality("cacheTokensDetails", modality);
        let of_output = |modality| {
            let candidates = report.modality("candidatesTokensDetails", modality)?;
            Ok(candidates.or(report.modality("responseTokensDetails", modality)?))
        };
        Self::new(input, report.sum([candidates, thoughts])?.unwrap_or(0))
            .with_known(Meter::CacheRead, report.count("cachedContentTokenCount")?)
            .with_known(Meter::Reasoning, thoughts)
            .with_known(Meter::InputAudio, of_input("AUDIO")?)
            .with_known(Meter::InputImage, of_input("IMAGE")?)
            .with_known(Meter::InputVideo, of_input("VIDEO")?)
            .with_known(Meter::CacheReadAudio, of_cache("AUDIO")?)
            .with_known(Meter::CacheReadImage, of_cache("IMAGE")?)
            .with_known(Meter::OutputAudio, of_output("AUDIO")?)
            .with_known(Meter::OutputImage, of_output("IMAGE")?)
            .with_known(Meter::OutputVideo, of_output("VIDEO")?)
            .valid()
    }

    fn with_known(self, meter: Meter, count: Option<u64>) -> Self {
        count.map_or(self, |count| self.with(meter, count))
    }

    fn valid(self) -> Result<Self> {
        self.validate().map(|()| self)
    }
}

/// What a vendor reported.
struct Report {
    operation: &'static str,
    value: Value,
}

impl Report {
    fn read(operation: &'static str, json: &str) -> Result<Self> {
        let value = json::from_str(json)
            .map_err(|source| Error::new(ErrorKind::Malformed, operation).detail("expected JSON").source(source))?;
        let report = Self { operation, value };
        match report.value {
            Value::Object(_) => Ok(report),
            _ => Err(report.malformed("the usage", "an object", &report.value)),
        }
    }

    /// What stands at `path`, keys with dots between them; `None` for nothing and for `null`.
    fn get(&self, path: &str) -> Result<Option<&Value>> {
        let mut value = &self.value;
        for key in path.split('.') {
            value = match value {
                Value::Object(object) => object.get(key).unwrap_or(&Value::Null),
                Value::Null => return Ok(None),
                other => return Err(self.malformed(path, "it in an object", other)),
            };
        }
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    fn count(&self, path: &str) -> Result<Option<u64>> {
        let count = |value: &Value| value.as_u64().ok_or_else(|| self.malformed(path, "a whole number", value));
        self.get(path)?.map(count).transpose()
    }

    /// A count that every report has.
    fn whole(&self, path: &str) -> Result<u64> {
        self.one_of(&[path])
    }

    /// The one of `paths` that the report has.
    fn one_of(&self, paths: &[&str]) -> Result<u64> {
        for path in paths {
            if let Some(count) = self.count(path)? {
                return Ok(count);
            }
        }
        Err(self.malformed(&paths.join(" or "), "a whole number", &Value::Null))
    }

    /// The count of `part` in whichever of the objects is there.
    fn part<const N: usize>(&self, objects: [&str; N], part: &str) -> Result<Option<u64>> {
        for object in objects {
            if let Some(count) = self.count(&format!("{object}.{part}"))? {
                return Ok(Some(count));
            }
        }
        Ok(None)
    }

    /// The sum of a list's counts of one modality; `None` if it has none.
    fn modality(&self, path: &str, modality: &str) -> Result<Option<u64>> {
        let Some(list) = self.get(path)? else { return Ok(None) };
        let entries = list.as_array().ok_or_else(|| self.malformed(path, "a list", list))?;
        let mut sum = None;
        for entry in entries.iter().filter(|entry| entry["modality"] == modality) {
            // Not written: 0.
            let count = match &entry["tokenCount"] {
                Value::Null => Some(0),
                count => count.as_u64(),
            };
            let count = count.ok_or_else(|| self.malformed(path, "a whole number as tokenCount", entry))?;
            sum = self.sum([sum, Some(count)])?;
        }
        Ok(sum)
    }

    /// A time in seconds, as milliseconds.
    fn seconds(&self, path: &str) -> Result<u64> {
        let value = self.get(path)?.unwrap_or(&Value::Null);
        // Up to here a float holds each millisecond.
        let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds));
        let seconds = seconds.ok_or_else(|| self.malformed(path, "a time in seconds", value))?;
        Ok((seconds * 1_000.0).round() as u64)
    }

    /// What is known of `counts` together; `None` if nothing is.
    fn sum<const N: usize>(&self, counts: [Option<u64>; N]) -> Result<Option<u64>> {
        let known = counts.into_iter().flatten();
        known.map(Some).reduce(|sum, count| sum?.checked_add(count?)).map_or(Ok(None), |sum| match sum {
            Some(sum) => Ok(Some(sum)),
            None => Err(Error::new(ErrorKind::Overflow, self.operation)),
        })
    }

    fn malformed(&self, path: &str, expected: &str, found: &Value) -> Error {
        let found = match found {
            Value::Null => "nothing".to_owned(),
            // The beginning of what may be long.
            found => format!("{:.70}", found.to_string()),
        };
        Error::new(ErrorKind::Malformed, self.operation).detail(format!("{path}: expected {expected}, found {found}"))
    }
}
