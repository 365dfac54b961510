//! Generated tables that reference each other, and statements over them, run one after the other on both.

use anyhow::bail;
use fastrand::Rng;

use crate::linked_tables::{LinkedTable, LinkedTables};
use crate::serial::{Difference, Fresh, SerialReport};
use crate::side::{Outcome, Side};

/// How many statements are run over the same tables.
const STATEMENTS_A_ROUND: u64 = 120;

/// How many changes of the schema follow them.
const CHANGES_A_ROUND: u64 = 6;

/// A run of generated schemas with foreign keys. The words and the fields of errors are compared, too.
pub struct References {
    /// Decides all statements.
    pub seed: u64,
    /// How many statements are run.
    pub statements: u64,
}

/// What both sides say about the constraints of all tables.
const CONSTRAINTS: &str = "SELECT c.conname::text, c.contype::text, r.relname::text, f.relname::text, \
     c.confupdtype::text, c.confdeltype::text, c.confmatchtype::text, c.conkey, c.confkey, c.confdelsetcols, \
     c.condeferrable, c.condeferred, c.convalidated FROM pg_catalog.pg_constraint c \
     JOIN pg_catalog.pg_class r ON r.oid = c.conrelid LEFT JOIN pg_catalog.pg_class f ON f.oid = c.confrelid \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = 'public' ORDER BY r.relname, c.conname";

impl References {
    /// Runs the statements. Stops at the first rounds with differences.
    pub async fn run(&self, postgres: &mut impl Fresh, model: &mut impl Fresh) -> anyhow::Result<SerialReport> {
        let mut report = SerialReport::default();
        let mut seed = self.seed;
        while report.statements + report.unsupported < self.statements && report.differences.len() < 20 {
            let (postgres, model) = (postgres.fresh().await?, model.fresh().await?);
            // Rows are changed in the order of their keys on both sides.
            for setting in ["SET enable_seqscan = off", "SET enable_bitmapscan = off"] {
                if let Err((sqlstate, message)) = postgres.command(setting).await {
                    bail!("PostgreSQL: {setting}: {sqlstate} {message}");
                }
            }
            let mut rng = Rng::with_seed(seed);
            let round = Round { seed, postgres, model };
            if let Some(difference) = round.run(&mut rng, &mut report).await? {
                report.differences.push(difference);
            }
            seed += 1;
        }
        Ok(report)
    }
}

struct Round {
    seed: u64,
    postgres: Side,
    model: Side,
}

type Found = Option<Difference>;

impl Round {
    async fn run(&self, rng: &mut Rng, report: &mut SerialReport) -> anyhow::Result<Found> {
        let mut tables = LinkedTables::default();
        for number in 0..rng.usize(2..5) {
            let (table, sql) = tables.create(rng, number);
            match self.both(&sql, report).await {
                Verdict::Differs(difference) => return Ok(Some(*difference)),
                Verdict::Done => {
                    // On PostgreSQL alone: rows that reference one are found in the order of their keys.
                    for index in table.indexes() {
                        if let Err((sqlstate, message)) = self.postgres.command(&index).await {
                            bail!("PostgreSQL: {index}: {sqlstate} {message}");
                        }
                    }
                    tables.all.push(table);
                }
                Verdict::Failed => {}
                Verdict::Astray => return Ok(None),
            }
        }
        if tables.all.is_empty() {
            return Ok(None);
        }
        let mut count = 0;
        while count < STATEMENTS_A_ROUND {
            let in_transaction = rng.bool();
            if in_transaction {
                self.both("BEGIN", report).await;
            }
            for _ in 0..if in_transaction { rng.u64(2..9) } else { 1 } {
                count += 1;
                match self.both(&tables.change(rng), report).await {
                    Verdict::Differs(difference) => return Ok(Some(*difference)),
                    Verdict::Astray => return Ok(None),
                    Verdict::Failed => break,
                    Verdict::Done => {}
                }
            }
            if in_transaction {
                let end = if rng.u8(..6) == 0 { "ROLLBACK" } else { "COMMIT" };
                if let Verdict::Differs(difference) = self.both(end, report).await {
                    return Ok(Some(*difference));
                }
            }
            if rng.u8(..10) == 0
                && let Some(difference) = self.compare(&tables).await
            {
                return Ok(Some(difference));
            }
        }
        if let Some(difference) = self.compare(&tables).await {
            return Ok(Some(difference));
        }
        self.change_schema(rng, &tables, report).await
    }

