//! Records the spans that agent libraries emit, while they talk to a local server that answers like their vendors.

mod genai_calls;
mod recorder;
mod rig_agent_run;
mod server;

use std::path::Path;

use recorder::Recorder;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::SubscriberExt;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = server::start();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tracing/spans");
    std::fs::create_dir_all(&directory).unwrap();
    let genai = Recorder::default();
    // A future may be polled before and after others, so it carries its subscriber.
    genai_calls::run(&server).with_subscriber(tracing_subscriber::registry().with(genai.clone())).await;
    genai.write(&directory.join("genai-0.7.2.jsonl"));
    let rig = Recorder::default();
    let subscriber = tracing_subscriber::registry().with(rig.clone());
    // rig's agent may start tasks, which see only the default subscriber.
    let _default = tracing::subscriber::set_default(subscriber);
    rig_agent_run::run(&server).await;
    rig.write(&directory.join("rig-0.44.0.jsonl"));
}
