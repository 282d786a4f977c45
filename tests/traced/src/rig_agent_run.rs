//! Agents of rig: one with two turns and a tool between them, one with a streamed turn, and one that gets an error.

use futures::StreamExt;
use rig_agent::prelude::*;
use rig_agent::tool::{ToolContext, ToolExecutionError};
use rig_core::providers::openai::OpenAIConfig;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Arguments {
    a: i64,
    b: i64,
}

#[derive(Clone)]
struct Add;

impl Tool for Add {
    const NAME: &'static str = "add";
    type Args = Arguments;
    type Output = i64;
    type Error = ToolExecutionError;

    fn description(&self) -> String {
        "adds two numbers".to_owned()
    }

    fn parameters(&self) -> serde_json::Value {
        json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}})
    }

    async fn call(&self, _: &mut ToolContext, arguments: Arguments) -> Result<i64, ToolExecutionError> {
        Ok(arguments.a + arguments.b)
    }
}

pub async fn run(server: &str) {
    let openai = OpenAIConfig::new("key").with_base_url(server.trim_end_matches('/')).client();
    let agent = AgentBuilder::new(openai.chat("gpt-4o")).name("adder").record_content_telemetry(true).tool(Add).build();
    let answer = agent.prompt("2 + 40?").max_turns(3).await.unwrap();
    assert!(format!("{answer:?}").contains("42"), "{answer:?}");
    let agent = AgentBuilder::new(openai.chat("gpt-4o")).name("streamer").build();
    let mut stream = agent.prompt("2 + 40?").stream();
    while let Some(item) = stream.next().await {
        item.unwrap();
    }
    drop(stream);
    let agent = AgentBuilder::new(openai.chat("gpt-4o")).name("refused").build();
    agent.prompt("too many").await.unwrap_err();
}
