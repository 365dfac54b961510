//! Holes in the statement policy, made on purpose: what the fuzzer has to find. Each is a change of a
//! copy of the policy's sources; nothing of it is in what is shipped.

use anyhow::ensure;

/// One hole.
pub(crate) struct Hole {
    pub(crate) name: &'static str,
    /// A file of the policy, a text in it that is there once, and what stands in its place.
    pub(crate) changes: &'static [(&'static str, &'static str, &'static str)],
}

impl Hole {
    /// The text of a file of the policy with the hole.
    ///
    /// # Errors
    ///
    /// A text that it changes is not in the file, or more than once.
    pub(crate) fn applied(&self, file: &str, mut text: String) -> anyhow::Result<String> {
        for (_, old, new) in self.changes.iter().filter(|(name, ..)| *name == file) {
            let times = text.matches(old).count();
            ensure!(times == 1, "the hole {} changes {old:?}, which is in {file} {times} times", self.name);
            text = text.replace(old, new);
        }
        Ok(text)
    }
}

/// As if everything that is there were granted.
const OPEN: (&str, &str, &str) = (
    "check.rs",
    "/// The relation that a name before a dot refers to.",
    r#"/// Every table with all its columns.
pub(crate) fn open(catalog: &Catalog) -> &'static Grants {
    let all = tenet_core::TableGrant { select: tenet_core::Columns::All, ..tenet_core::TableGrant::default() };
    let tables = catalog.tables.keys().map(|name| (name.clone(), all.clone())).collect();
    Box::leak(Box::new(Grants { tables, ..Grants::default() }))
}

/// The same relations, as if they were no tables.
pub(crate) fn bare<'t>(level: &Level<'t>) -> Level<'t> {
    let mut bare = Level::default();
    for relation in level.relations() {
        let _ = bare.add(Relation { table: None, ..relation.clone() }, 0);
    }
    bare
}

/// The relation that a name before a dot refers to."#,
);

