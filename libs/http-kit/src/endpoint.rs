//! How a service describes a resource, so that every resource answers 405 in the same way.

use actix_web::body::BoxBody;
use actix_web::dev::{AppService, HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::guard::{self, Guard};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, web};

use crate::request_metrics::MatchedRoute;
use crate::{Problem, problems};

/// A resource: a path and the methods that apply to it. Any other method is 405 with `Allow`; `HEAD` goes with `GET`.
/// It takes no query parameters unless [`Endpoint::with_query`] says so.
pub struct Endpoint {
    path: &'static str,
    resource: Resource,
    methods: Vec<Method>,
    takes_query: bool,
}

impl Endpoint {
    /// The resource at this path, in actix's notation.
    pub fn new(path: &'static str) -> Self {
        Self {
            path,
            resource: web::resource(path),
            methods: Vec::new(),
            takes_query: false,
        }
    }

    /// Leaves the query to the handlers, which refuse what they don't know.
    #[must_use]
    pub fn with_query(mut self) -> Self {
        self.takes_query = true;
        self
    }

    /// Answers `GET` and `HEAD`.
    #[must_use]
    pub fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let either = guard::Any(guard::Get()).or(guard::Head());
        self.route(&[Method::GET, Method::HEAD], either, handler)
    }

    /// Answers `POST`.
    #[must_use]
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&[Method::POST], guard::Post(), handler)
    }

    /// Answers `PUT`.
    #[must_use]
    pub fn put<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&[Method::PUT], guard::Put(), handler)
    }

    /// Answers `DELETE`.
    #[must_use]
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(&[Method::DELETE], guard::Delete(), handler)
    }

    fn route<F, Args>(mut self, methods: &[Method], guard: impl Guard + 'static, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.extend_from_slice(methods);
        self.resource = self.resource.route(Route::new().guard(guard).to(handler));
        self
    }
}

impl HttpServiceFactory for Endpoint {
    fn register(self, config: &mut AppService) {
        let names: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        let allowed = names.join(", ");
        let refuse = move || {
            let problem = Problem::new(&problems::METHOD_NOT_ALLOWED, format!("Here apply: {allowed}."));
            let refusal: Result<HttpResponse, Problem> = Err(problem.allow(allowed.clone()));
            std::future::ready(refusal)
        };
        let resource = self.resource.default_service(web::to(refuse));
        let (path, methods, takes_query) = (self.path, self.methods, self.takes_query);
        resource
            .wrap(from_fn(move |request: ServiceRequest, next: Next<BoxBody>| {
                MatchedRoute::set(&request, path);
                let takes_any = takes_query || !methods.contains(request.method());
                refuse_query(takes_any, request, next)
            }))
            .register(config);
    }
}

/// A method that does not apply here is refused as such.
async fn refuse_query(
    takes_any: bool,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !takes_any && !request.query_string().is_empty() {
        let detail = "There are no query parameters here. Send none.";
        return Ok(request.error_response(Problem::new(&problems::INVALID_QUERY, detail)));
    }
    next.call(request).await
}
