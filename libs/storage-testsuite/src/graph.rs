//! The contract of `GraphStore`.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod accounts;
mod deletion;
mod delivery;
mod edges;
mod history;
mod import;
mod pages;
mod sessions;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::{EdgeKind, GraphChange, ManualClock, Position, ReaderView, User, UserId};
use storage::{
    EdgeDirection, EdgeError, EdgeWrite, EdgeWritten, FollowerPage, FollowerPageRequest, GraphStore, IdempotencyKey,
    NewUser,
};

use crate::support::deadline;

pub use accounts::*;
pub use deletion::*;
pub use delivery::*;
pub use edges::*;
pub use history::*;
pub use import::*;
pub use pages::*;
pub use sessions::*;

/// An adapter with an empty store of its own, which is opened, let go of and opened again.
pub trait GraphBackend {
    /// Opens the store, which nobody has open.
    fn open(&self) -> impl Future<Output = Arc<dyn GraphStore>>;

    /// The clock that it goes by.
    fn clock(&self) -> &ManualClock;
}

/// Runs the contract of `GraphStore` against an adapter. `$make` is an async function that answers a fresh
/// [`GraphBackend`](crate::GraphBackend).
#[macro_export]
macro_rules! graph_store_contract {
    ($make:path) => {
        $crate::contract! { $make, graph:
            accounts_are_numbered_from_1_without_gaps,
            a_new_account_is_as_it_was_made,
            a_handle_is_unique_without_regard_to_case,
            an_account_knows_the_key_that_it_was_made_under_for_a_day,
            accounts_are_read_in_the_order_asked_for,
            a_deleted_account_is_gone_and_keeps_its_handle,
            a_new_password_raises_the_credential_version,
            a_new_password_needs_the_current_version,
            a_new_password_is_set_once_under_a_key,
            the_newest_tweet_count_wins,
            a_logged_out_token_is_revoked_until_it_ends,
            new_passwords_and_deleted_accounts_are_revocations,
            revocations_take_places_among_the_changes,
            a_change_raises_the_actors_version_alone,
            every_kind_of_edge_is_made_and_removed,
            what_is_as_asked_already_changes_nothing,
            an_edge_needs_both_accounts,
            a_new_follow_needs_no_block_between,
            mutes_and_blocks_leave_follows_as_they_are,
            a_limit_holds_for_each_kind_by_itself,
            a_write_is_done_once_under_a_key,
            a_key_belongs_to_one_body_for_a_day,
            a_refused_write_is_not_kept,
            trap_06_a_followee_carries_the_version_of_its_follow,
            who_was_ever_followed_is_known,
            edges_between_two_are_told_with_their_tombstones,
            changes_come_in_commit_order,
            concurrent_writes_of_an_actor_get_versions_of_their_own,
            pages_go_up_by_id_in_both_directions,
            pages_are_answered_in_the_order_asked_for,
            a_page_may_start_anywhere,
            chunks_cover_all_followers_once,
            chunks_come_in_pages,
            an_account_without_followers_has_no_chunks,
            authors_are_found_by_their_followers,
            a_deleted_account_makes_no_changes,
            a_purge_removes_edges_in_slices_and_answers_the_others,
            a_purge_without_work_answers_nobody,
            what_is_configured_is_in_force_until_rules_are_set,
            rules_are_as_they_were_set_last,
            rules_and_steps_count_one_version,
            states_are_read_as_they_were_written,
            an_import_makes_accounts_and_edges,
            an_import_leaves_what_stands,
            an_import_attaches_to_who_has_signed_up_only_when_told,
            an_import_counts_each_refusal,
            an_import_makes_removed_edges_again,
            an_import_keeps_the_rules,
            an_import_raises_a_follower_once,
            an_import_that_never_ended_is_known,
            what_was_written_is_there_after_a_restart,
            random_histories_agree_with_a_plain_model,
        }
    };
}

const KINDS: [EdgeKind; 3] = [EdgeKind::Follow, EdgeKind::Mute, EdgeKind::Block];

/// A store, with what tests of it do all the time.
struct Graph(Arc<dyn GraphStore>);

