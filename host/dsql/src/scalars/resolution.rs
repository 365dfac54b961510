//! Which operator or function a name and the types of its arguments mean
//! (<https://www.postgresql.org/docs/16/typeconv.html>).

use crate::scalars::catalog::{self, Oid, catalog};
use crate::sql_error::SqlError;
use crate::values::kind::Kind;

/// The common type of the branches of a construct: `CASE`, `COALESCE`, `UNION`, `VALUES`, `IN`,
/// `ARRAY`, `GREATEST`, `LEAST`. `text` where none has a type yet.
///
/// # Errors
/// 42804 if there is none.
pub(crate) fn common(kinds: &[Kind], construct: &str) -> Result<Kind, SqlError> {
    let oids: Vec<Oid> = kinds.iter().map(|kind| kind.oid()).collect();
    let chosen = common_oid(&oids).map_err(|(one, other)| {
        let (one, other) = (catalog().formatted(one), catalog().formatted(other));
        SqlError::new("42804", format!("{construct} types {one} and {other} cannot be matched"))
    })?;
    // That the chosen type takes all of them is looked at afterwards, in their order.
    for oid in &oids {
        if *oid != catalog::UNKNOWN && !catalog().casts(*oid, chosen) {
            let (from, to) = (catalog().formatted(*oid), catalog().formatted(chosen));
            return Err(SqlError::new("42846", format!("{construct} could not convert type {from} to {to}")));
        }
    }
    known_kind(chosen)
}

/// The kind with a number.
///
/// # Errors
/// 0A000 if the model does not have it.
pub(super) fn known_kind(oid: Oid) -> Result<Kind, SqlError> {
    Kind::from_oid(oid).ok_or_else(|| SqlError::unsupported(format_args!("type {}", catalog().formatted(oid))))
}

/// The common type, or the two types that have none.
fn common_oid(oids: &[Oid]) -> Result<Oid, (Oid, Oid)> {
    if let Some((first, others)) = oids.split_first()
        && *first != catalog::UNKNOWN
        && others.iter().all(|other| other == first)
    {
        return Ok(*first);
    }
    let mut chosen = catalog::UNKNOWN;
    for oid in oids.iter().copied() {
        if oid == catalog::UNKNOWN || oid == chosen {
            continue;
        }
        if chosen == catalog::UNKNOWN {
            chosen = oid;
            continue;
        }
        let (category, _) = catalog().category(oid);
        let (chosen_category, chosen_is_preferred) = catalog().category(chosen);
        if category != chosen_category {
            return Err((chosen, oid));
        }
        if !chosen_is_preferred && catalog().casts(chosen, oid) && !catalog().casts(oid, chosen) {
            chosen = oid;
        }
    }
    Ok(if chosen == catalog::UNKNOWN { catalog::TEXT } else { chosen })
}

/// What the search among candidates ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The candidate with this index.
    One(usize),
    None,
    Several,
}

/// The candidate that arguments of these types mean. Each candidate is the types that it takes, of
/// the same count.
pub(super) fn choose(given: &[Oid], candidates: &[Vec<Oid>]) -> Choice {
    let all: Vec<usize> = (0..candidates.len()).collect();
    let types = |index: usize| candidates.get(index).map_or(&[][..], Vec::as_slice);
    let mut left: Vec<usize> = all.into_iter().filter(|index| takes(given, types(*index))).collect();
    match left.as_slice() {
        [] => return Choice::None,
        [one] => return Choice::One(*one),
        _ => {}
    }
    let known = |oid: Oid| oid != catalog::UNKNOWN;
    let unknown_count = given.iter().filter(|oid| !known(**oid)).count();
    // Those with the most exact matches, then those with the most exact or preferred matches.
    keep_best(&mut left, |index| {
        given.iter().zip(types(index)).filter(|(given, taken)| known(**given) && given == taken).count()
    });
    if let [one] = left.as_slice() {
        return Choice::One(*one);
    }
    keep_best(&mut left, |index| {
        let fits = |given: Oid, taken: Oid| {
            let (category, is_preferred) = catalog().category(taken);
            given == taken || (is_preferred && category == catalog().category(given).0)
        };
        given.iter().zip(types(index)).filter(|(given, taken)| known(**given) && fits(**given, **taken)).count()
    });
    if let [one] = left.as_slice() {
        return Choice::One(*one);
    }
    if unknown_count == 0 {
        return Choice::Several;
    }
    // A string is taken as a text where a candidate takes one there, else as what all take.
    if let Some(slots) = categories(given, &left, types) {
        let fits = |index: &usize| {
            slots.iter().zip(types(*index)).all(|(slot, taken)| {
                let (category, is_preferred) = catalog().category(*taken);
                slot.is_none_or(|(wanted, has_preferred)| category == wanted && (is_preferred || !has_preferred))
            })
        };
        let fitting: Vec<usize> = left.iter().copied().filter(fits).collect();
        if !fitting.is_empty() {
            left = fitting;
        }
        if let [one] = left.as_slice() {
            return Choice::One(*one);
        }
    }
    // Last, all strings are taken as the type of those that have one.
    if let Some(one) = given.iter().copied().find(|oid| known(*oid))
        && given.iter().all(|oid| !known(*oid) || *oid == one)
    {
        let given = vec![one; given.len()];
        let mut taking = left.iter().filter(|index| takes(&given, types(**index)));
        if let (Some(index), None) = (taking.next(), taking.next()) {
            return Choice::One(*index);
        }
    }
    Choice::Several
}

