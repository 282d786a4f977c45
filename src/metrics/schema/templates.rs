//! The texts from which the schemas are made. They have little indentation to save space, because every program that
//! links the crate contains them.
//!
//! A line of a template is a line of the schema, without the comma at the end. There are two exceptions:
//!
//! - A line such as `@at time? The time of the call.` defines a key. The type and the meaning of its value follow the
//!   key, in the form that [`Fact`](super::super::keys::Fact) describes. If the line states no meaning, the key means
//!   the same as the key of this name in `cost`.
//! - A line such as `*keys` is replaced by other lines. [`Writer`](super::writer::Writer) lists the replacements.

/// The schema of a record.
pub(super) const RECORD: &str = r##"{
 "$schema": "https://json-schema.org/draft/2020-12/schema"
 "$id": "urn:runledger:record:1"
 "title": "Record of runledger"
 *describe One execution, as `runledger list --json` prints it and `runledger pipe` reads it.
 "type": "object"
 "additionalProperties": false
 *whole execution_id skill_name skill_version timestamp_start
 "properties": {
  *keys
 }
}"##;

/// The end of the description of a record. It states the rules that the schema itself does not express.
pub(super) const RULES: &str = "An unknown value is null or missing, and never 0. Times are RFC 3339, and money is in \
    US dollars. The name of a duration ends in its unit. `pipe` also checks rules that this schema does not express: \
    timestamp_end is not before timestamp_start. execution_succeeded and execution_failed match status, and a success \
    has no error_reason. tokens_used is the sum of input and output, and the parts of a usage do not exceed their \
    whole. cost_usd is cost.exact_usd, rounded to 8 decimals. The call_sequence of llm_calls is 1, 2, 3, … A whole \
    number has no decimal point. An object has each key once, and tags have at most 124 levels. This schema accepts \
    only the keys and words of this version. Later versions may add some, so a program that reads records should skip \
    those that it does not know.";

/// The rule that a record without a `timestamp_end` has the status `interrupted`.
pub(super) const END: &str = r##"{"anyOf": [{"properties": {"timestamp_end": {"type": "string"}}, "required": ["timestamp_end"]}, {"properties": {"status": {"const": "interrupted"}}, "required": ["status"]}]}"##;

/// The schema of an input line of `pipe`.
pub(super) const PIPE: &str = r##"{
 "$schema": "https://json-schema.org/draft/2020-12/schema"
 "$id": "urn:runledger:pipe:1"
 "title": "Input line of runledger pipe"
 *describe A whole record, or a message that begins, continues or ends an execution.
 "oneOf": [
  {"$ref": "#/$defs/record"}
  {"$ref": "#/$defs/begin"}
  {"$ref": "#/$defs/step"}
  {"$ref": "#/$defs/usage"}
  {"$ref": "#/$defs/end"}
 ]
 "$defs": {
  "record": {
   "description": "A whole record. If execution_id is missing, pipe creates one and answers with it. The status error means failed. An amount can be a string, which is read digit by digit. Totals and durations that are missing are derived. An error_reason with more than 500 characters is shortened."
   "type": "object"
   "$ref": "#/$defs/keys"
   "unevaluatedProperties": false
   *whole skill_name skill_version timestamp_start
   "properties": {
    "usage": {
     "description": "The calls of models. The tokens and the cost of the record follow from them."
     "oneOf": [
      {"type": "object", "$ref": "#/$defs/call", "unevaluatedProperties": false}
      {"type": "array", "items": {"type": "object", "$ref": "#/$defs/call", "unevaluatedProperties": false}}
     ]
    }
    "price": {"$ref": "#/$defs/answer"}
   }
  }
  *message begin
   "description": "An execution begins. If execution_id is missing, pipe creates one and answers with it."
   "type": "object"
   "$ref": "#/$defs/keys"
   "unevaluatedProperties": false
   *required skill_name skill_version
  *done
  *message step
   "description": "A step of an execution begins."
   "type": "object"
   "additionalProperties": false
   "required": ["execution_id", "name"]
   "properties": {
    @execution_id id! The id of the execution.
    @name text! The name of the step.
   }
  *done
  *message usage
   "description": "An execution called a model."
   "type": "object"
   "$ref": "#/$defs/call"
   "unevaluatedProperties": false
   "required": ["execution_id"]
   "properties": {
    @execution_id id! The id of the execution.
   }
  *done
  *message end
   "description": "An execution ends. The record of the execution has the keys of all messages about the execution."
   "type": "object"
   "$ref": "#/$defs/keys"
   "unevaluatedProperties": false
   *required execution_id status
  *done
  "call": {
   "description": "A call of a model, with either counts or the usage that a vendor reports."
   "type": "object"
   "oneOf": [
    {"required": ["model"], "properties": {"anthropic": false, "openai": false, "gemini": false}, "not": {"propertyNames": {"enum": ["execution_id", "model", "provider", "variant", "at"]}}}
    *vendor anthropic
    *vendor openai
    *vendor gemini
   ]
   "properties": {
    @model text The model, as its vendor names it. Required if no response of a vendor names it.
    @provider text? The provider that served the model.
    @variant strings How the vendor served the call, if that changes the price, such as processing: batch.
    @at time? The time of the call, which decides the price.
    @cost_usd usd? The cost in US dollars. If it is missing, it is computed from the usage.
    *usage
    @anthropic open The usage in a response of Anthropic, or the whole response.
    @openai open The usage in a response of OpenAI, or the whole response.
    @gemini open The usageMetadata in a response of Gemini, or the whole response.
   }
  }
  *answer
  "keys": {
   "type": "object"
   "properties": {
    *keys
    *aliases
   }
  }
 }
}"##;

