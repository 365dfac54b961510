use std::fs::File;
use std::path::Path;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use tenet_core::bundle::{Index, Operation};
use tenet_core::{Code, Fault, MAX_RECORD, Receipt, read_at_most};
use tenet_pipeline::{Answer, Invocation};

use crate::receipt::RECEIPT;
use crate::reply::{self, Reply};
use crate::{OpenError, Request, key_header};

/// The path of the list of operations. Each operation has a path below it.
pub(crate) const OPERATIONS: &str = "/operations";

const OPENAPI: &str = "/openapi.json";
const LIVE: &str = "/live";
const HEALTH: &str = "/health";

/// Whether a bundle may have something at this path.
pub(crate) fn is_path(path: &str) -> bool {
    matches!(path, OPERATIONS | OPENAPI | LIVE | HEALTH) || name(path).is_some()
}

/// The operation's name in a path.
fn name(path: &str) -> Option<&str> {
    path.strip_prefix(OPERATIONS)?.strip_prefix('/')
}

/// The HTTP interface of one bundle in one region.
#[derive(Clone, Debug)]
pub struct Api {
    region: String,
    operations: Vec<String>,
    list: String,
    openapi: String,
}

/// How to answer a request.
#[derive(Debug)]
pub enum Route {
    /// Send this reply.
    Reply(Reply),
    /// Check whether requests can be decided, and send [`Api::health`].
    Health,
    /// Let the pipeline decide, and send [`Api::answer`].
    Invoke(Invocation),
}

impl Api {
    /// The interface of the bundle in `folder`, with the document that its index names.
    ///
    /// # Errors
    /// Fails if there is no document, or if its digest differs from the index.
    pub fn open(region: &str, folder: &Path, index: &Index) -> Result<Self, OpenError> {
        let Some(file) = &index.openapi else {
            let what = "the bundle has no OpenAPI document: `tenet build` makes it";
            return Err(OpenError { file: None, what, source: None });
        };
        let path = folder.join(&file.path);
        let fail = |what, source| OpenError { file: Some(path.clone()), what, source };
        let bytes = File::open(&path).and_then(|file| read_at_most(file, MAX_RECORD));
        let bytes = bytes.map_err(|error| fail("cannot be read", Some(error)))?;
        let text = String::from_utf8(bytes).ok().filter(|text| file.is(text.as_bytes()));
        let text =
            text.ok_or_else(|| fail("is not the file that the index describes: its SHA-256 is another one", None))?;
        Ok(Self::new(region, index, text))
    }

    fn new(region: impl Into<String>, index: &Index, openapi: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            operations: index.operations.iter().map(|operation| operation.name.clone()).collect(),
            list: list(index),
            openapi: openapi.into(),
        }
    }

    /// Routes a request.
    pub fn route(&self, request: &Request<impl AsRef<[u8]>>) -> Route {
        let (path, method) = (request.path.as_str(), &request.method);
        let ok = |body: &str| Route::Reply(reply::json(StatusCode::OK, "application/json", body.to_owned()));
        let route = match path {
            OPERATIONS => ok(&self.list),
            OPENAPI => ok(&self.openapi),
            LIVE => Route::Reply(self.state("live")),
            HEALTH => Route::Health,
            _ => match self.operation(path) {
                Some(operation) if method == Method::POST => return invocation(operation, request),
                Some(_) => return Route::Reply(reply::not_allowed("POST")),
                None => return Route::Reply(self.not_found(path)),
            },
        };
        if method == Method::GET || method == Method::HEAD {
            return route;
        }
        Route::Reply(reply::not_allowed("GET, HEAD"))
    }

    /// The pipeline's answer as a reply.
    ///
    /// With a receipt it reports what the request cost. Callers request that with a header
    /// ([`wants_receipt`](crate::wants_receipt)).
    pub fn answer(&self, answer: &Answer, receipt: Option<&Receipt>) -> Reply {
        let mut reply = reply::answer(answer);
        if let Some(value) = receipt.and_then(crate::receipt::header) {
            reply.headers_mut().insert(RECEIPT, value);
        }
        reply
    }

    /// The reply to a health check. `ready` says what is missing.
    pub fn health(&self, ready: &Result<(), Fault>) -> Reply {
        let (code, detail) = match ready {
            Ok(()) => return self.state("ready"),
            Err(fault) if fault.code() == Some(Code::SchemaDiffers) => {
                ("schema-differs", "A table differs from the bundle's: T0806 in the operator's log.")
            }
            Err(_) => ("not-ready", "The database cannot be reached, or lacks Tenet's tables."),
        };
        reply::problem(StatusCode::SERVICE_UNAVAILABLE, code, detail)
    }

    /// The reply to a body that exceeds the transport's limit.
    pub fn too_large(&self) -> Reply {
        reply::problem(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large.")
    }

    /// The reply to a request that could not be read.
    pub fn unreadable(&self, detail: &str) -> Reply {
        invalid(detail)
    }

    /// The reply to a request from a source that is not allowed.
    pub fn turned_away(&self, detail: &str) -> Reply {
        reply::problem(StatusCode::FORBIDDEN, "turned-away", detail)
    }

    /// The reply to a body that is not JSON, or does not declare it where that is required.
    pub fn untyped(&self) -> Reply {
        unsupported()
    }

    /// The reply if the host itself failed before any attempt.
    pub fn broken(&self) -> Reply {
        reply::problem(StatusCode::INTERNAL_SERVER_ERROR, "failed", "The host failed. Nothing was changed.")
    }

    fn operation(&self, path: &str) -> Option<&str> {
        let name = name(path)?;
        self.operations.iter().map(String::as_str).find(|operation| *operation == name)
    }

    fn not_found(&self, path: &str) -> Reply {
        let detail = if path.starts_with(OPERATIONS) {
            format!("There is no such operation. There are: {}.", self.operations.join(", "))
        } else {
            format!("There is nothing here. {OPERATIONS} lists the operations.")
        };
        reply::problem(StatusCode::NOT_FOUND, "not-found", &detail)
    }

    fn state(&self, status: &str) -> Reply {
        #[derive(Serialize)]
        struct State<'a> {
            status: &'a str,
            region: &'a str,
        }
        reply::json(StatusCode::OK, "application/json", reply::text(&State { status, region: &self.region }))
    }
}

