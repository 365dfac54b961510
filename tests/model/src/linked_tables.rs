//! Tables that reference each other, and statements that change them.

use fastrand::Rng;

/// The tables of a round.
#[derive(Default)]
pub(crate) struct LinkedTables {
    pub(crate) all: Vec<LinkedTable>,
}

/// A table of small numbers and short texts.
pub(crate) struct LinkedTable {
    pub(crate) name: String,
    columns: Vec<Column>,
    /// The columns of its unique constraints, the primary key first.
    keys: Vec<Vec<usize>>,
    /// The columns of its foreign keys.
    references: Vec<Vec<usize>>,
}

struct Column {
    name: &'static str,
    is_text: bool,
}

const ACTIONS: [&str; 5] = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"];

fn one<'t>(rng: &mut Rng, of: &[&'t str]) -> &'t str {
    of.get(rng.usize(..of.len())).copied().unwrap_or_default()
}

fn literal(rng: &mut Rng, is_text: bool) -> String {
    match is_text {
        true => one(rng, &["'a'", "'b'", "'c'"]).to_owned(),
        // Equal pairs are frequent, too.
        false => rng.u8(..4).to_string(),
    }
}

impl LinkedTable {
    fn names(&self, columns: &[usize]) -> String {
        let names: Vec<_> = columns.iter().filter_map(|at| self.columns.get(*at)).map(|column| column.name).collect();
        names.join(", ")
    }

    /// A value for a column; rarely one that a primary key does not take.
    fn value(&self, rng: &mut Rng, at: usize) -> String {
        let is_text = self.columns.get(at).is_some_and(|column| column.is_text);
        let is_primary = self.keys.first().is_some_and(|key| key.contains(&at));
        if is_primary && rng.u8(..12) > 0 {
            return literal(rng, is_text);
        }
        match rng.u8(..8) {
            0 => "NULL".to_owned(),
            1 => "DEFAULT".to_owned(),
            _ => literal(rng, is_text),
        }
    }

    /// Indexes by which the rows that reference one are found in the order of their keys.
    pub(crate) fn indexes(&self) -> Vec<String> {
        let key = self.keys.first().cloned().unwrap_or_default();
        let index = |columns: &Vec<usize>| {
            let all: Vec<_> = columns.iter().chain(key.iter().filter(|at| !columns.contains(at))).copied().collect();
            format!("CREATE INDEX ON {} ({})", self.name, self.names(&all))
        };
        self.references.iter().map(index).collect()
    }

    /// A condition that is looked up in the primary key.
    fn filter(&self, rng: &mut Rng) -> String {
        let first = self.keys.first().and_then(|key| self.columns.get(*key.first()?));
        let Some(Column { name, is_text }) = first else { return "true".to_owned() };
        let value = literal(rng, *is_text);
        match rng.u8(..6) {
            0 => format!("{name} >= {value}"),
            1 => format!("{name} <= {value}"),
            _ => format!("{name} = {value}"),
        }
    }
}

impl LinkedTables {
    /// A new table, and the statement that creates it.
    pub(crate) fn create(&self, rng: &mut Rng, number: usize) -> (LinkedTable, String) {
        let mut table =
            LinkedTable { name: format!("t{number}"), columns: Vec::new(), keys: Vec::new(), references: Vec::new() };
        let mut parts = Vec::new();
        for name in ["k", "id", "a", "b", "s"] {
            let is_text = name == "s";
            let kind = if is_text {
                one(rng, &["text", "varchar(3)"])
            } else {
                one(rng, &["int", "int", "int", "bigint", "smallint"])
            };
            let mut part = format!("{name} {kind}");
            if rng.u8(..16) == 0 {
                part.push_str(" NOT NULL");
            }
            if rng.u8(..3) == 0 {
                part.push_str(&format!(" DEFAULT {}", literal(rng, is_text)));
            }
            if !is_text && rng.u8(..16) == 0 {
                part.push_str(&format!(" CHECK ({name} < 4)"));
            }
            table.columns.push(Column { name, is_text });
            parts.push(part);
        }
        let primary = match rng.u8(..4) {
            0 => vec![0, 1],
            1 => vec![1, 0],
            2 => vec![4],
            _ => vec![1],
        };
        parts.push(format!("PRIMARY KEY ({})", table.names(&primary)));
        table.keys.push(primary);
        for columns in [vec![2], vec![3, 2], vec![4], vec![2, 1]] {
            if rng.u8(..4) == 0 && table.keys.iter().all(|key| *key != columns) {
                parts.push(format!("UNIQUE ({})", table.names(&columns)));
                table.keys.push(columns);
            }
        }
        for _ in 0..rng.u8(1..4) {
            let (columns, part) = self.foreign_key(rng, &table, true);
            if rng.u8(..4) == 0 && columns.len() == 1 {
                // On the column itself.
                let at = columns.first().copied().unwrap_or_default();
                if let (Some(column), Some((_, rest))) = (parts.get_mut(at), part.split_once(" REFERENCES "))
                    && !rest.contains("SET NULL (")
                    && !rest.contains("SET DEFAULT (")
                {
                    column.push_str(&format!(" REFERENCES {rest}"));
                    table.references.push(columns);
                    continue;
                }
            }
            table.references.push(columns);
            parts.push(part);
        }
        let sql = format!("CREATE TABLE {} ({})", table.name, parts.join(", "));
        (table, sql)
    }

