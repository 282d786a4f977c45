//! A layer that writes what happens to each span as JSON lines, one line for each event.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lines: Vec<String>,
    spans: u64,
}

/// The number of a span in the file. The registry uses ids again.
struct Number(u64);

impl Recorder {
    pub fn write(&self, path: &Path) {
        let lines = &self.0.lock().unwrap().lines;
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
        println!("{}: {} lines", path.display(), lines.len());
    }

    fn say(&self, line: Value) {
        self.0.lock().unwrap().lines.push(line.to_string());
    }
}

/// Returns true for a span that a library emits for its user. Only these spans are recorded.
fn is_gen_ai(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.fields().iter().any(|field| field.name().starts_with("gen_ai."))
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Recorder {
    fn on_new_span(&self, new: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if !is_gen_ai(span.metadata()) {
            return;
        }
        let number = {
            let mut state = self.0.lock().unwrap();
            state.spans += 1;
            state.spans
        };
        let parent = span.scope().skip(1).find_map(|above| above.extensions().get::<Number>().map(|number| number.0));
        span.extensions_mut().insert(Number(number));
        let mut values = Values(Map::new());
        new.record(&mut values);
        let fields: Vec<_> = span.fields().iter().map(|field| field.name()).collect();
        let (name, target) = (span.name(), span.metadata().target());
        self.say(json!({"open": number, "parent": parent, "name": name, "target": target, "fields": fields, "values": values.0}));
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let Some(number) = span.extensions().get::<Number>().map(|number| number.0) else { return };
        let mut values = Values(Map::new());
        record.record(&mut values);
        self.say(json!({"record": number, "values": values.0}));
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        if let Some(number) = span.extensions().get::<Number>() {
            self.say(json!({"close": number.0}));
        }
    }
}

struct Values(Map<String, Value>);

impl Values {
    fn set(&mut self, field: &Field, value: Value) {
        self.0.insert(field.name().to_owned(), value);
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, json!({"debug": format!("{value:?}")}));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        // The server's port changes from run to run.
        self.set(field, if field.name() == "server.port" { 443 } else { value }.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        let is_time = field.name() == "gen_ai.response.time_to_first_chunk";
        self.set(field, if is_time { 0.25 } else { value }.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}