/// The schema of an input line of `price`.
pub(super) const PRICE: &str = r##"{
 "$schema": "https://json-schema.org/draft/2020-12/schema"
 "$id": "urn:runledger:price:1"
 "title": "Input line of runledger price"
 "description": "A call of a model. $defs.answer describes a line that the command prints."
 "type": "object"
 "additionalProperties": false
 "required": ["model", "usage"]
 "properties": {
  @model text! The model, as its vendor names it.
  @provider text? The provider that served the model.
  @variant strings? How the vendor served the call, if that changes the price, such as processing: batch.
  @at time? The time of the call, which decides the price. Missing means the current time.
  "usage": {
   "description": "At least one count that is not null. If one of input_tokens and output_tokens is null and the other is a number, the call has no price. Any other count that is null or missing adds no cost."
   "type": "object"
   "additionalProperties": false
   "minProperties": 1
   "properties": {
    *usage
   }
  }
 }
 "$defs": {
  *answer
 }
}"##;

/// The schema of a line that `price` prints.
pub(super) const ANSWER: &str = r##""answer": {
 "description": "A line that `runledger price` prints: a cost, or the reason why there is no cost."
 "type": "object"
 "oneOf": [{"required": ["usd"]}, {"required": ["error"]}]
 "properties": {
  @usd digits The exact cost in US dollars.
  @parts strings The cost of each part of the usage in US dollars.
  @provider text
  @matched text
  @matched_by texts
  @table text
  @cost_tier cost_tier The price tier of the model.
  @tier_above count?
  @variant strings
  @variant_unpriced strings
  @region_unpriced text?
  @part_unpriced texts
  @at time
  @error text Why there is no cost.
  @kind text The kind of the error.
  @near texts Models with a similar name.
 }
}"##;

/// One line for each kind of usage: its name in a record, and its meaning.
pub(super) const USAGE: &str = "\
input All input tokens, including tokens that were read from a cache or written to a cache.
cache_read Input tokens that were read from a cache.
cache_write Input tokens that were written to a cache.
cache_write_1h Input tokens that were written to a cache that keeps them for an hour.
input_audio Input tokens that are audio.
input_image Input tokens that are images.
input_video Input tokens that are video.
cache_read_audio Input tokens that are audio and were read from a cache.
cache_read_image Input tokens that are images and were read from a cache.
output All output tokens, including reasoning.
reasoning Output tokens that are reasoning.
citation Output tokens that are citations.
output_audio Output tokens that are audio.
output_image Output tokens that are images.
output_video Output tokens that are video.
requests API calls.
web_searches Web searches by the vendor.
file_searches Searches of stored files by the vendor.
audio_ms The duration of audio in the input or the output.
video_ms The duration of generated video.
deployment_ms The time for which a deployment was rented.
characters Characters of text.
messages Messages of text.
pages Pages of documents.
annotated_pages Pages of documents that were annotated.
";
