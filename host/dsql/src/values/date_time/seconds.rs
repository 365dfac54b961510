//! Seconds and their fractions.

use crate::values::date_time::calendar::MICROS_PER_SECOND;

/// The digits after the point of a second.
const MICRO_DIGITS: i32 = 6;

/// Rounded half away from zero to this many digits after the point of the second.
pub(crate) fn round_micros(micros: i64, digits: i32) -> i64 {
    let Ok(cut) = u32::try_from(MICRO_DIGITS - digits.min(MICRO_DIGITS)) else { return micros };
    let unit = 10_i64.pow(cut);
    let magnitude = (micros.saturating_abs().saturating_add(unit / 2)) / unit * unit;
    if micros < 0 { -magnitude } else { magnitude }
}

/// Seconds with two digits at the least, and a fraction where there is one.
pub(crate) fn seconds_output(micros: i64) -> String {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    if fraction == 0 {
        return format!("{seconds:02}");
    }
    format!("{seconds:02}.{}", format!("{fraction:06}").trim_end_matches('0'))
}