fn keep_best(left: &mut Vec<usize>, matches: impl Fn(usize) -> usize) {
    let best = left.iter().map(|index| matches(*index)).max().unwrap_or(0);
    left.retain(|index| matches(*index) == best);
}

/// For each argument without a type, the category that it is taken as and whether a candidate takes
/// the preferred type of it; none if the candidates do not agree.
fn categories<'a>(
    given: &[Oid],
    left: &[usize],
    types: impl Fn(usize) -> &'a [Oid],
) -> Option<Vec<Option<(char, bool)>>> {
    let slot = |place: usize| {
        let taken = left.iter().filter_map(|index| types(*index).get(place)).map(|oid| catalog().category(*oid));
        let mut slot: Option<(char, bool)> = None;
        let mut do_conflict = false;
        for (category, is_preferred) in taken {
            match &mut slot {
                None => slot = Some((category, is_preferred)),
                Some((own, has_preferred)) if *own == category => *has_preferred |= is_preferred,
                Some(own) if category == 'S' => *own = (category, is_preferred),
                Some(_) => do_conflict = true,
            }
        }
        slot.filter(|(category, _)| !do_conflict || *category == 'S')
    };
    let mut slots = Vec::new();
    for (place, oid) in given.iter().enumerate() {
        slots.push(if *oid == catalog::UNKNOWN { Some(slot(place)?) } else { None });
    }
    Some(slots)
}

/// Whether arguments of these types can be given where those are taken.
pub(super) fn takes(given: &[Oid], taken: &[Oid]) -> bool {
    let one = |given: Oid, taken: Oid| {
        given == taken
            || taken == catalog::ANY
            || is_polymorphic(taken)
            || given == catalog::UNKNOWN
            || catalog().casts(given, taken)
    };
    given.iter().zip(taken).all(|(given, taken)| one(*given, *taken)) && polymorphic(given, taken, None).is_ok()
}

fn is_polymorphic(oid: Oid) -> bool {
    is_of_one_type(oid) || is_of_common_type(oid)
}

fn is_of_one_type(oid: Oid) -> bool {
    matches!(
        oid,
        catalog::ANYARRAY
            | catalog::ANYELEMENT
            | catalog::ANYNONARRAY
            | catalog::ANYENUM
            | catalog::ANYRANGE
            | catalog::ANYMULTIRANGE
    )
}

fn is_of_common_type(oid: Oid) -> bool {
    matches!(
        oid,
        catalog::ANYCOMPATIBLE
            | catalog::ANYCOMPATIBLEARRAY
            | catalog::ANYCOMPATIBLENONARRAY
            | catalog::ANYCOMPATIBLERANGE
            | catalog::ANYCOMPATIBLEMULTIRANGE
    )
}