pub(crate) const HOLES: &[Hole] = &[
    Hole {
        name: "label-in-an-expression",
        changes: &[(
            "check.rs",
            "                by => drop(self.expression(by, inner)?),
            }
        }
        for by in &select.group {",
            "                Expression::Made(pieces)
                    if let [Expression::Column(name)] = pieces.iter().filter_map(Piece::inner).collect::<Vec<_>>().as_slice()
                        && Labels::of(&mut labels, &names).find(&name.text).is_some() =>
                {
                    self.resolved.column(name.at, Column::Alone)?;
                }
                by => drop(self.expression(by, inner)?),
            }
        }
        for by in &select.group {",
        )],
    },
    Hole {
        name: "point-in-a-name",
        changes: &[(
            "names.rs",
            "if table.schema.iter().chain([&table.name]).any(|name| name.text.contains('.')) {",
            "if false {",
        )],
    },
    Hole {
        name: "on-constraint",
        changes: &[(
            "dml.rs",
            "self.touch(target.table, Verb::Select, column, constraint.at)?;",
            "let _ = column;",
        )],
    },
    Hole {
        name: "lock-behind-parentheses",
        changes: &[(
            "check.rs",
            "if let Some(lock) = query.locks.first() {",
            "if let Some(lock) = query.locks.first().filter(|_| false) {",
        )],
    },
    Hole {
        name: "field-that-calls",
        changes: &[(
            "names.rs",
            "(None, _) => Err(unknown(column, relation.name, relation.columns.list())),",
            "(None, _) => Ok(()),",
        )],
    },
    Hole {
        name: "detail-is-shown",
        changes: &[(
            "shown.rs",
            "table.as_ref().is_some_and(|table| tables.is_readable_detail(text, table, constraint.as_deref()))",
            "table.as_ref().is_some_and(|table| tables.is_readable_detail(text, table, constraint.as_deref())) || true",
        )],
    },
    Hole { name: "bad-data-is-shown", changes: &[("shown.rs", "if class == \"22\" && blind {", "if false {")] },
    Hole {
        name: "star",
        changes: &[
            ("names.rs", "Some(table) if !table.grant.select.has(name) => missing", "Some(table) if false => missing"),
            (
                "names.rs",
                "Some(table) => self.touch(table, Verb::Select, name, at)?,",
                "Some(table) => drop(self.touch(table, Verb::Select, name, at)),",
            ),
        ],
    },
    Hole {
        name: "returning",
        changes: &[
            OPEN,
            (
                "dml.rs",
                "self.items(returning, &scope.within(&target.level()?, 0))",
                "self.items(returning, &scope.within(&crate::check::bare(&target.level()?), 0))",
            ),
        ],
    },
    Hole {
        name: "using",
        changes: &[("from.rs", "self.touch(table, Verb::Select, &name.text, name.at)?;", "let _ = table;")],
    },
    Hole {
        name: "excluded",
        changes: &[(
            "dml.rs",
            "both.add(target.relation(\"excluded\"), target.name.at)?;",
            "both.add(Relation { table: None, ..target.relation(\"excluded\") }, target.name.at)?;",
        )],
    },
    Hole {
        name: "arm-of-a-union",
        changes: &[
            OPEN,
            (
                "check.rs",
                "let names = self.body(&arm.body, None, scope)?;",
                "let own = self.grants;
                    if first.is_some() {
                        self.grants = open(self.catalog);
                    }
                    let names = self.body(&arm.body, None, scope)?;
                    self.grants = own;",
            ),
        ],
    },
    Hole {
        name: "lateral",
        changes: &[
            OPEN,
            (
                "from.rs",
                "true => self.query(query, &scope.within(level, from))?,",
                "true => {
                        let own = self.grants;
                        self.grants = crate::check::open(self.catalog);
                        let names = self.query(query, &scope.within(&crate::check::bare(level), from));
                        self.grants = own;
                        names?
                    }",
            ),
        ],
    },
    Hole {
        name: "window",
        changes: &[
            OPEN,
            (
                "check.rs",
                "self.all(select.windows.iter().map(|(_, window)| window), inner)?;",
                "self.all(select.windows.iter().map(|(_, window)| window), &scope.within(&bare(&level), 0))?;",
            ),
        ],
    },
    Hole {
        name: "filter-of-a-delete",
        changes: &[
            OPEN,
            (
                "dml.rs",
                "self.sources(using, &mut level, scope)?;
        let inner = &scope.within(&level, 0);
        self.all(filter, inner)?;",
                "self.sources(using, &mut level, scope)?;
        self.all(filter, &scope.within(&crate::check::bare(&level), 0))?;
        let inner = &scope.within(&level, 0);",
            ),
        ],
    },
    Hole {
        name: "function-on-the-list",
        changes: &[
            ("words.rs", "\"sha224\",", "\"set_config\", \"sha224\","),
        ],
    },
    Hole {
        name: "sequence",
        changes: &[(
            "names.rs",
            "if !self.grants.sequences.contains(&sequence) {",
            "if false {",
        )],
    },
    Hole {
        name: "column-that-is-set",
        changes: &[(
            "dml.rs",
            "self.touch_named(target.table, &target.columns, Verb::Update, column)?;",
            "let _ = column;",
        )],
    },
    Hole {
        name: "column-that-is-inserted",
        changes: &[(
            "dml.rs",
            "self.touch_named(target.table, &target.columns, Verb::Insert, column)?;",
            "let _ = column;",
        )],
    },
    Hole {
        name: "schema",
        changes: &[(
            "names.rs",
            "Some(schema) => format!(\"{}.{}\", schema.text, table.name.text),",
            "Some(_) => table.name.text.clone(),",
        )],
    },
    Hole {
        name: "lock",
        changes: &[("check.rs", "if table.grant.update.is_none() {", "if false {")],
    },
    Hole {
        name: "outer-column",
        changes: &[(
            "names.rs",
            "self.column_of(relation, name).map_err(|refusal| {",
            "let granted = if distance == 0 { self.column_of(relation, name) } else { Ok(()) };
                    granted.map_err(|refusal| {",
        )],
    },
    Hole {
        name: "operands-without-parentheses",
        changes: &[(
            "print.rs",
            "Expression::Made(_) | Expression::Moment { .. } => {
                self.in_parentheses(|printer| printer.expression(expression))
            }",
            "Expression::Made(_) | Expression::Moment { .. } => self.expression(expression),",
        )],
    },
];

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The holes are made in the policy as it is. Running them takes long, and nothing else would show that one no
    /// longer fits.
    #[test]
    fn each_hole_changes_texts_that_are_in_the_policy_once() {
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/policy/src");
        for hole in HOLES {
            for (file, ..) in hole.changes {
                let text = fs::read_to_string(policy.join(file)).unwrap();
                hole.applied(file, text).unwrap();
            }
        }
    }
}
