//! Tokens that are not ours, or not good any more. Each is refused on every path, on public reads too.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::app::{Account, App, raw, raw_answer, refused};
use crate::signer::{Signer, decode, encode, parts};

async fn refused_everywhere(app: &App, account: &Account, token: &str, slug: &'static str) {
    for path in [
        "/v1/users/me".to_owned(),
        "/v1/timelines/home".to_owned(),
        format!("/v1/users/{}", account.id),
        format!("/v1/users/by-handle/{}", account.handle),
        format!("/v1/users/{}/followers", account.id),
        format!("/v1/timelines/users/{}", account.id),
        "/v1/tweets/1".to_owned(),
    ] {
        refused(app.get(&path, Some(token)).await, 401, slug);
    }
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let [header, claims, signature] = parts(&ada.token);
    let mut other = decode(claims);
    other["sub"] = json!("2");
    let mut unknown_key = decode(header);
    unknown_key["kid"] = json!("0123456789abcdef");
    let none = encode(&json!({"alg": "none", "typ": "JWT", "kid": decode(header)["kid"]}));
    for forged in [
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{}", &signature[..signature.len() - 4]),
        format!("{header}.{}.{signature}", encode(&other)),
        format!("{}.{claims}.{signature}", encode(&unknown_key)),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        with_hmac(header, claims),
    ] {
        refused_everywhere(&app, &ada, &forged, "invalid-token").await;
    }
    app.get("/v1/users/me", Some(&ada.token)).await.expect(200).unwrap();
}

/// HS256 under the key's public name: the classic confusion of algorithms.
fn with_hmac(header: &str, claims: &str) -> String {
    let mut header = decode(header);
    header["alg"] = json!("HS256");
    let signed = format!("{}.{claims}", encode(&header));
    let key = header["kid"].as_str().unwrap_or_default().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let signer = Signer::new(&app.process.data_dir(), &ada.token);
    let mut claims = signer.claims().clone();
    let good = signer.sign(&claims);
    app.get("/v1/users/me", Some(&good))
        .await
        .expect(200)
        .expect("the key is the right one");
    let issued = claims["iat"].as_u64().expect("a number");
    (claims["iat"], claims["exp"]) = (json!(issued - 60), json!(issued - 1));
    refused_everywhere(&app, &ada, &signer.sign(&claims), "expired-token").await;
}

#[tokio::test]
async fn a_token_for_an_account_that_never_was_is_refused() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let token = Signer::new(&app.process.data_dir(), &ada.token).for_account("4711", "nobody");
    let answer = app.get("/v1/timelines/home", Some(&token)).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
}

#[tokio::test]
async fn a_deleted_account_s_token_is_revoked() {
    let app = App::start().await;
    let (ada, bob) = (app.account("ada").await, app.account("bob").await);
    app.client
        .delete_account(&bob.token)
        .await
        .unwrap()
        .expect(204)
        .unwrap();
    refused_everywhere(&app, &ada, &bob.token, "revoked-token").await;
    refused(
        app.client.delete_account(&bob.token).await.unwrap(),
        401,
        "revoked-token",
    );
}

#[tokio::test]
async fn other_schemes_are_no_tokens() {
    let app = App::start().await;
    let ada = app.account("ada").await;
    let (client, url) = raw(&app);
    for header in ["Basic YWRhOmFkYQ==", "Bearer", "Bearer ", &ada.token, "Token abc"] {
        let request = client
            .get(format!("{url}/v1/users/{}", ada.id))
            .header("Authorization", header);
        refused(raw_answer(request).await, 401, "invalid-token");
    }
    let request = client
        .get(format!("{url}/v1/users/me"))
        .header("Authorization", format!("bearer {}", ada.token));
    raw_answer(request)
        .await
        .expect(200)
        .expect("the scheme's case does not matter");
}
