//! `numeric` on the wire: four 16-bit fields (the number of groups, the weight of the first, the
//! sign, the digits after the point) and groups of four decimal digits each.

use tenet_core::Decimal;

use crate::statements::unreadable::Unreadable;

const NEGATIVE: u16 = 0x4000;
const GROUP: usize = 4;

/// The binary form of a decimal. Exact, scale included.
pub(crate) fn encode(decimal: &Decimal) -> Vec<u8> {
    let text = decimal.as_str();
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (before, after) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let before = before.trim_start_matches('0');

    let mut digits = vec![b'0'; (GROUP - before.len() % GROUP) % GROUP];
    digits.extend_from_slice(before.as_bytes());
    let before_groups = digits.len() / GROUP;
    digits.extend_from_slice(after.as_bytes());
    digits.resize(digits.len().next_multiple_of(GROUP), b'0');
    let mut groups: Vec<u16> = digits
        .chunks(GROUP)
        .map(|group| group.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
        .collect();

    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    groups.truncate(groups.iter().rposition(|group| *group != 0).map_or(0, |last| last + 1));
    // A decimal's limits keep each of these within 16 bits.
    let weight = if groups.is_empty() { 0 } else { before_groups as i64 - leading as i64 - 1 } as i16;
    let sign = if negative && !groups.is_empty() { NEGATIVE } else { 0 };

    let mut out = Vec::with_capacity(8 + 2 * groups.len());
    out.extend_from_slice(&(groups.len() as u16).to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&(after.len() as u16).to_be_bytes());
    out.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
    out
}

/// The decimal of a binary form. Fails for NaN and the infinities.
pub(crate) fn decode(raw: &[u8]) -> Result<Decimal, Unreadable> {
    let mut fields = raw.chunks(2).map(|pair| match pair {
        [high, low] => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(Unreadable::Malformed),
    });
    let mut field = || fields.next().unwrap_or(Err(Unreadable::Malformed));
    let (count, weight, sign, scale) = (field()?, field()? as i16, field()?, field()?);
    let negative = match sign {
        0 => false,
        NEGATIVE => true,
        0xc000 => return Err(Unreadable::NotADecimal("NaN")),
        0xd000 => return Err(Unreadable::NotADecimal("Infinity")),
        0xf000 => return Err(Unreadable::NotADecimal("-Infinity")),
        _ => return Err(Unreadable::Malformed),
    };
    let groups = fields.collect::<Result<Vec<u16>, _>>()?;
    if groups.len() != usize::from(count) || groups.iter().any(|group| *group > 9999) {
        return Err(Unreadable::Malformed);
    }
    // The group with the weight 10000 to the power of `power`.
    let group = |power: i32| {
        let index = usize::try_from(i32::from(weight) - power).ok();
        index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };

    let mut before = String::new();
    for power in (0..=i32::from(weight)).rev() {
        before.push_str(&format!("{:04}", group(power)));
    }
    let scale = usize::from(scale);
    let mut after = String::with_capacity(scale + GROUP);
    let mut power = -1;
    while after.len() < scale {
        after.push_str(&format!("{:04}", group(power)));
        power -= 1;
    }
    after.truncate(scale);

    let before = before.trim_start_matches('0');
    let before = if before.is_empty() { "0" } else { before };
    let sign = if negative { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    Decimal::parse(&format!("{sign}{before}{point}{after}")).map_err(|_| Unreadable::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back(text: &str) -> String {
        decode(&encode(&Decimal::parse(text).unwrap())).unwrap().to_string()
    }

    #[test]
    fn every_digit_and_the_scale_come_back() {
        for text in [
            "0",
            "0.00",
            "1",
            "-1",
            "100.50",
            "9999",
            "10000",
            "10000.0001",
            "0.0001",
            "0.00001",
            "0.00010000",
            "-123456789012345678901234567890.000000000000001",
            "100000000",
            "0.1",
            "12345.6789012",
        ] {
            assert_eq!(there_and_back(text), text);
        }
    }

    #[test]
    fn what_a_numeric_does_not_keep_is_gone() {
        for (text, kept) in [("-0", "0"), ("-0.00", "0.00"), ("007", "7"), ("0000012345", "12345")] {
            assert_eq!(there_and_back(text), kept);
        }
    }

    #[test]
    fn holds_the_longest_numbers_there_are() {
        let longest = format!("-{}.{}", "9".repeat(131_072), "7".repeat(16_383));
        assert_eq!(there_and_back(&longest), longest);
        let smallest = format!("0.{}1", "0".repeat(16_382));
        assert_eq!(there_and_back(&smallest), smallest);
    }

    #[test]
    fn has_the_form_that_the_server_documents() {
        let encoded = encode(&Decimal::parse("-100.50").unwrap());
        assert_eq!(encoded, [0, 2, 0, 0, 0x40, 0, 0, 2, 0, 100, 0x13, 0x88]);
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        let special = |sign: u16| decode(&[&[0; 4][..], &sign.to_be_bytes(), &[0; 2]].concat());
        for sign in [0xc000, 0xd000, 0xf000] {
            assert!(matches!(special(sign), Err(Unreadable::NotADecimal(_))));
        }
        for raw in [&[][..], &[0; 7], &[0, 1, 0, 0, 0, 0, 0, 0], &[0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff]] {
            assert!(matches!(decode(raw), Err(Unreadable::Malformed)), "{raw:?}");
        }
    }
}
