/// The modifier of a type, as PostgreSQL encodes it: -1 is none
/// (`src/backend/utils/adt/{numeric,varchar}.c`).
pub(crate) type Modifier = i32;

/// What a modifier of `numeric`, `varchar` and `bpchar` carries on top of its number.
pub(crate) const MODIFIER_OFFSET: i32 = 4;

/// The fields of a modifier of `interval` (`src/include/utils/datetime.h`).
pub(crate) const MONTH: i32 = 1 << 1;
pub(crate) const YEAR: i32 = 1 << 2;
pub(crate) const DAY: i32 = 1 << 3;
pub(crate) const HOUR: i32 = 1 << 10;
pub(crate) const MINUTE: i32 = 1 << 11;
pub(crate) const SECOND: i32 = 1 << 12;
const ALL_FIELDS: i32 = 0x7fff;
pub(crate) const ANY_PRECISION: i32 = 0xffff;

/// The sets of fields that a modifier of `interval` may have, with their names.
const FIELD_SETS: [(i32, &str); 13] = [
    (YEAR, " year"),
    (MONTH, " month"),
    (YEAR | MONTH, " year to month"),
    (DAY, " day"),
    (HOUR, " hour"),
    (MINUTE, " minute"),
    (SECOND, " second"),
    (DAY | HOUR, " day to hour"),
    (DAY | HOUR | MINUTE, " day to minute"),
    (DAY | HOUR | MINUTE | SECOND, " day to second"),
    (HOUR | MINUTE, " hour to minute"),
    (HOUR | MINUTE | SECOND, " hour to second"),
    (MINUTE | SECOND, " minute to second"),
];

/// The fields of a modifier of `interval`; `None` for all.
pub(crate) fn interval_fields(modifier: Modifier) -> Option<i32> {
    Some(modifier >> 16 & ALL_FIELDS).filter(|fields| modifier >= 0 && *fields != ALL_FIELDS)
}

/// A modifier of `interval` as `format_type` shows it.
pub(crate) fn interval_text(modifier: Modifier) -> String {
    let set = interval_fields(modifier).and_then(|fields| FIELD_SETS.iter().find(|(set, _)| *set == fields));
    let name = set.map_or("", |(_, name)| name);
    match modifier & ANY_PRECISION {
        ANY_PRECISION => name.to_owned(),
        precision => format!("{name}({precision})"),
    }
}

/// The modifier of `numeric(precision, scale)`.
pub(crate) fn pack_numeric_modifier(precision: i32, scale: i32) -> Modifier {
    ((precision << 16) | (scale & 0x7ff)) + MODIFIER_OFFSET
}

/// The precision and the scale of a modifier of `numeric`.
pub(crate) fn numeric_modifier(modifier: Modifier) -> (i32, i32) {
    let packed = modifier - MODIFIER_OFFSET;
    // The scale is a signed number of eleven bits.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    ((packed >> 16) & 0xffff, scale)
}
