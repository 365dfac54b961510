//! Accepts with an output that is not JSON. `#[tenet::rule]` does not allow that, so this guest's
//! export is written by hand.

use tenet::__private::{Guest, Request, Rule, Verdict, rule};
use tenet::Json;

const PROBE: Rule<Json, tenet::Result<Json>> = rule(crate::probe);

struct Probe;

impl Guest for Probe {
    fn evaluate(request: Request) -> Result<Verdict, String> {
        if request.payload.contains("\"bad-json\"") {
            return Ok(Verdict::Accept("{\"unfinished\":".to_owned()));
        }
        PROBE.evaluate(request)
    }

    fn describe() -> String {
        PROBE.describe()
    }
}

// Natively nothing else calls the guest, and the compiler would report dead code.
const _: fn(Request) -> Result<Verdict, String> = <Probe as Guest>::evaluate;

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the component's export, as wit-bindgen writes it")]
const _: () = {
    tenet::__private::export!(Probe);
};
