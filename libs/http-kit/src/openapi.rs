//! The description of the whole API, put together from what each service says of its part.

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, License, OpenApi, PathItem, Paths, Ref, RefOr, ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};

const BEARER: &str = "bearerAuth";
const PROBLEM: &str = "Problem";

/// A refusal (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "only its schema is used; Problem renders itself")]
struct ProblemBody {
    /// Which type of problem it is: stable, for programs.
    #[schema(example = "urn:rookery:problem:no-such-tweet")]
    r#type: String,
    /// The type, for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong with this request, and what to do about it.
    detail: String,
}

/// One description of all parts: with the token's scheme, and with problems as the answer of every operation where
/// nothing else is said.
pub fn merge(parts: impl IntoIterator<Item = OpenApi>) -> OpenApi {
    let mut whole = OpenApi::new(info(), Paths::new());
    whole.components = Some(common_components());
    for part in parts {
        whole.merge(part);
    }
    whole
        .paths
        .paths
        .values_mut()
        .flat_map(operations)
        .for_each(answer_problems);
    whole
}

fn info() -> Info {
    let mut info = Info::new("Rookery", env!("CARGO_PKG_VERSION"));
    info.description = Some("Post tweets, follow each other, read home timelines.".to_owned());
    info.license = Some(License::new("Apache-2.0"));
    info
}

fn common_components() -> Components {
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.bearer_format = Some("JWT".to_owned());
    bearer.description = Some("A token from POST /v1/sessions.".to_owned());
    let mut components = Components::new();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    components.schemas.insert(PROBLEM.to_owned(), ProblemBody::schema());
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(PROBLEM)))
        .build();
    let response = ResponseBuilder::new()
        .description("A refusal. `type` says which; docs/problems.md lists them all.")
        .content("application/problem+json", content)
        .build();
    components.responses.insert(PROBLEM.to_owned(), RefOr::T(response));
    components
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.put, &mut path.post, &mut path.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

fn answer_problems(operation: &mut Operation) {
    let problem = RefOr::Ref(Ref::from_response_name(PROBLEM));
    operation
        .responses
        .responses
        .entry("default".to_owned())
        .or_insert(problem);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::openapi::HttpMethod;
    use utoipa::openapi::path::OperationBuilder;

    use super::*;

    fn part(path: &str) -> OpenApi {
        let mut paths = Paths::new();
        paths.add_path_operation(path, vec![HttpMethod::Get], OperationBuilder::new().build());
        OpenApi::new(Info::new("part", "0"), paths)
    }

    #[test]
    fn every_operation_of_every_part_answers_problems() {
        let whole: Value = serde_json::to_value(merge([part("/a"), part("/b")])).unwrap();
        assert_eq!(whole["openapi"], "3.1.0");
        assert_eq!(whole["info"]["title"], "Rookery");
        for path in ["/a", "/b"] {
            let default = &whole["paths"][path]["get"]["responses"]["default"];
            assert_eq!(default, &json!({"$ref": "#/components/responses/Problem"}));
        }
        let components = &whole["components"];
        assert_eq!(components["securitySchemes"][BEARER]["scheme"], "bearer");
        let schema = &components["responses"][PROBLEM]["content"]["application/problem+json"]["schema"];
        assert_eq!(schema, &json!({"$ref": "#/components/schemas/Problem"}));
        assert_eq!(
            components["schemas"][PROBLEM]["required"],
            json!(["type", "title", "status", "detail"])
        );
    }
}
