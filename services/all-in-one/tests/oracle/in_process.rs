//! The system inside the test's own process, reached over HTTP all the same.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use all_in_one::{RunningApp, StartOptions};
use async_trait::async_trait;
use bootstrap::Started;
use follow_graph::PasswordCost;
use model::{TweetId, UserId};
use runtime::Settings;
use test_support::{ClientError, Explanation, HttpTransport, Operator, Rules, Stop, System, Transport};
use tokio::sync::Mutex;

use crate::held_log::{Gate, HeldLog};
use crate::suite::Setup;

/// A running system that a test can look into.
pub(crate) struct InProcess {
    settings: Settings,
    app: Mutex<Option<RunningApp>>,
    gate: Arc<Gate>,
    public: Arc<HttpTransport>,
    internal: Arc<HttpTransport>,
    operator: Operator,
}

impl InProcess {
    pub(crate) async fn start(setup: &Setup, dir: &Path) -> Self {
        let internal = Arc::new(HttpTransport::new(""));
        let system = Self {
            settings: settings(setup, dir),
            app: Mutex::new(None),
            gate: Arc::default(),
            public: Arc::new(HttpTransport::new("")),
            operator: Operator {
                follow_graph: internal.clone(),
                fan_out: internal.clone(),
                timeline_read: internal.clone(),
                token: None,
            },
            internal,
        };
        system.launch().await;
        system
    }

    /// Its operators' port.
    pub(crate) fn internal(&self) -> Arc<dyn Transport> {
        self.internal.clone()
    }

    /// How many entries all stored home timelines have together.
    pub(crate) async fn stored_entries(&self) -> u64 {
        let app = self.app.lock().await;
        let app = app.as_ref().expect("it runs");
        app.timeline_stats().await.expect("the statistics").entries
    }

    pub(crate) async fn end(&self) {
        if let Some(app) = self.app.lock().await.take() {
            Started::shutdown(app).await.expect("everything ends in time");
        }
    }

    async fn launch(&self) {
        let gate = Arc::clone(&self.gate);
        let options = StartOptions {
            fan_out_log: Box::new(|log| Arc::new(HeldLog::new(log, gate))),
            password_cost: PasswordCost::Least,
            ..StartOptions::default()
        };
        let app = all_in_one::start(self.settings.clone(), options).await;
        let app = app.expect("it starts");
        self.public.set_base_url(url(app.public_addr));
        self.internal.set_base_url(url(app.internal_addr));
        *self.app.lock().await = Some(app);
    }
}

#[async_trait]
impl System for InProcess {
    fn public(&self) -> Arc<dyn Transport> {
        self.public.clone()
    }

    async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError> {
        self.operator.settle(tweets).await
    }

    fn hold_deliveries(&self, of: &[UserId]) {
        self.gate.hold(of);
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), ClientError> {
        self.operator.set_rules(rules).await
    }

    async fn explain(&self, reader: UserId, tweet: TweetId) -> Result<Explanation, ClientError> {
        self.operator.explain(reader, tweet).await
    }

    /// What runs in the test's own process can't be killed: it ends gracefully, however it is asked to.
    async fn restart(&self, _: Stop) -> Result<(), ClientError> {
        self.end().await;
        self.launch().await;
        Ok(())
    }
}

/// The window may be smaller than any that the configuration allows, so that its mark matters to every timeline.
fn settings(setup: &Setup, dir: &Path) -> Settings {
    let variables = setup.variables().into_iter().chain([
        ("ROOKERY__HTTP__ADDR", "127.0.0.1:0".to_owned()),
        ("ROOKERY__INTERNAL__ADDR", "127.0.0.1:0".to_owned()),
        ("ROOKERY__DATA_DIR", dir.join("data").to_string_lossy().into_owned()),
    ]);
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    let mut settings = Settings::load(None, variables).expect("the settings are good");
    settings.timeline.window = setup.window;
    settings
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}
