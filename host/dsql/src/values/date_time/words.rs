//! The words of dates, times and intervals.

/// The letters of a word that count.
const WORD_LENGTH: usize = 10;

/// A word of a date or a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DateWord {
    Infinity,
    NegativeInfinity,
    Epoch,
    /// Midnight in UTC.
    Allballs,
    /// What needs a clock.
    Clock,
    /// A label of the next field, which PostgreSQL 15 takes and 16 does not.
    Label,
    Julian,
    /// The `T` of ISO 8601.
    IsoTime,
    Ignored,
    Month(i64),
    Weekday,
    Am,
    Pm,
    Ad,
    Bc,
    /// `dst` behind a zone.
    DaylightSaving,
    /// A name of UTC.
    Utc,
    /// A zone that the model does not know.
    Zone,
}

/// A word that a date or a time may have, apart from names of zones.
pub(crate) fn date_word(word: &str) -> Option<DateWord> {
    Some(match word {
        "infinity" => DateWord::Infinity,
        "-infinity" => DateWord::NegativeInfinity,
        "epoch" => DateWord::Epoch,
        "allballs" => DateWord::Allballs,
        "now" | "today" | "tomorrow" | "yesterday" => DateWord::Clock,
        "d" | "h" | "m" | "mm" | "s" | "y" | "dow" | "doy" | "isodow" | "isoyear" => DateWord::Label,
        "j" | "jd" | "julian" => DateWord::Julian,
        "t" => DateWord::IsoTime,
        "at" | "on" => DateWord::Ignored,
        "jan" | "january" => DateWord::Month(1),
        "feb" | "february" => DateWord::Month(2),
        "mar" | "march" => DateWord::Month(3),
        "apr" | "april" => DateWord::Month(4),
        "may" => DateWord::Month(5),
        "jun" | "june" => DateWord::Month(6),
        "jul" | "july" => DateWord::Month(7),
        "aug" | "august" => DateWord::Month(8),
        "sep" | "sept" | "september" => DateWord::Month(9),
        "oct" | "october" => DateWord::Month(10),
        "nov" | "november" => DateWord::Month(11),
        "dec" | "december" => DateWord::Month(12),
        "sun" | "sunday" | "mon" | "monday" | "tue" | "tues" | "tuesday" | "wed" | "weds" | "wednesday" | "thu"
        | "thur" | "thurs" | "thursday" | "fri" | "friday" | "sat" | "saturday" => DateWord::Weekday,
        "am" => DateWord::Am,
        "pm" => DateWord::Pm,
        "ad" => DateWord::Ad,
        "bc" => DateWord::Bc,
        "dst" => DateWord::DaylightSaving,
        _ => return None,
    })
}

/// The zone that a word names.
pub(crate) fn zone(word: &str) -> Option<DateWord> {
    match word {
        "utc" | "z" | "zulu" | "gmt" | "ut" | "uct" => Some(DateWord::Utc),
        _ if ZONES.split_ascii_whitespace().any(|zone| zone == word) => Some(DateWord::Zone),
        _ => None,
    }
}

/// Abbreviations and names of zones, all letters, that PostgreSQL takes by default
/// (`pg_timezone_abbrevs`, `pg_timezone_names`).
const ZONES: &str = "\
    acdt acsst acst act acwst adt aedt aesst aest aft akdt akst almst almt amst amt anast anat arst art ast awsst \
    awst azost azot azst azt bdst bdt bnt bort bot bra brst brt bst btt cadt cast cct cdt cest cet cetdst chadt chast \
    chut ckt clst clt cot cst cxt davt ddut easst east eat edt eest eet eetdst egst egt est fet fjst fjt fkst fkt fnst \
    fnt galt gamt gest get gft gilt gyt hkt hst ict idt iot irkst irkt irt ist jayt jst kdt kgst kgt kost krast krat \
    kst lhdt lhst ligt lint lkt magst magt mart mawt mdt mest mesz met metdst mez mht mmt mpt msd msk mst must mut mvt \
    myt ndt nft novst novt npt nst nut nzdt nzst nzt omsst omst pdt pet petst pett pgt pht pkst pkt pmdt pmst pont pst \
    pwt pyst pyt ret sadt sast sct sgt taht tft tjt tkt tmt tot trut tvt ulast ulat uyst uyt uzst uzt vet vlast vlat \
    volt vut wadt wakt wast wat wdt wet wetdst wft wgst wgt xjt yakst yakt yapt yekst yekt \
    cuba egypt eire factory gb greenwich hongkong iceland iran israel jamaica japan kwajalein libya localtime navajo \
    nz poland portugal posixrules prc roc rok singapore turkey universal";

/// A word of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IntervalWord {
    Ago,
    Unit(Unit),
    /// A word that is a unit elsewhere, but not of an interval.
    OtherUnit,
}

/// A unit of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Year,
    Decade,
    Century,
    Millennium,
}

/// A word that an interval may have.
pub(crate) fn interval_word(word: &str) -> Option<IntervalWord> {
    let unit = match word.get(..WORD_LENGTH).unwrap_or(word) {
        "us" | "usec" | "usecs" | "usecond" | "useconds" | "microsecon" => Unit::Microsecond,
        "ms" | "msec" | "msecs" | "msecond" | "mseconds" | "millisecon" => Unit::Millisecond,
        "s" | "sec" | "secs" | "second" | "seconds" => Unit::Second,
        "m" | "min" | "mins" | "minute" | "minutes" => Unit::Minute,
        "h" | "hr" | "hrs" | "hour" | "hours" => Unit::Hour,
        "d" | "day" | "days" => Unit::Day,
        "w" | "week" | "weeks" => Unit::Week,
        "mon" | "mons" | "month" | "months" => Unit::Month,
        "y" | "yr" | "yrs" | "year" | "years" => Unit::Year,
        "dec" | "decs" | "decade" | "decades" => Unit::Decade,
        "c" | "cent" | "century" | "centuries" => Unit::Century,
        "mil" | "mils" | "millennium" | "millennia" => Unit::Millennium,
        "ago" => return Some(IntervalWord::Ago),
        "qtr" | "quarter" | "timezone" | "timezone_h" | "timezone_m" => return Some(IntervalWord::OtherUnit),
        _ => return None,
    };
    Some(IntervalWord::Unit(unit))
}
