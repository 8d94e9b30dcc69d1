//! Users of the server's own, and TLS.

use std::path::Path;
use std::process::Command;

use model::TweetId;
use storage::TweetCache;
use storage_redis::{NearTweets, OpenError, RedisClient, RedisOptions};
use tempfile::TempDir;

use crate::server::{Server, free_port, programs};
use crate::world::{READER, World, deadline};

/// All that timelines, versions and cached tweets need.
const RULES: [&str; 21] = [
    "~t{*",
    "~u{*",
    "~b{*",
    "~c{*",
    "~d{*",
    "-@all",
    "+hello",
    "+ping",
    "+client|id",
    "+client|setname",
    "+info",
    "+time",
    "+@string",
    "+@scripting",
    "+@keyspace",
    "+lindex",
    "+lrange",
    "+lpush",
    "+ltrim",
    "+cluster|slots",
    "-@dangerous",
];

#[tokio::test]
async fn a_user_of_the_server_needs_few_rights() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let mut rule = vec!["SETUSER", "rookery", "on", ">s@cret"];
        rule.extend(RULES);
        rule.push("+info");
        let set: String = server.ask("ACL", &rule).await;
        assert_eq!(set, "OK");
        let url = server.url().replace("//", "//rookery:s%40cret@");
        let world = World::new(&url).await;
        world.build(READER, 1..=200).await;
        world.push(READER, &[201]).await.unwrap();
        world.announce(1).await;
        assert_eq!(world.all(READER).await.0.len(), 201);
        let (_, epoch) = world.cached(7).await;
        world.put(7, epoch).await;
        assert!(world.cached(7).await.0);
        world.tweets.remove(&[TweetId::new(7)], deadline()).await.unwrap();
        let near = NearTweets::new(world.tweets, 1 << 20);
        assert_eq!(near.get(&[TweetId::new(7)], deadline()).await.unwrap().tweets, [None]);

        let wrong = RedisClient::connect(&RedisOptions::new(url.replace("s%40cret", "guess"))).await;
        let refused = wrong.map(|_| ()).unwrap_err();
        assert!(matches!(&refused, OpenError::Unreachable { .. }), "{refused:?}");
        assert!(!format!("{refused}{refused:?}").contains("guess"));
    }
}

#[tokio::test]
async fn a_server_is_verified_by_its_certificate() {
    let Some(certificates) = certificates() else {
        eprintln!("SKIPPED: openssl cannot make a certificate");
        return;
    };
    let file = |name: &str| certificates.path().join(name).display().to_string();
    let (certificate, key, authority) = (file("server.pem"), file("server.key"), file("server.pem"));
    for program in programs() {
        let port = free_port();
        let options = [
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &authority,
            "--tls-auth-clients",
            "no",
        ];
        if !knows_tls(&program, &options) {
            eprintln!("SKIPPED: {program} was built without TLS");
            continue;
        }
        let _server = Server::start(&program, &options).await;
        let url = format!("rediss://localhost:{port}?sslrootcert={authority}");
        let world = World::new(&url).await;
        world.build(READER, [1, 2]).await;
        assert_eq!(world.all(READER).await.0, [1, 2]);

        for (unverified, why) in [
            (format!("rediss://localhost:{port}"), "by the system's certificates"),
            (format!("redis://localhost:{port}"), "without TLS"),
        ] {
            let opened = RedisClient::connect(&RedisOptions::new(unverified)).await;
            assert!(opened.is_err(), "{why}");
        }
    }
}

/// A program without TLS ends at once when it is told to listen for it.
fn knows_tls(program: &str, options: &[&str]) -> bool {
    let port = free_port().to_string();
    let mut process = Command::new(program)
        .args(["--port", &port, "--save", ""])
        .args(options)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let has_ended = process.try_wait().unwrap().is_some();
    process.kill().unwrap();
    process.wait().unwrap();
    !has_ended
}

/// A certificate for `localhost` that vouches for itself.
fn certificates() -> Option<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ed25519",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(file("server.key"))
        .arg("-out")
        .arg(file("server.pem"))
        .output()
        .ok()?;
    (made.status.success() && Path::new(&file("server.pem")).exists()).then_some(folder)
}
