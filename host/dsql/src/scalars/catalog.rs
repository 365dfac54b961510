//! The types, implicit casts, operators and functions of PostgreSQL 16, as its catalogs list them
//! (`pg_type`, `pg_cast`, `pg_operator`, `pg_proc`). All of them are listed, since those that the
//! model cannot run decide too which one a call means. A test compares the lists with a server.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// The number of a type in `pg_type`.
pub(super) type Oid = u32;

pub(super) const BOOL: Oid = 16;
pub(super) const TEXT: Oid = 25;
/// `int2vector` and `oidvector`.
const VECTORS: [Oid; 2] = [22, 30];
pub(super) const UNKNOWN: Oid = 705;
pub(super) const ANY: Oid = 2276;
pub(super) const ANYARRAY: Oid = 2277;
pub(super) const ANYELEMENT: Oid = 2283;
pub(super) const ANYNONARRAY: Oid = 2776;
pub(super) const ANYENUM: Oid = 3500;
pub(super) const ANYRANGE: Oid = 3831;
pub(super) const ANYMULTIRANGE: Oid = 4537;
pub(super) const ANYCOMPATIBLE: Oid = 5077;
pub(super) const ANYCOMPATIBLEARRAY: Oid = 5078;
pub(super) const ANYCOMPATIBLENONARRAY: Oid = 5079;
pub(super) const ANYCOMPATIBLERANGE: Oid = 5080;
pub(super) const ANYCOMPATIBLEMULTIRANGE: Oid = 4538;

/// A type, of those that the model has and of all others.
#[derive(Debug)]
pub(super) struct Type {
    /// The name in `pg_type`.
    name: &'static str,
    /// The letter of its category.
    pub(super) category: char,
    pub(super) is_preferred: bool,
    /// The type of the elements of an array.
    pub(super) element: Option<Oid>,
    /// The name in messages.
    pub(super) formatted: &'static str,
}

/// An operator; `left` is missing for a prefix.
#[derive(Debug)]
pub(super) struct OperatorRow {
    pub(super) left: Option<Oid>,
    pub(super) right: Oid,
    pub(super) result: Oid,
    pub(super) is_strict: bool,
    /// The name of the function that runs it.
    pub(super) source: &'static str,
}

/// What a function is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// One value from the values of one row.
    Scalar,
    /// One value from the values of many rows.
    Aggregate,
    /// Rows.
    Set,
    /// One value from a row's place among others.
    Window,
}