impl Graph {
    async fn open(backend: &impl GraphBackend) -> Self {
        Self(backend.open().await)
    }

    async fn user(&self, handle: &str) -> UserId {
        self.0.create_user(new_user(handle), deadline()).await.unwrap().id
    }

    async fn users<const N: usize>(&self) -> [UserId; N] {
        let mut users = [UserId::new(0); N];
        for (number, user) in users.iter_mut().enumerate() {
            *user = self.user(&format!("user{number}")).await;
        }
        users
    }

    async fn get(&self, user: UserId) -> Option<User> {
        self.0.users(&[user], deadline()).await.unwrap().remove(0)
    }

    async fn write(&self, write: EdgeWrite) -> Result<EdgeWritten, EdgeError> {
        self.0.write_edge(write, deadline()).await
    }

    async fn put(&self, kind: EdgeKind, actor: UserId, target: UserId) -> EdgeWritten {
        self.write(edge(kind, actor, target, true)).await.unwrap()
    }

    async fn remove(&self, kind: EdgeKind, actor: UserId, target: UserId) -> EdgeWritten {
        self.write(edge(kind, actor, target, false)).await.unwrap()
    }

    async fn follow(&self, actor: UserId, target: UserId) -> EdgeWritten {
        self.put(EdgeKind::Follow, actor, target).await
    }

    async fn reader(&self, reader: UserId) -> ReaderView {
        self.0.reader(reader, deadline()).await.unwrap().unwrap()
    }

    async fn page(
        &self,
        direction: EdgeDirection,
        author: UserId,
        after: Option<UserId>,
        limit: usize,
    ) -> FollowerPage {
        let request = FollowerPageRequest { author, after, limit };
        self.0.edges(direction, &[request], deadline()).await.unwrap().remove(0)
    }

    async fn followers(&self, author: UserId) -> Vec<UserId> {
        self.page(EdgeDirection::Followers, author, None, 10_000)
            .await
            .followers
    }

    async fn following(&self, follower: UserId) -> Vec<UserId> {
        self.page(EdgeDirection::Following, follower, None, 10_000)
            .await
            .followers
    }

    async fn changes(&self) -> Vec<GraphChange> {
        self.0.changes_after(Position(0), 1_000_000, deadline()).await.unwrap()
    }

    /// Waits until the account has as many followers and followees: counts may be 5 s old.
    async fn expect_counts(&self, user: UserId, followers: usize, following: usize) {
        for _ in 0..1_000 {
            let found = self.get(user).await.unwrap();
            let counted = self.0.followers_counts(&[user], deadline()).await.unwrap();
            let expected = (followers as u64, following as u64, vec![followers as u64]);
            if (found.followers_count, found.following_count, counted) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the counts of {user} never came to {followers} followers and {following} followees");
    }

    /// Purges until nothing is left; answers everybody who was touched.
    async fn purge(&self, slice: usize) -> Vec<UserId> {
        let mut all = Vec::new();
        loop {
            let touched = self.0.purge_deleted(slice, deadline()).await.unwrap();
            if touched.is_empty() {
                return all;
            }
            assert!(touched.len() <= slice);
            all.extend(touched);
        }
    }
}

fn new_user(handle: &str) -> NewUser {
    NewUser {
        handle: handle.parse().unwrap(),
        display_name: format!("The {handle}").parse().unwrap(),
        password_hash: Some(format!("hash of {handle}")),
        idempotency: None,
    }
}

fn edge(kind: EdgeKind, actor: UserId, target: UserId, present: bool) -> EdgeWrite {
    EdgeWrite {
        kind,
        actor,
        target,
        present,
        limit: 5_000,
        idempotency: None,
    }
}

fn key(account: UserId, key: &str, body: u8) -> IdempotencyKey {
    IdempotencyKey {
        account,
        operation: "PUT /v1/somewhere".to_owned(),
        key: key.to_owned(),
        body_digest: [body; 32],
    }
}

/// An account that was never made.
fn nobody() -> UserId {
    UserId::new(77_777)
}
