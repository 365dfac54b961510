use std::collections::HashSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Map, Value, json};

/// The file that `cargo xtask test` checks requests in, and what is already written there. Runs that
/// are interrupted anywhere send most of them many times.
static WRITTEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

/// Records a request for the check against the models of the services.
pub fn record(request: &HttpRequest) {
    let Some(path) = std::env::var_os("TENET_TEST_REQUESTS") else { return };
    let body = request.body().bytes().unwrap_or_default();
    let same = format!("{} {} {}", request.method(), request.uri(), String::from_utf8_lossy(body));
    let mut written = WRITTEN.lock().unwrap();
    if !written.insert(same) {
        return;
    }
    let headers: Map<String, Value> =
        request.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), json!(value))).collect();
    let body = BASE64_STANDARD.encode(body);
    let line = json!({"method": request.method(), "uri": request.uri(), "headers": headers, "body": body});
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}
