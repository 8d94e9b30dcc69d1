//! Users of the server's own, and TLS.

use std::path::Path;
use std::process::Command;

use model::TweetId;
use storage::TweetCache;
use storage_redis::{NearTweets, OpenError, RedisClient, RedisOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{Server, free_port, programs};
use crate::world::{READER, World, deadline};

/// All that timelines, versions and cached tweets need.
const RULES: [&str; 20] = [
    "~t{*",
    "~u{*",
    "~b{*",
    "~c{*",
    "~d{*",
    "-@all",
    "+hello",
    "+ping",
    "+client|id",
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
    }
}

async fn refusal(url: &str) -> OpenError {
    let opened = RedisClient::connect(&RedisOptions::new(url.to_owned())).await;
    opened.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_with_what_to_do() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let _: String = server.ask("ACL", &["SETUSER", "guest", "on", ">s3cret", "-@all"]).await;
        let with = |login: &str| server.url().replace("//", &format!("//{login}@"));
        for (url, said, what_to_do) in [
            (with("guest:guess"), "WRONGPASS", "the server's user and password"),
            (with("guest:s3cret"), "NOPERM", "ACL SETUSER"),
            (
                format!("{}/200", server.url()),
                "DB index",
                "one of the server's databases",
            ),
        ] {
            let refused = refusal(&url).await;
            let told = refused.to_string();
            assert!(matches!(refused, OpenError::LoginRefused { .. }), "{refused:?}");
            assert!(
                !refused.is_transient() && told.contains(said) && told.contains(what_to_do),
                "{told}"
            );
            assert!(!told.contains("guess") && !told.contains("s3cret"), "{told}");
        }
        let _: String = server.ask("ACL", &["SETUSER", "default", "resetpass", ">s3cret"]).await;
        let refused = refusal(&server.url()).await;
        assert!(matches!(refused, OpenError::LoginRefused { .. }), "{refused:?}");
        assert!(refused.to_string().contains("the URL needs a password"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_no_redis_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            // As servers of HTTP do that are asked for something else. Whoever asked may be gone.
            let _ = connection.read(&mut [0; 64]).await;
            let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for url in [format!("redis://{address}"), format!("redis://:password@{address}")] {
        let refused = refusal(&url).await;
        assert!(
            refused.is_transient() && refused.to_string().contains("check host and port"),
            "{refused}"
        );
    }
    serving.abort();
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