    /// A foreign key of a table: its columns, and the constraint.
    fn foreign_key(&self, rng: &mut Rng, table: &LinkedTable, is_deferrable: bool) -> (Vec<usize>, String) {
        let at = rng.usize(..=self.all.len());
        let parent = self.all.get(at).unwrap_or(table);
        let key = parent.keys.get(rng.usize(..parent.keys.len())).cloned().unwrap_or_default();
        let mut columns = Vec::new();
        for column in &key {
            let is_text = parent.columns.get(*column).is_some_and(|column| column.is_text);
            let fits = |at: &usize| table.columns.get(*at).is_some_and(|own| own.is_text == is_text);
            let free: Vec<_> = (0..table.columns.len()).filter(|at| fits(at) && !columns.contains(at)).collect();
            // Rarely one that does not fit.
            let any = rng.usize(..table.columns.len());
            let fitting = free.get(rng.usize(..free.len().max(1))).copied();
            columns.push(if rng.u8(..60) == 0 { any } else { fitting.unwrap_or(any) });
        }
        let name =
            if rng.u8(..5) == 0 { format!("CONSTRAINT {}_f{} ", table.name, rng.u8(..3)) } else { String::new() };
        let mut sql = format!("{name}FOREIGN KEY ({}) REFERENCES {}", table.names(&columns), parent.name);
        let is_primary = parent.keys.first() == Some(&key);
        if !is_primary || rng.bool() {
            sql.push_str(&format!(" ({})", parent.names(&key)));
        }
        if rng.u8(..4) == 0 {
            sql.push_str(one(rng, &[" MATCH FULL", " MATCH SIMPLE", " MATCH FULL"]));
        }
        if rng.u8(..5) > 0 {
            let action = one(rng, &ACTIONS);
            sql.push_str(&format!(" ON DELETE {action}"));
            if action.starts_with("SET") && columns.len() > 1 && rng.u8(..3) == 0 {
                sql.push_str(&format!(" ({})", table.names(columns.get(..1).unwrap_or_default())));
            }
        }
        if rng.u8(..5) > 0 {
            sql.push_str(&format!(" ON UPDATE {}", one(rng, &ACTIONS)));
        }
        if is_deferrable && rng.bool() {
            sql.push_str(one(
                rng,
                &[" DEFERRABLE", " DEFERRABLE INITIALLY DEFERRED", " INITIALLY DEFERRED", " NOT DEFERRABLE"],
            ));
        }
        (columns, sql)
    }

    /// INSERT, UPDATE or DELETE.
    pub(crate) fn change(&self, rng: &mut Rng) -> String {
        let Some(table) = self.all.get(rng.usize(..self.all.len().max(1))) else { return "SELECT 1".to_owned() };
        if rng.u8(..8) == 0 {
            let names = ["ALL".to_owned(), format!("{0}_a_fkey", table.name), format!("{0}_f0, {0}_f1", table.name)];
            let name = match rng.u8(..6) {
                0 => names.get(1).or(names.first()),
                1 => names.get(2).or(names.first()),
                _ => names.first(),
            };
            let mode = one(rng, &["DEFERRED", "DEFERRED", "IMMEDIATE"]);
            return format!("SET CONSTRAINTS {} {mode}", name.map_or("ALL", String::as_str));
        }
        let returning = if rng.u8(..4) == 0 { " RETURNING *" } else { "" };
        let statement = self.single_change(rng, table);
        if rng.u8(..16) == 0
            && let Some(other) = self.all.get(rng.usize(..self.all.len()))
            && other.name != table.name
        {
            let first = self.single_change(rng, other);
            return format!("WITH first AS ({first} RETURNING *) {statement}{returning}");
        }
        if rng.u8(..16) == 0 {
            // What is gone may be there again before anything is checked.
            let (name, filter) = (&table.name, table.filter(rng));
            return format!(
                "WITH first AS (DELETE FROM {name} WHERE {filter} RETURNING *) INSERT INTO {name} SELECT * FROM first"
            );
        }
        format!("{statement}{returning}")
    }

