use http::HeaderMap;
use tenet_core::Trace;

/// The trace context of a request, from its headers: `traceparent`, which its caller set, or else
/// `X-Amzn-Trace-Id`, which AWS adds. An invalid header is ignored, and so is a repeated one,
/// whether in several lines or joined by a comma.
pub fn trace(headers: &HeaderMap) -> Option<Trace> {
    let text = |name| {
        let mut values = headers.get_all(name).iter();
        let (first, second) = (values.next(), values.next());
        let text = first.filter(|_| second.is_none())?.to_str().ok()?;
        Some(text).filter(|text| !text.contains(','))
    };
    text("traceparent").and_then(Trace::w3c).or_else(|| text("x-amzn-trace-id").and_then(Trace::x_ray))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    #[test]
    fn the_callers_own_trace_comes_before_the_one_that_aws_adds() {
        let of = |headers: &[(&'static str, &'static [u8])]| {
            let header = |(name, value): &(&'static str, &[u8])| {
                (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
            };
            trace(&headers.iter().map(header).collect()).map(|trace| trace.id())
        };
        let caller = ("traceparent", &b"00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"[..]);
        let aws = ("x-amzn-trace-id", &b"Root=1-65a1b2c3-aaaaaaaaaaaaaaaaaaaaaaaa"[..]);
        assert_eq!(of(&[aws, caller]).as_deref(), Some("1-5759e988-bd862e3fe1be46a994272793"));
        assert_eq!(of(&[aws]).as_deref(), Some("1-65a1b2c3-aaaaaaaaaaaaaaaaaaaaaaaa"));
        assert_eq!(of(&[("traceparent", b"garbage"), aws]), of(&[aws]));
        assert_eq!(of(&[("traceparent", b"\xff")]), None);
        // A repeated header is ambiguous.
        assert_eq!(of(&[caller, caller, aws]), of(&[aws]));
        let joined = b"Root=1-65a1b2c3-aaaaaaaaaaaaaaaaaaaaaaaa;Sampled=1,Root=1-65a1b2c3-bbbbbbbbbbbbbbbbbbbbbbbb";
        assert_eq!((of(&[aws, aws]), of(&[("x-amzn-trace-id", joined)])), (None, None));
        assert_eq!(of(&[]), None);
    }
}
