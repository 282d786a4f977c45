//! Converts the usage that vendors report to a [`Usage`], which is counted in the same way for every vendor.

use serde_json::Value;

use super::plain_usage::plain;
use super::text::not_utf8;
use super::{Meter, Usage};
use crate::error::{Error, ErrorKind, Result};
use crate::json;

impl Usage {
    /// Reads the usage in a response from [Anthropic's Messages API](https://platform.claude.com/docs/en/api/messages).
    /// `json` is the whole response or only its `usage`, as JSON text or bytes.
    ///
    /// Anthropic's `input_tokens` excludes the tokens that were read from a cache or written to a cache. So the input
    /// of the `Usage` is the sum of `input_tokens`, the tokens read from a cache and the tokens written to a cache. The
    /// number of tokens that are cached for an hour comes from `cache_creation`. Anthropic's `output_tokens` includes
    /// thinking, which counts as reasoning.
    ///
    /// Unknown keys are skipped. A part that is missing or `null` is unknown.
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
    ///
    /// let response = br#"{"model": "claude-opus-4-5", "usage": {"input_tokens": 10, "output_tokens": 3}}"#;
    /// assert_eq!(Usage::from_anthropic(response)?, Usage::new(10, 3));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::Malformed`] if the text is not a JSON object, or if it has the usage of OpenAI or Gemini. The
    ///   error also occurs if a count is not a whole number, or if `input_tokens` or `output_tokens` is missing.
    /// * [`ErrorKind::Invalid`] if parts of the usage exceed their whole ([`validate`](Self::validate)). For example,
    ///   the thinking exceeds the output.
    /// * [`ErrorKind::Overflow`] if a sum exceeds the range of `u64`.
    pub fn from_anthropic(json: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self> {
        let json = json.as_ref();
        plain(json).map_or_else(|| read(ANTHROPIC, json, Self::from_anthropic_value), Ok)
    }

    /// Like [`from_anthropic`](Self::from_anthropic), but reads JSON that is already parsed, such as the response of a
    /// client library.
    ///
    /// ```
    /// use runledger::Usage;
    /// use serde_json::json;
    ///
    /// let response = json!({"model": "claude-opus-4-5", "usage": {"input_tokens": 10, "output_tokens": 3}});
    /// assert_eq!(Usage::from_anthropic_value(&response)?, Usage::new(10, 3));
    /// assert_eq!(Usage::from_anthropic_value(&response["usage"])?, Usage::new(10, 3));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::Malformed`] if the usage is not a JSON object, or if it is the usage of OpenAI or Gemini. The
    ///   error also occurs if a count is not a whole number, or if `input_tokens` or `output_tokens` is missing.
    /// * [`ErrorKind::Invalid`] if parts of the usage exceed their whole ([`validate`](Self::validate)). For example,
    ///   the thinking exceeds the output.
    /// * [`ErrorKind::Overflow`] if a sum exceeds the range of `u64`.
    pub fn from_anthropic_value(response: &Value) -> Result<Self> {
        let report = Report::of(ANTHROPIC, response)?;
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

    /// Reads the usage in a response from OpenAI. `json` is the whole response or only its `usage`, as JSON text or
    /// bytes. The usage has one of these forms, which differ in their keys:
    ///
    /// * `prompt_tokens` of [Chat Completions](https://platform.openai.com/docs/api-reference/chat/object) and
    ///   embeddings;
    /// * `input_tokens` of [Responses](https://platform.openai.com/docs/api-reference/responses/object), images and
    ///   realtime sessions;
    /// * `seconds`, with the `type` `duration`, of
    ///   [transcriptions](https://platform.openai.com/docs/api-reference/audio/json-object) that are billed by the
    ///   second.
    ///
    /// OpenAI counts parts in the same way as this crate. The input includes cached tokens, audio and images. The
    /// output includes reasoning, audio and images. Searches are not counted, because the response lists them outside
    /// the usage.
    ///
    /// Other vendors use these forms too. At some vendors, such as xAI, the output excludes reasoning. If
    /// `total_tokens` shows this, the reasoning is added to the output. Unknown keys are skipped. A part that is
    /// missing or `null` is unknown.
    ///
    /// ```
    /// use runledger::{Usage, metrics::Meter};
    ///
    /// let chat = r#"{"prompt_tokens": 10000, "completion_tokens": 2000, "total_tokens": 12000,
    ///     "prompt_tokens_details": {"cached_tokens": 8000, "audio_tokens": null},
    ///     "completion_tokens_details": {"reasoning_tokens": 1500}}"#;
    /// assert_eq!(Usage::from_openai(chat)?, Usage::new(10_000, 2_000).cache_read(8_000).reasoning(1_500));
    /// let response = format!(r#"{{"model": "gpt-4o", "usage": {chat}}}"#);
    /// assert_eq!(Usage::from_openai(&response)?, Usage::from_openai(chat)?);
    ///
    /// let heard = Usage::from_openai(r#"{"type": "duration", "seconds": 9}"#)?;
    /// assert_eq!(heard, Usage::new(0, 0).with(Meter::AudioMs, 9_000));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::Malformed`] if the text is not a JSON object in one of these forms, or if it has the usage of
    ///   Anthropic or Gemini. The error also occurs if a count is not a whole number, or if `input_tokens` is present
    ///   but `output_tokens` is missing.
    /// * [`ErrorKind::Invalid`] if parts of the usage exceed their whole ([`validate`](Self::validate)). For example,
    ///   the cached input exceeds the input.
    /// * [`ErrorKind::Overflow`] if a sum exceeds the range of `u64`.
    pub fn from_openai(json: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self> {
        read(OPENAI, json.as_ref(), Self::from_openai_value)
    }

    /// Like [`from_openai`](Self::from_openai), but reads JSON that is already parsed, such as the response of a client
    /// library.
    ///
    /// ```
    /// use runledger::Usage;
    /// use serde_json::json;
    ///
    /// let response = json!({"model": "gpt-4o", "usage": {"prompt_tokens": 10, "completion_tokens": 3}});
    /// assert_eq!(Usage::from_openai_value(&response)?, Usage::new(10, 3));
    /// assert_eq!(Usage::from_openai_value(&response["usage"])?, Usage::new(10, 3));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::Malformed`] if the usage is not a JSON object in one of the forms of
    ///   [`from_openai`](Self::from_openai), or if it is the usage of Anthropic or Gemini. The error also occurs if a
    ///   count is not a whole number, or if `input_tokens` is present but `output_tokens` is missing.
    /// * [`ErrorKind::Invalid`] if parts of the usage exceed their whole ([`validate`](Self::validate)). For example,
    ///   the cached input exceeds the input.
    /// * [`ErrorKind::Overflow`] if a sum exceeds the range of `u64`.
    pub fn from_openai_value(response: &Value) -> Result<Self> {
        let report = Report::of(OPENAI, response)?;
        if report.get("type")?.and_then(Value::as_str) == Some("duration") {
            return Ok(Self::new(0, 0).with(Meter::AudioMs, report.seconds("seconds")?));
        }
        let (input, output) = match report.count("prompt_tokens")? {
            Some(input) => (input, report.count("completion_tokens")?.unwrap_or(0)),
            None => (report.one_of(&["prompt_tokens", "input_tokens"])?, report.whole("output_tokens")?),
        };
        // Transcriptions and realtime sessions use the names `input_token_details` and `output_token_details`.
        let of_input =
            |part| report.part(["prompt_tokens_details", "input_tokens_details", "input_token_details"], part);
        let of_output =
            |part| report.part(["completion_tokens_details", "output_tokens_details", "output_token_details"], part);
        let reasoning = of_output("reasoning_tokens")?;
        // xAI uses this form, but its completion tokens exclude reasoning. This can be seen from the total, which
        // includes reasoning.
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

    /// Reads the usage in a response from [Gemini](https://ai.google.dev/api/generate-content#UsageMetadata), including
    /// Gemini on Vertex AI. `json` is the whole response or only its `usageMetadata`, as JSON text or bytes.
    ///
    /// `promptTokenCount` includes tokens read from a cache, but excludes the prompts of tool use. These prompts are
    /// added to the input. `candidatesTokenCount` excludes thoughts, which are added to the output. The numbers of
    /// audio, image and video tokens come from Gemini's lists of counts by modality. Gemini omits counts of 0, so a
    /// missing `candidatesTokenCount` means 0.
    ///
    /// Unknown keys are skipped. A part that is missing or `null` is unknown.
    ///
    /// ```
    /// use runledger::{Usage, metrics::Meter};
    ///
    /// let usage = Usage::from_gemini(
    ///     r#"{"promptTokenCount": 1200, "cachedContentTokenCount": 1000, "toolUsePromptTokenCount": 300,
    ///         "candidatesTokenCount": 50, "thoughtsTokenCount": 150, "totalTokenCount": 1700,
    ///         "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 700},
    ///             {"modality": "AUDIO", "tokenCount": 500}]}"#,
    /// )?;
    /// let expected = Usage::new(1_500, 200).cache_read(1_000).reasoning(150).with(Meter::InputAudio, 500);
    /// assert_eq!(usage, expected);
    ///
    /// let response = br#"{"modelVersion": "gemini-2.5-flash", "usageMetadata": {"promptTokenCount": 10}}"#;
    /// assert_eq!(Usage::from_gemini(response)?, Usage::new(10, 0));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::Malformed`] if the text is not a JSON object, or if it has the usage of Anthropic or OpenAI.
    ///   The error also occurs if a count is not a whole number, or if `promptTokenCount` is missing.
    /// * [`ErrorKind::Invalid`] if parts of the usage exceed their whole ([`validate`](Self::validate)). For example,
    ///   the cached input exceeds the input.
    /// * [`ErrorKind::Overflow`] if a sum exceeds the range of `u64`.
    pub fn from_gemini(json: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self> {
        read(GEMINI, json.as_ref(), Self::from_gemini_value)
    }

    /// Like [`from_gemini`](Self::from_gemini), but reads JSON that is already parsed, such as the response of a client
    /// library.
    ///
    /// ```
    /// use runledger::Usage;
    /// use serde_json::json;
    ///
    /// let response = json!({
    ///     "modelVersion": "gemini-2.5-flash",
    ///     "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 3},
    /// });
    /// assert_eq!(Usage::from_gemini_value(&response)?, Usage::new(10, 3));
    /// assert_eq!(Usage::from_gemini_value(&response["usageMetadata"])?, Usage::new(10, 3));
    /// # Ok::<(), runledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// * [`ErrorKind::Malformed`] if the usage is not a JSON object, or if it is the usage of Anthropic or OpenAI.
    ///   The error also occurs if a count is not a whole number, or if `promptTokenCount` is missing.
    /// * [`ErrorKind::Invalid`] if parts of the usage exceed their whole ([`validate`](Self::validate)). For example,
    ///   the cached input exceeds the input.
    /// * [`ErrorKind::Overflow`] if a sum exceeds the range of `u64`.
    pub fn from_gemini_value(response: &Value) -> Result<Self> {
        let report = Report::of(GEMINI, response)?;
        let thoughts = report.count("thoughtsTokenCount")?;
        // The Live API names this count `responseTokenCount`.
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

/// Returns the name of the model in a response of Anthropic, OpenAI or Gemini: its `model` or `modelVersion`. Returns
/// `None` if the response has no such text.
///
/// ```
/// use runledger::metrics::vendor_model;
/// use serde_json::json;
///
/// assert_eq!(vendor_model(&json!({"model": "gpt-4o-2024-08-06", "usage": {}})), Some("gpt-4o-2024-08-06"));
/// assert_eq!(vendor_model(&json!({"modelVersion": "gemini-2.5-flash"})), Some("gemini-2.5-flash"));
/// assert_eq!(vendor_model(&json!({"input_tokens": 1, "output_tokens": 1})), None);
/// ```
pub fn vendor_model(response: &Value) -> Option<&str> {
    let model = ["model", "modelVersion"].into_iter().find_map(|key| response.get(key)?.as_str());
    model.filter(|model| !model.is_empty())
}

const ANTHROPIC: Vendor = Vendor {
    operation: "read the usage of a response from Anthropic",
    name: "anthropic",
    keys: &["cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "server_tool_use"],
};
const OPENAI: Vendor = Vendor {
    operation: "read the usage of a response from OpenAI",
    name: "openai",
    keys: &["prompt_tokens", "prompt_tokens_details", "input_tokens_details", "input_token_details"],
};
const GEMINI: Vendor = Vendor {
    operation: "read the usage of a response from Gemini",
    name: "gemini",
    keys: &["promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount"],
};

/// The form in which a vendor reports usage.
#[derive(Clone, Copy)]
struct Vendor {
    operation: &'static str,
    name: &'static str,
    /// Keys that occur only in a usage of this vendor, not in a usage of the other two vendors.
    keys: &'static [&'static str],
}

/// Parses JSON and calls `from` to read it.
fn read(vendor: Vendor, json: &[u8], from: fn(&Value) -> Result<Usage>) -> Result<Usage> {
    let malformed = |detail: String| Error::new(ErrorKind::Malformed, vendor.operation).detail(detail);
    let text = std::str::from_utf8(json).map_err(|error| malformed(not_utf8(error)))?;
    from(&json::from_str(text).map_err(|source| malformed("expected JSON".to_owned()).source(source))?)
}

/// The usage that a vendor reported.
struct Report<'v> {
    vendor: Vendor,
    value: &'v Value,
}

impl<'v> Report<'v> {
    /// Finds the usage in `response`, which is a whole response or only its usage.
    ///
    /// Fails if the usage is from another vendor. The counts of cached tokens have other names there, so they would
    /// be skipped as unknown keys.
    fn of(vendor: Vendor, response: &'v Value) -> Result<Self> {
        let inner = ["usage", "usageMetadata"].into_iter().find_map(|key| response.get(key));
        let report = Self { vendor, value: inner.filter(|usage| !usage.is_null()).unwrap_or(response) };
        let Value::Object(usage) = report.value else {
            return Err(report.malformed("the usage", "an object", report.value));
        };
        // Some programs add the keys of several vendors to one usage. Such a usage is accepted.
        let key_of = |vendor: Vendor| vendor.keys.iter().find(|key| usage.contains_key(**key));
        let mut others = [ANTHROPIC, OPENAI, GEMINI].into_iter().filter(|other| other.name != vendor.name);
        match others.find_map(|other| Some((other, key_of(other)?))) {
            Some((other, key)) if key_of(vendor).is_none() => Err(Error::new(ErrorKind::Malformed, vendor.operation)
                .detail(format!(
                    "expected the usage of {}, found that of {}, which has {key}",
                    vendor.name, other.name
                ))),
            _ => Ok(report),
        }
    }

    /// Returns the value at `path`, a list of keys separated by dots. Returns `None` if the value is missing or `null`.
    fn get(&self, path: &str) -> Result<Option<&Value>> {
        let mut value = self.value;
        for key in path.split('.') {
            value = match value {
                Value::Object(object) => object.get(key).unwrap_or(&Value::Null),
                Value::Null => return Ok(None),
                other => return Err(self.malformed(path, "a field of an object", other)),
            };
        }
        Ok(Some(value).filter(|value| !value.is_null()))
    }

    fn count(&self, path: &str) -> Result<Option<u64>> {
        let count = |value: &Value| value.as_u64().ok_or_else(|| self.malformed(path, "a whole number", value));
        self.get(path)?.map(count).transpose()
    }

    /// Returns a required count.
    fn whole(&self, path: &str) -> Result<u64> {
        self.one_of(&[path])
    }

    /// Returns the count at the first of `paths` that the report has.
    fn one_of(&self, paths: &[&str]) -> Result<u64> {
        for path in paths {
            if let Some(count) = self.count(path)? {
                return Ok(count);
            }
        }
        Err(self.malformed(&paths.join(" or "), "a whole number", &Value::Null))
    }

    /// Returns the count of `part` from the first of `objects` that has it.
    fn part<const N: usize>(&self, objects: [&str; N], part: &str) -> Result<Option<u64>> {
        for object in objects {
            if let Some(count) = self.count(&format!("{object}.{part}"))? {
                return Ok(Some(count));
            }
        }
        Ok(None)
    }

    /// Returns the sum of the counts of one modality in the list at `path`. Returns `None` if the list has no count of
    /// this modality.
    fn modality(&self, path: &str, modality: &str) -> Result<Option<u64>> {
        let Some(list) = self.get(path)? else { return Ok(None) };
        let entries = list.as_array().ok_or_else(|| self.malformed(path, "a list", list))?;
        let mut sum = None;
        for entry in entries.iter().filter(|entry| entry["modality"] == modality) {
            // Gemini omits counts of 0.
            let count = match &entry["tokenCount"] {
                Value::Null => Some(0),
                count => count.as_u64(),
            };
            let count = count.ok_or_else(|| self.malformed(path, "a whole number as tokenCount", entry))?;
            sum = self.sum([sum, Some(count)])?;
        }
        Ok(sum)
    }

    /// Returns a time in seconds as milliseconds.
    fn seconds(&self, path: &str) -> Result<u64> {
        let value = self.get(path)?.unwrap_or(&Value::Null);
        // The limit is 10¹² seconds, because a float can represent every millisecond below this limit.
        let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds));
        let seconds = seconds.ok_or_else(|| self.malformed(path, "a time in seconds", value))?;
        Ok((seconds * 1_000.0).round() as u64)
    }

    /// Returns the sum of the known `counts`; `None` if none is known.
    fn sum<const N: usize>(&self, counts: [Option<u64>; N]) -> Result<Option<u64>> {
        let known = counts.into_iter().flatten();
        known.map(Some).reduce(|sum, count| sum?.checked_add(count?)).map_or(Ok(None), |sum| match sum {
            Some(sum) => Ok(Some(sum)),
            None => Err(Error::new(ErrorKind::Overflow, self.vendor.operation)),
        })
    }

    fn malformed(&self, path: &str, expected: &str, found: &Value) -> Error {
        let found = match found {
            Value::Null => "nothing".to_owned(),
            // A long value is shortened.
            found => format!("{:.70}", found.to_string()),
        };
        Error::new(ErrorKind::Malformed, self.vendor.operation)
            .detail(format!("{path}: expected {expected}, found {found}"))
    }
}