fn invocation(operation: &str, request: &Request<impl AsRef<[u8]>>) -> Route {
    let body = request.body.as_ref();
    if !body.is_empty() && !is_json(&request.headers) {
        return Route::Reply(unsupported());
    }
    let read = || {
        let body = std::str::from_utf8(body).map_err(|_| "The body is not UTF-8.".to_owned())?;
        Invocation::addressed(operation, key_header::read(&request.headers)?, body)
    };
    read().map_or_else(|detail| Route::Reply(invalid(&detail)), Route::Invoke)
}

fn unsupported() -> Reply {
    let detail = "The body is JSON: send it as application/json.";
    reply::problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
}

fn invalid(detail: &str) -> Reply {
    reply::answer(&Answer::invalid(detail))
}

/// Whether the body is declared as JSON. An undeclared body may be JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_json =
        |subtype: &str| subtype.eq_ignore_ascii_case("json") || subtype.to_ascii_lowercase().ends_with("+json");
    essence.split_once('/').is_some_and(|(kind, subtype)| kind.eq_ignore_ascii_case("application") && is_json(subtype))
}

/// The reply to `GET /operations`.
fn list(index: &Index) -> String {
    #[derive(Serialize)]
    struct List<'a> {
        operations: Vec<Listed<'a>>,
    }
    #[derive(Serialize)]
    struct Listed<'a> {
        name: &'a str,
        description: String,
        path: String,
        read_only: bool,
        /// The payload's member that is the idempotency key.
        key: Option<&'a str>,
        /// Whether a request without a key of its own needs that member.
        key_required: bool,
        /// Whether only some callers may use it.
        restricted: bool,
    }
    let listed = index.operations.iter().map(|operation| Listed {
        name: &operation.name,
        description: description(index, operation),
        path: format!("{OPERATIONS}/{}", operation.name),
        read_only: operation.read_only,
        key: operation.key.as_deref(),
        key_required: operation.key_required,
        restricted: operation.callers.is_some(),
    });
    reply::text(&List { operations: listed.collect() })
}