    fn single_change(&self, rng: &mut Rng, table: &LinkedTable) -> String {
        let LinkedTable { name, columns, keys, .. } = table;
        match rng.u8(..20) {
            0..=11 => {
                let given: Vec<_> = (0..columns.len())
                    .filter(|at| keys.first().is_some_and(|key| key.contains(at)) || rng.u8(..4) > 0)
                    .collect();
                let row = |rng: &mut Rng| {
                    let values: Vec<_> = given.iter().map(|at| table.value(rng, *at)).collect();
                    format!("({})", values.join(", "))
                };
                let rows: Vec<_> = (0..rng.usize(1..3)).map(|_| row(rng)).collect();
                let key = keys.get(rng.usize(..keys.len())).map(|key| table.names(key)).unwrap_or_default();
                let conflict = match rng.u8(..6) {
                    0 => " ON CONFLICT DO NOTHING".to_owned(),
                    1 => format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set(rng, table)),
                    _ => String::new(),
                };
                format!("INSERT INTO {name} ({}) VALUES {}{conflict}", table.names(&given), rows.join(", "))
            }
            12..=16 => format!("UPDATE {name} SET {} WHERE {}", set(rng, table), table.filter(rng)),
            _ => format!("DELETE FROM {name} WHERE {}", table.filter(rng)),
        }
    }

    /// A change of the schema.
    pub(crate) fn change_of_schema(&self, rng: &mut Rng) -> String {
        let Some(table) = self.all.get(rng.usize(..self.all.len().max(1))) else { return "SELECT 1".to_owned() };
        let cascade = one(rng, &["", "", " CASCADE"]);
        let name = &table.name;
        let references = |rng: &mut Rng| {
            let columns = table.references.get(rng.usize(..table.references.len().max(1)));
            columns.map(|columns| table.names(columns)).unwrap_or_default().replace(", ", "_")
        };
        match rng.u8(..11) {
            0 => format!("DROP TABLE {name}{cascade}"),
            1 => {
                let other = self.all.get(rng.usize(..self.all.len())).unwrap_or(table);
                if other.name == *name {
                    format!("DROP TABLE {name}")
                } else {
                    format!("DROP TABLE {name}, {}{cascade}", other.name)
                }
            }
            2 => {
                let key = table.keys.get(rng.usize(1..table.keys.len().max(2))).map(|key| table.names(key));
                let key = key.unwrap_or_default().replace(", ", "_");
                format!("ALTER TABLE {name} DROP CONSTRAINT {name}_{key}_key{cascade}")
            }
            3 => format!("ALTER TABLE {name} DROP CONSTRAINT {name}_{}_fkey", references(rng)),
            4 => {
                // Aurora DSQL drops no column of a primary key.
                let is_free = |at: &usize| table.keys.first().is_some_and(|key| !key.contains(at));
                let column = (0..table.columns.len()).rev().find(is_free).and_then(|at| table.columns.get(at));
                format!("ALTER TABLE {name} DROP COLUMN {}{cascade}", column.map_or("a", |column| column.name))
            }
            5..=7 => {
                let (_, key) = self.foreign_key(rng, table, true);
                format!("ALTER TABLE {name} ADD {key} NOT VALID")
            }
            8 => {
                let mode =
                    one(rng, &["DEFERRABLE", "NOT DEFERRABLE", "INITIALLY DEFERRED", "DEFERRABLE INITIALLY IMMEDIATE"]);
                format!("ALTER TABLE {name} ALTER CONSTRAINT {name}_{}_fkey {mode}", references(rng))
            }
            _ => format!("ALTER TABLE ASYNC {name} VALIDATE CONSTRAINT {name}_{}_fkey", references(rng)),
        }
    }
}

fn set(rng: &mut Rng, table: &LinkedTable) -> String {
    let mut parts: Vec<String> = Vec::new();
    for _ in 0..rng.usize(1..3) {
        let at = rng.usize(..table.columns.len());
        let Some(column) = table.columns.get(at) else { continue };
        if !parts.iter().any(|part| part.starts_with(&format!("{} =", column.name))) {
            let value = table.value(rng, at);
            parts.push(format!("{} = {value}", column.name));
        }
    }
    parts.join(", ")
}
