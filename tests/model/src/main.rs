//! Runs generated transactions on PostgreSQL and on the model, one after the other.

use std::process::ExitCode;

use clap::Parser;
use tenet_model_tests::{ModelSide, PostgresSide, References, Serial};

/// Runs generated transactions on PostgreSQL and on the model of Aurora DSQL, and compares.
#[derive(Parser)]
struct Arguments {
    /// Decides all statements.
    #[arg(long)]
    seed: u64,
    /// How many statements are run.
    #[arg(long)]
    statements: u64,
    /// Generates tables that reference each other, and changes of their rows.
    #[arg(long)]
    references: bool,
    /// The URL of an empty database of a PostgreSQL. Its schema `public` is made anew.
    #[arg(long, env = "TENET_TEST_POSTGRES")]
    postgres: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let Arguments { seed, statements, references, postgres } = Arguments::parse();
    let (mut postgres, mut model) = (PostgresSide::new(&postgres)?, ModelSide::new(seed));
    let report = if references {
        References { seed, statements }.run(&mut postgres, &mut model).await?
    } else {
        Serial { seed, statements }.run(&mut postgres, &mut model).await?
    };
    for difference in &report.differences {
        println!("{difference}\n");
    }
    println!("seed {seed}: {report}");
    Ok(if report.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
