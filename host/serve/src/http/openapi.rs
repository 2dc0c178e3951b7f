//! The description of all this for programs: OpenAPI 3.1.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

/// The document.
const DESCRIPTION: &str = include_str!("openapi.json");

/// The description.
pub(super) async fn description() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use axum::body::Body;
    use http::{Method, Request, StatusCode};
    use serde_json::Value;
    use systole_host::engine::{Backend, EngineOptions};
    use systole_host::serving::Fleet;
    use tower::Service;

    use super::*;
    use crate::repository::Repository;
    use crate::server::{App, Server, ServerOptions};

    fn document() -> Value {
        serde_json::from_str(DESCRIPTION).expect("JSON")
    }

    async fn app(folder: &std::path::Path) -> Arc<App> {
        let backends = vec![("cpu".to_owned(), Backend::Cpu)];
        let fleet = Fleet::new(backends, EngineOptions::default()).expect("a fleet");
        let repository = Repository::open(folder, fleet).expect("a folder");
        let server = Server::bind(Arc::new(repository), ServerOptions::default()).await;
        Arc::clone(server.expect("no address").app())
    }

    #[test]
    fn it_is_of_this_version() {
        assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
    }

    #[test]
    fn it_has_every_path_and_no_other() {
        let document = document();
        let described = document["paths"].as_object().expect("paths");
        let described: BTreeSet<&str> = described.keys().map(String::as_str).collect();
        let routes: BTreeSet<&str> = crate::http::routes()
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn it_has_every_method_and_no_other() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        runtime.block_on(async {
            let mut router = crate::http::router(app(folder.path()).await);
            for (path, item) in document()["paths"].as_object().expect("paths") {
                let concrete = ["{model}", "{version}", "{region}"].iter();
                let concrete = concrete.fold(path.clone(), |path, name| path.replace(name, "7"));
                for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
                    let request = Request::builder().method(&method).uri(&concrete);
                    let request = request.body(Body::empty()).expect("a request");
                    let Ok(response) = router.call(request).await;
                    let described = item.get(method.as_str().to_lowercase()).is_some();
                    let there = response.status() != StatusCode::METHOD_NOT_ALLOWED;
                    assert_eq!(described, there, "{method} {path}");
                }
            }
        });
    }
}
