//! Statements that write.

use fastrand::Rng;

use crate::expressions::Expressions;
use crate::kind::Kind;
use crate::queries::columns_of;
use crate::schema::{FIRST, TABLES, Table};

/// A statement of INSERT, UPDATE or DELETE.
pub(crate) fn change(rng: &mut Rng) -> String {
    let table = rng.choice(TABLES).copied().unwrap_or(FIRST);
    match rng.u8(..10) {
        0..=5 => insert(rng, table),
        6..=8 => update(rng, table),
        _ => delete(rng, table),
    }
}

fn key_value(rng: &mut Rng, column: &str) -> String {
    match column {
        "k" | "code" => {
            let texts = ["'a'", "'b'", "'c'", "'d'", "'ab'", "NULL"];
            texts.get(rng.usize(..texts.len())).copied().unwrap_or("'a'").to_owned()
        }
        _ => rng.i32(0..15).to_string(),
    }
}

fn is_key(table: &Table, column: &str) -> bool {
    table.keys.iter().any(|key| key.contains(&column))
}

fn value(rng: &mut Rng, table: &Table, column: &str, kind: Kind) -> String {
    if is_key(table, column) {
        return key_value(rng, column);
    }
    if rng.u8(..12) == 0 {
        return "DEFAULT".to_owned();
    }
    Expressions { rng, columns: Vec::new(), is_risky: false, with_subqueries: false }.expression(kind, 1)
}

fn insert(rng: &mut Rng, table: &Table) -> String {
    // The key, and some of the others.
    let columns: Vec<_> = table.columns.iter().filter(|(name, _)| is_key(table, name) || rng.u8(..4) > 0).collect();
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let conflict = conflict(rng, table);
    let returning = returning(rng, table, table.name);
    if rng.u8(..6) == 0 {
        let mut items = Vec::with_capacity(columns.len());
        for (name, kind) in &columns {
            items.push(if *name == "id" || *name == "t_id" {
                "t.id + 3".to_owned()
            } else {
                match *name {
                    "k" | "code" => "coalesce(t.s, 'q') || t.id::text".to_owned(),
                    _ => Expressions { rng, columns: columns_of(FIRST, "t"), is_risky: false, with_subqueries: false }
                        .expression(*kind, 1),
                }
            });
        }
        return format!(
            "INSERT INTO {} ({}) SELECT {} FROM t ORDER BY t.id{conflict}{returning}",
            table.name,
            names.join(", "),
            items.join(", ")
        );
    }
    let rows: Vec<_> = (0..rng.usize(1..4))
        .map(|_| {
            let values: Vec<_> = columns.iter().map(|(name, kind)| value(rng, table, name, *kind)).collect();
            format!("({})", values.join(", "))
        })
        .collect();
    format!("INSERT INTO {} ({}) VALUES {}{conflict}{returning}", table.name, names.join(", "), rows.join(", "))
}

fn conflict(rng: &mut Rng, table: &Table) -> String {
    let key = table.keys.get(rng.usize(..table.keys.len())).copied().unwrap_or_default().join(", ");
    match rng.u8(..5) {
        0 => " ON CONFLICT DO NOTHING".to_owned(),
        1 => format!(" ON CONFLICT ({key}) DO NOTHING"),
        2 => {
            let others: Vec<_> = table.columns.iter().filter(|(name, _)| !is_key(table, name)).collect();
            let Some((name, kind)) = others.get(rng.usize(..others.len())) else { return String::new() };
            let mut columns = columns_of(table, "excluded");
            columns.extend(columns_of(table, table.name));
            let mut expressions = Expressions { rng, columns, is_risky: false, with_subqueries: false };
            let value = expressions.expression(*kind, 2);
            let filter = if expressions.rng.u8(..3) == 0 {
                format!(" WHERE {}", expressions.expression(Kind::Bool, 1))
            } else {
                String::new()
            };
            format!(" ON CONFLICT ({key}) DO UPDATE SET {name} = {value}{filter}")
        }
        _ => String::new(),
    }
}

fn returning(rng: &mut Rng, table: &Table, alias: &str) -> String {
    match rng.u8(..4) {
        0 => " RETURNING *".to_owned(),
        1 => {
            let mut expressions =
                Expressions { rng, columns: columns_of(table, alias), is_risky: false, with_subqueries: true };
            let kind = expressions.any_kind();
            format!(" RETURNING {}", expressions.expression(kind, 2))
        }
        _ => String::new(),
    }
}

fn update(rng: &mut Rng, table: &Table) -> String {
    let returning = returning(rng, table, table.name);
    let own = columns_of(table, table.name);
    if rng.u8(..8) == 0 {
        // A new key for one row.
        let to = rng.i32(0..15);
        let from = rng.i32(0..15);
        return format!(
            "UPDATE {} SET id = {to} WHERE id = {from}{}{returning}",
            table.name,
            if table.name == "u" { " AND k = 'a'" } else { "" }
        );
    }
    let others: Vec<_> = table.columns.iter().filter(|(name, _)| !is_key(table, name)).collect();
    let mut set = Vec::new();
    for _ in 0..rng.usize(1..3) {
        let Some((name, kind)) = others.get(rng.usize(..others.len())) else { continue };
        if set.iter().any(|known: &String| known.starts_with(&format!("{name} ="))) {
            continue;
        }
        let value =
            Expressions { rng, columns: own.clone(), is_risky: false, with_subqueries: true }.expression(*kind, 2);
        set.push(format!("{name} = {value}"));
    }
    let set = set.join(", ");
    match rng.u8(..4) {
        0 => {
            let filter =
                Expressions { rng, columns: own, is_risky: false, with_subqueries: true }.expression(Kind::Bool, 2);
            format!("UPDATE {} SET {set} WHERE {filter}{returning}", table.name)
        }
        1 if table.name != "t" => {
            format!("UPDATE {} SET {set} FROM t AS o WHERE o.id = {}.id{returning}", table.name, table.name)
                .replace("RETURNING *", &format!("RETURNING {}.*", table.name))
        }
        _ => format!("UPDATE {} SET {set} WHERE id = {}{returning}", table.name, rng.i32(0..15)),
    }
}

fn delete(rng: &mut Rng, table: &Table) -> String {
    let returning = returning(rng, table, table.name);
    let own = columns_of(table, table.name);
    match rng.u8(..4) {
        0 if table.name != "t" => {
            format!("DELETE FROM {} USING t AS o WHERE o.id = {}.id AND o.id < 3{returning}", table.name, table.name)
                .replace("RETURNING *", &format!("RETURNING {}.*", table.name))
        }
        1 => {
            let filter =
                Expressions { rng, columns: own, is_risky: false, with_subqueries: true }.expression(Kind::Bool, 2);
            format!("DELETE FROM {} WHERE {filter} AND id > 5{returning}", table.name)
        }
        _ => format!("DELETE FROM {} WHERE id = {}{returning}", table.name, rng.i32(0..15)),
    }
}
