//! Who may ask the harness's server: programs on this machine, and no page of another site.
//!
//! A browser sends requests to a loopback address for any page. A name of the page's own that
//! points to the loopback address (DNS rebinding) shows in `Host`, every other page in `Origin` or
//! `Sec-Fetch-Site`. In Lambda none of this is looked at: API Gateway has hosts of its own, and a
//! browser cannot reach past its authoriser.

use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;

/// What a browser says of where a request comes from
/// (<https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names of the loopback addresses.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The port of a URL that names none.
const DEFAULT_PORT: u16 = 80;

/// Why a request to the server at this port is turned away, if it is: a sentence for its client.
pub(crate) fn turned_away(head: &Parts, port: u16) -> Option<&'static str> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let is_of_header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| is_own(host, port)),
        _ => false,
    };
    // The request line may name a host too.
    let is_of_line = head.uri.authority().is_none_or(|host| is_own(host.as_str(), port));
    if !(is_of_header && is_of_line) {
        return Some("The header Host is not a loopback name with the server's port.");
    }
    let is_own = |origin: &str| origin.strip_prefix("http://").is_some_and(|host| is_own(host, port));
    if !head.headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(is_own)) {
        return Some("The header Origin names another site.");
    }
    let mut sites = head.headers.get_all(SEC_FETCH_SITE).iter();
    if !sites.all(|site| [b"same-origin".as_slice(), b"none"].contains(&site.as_bytes())) {
        return Some("The header Sec-Fetch-Site says that another site asks.");
    }
    None
}

/// Whether this `HOST[:PORT]` is the server's.
fn is_own(authority: &str, port: u16) -> bool {
    let own = |name: &str| {
        let rest = authority.split_at_checked(name.len()).filter(|(host, _)| host.eq_ignore_ascii_case(name));
        rest.is_some_and(|(_, rest)| match rest.strip_prefix(':') {
            Some(number) => number == port.to_string(),
            None => rest.is_empty() && port == DEFAULT_PORT,
        })
    };
    LOOPBACK.into_iter().any(own)
}

#[cfg(test)]
mod tests {

    fn turned_away(uri: &str, headers: &[(&str, &str)], port: u16) -> bool {
        let request =
            headers.iter().fold(http::Request::get(uri), |request, (name, value)| request.header(*name, *value));
        super::turned_away(&request.body(()).unwrap().into_parts().0, port).is_some()
    }

    #[test]
    fn a_host_is_a_loopback_name_with_the_port() {
        for host in ["localhost:8080", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080"] {
            assert!(!turned_away("/live", &[("host", host)], 8080), "{host}");
        }
        for host in [
            "",
            "localhost",
            "localhost:",
            "localhost:8081",
            "localhost:08080",
            "localhost.:8080",
            "localhost.evil.example:8080",
            "evil.example:8080",
            "evil.example",
            "a@localhost:8080",
            "localhost:8080@evil.example",
            "127.0.0.1.evil.example:8080",
            "127.0.0.2:8080",
            "0.0.0.0:8080",
            "::1:8080",
        ] {
            assert!(turned_away("/live", &[("host", host)], 8080), "{host}");
        }
        assert!(!turned_away("/live", &[("host", "localhost")], 80));
        assert!(turned_away("/live", &[], 8080));
        assert!(turned_away("/live", &[("host", "localhost:8080"), ("host", "evil.example")], 8080));
        assert!(turned_away("http://evil.example/live", &[("host", "localhost:8080")], 8080));
        assert!(!turned_away("http://localhost:8080/live", &[("host", "localhost:8080")], 8080));
    }

    #[test]
    fn a_page_of_another_site_is_told_by_what_the_browser_says_of_it() {
        let with = |name, value| turned_away("/live", &[("host", "localhost:8080"), (name, value)], 8080);
        assert!(!with("origin", "http://localhost:8080") && !with("origin", "http://127.0.0.1:8080"));
        for origin in
            ["null", "", "http://evil.example", "http://localhost:3000", "https://localhost:8080", "localhost:8080"]
        {
            assert!(with("origin", origin), "{origin}");
        }
        assert!(!with("sec-fetch-site", "same-origin") && !with("sec-fetch-site", "none"));
        assert!(
            with("sec-fetch-site", "cross-site") && with("sec-fetch-site", "same-site") && with("sec-fetch-site", "")
        );
    }
}
