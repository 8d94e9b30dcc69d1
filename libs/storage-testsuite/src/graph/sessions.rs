//! Which tokens do not count any more.

#![expect(missing_docs, reason = "a rule is named by what it says")]

use model::{Clock, Epoch, GraphChangeKind, Session, UserId};

use storage::RevokedToken;

use super::{Graph, GraphBackend};
use crate::support::deadline;

fn session(user: UserId, token_id: &str, expires_at_s: u64) -> Session {
    Session {
        user,
        token_id: token_id.to_owned(),
        credential_version: 1,
        epoch: Epoch::default(),
        expires_at_s,
    }
}

pub async fn a_logged_out_token_is_revoked_until_it_ends(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let ada = graph.user("ada").await;
    let now_s = backend.clock().unix_ms() / 1_000;
    let (early, late) = (session(ada, "early", now_s + 10), session(ada, "late", now_s + 20));
    for token in [&early, &late, &early] {
        graph.0.revoke(token, deadline()).await.unwrap();
    }
    let (early, late) = (RevokedToken::from(&early), RevokedToken::from(&late));
    let mut tokens = graph.0.revocations(now_s, deadline()).await.unwrap().tokens;
    tokens.sort_by_key(|token| token.expires_at_s);
    assert_eq!(tokens, [early, late.clone()]);
    assert_eq!(
        graph.0.revocations(now_s + 15, deadline()).await.unwrap().tokens,
        [late]
    );
    assert_eq!(graph.0.revocations(now_s + 25, deadline()).await.unwrap().tokens, []);
}

pub async fn new_passwords_and_deleted_accounts_are_revocations(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob, _] = graph.users().await;
    let raised = graph
        .0
        .change_password(ada, 1, "new".to_owned(), None, deadline())
        .await
        .unwrap();
    graph.0.delete_user(bob, deadline()).await.unwrap();
    let revoked = graph.0.revocations(0, deadline()).await.unwrap();
    assert_eq!(revoked.credential_versions, [(ada, raised)]);
    assert_eq!(revoked.deleted, [bob]);
}

pub async fn revocations_take_places_among_the_changes(backend: impl GraphBackend) {
    let graph = Graph::open(&backend).await;
    let [ada, bob] = graph.users().await;
    let version = graph.follow(ada, bob).await.version;
    let ends = backend.clock().unix_ms() / 1_000 + 10;
    graph.0.revoke(&session(ada, "one", ends), deadline()).await.unwrap();
    graph
        .0
        .change_password(ada, 1, "new".to_owned(), None, deadline())
        .await
        .unwrap();
    graph.0.delete_user(bob, deadline()).await.unwrap();
    let changes = graph.changes().await;
    let rest: Vec<_> = changes[1..]
        .iter()
        .map(|change| (change.kind, change.actor, change.target))
        .collect();
    let revoked = GraphChangeKind::SessionsRevoked;
    assert_eq!(
        rest,
        [
            (revoked, ada, ada),
            (revoked, ada, ada),
            (GraphChangeKind::AccountDeleted, bob, bob)
        ]
    );
    assert_eq!(
        graph.reader(ada).await.version,
        version,
        "no edge of the account has changed"
    );
}