#[derive(Debug)]
pub(super) struct FunctionRow {
    pub(super) class: Class,
    pub(super) is_strict: bool,
    /// The name of the function that runs it.
    pub(super) source: &'static str,
    pub(super) result: Oid,
    /// The type of each of the last arguments, of which there are as many as are given.
    pub(super) variadic: Option<Oid>,
    /// The count of last arguments that may be left out.
    pub(super) defaults: usize,
    pub(super) arguments: Vec<Oid>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Catalog {
    types: HashMap<Oid, Type>,
    arrays: HashMap<Oid, Oid>,
    casts: HashSet<(Oid, Oid)>,
    operators: HashMap<&'static str, Vec<OperatorRow>>,
    functions: HashMap<&'static str, Vec<FunctionRow>>,
    others: HashSet<&'static str>,
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(Catalog::read);

/// The catalog.
pub(super) fn catalog() -> &'static Catalog {
    &CATALOG
}

impl Catalog {
    fn read() -> Self {
        let types: HashMap<Oid, Type> = include_str!("catalog/types.txt").lines().filter_map(read_type).collect();
        let names: HashMap<&str, Oid> = types.iter().map(|(oid, one)| (one.name, *oid)).collect();
        let arrays = types.iter().filter_map(|(oid, one)| Some((one.element?, *oid))).collect();
        let casts = include_str!("catalog/casts.txt")
            .lines()
            .filter_map(|line| line.split_once(' ').map(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?))))
            .flatten()
            .collect();
        let mut operators: HashMap<_, Vec<_>> = HashMap::new();
        for line in include_str!("catalog/operators.txt").lines() {
            if let Some((name, row)) = read_operator(line, &names) {
                operators.entry(name).or_default().push(row);
            }
        }
        let mut functions: HashMap<_, Vec<_>> = HashMap::new();
        for line in include_str!("catalog/functions.txt").lines() {
            if let Some((name, row)) = read_function(line, &names) {
                functions.entry(name).or_default().push(row);
            }
        }
        let others = include_str!("catalog/other_functions.txt").lines().collect();
        Self { types, arrays, casts, operators, functions, others }
    }

    fn of(&self, oid: Oid) -> Option<&Type> {
        self.types.get(&oid)
    }

    /// The name of a type in messages.
    pub(super) fn formatted(&self, oid: Oid) -> &'static str {
        self.of(oid).map_or("???", |one| one.formatted)
    }

    /// The category of a type, and whether it is preferred there.
    pub(super) fn category(&self, oid: Oid) -> (char, bool) {
        self.of(oid).map_or(('X', false), |one| (one.category, one.is_preferred))
    }

    /// The type of an array's elements.
    pub(super) fn element(&self, oid: Oid) -> Option<Oid> {
        self.of(oid)?.element
    }

    /// The type of arrays of a type.
    pub(super) fn array(&self, element: Oid) -> Option<Oid> {
        self.arrays.get(&element).copied()
    }

    /// Whether a value of a type becomes one of another without being asked for.
    pub(super) fn casts(&self, from: Oid, to: Oid) -> bool {
        // No array becomes one of the vectors of the catalog.
        let elements = || Some((self.element(from)?, self.element(to).filter(|_| !VECTORS.contains(&to))?));
        from == to || self.casts.contains(&(from, to)) || elements().is_some_and(|(from, to)| self.casts(from, to))
    }

    /// The operators with a name.
    pub(super) fn operators(&self, name: &str) -> &[OperatorRow] {
        self.operators.get(name).map_or(&[], Vec::as_slice)
    }

    /// The functions with a name.
    pub(super) fn functions(&self, name: &str) -> &[FunctionRow] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether PostgreSQL has a function with this name that is not listed here, or a type, which
    /// is called like one.
    pub(super) fn is_other(&self, name: &str) -> bool {
        self.functions(name).is_empty()
            && (self.others.contains(name) || self.types.values().any(|one| one.name == name))
    }
}

fn read_type(line: &'static str) -> Option<(Oid, Type)> {
    let mut words = line.splitn(6, ' ');
    let oid = words.next()?.parse().ok()?;
    let name = words.next()?;
    let category = words.next()?.chars().next()?;
    let is_preferred = words.next()? == "p";
    let element = words.next()?.parse().ok().filter(|oid| *oid != 0);
    Some((oid, Type { name, category, is_preferred, element, formatted: words.next()? }))
}

fn read_operator(line: &'static str, names: &HashMap<&str, Oid>) -> Option<(&'static str, OperatorRow)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let left = names.get(words.next()?).copied();
    let right = *names.get(words.next()?)?;
    let result = *names.get(words.next()?)?;
    let is_strict = words.next()? == "s";
    Some((name, OperatorRow { left, right, result, is_strict, source: words.next()? }))
}

fn read_function(line: &'static str, names: &HashMap<&str, Oid>) -> Option<(&'static str, FunctionRow)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let class = words.next()?;
    let class = match (class, words.next()?) {
        ("a", _) => Class::Aggregate,
        ("w", _) => Class::Window,
        (_, "r") => Class::Set,
        _ => Class::Scalar,
    };
    let is_strict = words.next()? == "s";
    let source = words.next()?;
    let result = *names.get(words.next()?)?;
    let variadic = names.get(words.next()?).copied();
    let defaults = words.next()?.parse().ok()?;
    let arguments = words.map(|word| names.get(word).copied()).collect::<Option<_>>()?;
    Some((name, FunctionRow { class, is_strict, source, result, variadic, defaults, arguments }))
}
