//! One call of a rule that runs one query of 10 rows by 5 typed columns, which are available at
//! once, reads them into structs and returns a sum: on wasmtime alone, through the host's engine,
//! and through the whole host.

use std::io;
use std::sync::Arc;

use anyhow::ensure;
use tenet_bench::{Bare, Pairs, Ready, Stock, native, on_cpu, place, request, rows};
use tenet_core::{
    CatalogColumn, CatalogTable, Ended, Grants, HostCalls, Ledger, Limits, Policy, Request, Rules, Verdict,
};
use tenet_engine::{Engine, Library};
use tenet_log::{Format, Metrics};
use tenet_pipeline::{METRICS, Status};
use tenet_policy::{StatementPolicy, check};
use tenet_wiring::HostBuilder;
use tracing::subscriber::NoSubscriber;

const PAYLOAD: &str = r#"{"rows":10}"#;
const OUTPUT: &str = r#"{"rows":10,"sum":30}"#;

/// Calls in one round of one contender: long enough for the clock, short enough that all contenders
/// run under the same conditions.
const CALLS: u32 = 50;
const ROUNDS: usize = 400;

/// A statement of typical length.
const STATEMENT: &str = "SELECT a.id, a.balance, coalesce(a.balance, 0.00) AS owed FROM accounts AS a \
     WHERE a.id = $1 AND a.balance > $2 ORDER BY a.balance DESC LIMIT 10";

const BARE: &str = "wasmtime alone";

fn main() -> anyhow::Result<()> {
    // Set up like `bootstrap`, but with the output discarded.
    let metrics =
        METRICS.iter().map(|of| Metrics::new(of.name, "Tenet", &[], of.dimensions, of.metrics, of.optional)).collect();
    tracing::subscriber::set_global_default(tenet_log::subscriber(Format::Json, "info", metrics, io::sink)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (folder, index) = place::guests()?;
    let ready = Ready::new(rows(10)?);
    let plain = Stock::new(rows(10)?);
    let library = Arc::new(Library::open(Engine::new(1)?, &folder, &index)?);
    let bare = Bare::open(&folder, &index, "rows", rows(10)?)?;
    let ports = Arc::new(ready.clone());
    let granted: Grants = serde_json::from_str(r#"{"tables":{"accounts":{"select":["id","balance"]}}}"#)?;
    let mut with_statement = index.clone();
    for rule in &mut with_statement.rules {
        rule.grants.add(granted.clone());
    }
    let columns = ["id", "balance"].map(|name| CatalogColumn { name: name.to_owned(), kind: "text".to_owned() });
    let accounts = CatalogTable { columns: columns.into(), ..CatalogTable::default() };
    with_statement.catalog.tables.insert("accounts".to_owned(), accounts);
    let policy = Arc::new(StatementPolicy::new(&with_statement));
    let pipeline =
        HostBuilder::new(&index, Ledger::of_transactions(Arc::clone(&ports) as _), Arc::clone(&library) as _, ports)
            .policy(Arc::clone(&policy) as _)
            .pipeline()?;
    let request = |operation| request(operation, PAYLOAD);
    let asked = request("rows-read")?;
    let (read, write) = (Stock::new(request("rows-read")?), Stock::new(request("rows")?));
    let limits = Limits::default();
    let calls: Arc<dyn HostCalls> = Arc::new(ready.clone());

    let mut pairs = Pairs::default();
    pairs.add("the rule as a plain function", || {
        plain.fill(CALLS);
        on_cpu(CALLS, || {
            for _ in 0..CALLS {
                ensure!(native::answer(PAYLOAD, |_| plain.take())? == OUTPUT);
            }
            Ok(())
        })
    });
    pairs.add(BARE, || {
        bare.fill(CALLS);
        on_cpu(CALLS, || {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    ensure!(bare.call(PAYLOAD).await? == OUTPUT);
                }
                Ok(())
            })
        })
    });
    pairs.add("the host's engine", || {
        ready.fill(CALLS);
        on_cpu(CALLS, || {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    let call = library.call("rows", &asked, &limits, Arc::clone(&calls)).await;
                    ensure!(matches!(call.ended, Ended::Verdict(Verdict::Accept(output)) if output == OUTPUT));
                }
                Ok(())
            })
        })
    });
    let handle = &|request: &Stock<Request>| {
        ready.fill(CALLS);
        request.fill(CALLS);
        on_cpu(CALLS, || {
            runtime.block_on(async {
                for _ in 0..CALLS {
                    let handled = pipeline.handle(request.take()).await;
                    ensure!(handled.answer.status == Status::Accepted && handled.answer.body == OUTPUT);
                }
                Ok(())
            })
        })
    };
    pairs.add("the host, an operation that reads", || handle(&read));
    pairs.add("the host, an operation that writes", || handle(&write));
    pairs.add("the host, reading, with logging off", || {
        tracing::subscriber::with_default(NoSubscriber::default(), || handle(&read))
    });
    // The same events and spans for the usual subscriber, which keeps nothing of the closed spans.
    let usual = tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_writer(io::sink);
    let usual = tracing::Dispatch::new(usual.finish());
    pairs.add("the host, reading, with the log of tracing-subscriber", {
        let read = &read;
        move || tracing::dispatcher::with_default(&usual, || handle(read))
    });
    pairs.add("a statement that the policy knows", || {
        on_cpu(CALLS, || {
            for _ in 0..CALLS {
                ensure!(policy.statement("rows", STATEMENT).is_ok());
            }
            Ok(())
        })
    });
    pairs.add("a statement that it has not seen", || {
        on_cpu(CALLS, || {
            for _ in 0..CALLS {
                ensure!(check(STATEMENT, &granted, &with_statement.catalog).is_ok());
            }
            Ok(())
        })
    });
    pairs.run(ROUNDS)?.print("One call: 10 rows by 5 columns, processor time", BARE);
    Ok(())
}
