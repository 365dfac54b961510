//! The harness signs with the credentials of profiles as `aws configure` and `aws login` write
//! them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use tenet_test_support::{ACCESS_KEY, Dsql, SECRET_KEY, Terms};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::host::EAST;
use crate::support::{self, tenet};

/// SHA-1 of the session's name in the profile `sso`, which names the file of its token.
const SSO_TOKEN: &str = "e274eeff768c6396088ec6eb091f4bf4d47ab1e0";

/// SHA-256 of the session's ARN in the profile `login`, likewise.
const LOGIN_TOKEN: &str = "10cabd19777b6651ac57333b55c7c10a1242b1c2337f40e674926d7324698347";

const PROFILES: &str = "\
[profile process]
credential_process = \"HOME/credentials\" of the company

[profile sso]
sso_session = work
sso_account_id = 123456789012
sso_role_name = deployer

[sso-session work]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start

[profile login]
login_session = arn:aws:iam::123456789012:user/Admin
";

/// A home with the profiles, and with the tokens of someone who is signed in.
fn home() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let keys = format!(r#""AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{SECRET_KEY}","SessionToken":"t""#);
    write("credentials", &format!("#!/bin/sh\ntest \"$*\" = 'of the company' && echo '{{\"Version\":1,{keys}}}'\n"));
    fs::set_permissions(folder.path().join("credentials"), fs::Permissions::from_mode(0o755)).unwrap();
    write(".aws/config", &PROFILES.replace("HOME", folder.path().to_str().unwrap()));
    write(
        &format!(".aws/sso/cache/{SSO_TOKEN}.json"),
        r#"{"accessToken":"signed-in","expiresAt":"2099-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://example.awsapps.com/start"}"#,
    );
    write(
        &format!(".aws/login/cache/{LOGIN_TOKEN}.json"),
        &format!(
            r#"{{"accessToken":{{"accessKeyId":"{ACCESS_KEY}","secretAccessKey":"{SECRET_KEY}","sessionToken":"t","accountId":"123456789012","expiresAt":"2099-01-01T00:00:00Z"}},"tokenType":"aws_sigv4","refreshToken":"r","clientId":"arn:aws:signin:::devtools/same-device","dpopKey":"unused until it is refreshed"}}"#
        ),
    );
    folder
}

/// Identity Center's portal: it gives the role's credentials for the token of the session. Returns
/// its URL.
async fn portal() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap_or_default() == 0 {
                    break;
                }
            }
            let request = String::from_utf8_lossy(&request).to_lowercase();
            let is_right = request.starts_with("get /federation/credentials?")
                && request.contains("role_name=deployer")
                && request.contains("account_id=123456789012")
                && request.contains("x-amz-sso_bearer_token: signed-in");
            let (status, body) = if is_right {
                let keys = format!(r#""accessKeyId":"{ACCESS_KEY}","secretAccessKey":"{SECRET_KEY}""#);
                let body = format!(r#"{{"roleCredentials":{{{keys},"sessionToken":"t","expiration":4070908800000}}}}"#);
                ("200 OK", body)
            } else {
                ("401 Unauthorized", r#"{"message":"no"}"#.to_owned())
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

/// `tenet schema apply` at a cluster, with a profile of this home and no other source of
/// credentials.
fn apply(home: &Path, profile: &str, portal: &str, stand_in: &Dsql) -> Command {
    let ca = home.join("ca.pem");
    fs::write(&ca, stand_in.authority()).unwrap();
    let bundle = support::bundle::bundle("rules").0;
    let mut command = Command::new(support::path("TENET_TEST_TENET"));
    command
        .args(["schema", "apply", "--dsql-endpoint", &stand_in.endpoint(), "--dsql-address", "127.0.0.1"])
        .args(["--dsql-ca".as_ref(), ca.as_os_str(), bundle.as_os_str()])
        .env("HOME", home)
        .env("AWS_PROFILE", profile)
        .env("AWS_ENDPOINT_URL_SSO", portal)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        command.env_remove(variable);
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_of_a_process_of_identity_center_and_of_aws_login_sign_in() {
    let (home, portal) = (home(), portal().await);
    for profile in ["process", "sso", "login"] {
        let database = support::empty_database().await;
        let stand_in = Dsql::start(database.url(), Terms::of(EAST)).await;
        let mut command = apply(home.path(), profile, &portal, &stand_in);
        let ended = tokio::task::block_in_place(|| tenet::run(&mut command));
        assert_eq!(ended.code, 0, "{profile}: {}", ended.stderr);
        assert_eq!(stand_in.let_in(), [("admin".to_owned(), "tenet".to_owned())], "{profile}");
    }
}