    /// Changes the schema, and some rows after each change.
    async fn change_schema(
        &self,
        rng: &mut Rng,
        tables: &LinkedTables,
        report: &mut SerialReport,
    ) -> anyhow::Result<Found> {
        for _ in 0..rng.u64(..CHANGES_A_ROUND) {
            let sql = tables.change_of_schema(rng);
            match self.both(&sql, report).await {
                Verdict::Differs(difference) => return Ok(Some(*difference)),
                Verdict::Astray => return Ok(None),
                Verdict::Done | Verdict::Failed => {}
            }
            let (expected, found) = (self.postgres.run(CONSTRAINTS, &[]).await, self.model.run(CONSTRAINTS, &[]).await);
            if !expected.agrees_in_words(&found, true) {
                let sql = format!("{sql}; {CONSTRAINTS}");
                return Ok(Some(Difference { seed: self.seed, sql, postgres: expected, model: found }));
            }
            for _ in 0..4 {
                if let Verdict::Differs(difference) = self.both(&tables.change(rng), report).await {
                    return Ok(Some(*difference));
                }
            }
        }
        Ok(self.compare(tables).await)
    }

    async fn both(&self, sql: &str, report: &mut SerialReport) -> Verdict {
        let (expected, found) =
            (self.postgres.run(&sql.replace(" ASYNC", ""), &[]).await, self.model.run(sql, &[]).await);
        if found.is_unsupported() {
            report.unsupported += 1;
            if let Outcome::Error { message, .. } = &found {
                *report.refusals.entry(message.clone()).or_default() += 1;
            }
            return Verdict::Astray;
        }
        report.statements += 1;
        // A validation is a job there: what it finds is seen in the catalogue.
        if sql.contains(" VALIDATE ") && (expected.is_sqlstate("23503") || !expected.is_error()) && !found.is_error() {
            return Verdict::Done;
        }
        // Nothing says whether the query of a WITH or the statement after it is the first to fail.
        let both_refuse = sql.starts_with("WITH ") && expected.is_error() && found.is_error();
        // Nor which row of several is.
        let code = |outcome: &Outcome| ["23502", "23505", "23514"].into_iter().find(|code| outcome.is_sqlstate(code));
        let any_row = !sql.starts_with("INSERT") && code(&expected).is_some() && code(&expected) == code(&found);
        if !both_refuse && !any_row && !expected.agrees_in_words(&found, false) {
            let (seed, sql) = (self.seed, sql.to_owned());
            return Verdict::Differs(Box::new(Difference { seed, sql, postgres: expected, model: found }));
        }
        if expected.is_error() {
            report.failed += 1;
            return Verdict::Failed;
        }
        Verdict::Done
    }

    async fn compare(&self, tables: &LinkedTables) -> Found {
        for LinkedTable { name, .. } in &tables.all {
            let sql = format!("SELECT * FROM {name}");
            let (expected, found) = (self.postgres.run(&sql, &[]).await, self.model.run(&sql, &[]).await);
            if !expected.agrees_in_words(&found, false) {
                return Some(Difference { seed: self.seed, sql, postgres: expected, model: found });
            }
        }
        None
    }
}

/// How a statement went.
enum Verdict {
    Done,
    /// On both, in the same way.
    Failed,
    /// The model refused it: the databases differ from here on.
    Astray,
    Differs(Box<Difference>),
}
