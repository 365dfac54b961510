use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tenet_core::Receipt;

/// The header with which a request asks for the receipt, and with which the reply returns it.
pub(crate) const RECEIPT: HeaderName = HeaderName::from_static("tenet-receipt");

/// Whether a caller requests the receipt, by the header `Tenet-Receipt` with any value.
pub fn wants_receipt(headers: &HeaderMap) -> bool {
    headers.contains_key(RECEIPT)
}

/// A receipt as the header's value: counts, and microseconds if the name ends in `_us`.
pub(crate) fn header(receipt: &Receipt) -> Option<HeaderValue> {
    let each: Vec<String> = receipt.each().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    HeaderValue::from_str(&each.join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_told_to_whoever_asks() {
        let mut headers = HeaderMap::new();
        assert!(!wants_receipt(&headers));
        headers.insert("Tenet-Receipt", HeaderValue::from_static("1"));
        assert!(wants_receipt(&headers));
        let receipt = Receipt { attempts: 2, fuel: Some(7), ..Receipt::default() };
        let value = header(&receipt).unwrap();
        let value = value.to_str().unwrap();
        assert!(value.starts_with("attempts=2, round_trips=0, ") && value.ends_with(", fuel=7"), "{value}");
    }
}
