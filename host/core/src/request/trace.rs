use std::fmt;

use crate::{hex, unhex};

/// The trace context of a request's caller. It is logged and attached to the events that the request publishes, and
/// used nowhere else.
///
/// It arrives in one of two formats, X-Ray's ([`Trace::x_ray`]) or W3C's ([`Trace::w3c`]), and is passed on in X-Ray's,
/// which EventBridge accepts. W3C's trace id has the same 16 bytes as X-Ray's: the first eight digits are X-Ray's time
/// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    root: [u8; 16],
    parent: Option<[u8; 8]>,
    sampled: Option<bool>,
}

impl Trace {
    /// The longest text of a [`Trace`], in bytes.
    pub const MAX_BYTES: usize = 75;

    /// Reads X-Ray's header, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`, as it comes
    /// in `X-Amzn-Trace-Id`, with an invocation, or as a message's `AWSTraceHeader`
    /// (<https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>). Other
    /// fields are dropped, and so is an invalid parent or sampling decision. Without a valid root there is no trace.
    pub fn x_ray(header: &str) -> Option<Self> {
        let (mut root, mut parent, mut sampled) = (None, None, None);
        for part in header.split(';') {
            let Some((name, value)) = part.split_once('=') else { continue };
            match name.trim() {
                "Root" => root = Some(value.trim()),
                "Parent" => parent = digits(value.trim()),
                "Sampled" => sampled = flag(value.trim()),
                _ => {}
            }
        }
        let (time, rest) = root?.strip_prefix("1-")?.split_once('-')?;
        let (time, rest): ([u8; 4], [u8; 12]) = (digits(time)?, digits(rest)?);
        let mut root = [0; 16];
        root[..4].copy_from_slice(&time);
        root[4..].copy_from_slice(&rest);
        Some(Self { root, parent, sampled })
    }

    /// Reads W3C's header `traceparent`, `00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01`
    /// (<https://www.w3.org/TR/trace-context/#traceparent-header>). Returns none if the header is invalid.
    pub fn w3c(header: &str) -> Option<Self> {
        let mut parts = header.trim().split('-');
        let [version]: [u8; 1] = digits(parts.next()?)?;
        let (root, parent) = (digits(parts.next()?)?, digits(parts.next()?)?);
        let [flags]: [u8; 1] = digits(parts.next()?)?;
        // A later version may add fields; version 00 may not, and version ff is invalid.
        if version == 0xff || version == 0 && parts.next().is_some() || root == [0; 16] || parent == [0; 8] {
            return None;
        }
        Some(Self { root, parent: Some(parent), sampled: Some(flags & 1 == 1) })
    }

    /// The trace's identifier, as X-Ray writes it.
    pub fn id(&self) -> String {
        let (time, rest) = self.root.split_at(4);
        format!("1-{}-{}", hex(time), hex(rest))
    }
}

/// X-Ray's header.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root={}", self.id())?;
        if let Some(parent) = &self.parent {
            write!(f, ";Parent={}", hex(parent))?;
        }
        match self.sampled {
            Some(sampled) => write!(f, ";Sampled={}", u8::from(sampled)),
            None => Ok(()),
        }
    }
}

/// Reads exactly N bytes of hexadecimal digits.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    // A header may be of any length.
    if text.len() != 2 * N {
        return None;
    }
    unhex(text)?.try_into().ok()
}

/// The sampling decision; `?` leaves it to the next service.
fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn what_x_ray_says_is_written_as_it_was_and_without_what_nobody_needs() {
        for (header, written) in [
            (HEADER, HEADER),
            (
                "Self=1-5759e988-aaaaaaaaaaaaaaaaaaaaaaaa; Root=1-5759E988-bd862e3fe1be46a994272793;Lineage=a:0",
                "Root=1-5759e988-bd862e3fe1be46a994272793",
            ),
            (
                "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?;Parent=53995c3f42cd8ad8",
                "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
            ),
            // An invalid field other than the root is dropped alone.
            (
                "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=;Sampled=1;",
                "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
            ),
            ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x;more", "Root=1-5759e988-bd862e3fe1be46a994272793"),
            (
                "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
                "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
            ),
        ] {
            let trace = Trace::x_ray(header).unwrap();
            assert_eq!(trace.to_string(), written);
            assert_eq!(Trace::x_ray(written), Some(trace));
            assert!(written.len() <= Trace::MAX_BYTES);
        }
        assert_eq!(Trace::x_ray(HEADER).unwrap().id(), "1-5759e988-bd862e3fe1be46a994272793");
    }

    #[test]
    fn what_w3c_says_is_the_same_in_x_rays_form() {
        let traceparent = |flags: &str| format!("00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-{flags}");
        assert_eq!(Trace::w3c(&traceparent("01")), Trace::x_ray(HEADER));
        assert!(Trace::w3c(&traceparent("02")).unwrap().to_string().ends_with(";Sampled=0"));
        assert!(Trace::w3c(&traceparent("01").replacen("00", "cc", 1).replace("-01", "-01-more")).is_some());
    }

    #[test]
    fn garbage_is_no_trace() {
        for header in [
            "",
            ";",
            "Root",
            "Root=",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a99427279",
            "Root=1-5759e988-+d862e3fe1be46a994272793",
            "Root=1-5759e98é-bd862e3fe1be46a994272793",
            "Parent=53995c3f42cd8ad8;Sampled=1",
        ] {
            assert_eq!(Trace::x_ray(header), None, "{header}");
        }
        for header in [
            "",
            "00",
            "ff-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01-more",
            "00-00000000000000000000000000000000-53995c3f42cd8ad8-01",
            "00-5759e988bd862e3fe1be46a994272793-0000000000000000-01",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8",
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-1",
        ] {
            assert_eq!(Trace::w3c(header), None, "{header}");
        }
    }
}
