use std::error::Error;
use std::sync::Arc;

use serde_json::value::RawValue;
use tenet_core::{Limits, Timestamp};

use crate::Library;
use crate::call::{CallState, Context};
use crate::deny_all_calls::DenyAllCalls;

/// The uses of WASI that a runtime may make while its rule describes itself.
const WASI: u64 = 10_000;

/// Why a rule's description could not be obtained.
#[derive(Debug, thiserror::Error)]
#[error("the rule {rule} does not say what it takes and gives: {what}")]
pub struct DescribeError {
    rule: String,
    what: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Library {
    /// The input and output that a rule declares: JSON text, an object with a schema `input` and a
    /// schema `output`, either of which may be missing. See `describe` in the contract. Only the
    /// JSON syntax is checked.
    ///
    /// # Errors
    /// Fails if there is no such rule, if the rule fails, calls an import or exceeds
    /// [`Limits::default`], or if its answer is not JSON.
    pub async fn describe(&self, rule: &str) -> Result<String, DescribeError> {
        let fail = |what, source| DescribeError { rule: rule.to_owned(), what, source };
        let pre = self.rule(rule).ok_or_else(|| fail("there is no such rule", None))?;
        let _slot = self.engine().slots().acquire().await.map_err(|_| fail("the engine is closed", None))?;
        let limits = Limits { host_calls: 0, ..Limits::default() };
        let context = Context {
            operation: String::new(),
            region: String::new(),
            caller: None,
            now: Timestamp(0),
            follow_up: None,
        };
        let state = CallState::new(Arc::new(DenyAllCalls), context, &limits).with_wasi(WASI);
        let mut store = self.store(state);
        if self.engine().is_metered() {
            store.set_fuel(u64::MAX).map_err(|error| fail("it has no fuel", Some(error.into_boxed_dyn_error())))?;
        }
        let timer = store.data().timer();
        let described = timer.time(async {
            let instance = pre.instantiate_async(&mut store).await?;
            instance.call_describe(&mut store).await
        });
        let text = described
            .await
            .map_err(|error| fail("it failed to describe itself", Some(error.into_boxed_dyn_error())))?;
        match serde_json::from_str::<&RawValue>(&text) {
            Ok(_) => Ok(text),
            Err(error) => Err(fail("its description is not JSON", Some(error.into()))),
        }
    }
}
