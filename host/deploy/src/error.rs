use std::error::Error;
use std::fmt;

use aws_sdk_dsql::error::{ProvideErrorMetadata, SdkError};

/// Why a step of a deployment failed.
///
/// The text is for the operator: it names the region, the call and AWS's message.
#[derive(Debug)]
pub struct DeployError {
    what: String,
    help: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl DeployError {
    /// An error with a description.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), help: None, source: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { source: Some(source.into()), ..self }
    }

    /// Adds the place.
    #[must_use]
    pub(crate) fn at(self, place: &str) -> Self {
        Self { what: format!("{place}: {}", self.what), ..self }
    }

    /// The advice, if there is any.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

impl fmt::Display for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for DeployError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What brings credentials, where there are none or they are no longer valid.
const SIGN_IN: &str = "name a profile with AWS_PROFILE, and sign in with `aws sso login` or `aws login`, or set \
                       AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` shows what is used";

/// What is said of credentials, and its cure. The texts are those of `aws-config`.
const CURES: [(&str, &str); 7] = [
    (
        "external process",
        "run the `credential_process` of the profile by hand: it fails, or prints no JSON of credentials",
    ),
    ("was not defined", PROFILE),
    ("invalid profile", PROFILE),
    ("infinite loop", PROFILE),
    ("credential source in", PROFILE),
    ("was not found", PROFILE),
    ("did not contain credential information", PROFILE),
];

/// What mends a profile.
const PROFILE: &str = "mend the profile in ~/.aws/config, or name another with AWS_PROFILE; \
                       `aws sts get-caller-identity` shows whether it can be used";

/// What brings credentials that cannot be had.
fn cure(said: &str) -> &'static str {
    CURES.iter().find(|(text, _)| said.contains(text)).map_or(SIGN_IN, |(_, cure)| cure)
}

/// An error of an AWS call, with the region and the call.
pub(crate) fn refused<E, R>(region: &str, call: &str, error: &SdkError<E, R>) -> DeployError
where
    E: ProvideErrorMetadata + Error + 'static,
    R: fmt::Debug + 'static,
{
    let said = match (code(error), message(error)) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => innermost(error),
    };
    // An error is one line.
    let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = lines.join(" ");
    let refused = DeployError::new(format!("{region}: {call}: {said}"));
    match code(error) {
        // The SDK has no kind of its own for it.
        None if said.contains("credential") || said.contains("profile") => refused.help(cure(&said)),
        Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation") => {
            refused.help("the runbook, deploy/README.md, lists the rights that deploying takes")
        }
        Some("ExpiredToken" | "ExpiredTokenException" | "InvalidClientTokenId" | "UnrecognizedClientException") => {
            refused.help(format!("AWS does not take these credentials: {SIGN_IN}"))
        }
        _ => refused,
    }
}

/// AWS's code of an error.
pub(crate) fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

/// AWS's message of an error.
pub(crate) fn message<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::message)
}

/// The innermost cause of a connection error: each layer of the client adds a line of its own.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut inner = error.source();
    while let Some(error) = inner {
        texts.push(error.to_string());
        inner = error.source();
    }
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_dsql::operation::get_cluster::GetClusterError;
    use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    use super::*;

    #[test]
    fn without_credentials_it_says_where_they_come_from() {
        let failed = |why: &str| -> SdkError<GetClusterError, HttpResponse> {
            SdkError::dispatch_failure(ConnectorError::other(why.into(), None))
        };
        let error =
            refused("us-east-1", "GetCluster", &failed("no credentials found in chain. Attempted:\n  Environment"));
        assert!(error.advice().unwrap().contains("`aws sso login`"), "{error:?}");
        assert!(error.to_string().ends_with("no credentials found in chain. Attempted: Environment"), "{error}");
        for (why, cure) in [
            ("the credentials provider: profile `base` was not defined: could not find it", "mend the profile"),
            ("missing credential source in `work`: no source_profile", "mend the profile"),
            ("Error retrieving credentials: external process exited with code exit status: 1", "`credential_process`"),
        ] {
            let error = refused("us-east-1", "GetCluster", &failed(why));
            let advice = error.advice().unwrap();
            assert!(advice.contains(cure) && !advice.contains("sign in"), "{why}: {advice}");
        }
        assert_eq!(refused("us-east-1", "GetCluster", &failed("no route to host")).advice(), None);
    }
}
