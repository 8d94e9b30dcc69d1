//! Who asks, as handlers take it.

use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{Error, FromRequest, HttpRequest, web};
use futures::future::LocalBoxFuture;
use model::{Author, Session, UserId};

use super::Authenticator;
use crate::extract::request_deadline;
use crate::limits::Limits;
use crate::{Problem, problems};

/// What a verified token says.
#[derive(Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's own session.
    pub session: Session,
    /// The account's handle.
    pub handle: String,
    /// Its display name.
    pub display_name: String,
}

/// The account that asks, by a good token. As an extractor it refuses requests without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(Arc<Identity>);

impl Actor {
    /// The account.
    pub fn id(&self) -> UserId {
        self.session.user
    }

    /// The account, as the author of a tweet.
    pub fn author(&self) -> Author {
        Author {
            id: self.id(),
            handle: self.handle.clone(),
            display_name: self.display_name.clone(),
        }
    }
}

impl From<Identity> for Actor {
    fn from(identity: Identity) -> Self {
        Self(Arc::new(identity))
    }
}

impl Deref for Actor {
    type Target = Identity;

    fn deref(&self) -> &Identity {
        &self.0
    }
}

/// The account that asks, if any. A bad token is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer(pub Option<Actor>);

impl Viewer {
    /// The account.
    pub fn id(&self) -> Option<UserId> {
        self.0.as_ref().map(Actor::id)
    }
}

/// Authenticates a request and counts it against the limits of its account, or else of its address.
async fn viewer(request: &HttpRequest) -> Result<Viewer, Problem> {
    let authenticator = request
        .app_data::<web::Data<Authenticator>>()
        .ok_or_else(|| Problem::internal("no Authenticator among the application's data"))?;
    let actor = authenticator
        .authenticate(request.headers(), request_deadline(request))
        .await?;
    if let Some(limits) = request.app_data::<web::Data<Limits>>() {
        limits.check(request, actor.as_ref().map(Actor::id))?;
    }
    Ok(Viewer(actor))
}

impl FromRequest for Viewer {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(viewer(&request).await?) })
    }
}

impl FromRequest for Actor {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let needed = || {
                Problem::new(
                    &problems::UNAUTHENTICATED,
                    "Send `Authorization: Bearer <token>`; POST /v1/sessions gives one.",
                )
            };
            Ok(viewer(&request).await?.0.ok_or_else(needed)?)
        })
    }
}
