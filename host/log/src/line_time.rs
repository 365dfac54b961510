use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time of a line, since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineTime(Duration);

impl LineTime {
    pub(crate) fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    pub(crate) fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes it in the format of RFC 3339, in UTC: `2026-11-24T18:00:00.000000Z`. A general
    /// formatter takes as long as the rest of the line.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let (days, second) = (self.0.as_secs() / 86_400, self.0.as_secs() % 86_400);
        let (year, month, day) = tenet_core::date_of(i64::try_from(days).unwrap_or_default());
        let [year, month, day] = [year, month, day].map(i64::unsigned_abs);
        digits(out, year, 4);
        for (before, number) in
            [(b'-', month), (b'-', day), (b'T', second / 3600), (b':', second / 60 % 60), (b':', second % 60)]
        {
            out.push(before);
            digits(out, number, 2);
        }
        out.push(b'.');
        digits(out, u64::from(self.0.subsec_micros()), 6);
        out.push(b'Z');
    }
}

/// Writes the last `count` decimal digits of a number.
fn digits(out: &mut Vec<u8>, number: u64, count: u32) {
    out.extend((0..count).rev().map(|place| b'0' + (number / 10_u64.pow(place) % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        for (seconds, micros, text) in [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, 999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000001Z"),
            (951_868_800, 0, "2000-03-01T00:00:00.000000Z"),
            (1_709_251_199, 0, "2024-02-29T23:59:59.000000Z"),
            (1_735_689_599, 0, "2024-12-31T23:59:59.000000Z"),
            (1_795_543_200, 120_000, "2026-11-24T18:00:00.120000Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000000Z"),
        ] {
            let moment = LineTime(Duration::from_secs(seconds) + Duration::from_micros(micros));
            let mut out = Vec::new();
            moment.write(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }
}