/// The description of an operation: those of its rules, in order.
pub(crate) fn description(index: &Index, operation: &Operation) -> String {
    let sentences = operation.rules.iter().filter_map(|rule| index.rule(rule)).map(|rule| rule.description.trim());
    let sentences = sentences.filter(|sentence| !sentence.is_empty());
    sentences.map(|sentence| sentence.trim_end_matches('.').to_owned() + ".").collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Path;
    use crate::openapi::tests::index;

    fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Vec<u8>> {
        let header = |(name, value): &(&str, &str)| {
            (name.parse::<http::HeaderName>().unwrap(), value.parse::<http::HeaderValue>().unwrap())
        };
        Request {
            method: method.parse().unwrap(),
            path: Path::of(path),
            headers: headers.iter().map(header).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_document_without_end_is_not_read_to_it() {
        let endless = tenet_core::bundle::File { path: "/dev/zero".into(), sha256: String::new() };
        let error = Api::open("us-east-1", std::path::Path::new("."), &Index { openapi: Some(endless), ..index() });
        let error = error.unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.to_string().contains("/dev/zero"), "{error}");
        assert_eq!(why, "it has more than 67108864 bytes");
    }

    fn route(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Route {
        Api::new("us-east-1", &index(), "{\"openapi\":\"3.1.0\"}").route(&request(method, path, headers, body))
    }

    fn reply(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        match route(method, path, headers, body) {
            Route::Reply(reply) => (reply.status().as_u16(), serde_json::from_str(reply.body()).unwrap()),
            other => panic!("{method} {path}: {other:?}"),
        }
    }

    fn invoked(headers: &[(&str, &str)], body: &str) -> Invocation {
        match route("POST", "/operations/pay", headers, body) {
            Route::Invoke(invocation) => invocation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_operation_is_invoked_with_its_payload_untouched() {
        let headers = [("content-type", "application/json; charset=utf-8"), ("idempotency-key", "k-1")];
        let invocation = invoked(&headers, r#"{"amount": 100.50}"#);
        assert_eq!(invocation.operation, "pay");
        assert_eq!(invocation.key.unwrap().as_str(), "k-1");
        assert_eq!(invocation.payload, r#"{"amount":100.50}"#);
        let bare = invoked(&[], "");
        assert_eq!((bare.key, bare.payload.as_str()), (None, "{}"));
    }

    #[test]
    fn what_cannot_be_invoked_is_told_why() {
        let json = ("content-type", "application/json");
        let long = "x".repeat(256);
        for (headers, body, status, says) in [
            (vec![("content-type", "text/plain")], "{}", 415, "application/json"),
            (vec![("content-type", "json")], "{}", 415, "application/json"),
            (vec![json], "[1]", 400, "JSON object"),
            (vec![json], "{", 400, "JSON object"),
            (vec![json, ("idempotency-key", "")], "{}", 400, "at least one"),
            (vec![json, ("idempotency-key", &long)], "{}", 400, "256"),
            (vec![json, ("idempotency-key", "a"), ("idempotency-key", "b")], "{}", 400, "twice"),
            (vec![json, ("idempotency-key", "a")], r#"{"idempotency_key":"b"}"#, 400, "one key"),
        ] {
            let (got, problem) = reply("POST", "/operations/pay", &headers, body);
            assert_eq!(got, status, "{headers:?} {body}");
            assert_eq!(problem["status"], status);
            assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
        }
        let binary = Request { body: vec![0xff], ..request("POST", "/operations/pay", &[], "") };
        let Route::Reply(reply) = Api::new("us-east-1", &index(), "").route(&binary) else { panic!("invoked") };
        assert!(reply.body().contains("UTF-8"));
    }

    #[test]
    fn paths_and_methods_that_are_not_there_are_told() {
        for (method, path, status) in [
            ("GET", "/", 404),
            ("GET", "/operations/nothing", 404),
            ("POST", "/operations/pay/", 404),
            // A path is not a URI: it has no query and no fragment.
            ("POST", "/operations/pay#x", 404),
            ("POST", "/operations/pay%23x", 404),
            ("POST", "/operations/pay?x", 404),
            ("POST", "/operations/pay%3Fx", 404),
            ("POST", "/operations/pay%2", 404),
            ("GET", "/operations/%70ay", 405),
            ("POST", "/operat%69ons", 405),
            ("POST", "/operationspay", 404),
            ("GET", "/operations/pay", 405),
            ("POST", "/operations", 405),
            ("DELETE", "/health", 405),
        ] {
            assert_eq!(reply(method, path, &[], "").0, status, "{method} {path}");
        }
        let Route::Reply(reply) = route("PUT", "/operations/pay", &[], "") else { panic!("invoked") };
        assert_eq!(reply.headers()["allow"], "POST");
    }

    #[test]
    fn the_operations_are_listed_without_whom_they_are_open_to() {
        let (status, list) = reply("GET", "/operations", &[], "");
        assert_eq!(status, 200);
        assert_eq!(
            list["operations"],
            json!([
                {
                    "name": "pay",
                    "description": "Checks. Pays.",
                    "path": "/operations/pay",
                    "read_only": false,
                    "key": "id",
                    "key_required": true,
                    "restricted": true,
                },
                {
                    "name": "show",
                    "description": "Shows.",
                    "path": "/operations/show",
                    "read_only": true,
                    "key": null,
                    "key_required": false,
                    "restricted": false,
                },
            ])
        );
    }

    #[test]
    fn live_is_said_at_once_and_ready_only_when_it_is_known() {
        assert_eq!(reply("GET", "/live", &[], ""), (200, json!({"status": "live", "region": "us-east-1"})));
        assert!(matches!(route("GET", "/health", &[], ""), Route::Health));
        let api = Api::new("us-east-1", &index(), "");
        assert_eq!(api.health(&Ok(())).body(), r#"{"status":"ready","region":"us-east-1"}"#);
        let away = Fault::unavailable("it is away");
        let differs = Fault::other(None, "the table t differs").with_code(Code::SchemaDiffers);
        for (fault, code) in [(away, "not-ready"), (differs, "schema-differs")] {
            let said = api.health(&Err(fault));
            assert!(said.status() == 503 && said.body().contains(code), "{}", said.body());
        }
    }

    #[test]
    fn a_document_that_is_not_the_indexes_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let open = |index: &Index| Api::open("us-east-1", folder.path(), index).map_err(|error| error.to_string());
        let mut index = index();
        assert!(open(&index).unwrap_err().contains("`tenet build`"));
        let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a".to_owned();
        index.openapi = Some(tenet_core::bundle::File { path: "openapi.json".into(), sha256: digest });
        assert!(open(&index).unwrap_err().contains("openapi.json cannot be read"));
        std::fs::write(folder.path().join("openapi.json"), "{ }").unwrap();
        assert!(open(&index).unwrap_err().contains("SHA-256"));
        std::fs::write(folder.path().join("openapi.json"), "{}").unwrap();
        assert!(open(&index).is_ok());
    }
}
