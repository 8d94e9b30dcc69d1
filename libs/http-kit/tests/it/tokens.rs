//! Tokens, good and forged.

use actix_web::{HttpResponse, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_kit::auth::{generate_private_key, public_key_of};
use http_kit::{Actor, Endpoint, TokenIssuer, Viewer};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::Epoch;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{NOW_MS, TestService, ada, problem};

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            Endpoint::new("/who").get(async |actor: Actor| {
                HttpResponse::Ok().json(json!({"id": actor.id(), "name": actor.display_name}))
            }),
        )
        .service(Endpoint::new("/maybe").get(async |viewer: Viewer| HttpResponse::Ok().json(viewer.id())));
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims() -> Value {
    let now_s = NOW_MS / 1_000;
    json!({"sub": "7", "handle": "ada", "name": "Ada", "ver": 1, "jti": "x", "iat": now_s, "exp": now_s + 60})
}

impl TestService {
    fn header(&self) -> Header {
        let token = self.issuer.issue(&ada()).token;
        jsonwebtoken::decode_header(token).unwrap()
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        let pem = self.private_key.expose_secret();
        jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_pem(pem.as_bytes()).unwrap()).unwrap()
    }
}

#[actix_web::test]
async fn a_good_token_says_who_asks() {
    let service = TestService::start(routes);
    let token = service.issuer.issue(&ada()).token;
    let answer: Value = service.get_as("/who", &token).await.json().await.unwrap();
    assert_eq!(answer, json!({"id": "7", "name": "Ada Lovelace"}));
    assert_eq!(service.get_as("/maybe", &token).await.text().await.unwrap(), "\"7\"");
    assert_eq!(service.get("/maybe").await.text().await.unwrap(), "null");
    let refused = service.get("/who").await;
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    assert_eq!(problem(refused).await, (401, "unauthenticated".to_owned()));
}

#[actix_web::test]
async fn a_token_tells_the_epoch_that_it_was_made_in() {
    let service = TestService::start(routes);
    let issued = service.issuer.issue(&ada());
    assert_eq!(issued.session.epoch, ada().epoch);
    let without = service.sign(&service.header(), &claims());
    for (token, epoch) in [(issued.token, ada().epoch), (without, Epoch::default())] {
        assert_eq!(service.get_as("/who", &token).await.status(), 200);
        assert_eq!(service.graph.asked.lock().unwrap().pop(), Some(epoch));
    }
}

#[actix_web::test]
async fn forged_tokens_are_refused_even_where_none_is_needed() {
    let service = TestService::start(routes);
    let good = service.issuer.issue(&ada()).token;
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let none = part(&json!({"alg": "none", "typ": "JWT", "kid": service.header().kid}));
    let public = public_key_of(service.private_key.expose_secret()).unwrap();
    let hmac = Header {
        kid: service.header().kid,
        ..Header::new(Algorithm::HS256)
    };
    let with_public_key = EncodingKey::from_secret(public.as_bytes());
    let stranger = generate_private_key();
    let elsewhere = TokenIssuer::new(stranger.expose_secret(), service.clock.clone()).unwrap();
    let stranger_key = EncodingKey::from_ed_pem(stranger.expose_secret().as_bytes()).unwrap();
    let other =
        part(&json!({"sub": "8", "handle": "eve", "name": "Eve", "ver": 1, "jti": "x", "iat": 0, "exp": u64::MAX}));
    let forged = [
        ("no algorithm, no signature", format!("{none}.{payload}.")),
        ("no algorithm, old signature", format!("{none}.{payload}.{signature}")),
        (
            "HMAC with the public key",
            jsonwebtoken::encode(&hmac, &claims(), &with_public_key).unwrap(),
        ),
        ("another key", elsewhere.issue(&ada()).token),
        (
            "another key under our name",
            jsonwebtoken::encode(&service.header(), &claims(), &stranger_key).unwrap(),
        ),
        (
            "no key named",
            service.sign(
                &Header {
                    kid: None,
                    ..service.header()
                },
                &claims(),
            ),
        ),
        (
            "an unknown key named",
            service.sign(
                &Header {
                    kid: Some("0".repeat(16)),
                    ..service.header()
                },
                &claims(),
            ),
        ),
        (
            "critical header",
            service.sign(
                &Header {
                    crit: Some(vec!["x".to_owned()]),
                    ..service.header()
                },
                &claims(),
            ),
        ),
        ("other claims", format!("{header}.{other}.{signature}")),
        ("truncated", good[..good.len() - 1].to_owned()),
        ("lengthened", format!("{good}A")),
        ("two parts", message.to_owned()),
        ("nonsense", "nonsense".to_owned()),
    ];
    for (what, token) in forged {
        for path in ["/who", "/maybe"] {
            let refused = service.get_as(path, &token).await;
            assert!(
                refused.headers()["www-authenticate"]
                    .to_str()
                    .unwrap()
                    .contains("invalid_token")
            );
            assert_eq!(problem(refused).await, (401, "invalid-token".to_owned()), "{what}");
        }
    }
    assert_eq!(service.get_as("/who", &good).await.status(), 200);
}

