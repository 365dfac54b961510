//! The cost of passing rows into a rule: a call with 100 rows by 5 typed columns minus the same
//! call without rows. What remains is crossing the boundary and, if the rule does so, reading them
//! into structs.

use std::sync::Arc;

use anyhow::ensure;
use tenet_bench::{Bare, Pairs, Ready, on_cpu, place, request, rows};
use tenet_core::{Ended, HostCalls, Limits, Rules, Verdict};
use tenet_engine::{Engine, Library};

const CALLS: u32 = 25;
const ROUNDS: usize = 400;
const COUNTS: [u32; 2] = [0, 100];

/// How the rule reads its rows, and the name of that cost.
const FORMS: [(&str, &str); 3] = [
    ("structs", "into structs"),
    ("columns", "the crossing alone, as columns"),
    ("packed", "the crossing alone, packed"),
];

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (folder, index) = place::guests()?;
    let library = Library::open(Engine::new(1)?, &folder, &index)?;
    let (limits, library, runtime) = (&Limits::default(), &library, &runtime);

    let mut pairs = Pairs::default();
    for count in COUNTS {
        for (form, _) in FORMS {
            let payload = format!(r#"{{"rows":{count},"as":"{form}"}}"#);
            let starts = format!(r#"{{"rows":{count},"#);
            let request = request("rows-read", &payload)?;
            let bare = Bare::open(&folder, &index, "rows", rows(count)?)?;
            let ready = Ready::new(rows(count)?);
            let calls: Arc<dyn HostCalls> = Arc::new(ready.clone());
            let expected = starts.clone();
            pairs.add(format!("wasmtime alone, {count} rows, {form}"), move || {
                bare.fill(CALLS);
                on_cpu(CALLS, || {
                    runtime.block_on(async {
                        for _ in 0..CALLS {
                            ensure!(bare.call(&payload).await?.starts_with(&expected));
                        }
                        Ok(())
                    })
                })
            });
            pairs.add(format!("the host's engine, {count} rows, {form}"), move || {
                ready.fill(CALLS);
                on_cpu(CALLS, || {
                    runtime.block_on(async {
                        for _ in 0..CALLS {
                            let call = library.call("rows", &request, limits, Arc::clone(&calls)).await;
                            ensure!(
                                matches!(call.ended, Ended::Verdict(Verdict::Accept(output)) if output.starts_with(&starts))
                            );
                        }
                        Ok(())
                    })
                })
            });
        }
    }
    let measured = pairs.run(ROUNDS)?;
    measured.print("Calls, processor time", "wasmtime alone, 0 rows, structs");
    println!("\n100 rows by 5 columns: a call with them less one without\n{:>62}", "µs");
    for (form, name) in FORMS {
        for path in ["wasmtime alone", "the host's engine"] {
            let of = |count: u32| format!("{path}, {count} rows, {form}");
            let cost = measured.paired(&of(100), &of(0), |with, without| with - without);
            println!("  {:<50}{cost:>10.1}", format!("{name}, {path}"));
        }
    }
    Ok(())
}