/// The types that polymorphic arguments and a polymorphic result have for these arguments. Without
/// a result it only asks whether the arguments agree, and what stays undecided is no error.
pub(super) fn polymorphic(given: &[Oid], taken: &[Oid], result: Option<Oid>) -> Result<(Vec<Oid>, Oid), SqlError> {
    let mut decided = taken.to_vec();
    let is_asked = result.is_none();
    let result = result.unwrap_or(catalog::BOOL);
    if !taken.iter().any(|oid| is_polymorphic(*oid)) && !is_polymorphic(result) {
        return Ok((decided, result));
    }
    let pairs = || given.iter().copied().zip(taken.iter().copied());
    let name = |oid| catalog().formatted(oid);
    let mismatch = |message: String| SqlError::new("42804", message);

    // anyelement and its relatives: one type for all of them.
    let mut element: Option<Oid> = None;
    let mut array: Option<Oid> = None;
    for (given, taken) in pairs() {
        if !is_of_one_type(taken) {
            continue;
        }
        if given == catalog::UNKNOWN {
            continue;
        }
        match taken {
            catalog::ANYARRAY => match array {
                Some(array) if array != given => {
                    return Err(mismatch("arguments declared \"anyarray\" are not all alike".to_owned())
                        .with_detail(format!("{} versus {}", name(array), name(given))));
                }
                _ => array = Some(given),
            },
            catalog::ANYELEMENT | catalog::ANYNONARRAY => match element {
                Some(element) if element != given => {
                    return Err(mismatch("arguments declared \"anyelement\" are not all alike".to_owned())
                        .with_detail(format!("{} versus {}", name(element), name(given))));
                }
                _ => element = Some(given),
            },
            // No type of the model is an enumeration or a range.
            _ => {
                return Err(mismatch(format!("argument declared {} is not one but type {}", name(taken), name(given))));
            }
        }
    }
    if let Some(array) = array {
        let Some(own) = catalog().element(array) else {
            return Err(mismatch(format!("argument declared anyarray is not an array but type {}", name(array))));
        };
        match element {
            Some(element) if element != own => {
                return Err(mismatch(
                    "argument declared anyarray is not consistent with argument declared anyelement".to_owned(),
                )
                .with_detail(format!("{} versus {}", name(array), name(element))));
            }
            _ => element = Some(own),
        }
    }
    if taken.contains(&catalog::ANYNONARRAY)
        && let Some(element) = element
        && catalog().element(element).is_some()
    {
        return Err(mismatch(format!("type matched to anynonarray is an array type: {}", name(element))));
    }

    // anycompatible and its relatives: the common type of all of them.
    let mut compatible = Vec::new();
    let mut is_undecided = false;
    for (given, taken) in pairs() {
        if !is_of_common_type(taken) {
            continue;
        }
        if given == catalog::UNKNOWN {
            is_undecided = true;
            continue;
        }
        match taken {
            catalog::ANYCOMPATIBLE | catalog::ANYCOMPATIBLENONARRAY => compatible.push(given),
            catalog::ANYCOMPATIBLEARRAY => match catalog().element(given) {
                Some(element) => compatible.push(element),
                None => {
                    let name = name(given);
                    return Err(mismatch(format!(
                        "argument declared anycompatiblearray is not an array but type {name}"
                    )));
                }
            },
            _ => {
                return Err(mismatch(format!("argument declared {} is not one but type {}", name(taken), name(given))));
            }
        }
    }
    let common = match compatible.as_slice() {
        [] if is_undecided => Some(catalog::TEXT),
        [] => None,
        some => {
            let chosen = common_oid(some).map_err(|(one, other)| {
                let (one, other) = (name(one), name(other));
                mismatch(format!("arguments of anycompatible family cannot be cast to a common type: {one}, {other}"))
            })?;
            if let Some(other) = some.iter().find(|oid| !catalog().casts(**oid, chosen)) {
                let (one, other) = (name(chosen), name(*other));
                let message =
                    format!("arguments of anycompatible family cannot be cast to a common type: {one}, {other}");
                return Err(mismatch(message));
            }
            Some(chosen)
        }
    };
    if taken.contains(&catalog::ANYCOMPATIBLENONARRAY)
        && let Some(common) = common
        && catalog().element(common).is_some()
    {
        return Err(mismatch(format!("type matched to anycompatiblenonarray is an array type: {}", name(common))));
    }
    let undecided = || mismatch("could not determine polymorphic type because input has type unknown".to_owned());
    let array_of = |element: Oid| {
        let message = format!("could not find array type for data type {}", name(element));
        catalog().array(element).ok_or_else(|| SqlError::new("42704", message))
    };
    let decide = |oid: Oid| {
        let decided = match oid {
            catalog::ANYELEMENT | catalog::ANYNONARRAY => element,
            catalog::ANYARRAY => array.map_or_else(|| element.map(array_of).transpose(), |array| Ok(Some(array)))?,
            catalog::ANYCOMPATIBLE | catalog::ANYCOMPATIBLENONARRAY => common,
            catalog::ANYCOMPATIBLEARRAY => common.map(array_of).transpose()?,
            _ => None,
        };
        decided.ok_or_else(undecided)
    };
    for oid in &mut decided {
        if is_polymorphic(*oid) {
            match decide(*oid) {
                Ok(own) => *oid = own,
                Err(_) if is_asked => {}
                Err(error) => return Err(error),
            }
        }
    }
    let result = if is_polymorphic(result) { decide(result)? } else { result };
    Ok((decided, result))
}
