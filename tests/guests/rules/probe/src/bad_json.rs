//! Accepts with an output that is not JSON. The attribute `#[tenet::rule]` cannot say
//! that, so this guest's export is written by hand.

use tenet::Json;
use tenet::__private::{Guest, Request, Rule, Verdict, rule};

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

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code, reason = "the component's export, as wit-bindgen writes it")]
const _: () = {
    tenet::__private::export!(Probe);
};
