//! An agent on top of genai: it calls models with and without streaming, executes a tool, and gets an error.

use futures::StreamExt;
use genai::adapter::AdapterKind;
use genai::chat::{ChatMessage, ChatOptions, ChatRequest};
use genai::otel::agent::{AgentSpan, ExecuteToolSpan, invoke_workflow_span, set_error};
use genai::resolver::{AuthData, Endpoint, ServiceTargetResolver};
use genai::{Client, ModelIden, ServiceTarget};
use tracing::Instrument;

pub async fn run(server: &str) {
    let url = server.to_owned();
    let resolver = ServiceTargetResolver::from_resolver_fn(move |target: ServiceTarget| {
        let kind =
            if target.model.model_name.starts_with("claude") { AdapterKind::Anthropic } else { AdapterKind::OpenAI };
        let model = ModelIden::new(kind, target.model.model_name);
        Ok(ServiceTarget { endpoint: Endpoint::from_owned(url.clone()), auth: AuthData::from_single("key"), model })
    });
    let client = Client::builder().with_service_target_resolver(resolver).build().unwrap();
    let ask = |text: &str| ChatRequest::new(vec![ChatMessage::user(text)]);
    let options = ChatOptions::default().with_capture_usage(true).with_capture_content(true);

    let workflow = invoke_workflow_span("nightly-report");
    async {
        let agent = AgentSpan::invoke_agent().internal().with_name("researcher").start();
        async {
            client.exec_chat("gpt-4o", ask("2 + 40?"), None).await.unwrap();
            let tool = ExecuteToolSpan::new("web-search").with_call_id("call_1").with_tool_type("function").start();
            client.exec_chat("claude-sonnet-4-5", ask("2 + 40?"), None).instrument(tool).await.unwrap();
            let broken = ExecuteToolSpan::new("read-file").with_call_id("call_2").start();
            set_error(&broken, "not_found");
            drop(broken);
            for model in ["gpt-4o", "claude-sonnet-4-5"] {
                let mut stream = client.exec_chat_stream(model, ask("2 + 40?"), Some(&options)).await.unwrap().stream;
                while let Some(event) = stream.next().await {
                    event.unwrap();
                }
            }
            // This stream is dropped before its end.
            let mut stream = client.exec_chat_stream("gpt-4o", ask("2 + 40?"), Some(&options)).await.unwrap().stream;
            stream.next().await.unwrap().unwrap();
            drop(stream);
            client.exec_chat("gpt-4o", ask("too many"), None).await.unwrap_err();
        }
        .instrument(agent)
        .await;
    }
    .instrument(workflow)
    .await;
    // A call outside of the workflow.
    client.embed("text-embedding-3-small", "forty-two", None).await.unwrap();
}