#[actix_web::test]
async fn claims_must_be_complete_and_plausible() {
    let service = TestService::start(routes);
    assert_eq!(
        service
            .get_as("/who", &service.sign(&service.header(), &claims()))
            .await
            .status(),
        200
    );
    for (claim, value) in [
        ("sub", json!(7)),
        ("sub", json!("0")),
        ("sub", Value::Null),
        ("ver", json!("1")),
        ("ver", json!(-1)),
        ("jti", json!("")),
        ("exp", json!("soon")),
        ("exp", json!(0)),
        ("iat", json!(NOW_MS / 1_000 + 3_600)),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        let refused = service
            .get_as("/maybe", &service.sign(&service.header(), &claims))
            .await;
        assert_eq!(problem(refused).await.1, "invalid-token", "{claims}");
        claims.as_object_mut().unwrap().remove(claim);
        let refused = service
            .get_as("/maybe", &service.sign(&service.header(), &claims))
            .await;
        assert_eq!(problem(refused).await.1, "invalid-token", "{claims}");
    }
}

#[actix_web::test]
async fn the_header_must_be_one_bearer_token() {
    let service = TestService::start(routes);
    let token = service.issuer.issue(&ada()).token;
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        &token,
        &format!("Token {token}"),
        &"x".repeat(5_000),
    ] {
        let refused = service
            .client
            .get(service.url("/maybe"))
            .header("authorization", bad)
            .send()
            .await
            .unwrap();
        assert_eq!(problem(refused).await, (401, "invalid-token".to_owned()), "{bad}");
    }
    let twice = service
        .client
        .get(service.url("/maybe"))
        .bearer_auth(&token)
        .header("authorization", "Bearer x");
    assert_eq!(problem(twice.send().await.unwrap()).await.1, "invalid-token");
    let lower = service
        .client
        .get(service.url("/who"))
        .header("authorization", format!("bearer {token}"));
    assert_eq!(lower.send().await.unwrap().status(), 200);
}

#[actix_web::test]
async fn expiry_and_revocation_hold_for_tokens_seen_before() {
    let service = TestService::start(routes);
    let issued = service.issuer.issue(&ada());
    assert_eq!(service.get_as("/who", &issued.token).await.status(), 200);

    service
        .graph
        .revoked
        .lock()
        .unwrap()
        .insert(issued.session.token_id.clone());
    assert_eq!(
        problem(service.get_as("/maybe", &issued.token).await).await,
        (401, "revoked-token".to_owned())
    );
    service.graph.revoked.lock().unwrap().clear();

    *service.graph.down.lock().unwrap() = true;
    let refused = service.get_as("/who", &issued.token).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(problem(refused).await, (503, "store-unavailable".to_owned()));
    *service.graph.down.lock().unwrap() = false;

    service.clock.set(issued.session.expires_at_s * 1_000 - 1);
    assert_eq!(service.get_as("/who", &issued.token).await.status(), 200);
    service.clock.advance(1);
    assert_eq!(
        problem(service.get_as("/maybe", &issued.token).await).await,
        (401, "expired-token".to_owned())
    );
}
