use std::sync::Arc;
use std::time::Instant;

use tenet_core::{Limits, Request, Rules, Timestamp};

use crate::Library;
use crate::deny_all_calls::DenyAllCalls;

impl Library {
    /// Calls a rule once before the first request, so that one-time costs, such as the memory of an
    /// instance, are paid before a caller waits.
    ///
    /// A rule can do nothing without a host call, and the first host call stops it. The result is
    /// ignored. A missing rule is skipped.
    pub async fn first_call(&self, rule: &str, limits: &Limits) {
        let request = Request {
            operation: String::new(),
            key: None,
            source_key: None,
            payload: "{}".to_owned(),
            caller: None,
            region: String::new(),
            trace: None,
            follow_up: None,
            now: Timestamp(0),
            seed: [0; 32],
            deadline: Instant::now(),
        };
        let call = self.call(rule, &request, limits, Arc::new(DenyAllCalls)).await;
        tracing::debug!(rule, cpu_us = u64::try_from(call.cpu.as_micros()).unwrap_or(u64::MAX), "first call");
    }
}
