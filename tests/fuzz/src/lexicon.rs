//! The functions, operators, types and key words of a server, and which of them the policy allows
//! in the simplest statement.

use std::collections::{BTreeMap, BTreeSet};

use tenet_core::Policy;
use tokio_postgres::Client;

use crate::world::{Kind, Rule, rows};

/// An argument or a result: of one kind, or of any kind.
pub type Slot = Option<Kind>;

/// One signature of a function.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: String,
    pub arguments: Vec<Slot>,
    pub gives: Slot,
    pub sort: Sort,
    /// Whether the last argument may be repeated.
    pub variadic: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Plain,
    Aggregate,
    /// With WITHIN GROUP.
    Ordered,
    Window,
    /// Returns rows.
    Set,
}

/// One operator between two kinds, or before one.
#[derive(Clone, Debug)]
pub struct Operator {
    pub name: String,
    pub left: Slot,
    pub right: Slot,
    pub gives: Slot,
}

/// All words of a server.
#[derive(Clone, Debug, Default)]
pub struct Lexicon {
    /// Functions that the policy allows.
    pub functions: Vec<Function>,
    /// Names of functions that it refuses.
    pub other_functions: Vec<String>,
    pub operators: Vec<Operator>,
    pub other_operators: Vec<String>,
    /// Types that a value may be cast to.
    pub types: Vec<(String, Kind)>,
    pub other_types: Vec<String>,
    /// Key words with PostgreSQL's class: U, C, T or R.
    pub keywords: Vec<(String, char)>,
}

fn slot(name: &str) -> Slot {
    match name {
        "any" | "anyelement" | "anycompatible" | "anynonarray" | "anycompatiblenonarray" => None,
        "anyarray" | "anycompatiblearray" => Some(Kind::Ints),
        name => Some(Kind::of(name)),
    }
}

impl Lexicon {
    /// Reads them from the server, and asks the policy about each.
    pub async fn read(client: &Client, rule: &Rule, policy: &dyn Policy) -> anyhow::Result<Self> {
        let passes = |sql: String| policy.statement(&rule.name, &sql).is_ok();
        let mut lexicon = Self::default();
        client.batch_execute("SET statement_timeout = 0").await?;
        let functions = "SELECT p.proname, p.prokind::text, p.proretset::text, (p.provariadic <> 0)::text, r.typname, \
                         coalesce((SELECT string_agg(t.typname, ' ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY a(o, n) JOIN pg_type t ON t.oid = a.o), ''), \
                         coalesce(a.aggkind::text, ''), coalesce(a.aggnumdirectargs::text, '') \
                         FROM pg_proc p JOIN pg_type r ON r.oid = p.prorettype LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid \
                         WHERE p.pronamespace = 'pg_catalog'::regnamespace ORDER BY p.proname, p.oid";
        let mut known = BTreeMap::new();
        for row in rows(client, functions).await? {
            let [
                Some(name),
                Some(kind),
                Some(set),
                Some(variadic),
                Some(gives),
                Some(arguments),
                Some(aggregate),
                Some(direct),
            ] = row.as_slice()
            else {
                continue;
            };
            let is_passed = *known
                .entry(name.clone())
                .or_insert_with(|| passes(format!("SELECT {}()", crate::words::in_quotes(name))));
            if !is_passed {
                continue;
            }
            let mut arguments: Vec<Slot> = arguments.split_whitespace().map(slot).collect();
            if arguments.contains(&Some(Kind::Other)) && name != "count" {
                continue;
            }
            let sort = match (kind.as_str(), aggregate.as_str(), set.as_str()) {
                ("a", "o" | "h", _) => Sort::Ordered,
                ("a", ..) => Sort::Aggregate,
                ("w", ..) => Sort::Window,
                (_, _, "true") => Sort::Set,
                _ => Sort::Plain,
            };
            if let (Sort::Ordered, Ok(direct)) = (sort, direct.parse()) {
                arguments.truncate(direct);
            }
            lexicon.functions.push(Function {
                name: name.clone(),
                arguments,
                gives: slot(gives),
                sort,
                variadic: variadic == "true",
            });
        }
        lexicon.other_functions = known.into_iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
        let operators = "SELECT o.oprname, coalesce(l.typname, ''), r.typname, t.typname FROM pg_operator o LEFT JOIN pg_type l ON l.oid = o.oprleft \
                         JOIN pg_type r ON r.oid = o.oprright JOIN pg_type t ON t.oid = o.oprresult WHERE o.oprnamespace = 'pg_catalog'::regnamespace ORDER BY 1, 2, 3";
        let mut others = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for row in rows(client, operators).await? {
            let [Some(name), Some(left), Some(right), Some(gives)] = row.as_slice() else { continue };
            if !passes(format!("SELECT 1 {name} 1")) {
                others.insert(name.clone());
                continue;
            }
            let operator = Operator { name: name.clone(), left: slot(left), right: slot(right), gives: slot(gives) };
            let is_other = [operator.left, operator.right, operator.gives].contains(&Some(Kind::Other));
            if !left.is_empty() && !is_other && seen.insert(format!("{operator:?}")) {
                lexicon.operators.push(operator);
            }
        }
        lexicon.other_operators = others.into_iter().collect();
        let types = "SELECT format_type(oid, NULL) FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'p', 'r') \
                     UNION SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' ORDER BY 1";
        let more = [
            "varchar(3)",
            "numeric(5,2)",
            "character varying",
            "char(2)",
            "time(2)",
            "dec",
            "float",
            "int",
            "timestamp(0) with time zone",
        ];
        for name in rows(client, types).await?.into_iter().flatten().flatten().chain(more.map(str::to_owned)) {
            match passes(format!("SELECT CAST(NULL AS {name})")) {
                true => {
                    let kind = match name.split('(').next().unwrap_or_default() {
                        "varchar" | "char" | "character" => Kind::Text,
                        "dec" | "decimal" | "float" | "numeric" => Kind::Number,
                        "int" => Kind::Int,
                        "timestamp" => Kind::Stamp,
                        "time" => Kind::Time,
                        other => Kind::of(other),
                    };
                    lexicon.types.push((name, kind));
                }
                false => lexicon.other_types.push(name),
            }
        }
        client.batch_execute(crate::world::TIMEOUT).await?;
        let keywords = rows(client, "SELECT word, catcode::text FROM pg_get_keywords()").await?;
        lexicon.keywords = keywords
            .into_iter()
            .filter_map(|row| match row.as_slice() {
                [Some(word), Some(class)] => Some((word.clone(), class.chars().next()?)),
                _ => None,
            })
            .collect();
        Ok(lexicon)
    }

    /// Everything that allowed statements should contain in total.
    pub fn expected(&self) -> BTreeSet<String> {
        let functions = self.functions.iter().map(|function| format!("function {}", function.name));
        let operators = self.operators.iter().map(|operator| format!("operator {}", operator.name));
        let types = self.types.iter().map(|(name, _)| format!("type {name}"));
        functions.chain(operators).chain(types).collect()
    }
}
