//! Lua scripts: sent by their digest, and whole where the server does not know them.

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::LuaInterface;
use fred::types::Value;
use fred::types::scripts::Script;

/// A script and its digest.
pub(crate) struct LuaScript {
    source: String,
    script: Script,
}

impl LuaScript {
    /// Of parts that follow each other.
    pub(crate) fn new(parts: &[&str]) -> Self {
        let source = parts.concat();
        Self {
            script: Script::from_lua(source.clone()),
            source,
        }
    }

    pub(crate) async fn run(&self, client: &Client, keys: Vec<String>, arguments: Vec<Value>) -> Result<Value, Error> {
        let digest = self.script.sha1().clone();
        match client.evalsha(digest, keys.clone(), arguments.clone()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(self.source.clone(), keys, arguments).await
            }
            answer => answer,
        }
    }
}
