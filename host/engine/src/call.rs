use std::sync::Arc;
use std::time::Duration;

use tenet_core::{
    BoxFuture, Ended, FollowUpId, HostCalls, Limit, LimitExceeded, Limits, Outcome, Request, RuleCall, Rules,
    ScheduleError, SqlError, Statement, Timestamp, VaultCall, Vaulted, caught,
};
use wasmtime::{Store, UpdateDeadline};

use crate::Library;
use crate::cpu_timer::CpuTimer;
use crate::ended;
use crate::guest_stop::GuestStop;
use crate::limiter::Limiter;
use crate::v1;
use crate::wasi::Wasi;

/// The least host memory for the arguments of one call, however small the limits are.
const LEAST_ARGUMENTS: u64 = 64 << 10;

/// The state of one call of one rule.
pub(crate) struct CallState {
    calls: Arc<dyn HostCalls>,
    context: Context,
    limits: Limits,
    limiter: Limiter,
    timer: Arc<CpuTimer>,
    host_calls: u64,
    /// Uses of WASI that are not counted: a runtime reads its clock before it describes a rule.
    wasi_for_nothing: u64,
    wasi: Option<Box<Wasi>>,
}

/// What a guest can read about its request.
pub(crate) struct Context {
    pub(crate) operation: String,
    pub(crate) follow_up: Option<FollowUpId>,
    pub(crate) region: String,
    pub(crate) caller: Option<String>,
    pub(crate) now: Timestamp,
}

impl CallState {
    pub(crate) fn new(calls: Arc<dyn HostCalls>, context: Context, limits: &Limits) -> Self {
        Self {
            calls,
            context,
            limits: limits.clone(),
            limiter: Limiter::new(limits),
            timer: Arc::default(),
            host_calls: 0,
            wasi_for_nothing: 0,
            wasi: None,
        }
    }

    /// Allows the call's runtime this many uncounted uses of WASI.
    pub(crate) fn with_wasi(self, for_nothing: u64) -> Self {
        Self { wasi_for_nothing: for_nothing, ..self }
    }

    /// The timer of the call.
    pub(crate) fn timer(&self) -> Arc<CpuTimer> {
        Arc::clone(&self.timer)
    }

    /// The host calls of the guest.
    pub(crate) fn calls(&self) -> &dyn HostCalls {
        &*self.calls
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Counts a call of an imported function.
    pub(crate) fn count(&mut self) -> Result<(), GuestStop> {
        self.host_calls += 1;
        Ok(Limit::HostCalls.check(self.limits.host_calls, self.host_calls)?)
    }

    /// The WASI state of the call. Each use counts as a host call, but for reading the monotonic clock; exceeding the
    /// limit ends the guest at the next tick.
    pub(crate) fn wasi(&mut self) -> &mut Wasi {
        match self.wasi_for_nothing.checked_sub(1) {
            Some(left) => self.wasi_for_nothing = left,
            None => self.host_calls += 1,
        }
        let Self { wasi, calls, context, .. } = self;
        wasi.get_or_insert_with(|| Box::new(Wasi::new(calls, context.now)))
    }

    /// Logs what the guest left on its standard streams.
    fn finish(&self) {
        if let Some(wasi) = &self.wasi {
            wasi.finish();
        }
    }

    /// Whether the guest's runtime has aborted because it waited for what never comes.
    fn has_stalled(&self) -> bool {
        self.wasi.as_ref().is_some_and(|wasi| wasi.has_stalled())
    }

    /// Whether the guest may continue.
    fn check(&self) -> Result<(), GuestStop> {
        Limit::HostCalls.check(self.limits.host_calls, self.host_calls)?;
        self.check_cpu()
    }

    /// Runs statements.
    pub(crate) async fn run(
        &mut self,
        statements: Vec<Statement>,
    ) -> Result<Result<Vec<Outcome>, SqlError>, GuestStop> {
        Ok(self.calls.run(statements).await?)
    }

    /// Removes a follow-up.
    pub(crate) async fn cancel_follow_up(&mut self, id: FollowUpId) -> Result<Result<bool, ScheduleError>, GuestStop> {
        Ok(self.calls.cancel(id).await?)
    }

    /// Calls the vault.
    pub(crate) async fn vault(&mut self, call: VaultCall) -> Result<Vaulted, GuestStop> {
        Ok(self.calls.vault(call).await?)
    }

    /// Whether the guest has processor time left.
    fn check_cpu(&self) -> Result<(), GuestStop> {
        let used = self.timer.used();
        if used <= self.limits.cpu() {
            return Ok(());
        }
        let allowed = Some(self.limits.cpu_ms);
        // Rounded up, so that the used time always exceeds the allowed time.
        let used = Some(millis(used).max(self.limits.cpu_ms.saturating_add(1)));
        Err(LimitExceeded { limit: Limit::Cpu, allowed, used }.into())
    }
}

impl Rules for Library {
    fn call<'a>(
        &'a self,
        rule: &'a str,
        request: &'a Request,
        limits: &'a Limits,
        calls: Arc<dyn HostCalls>,
    ) -> BoxFuture<'a, RuleCall> {
        Box::pin(async move {
            // All the host's work for the guest happens in here, so a panic in it is caught.
            let call = match caught(self.run(rule, request, limits, calls)).await {
                Ok(call) => call,
                Err(text) => not_run(format!("the host panicked on the rule's behalf: {text}")),
            };
            if let Ended::Limit(LimitExceeded { limit, allowed, used }) = call.ended {
                tracing::warn!(rule, limit = limit.name(), allowed, used, "a rule passed a limit");
            }
            call
        })
    }
}

impl Library {
    async fn run(&self, rule: &str, request: &Request, limits: &Limits, calls: Arc<dyn HostCalls>) -> RuleCall {
        let Some(pre) = self.rule(rule) else {
            return not_run(format!("no rule is named {rule}"));
        };
        // Acquired before the store is created and released after it is dropped, so that the pool
        // always has room for the holder.
        let Ok(_slot) = self.engine().slots().acquire().await else {
            return not_run("the engine is closed".to_owned());
        };
        let context = Context {
            operation: request.operation.clone(),
            follow_up: request.follow_up.as_ref().map(|follow_up| follow_up.id),
            region: request.region.clone(),
            caller: request.caller.clone(),
            now: request.now,
        };
        let mut store = self.store(CallState::new(calls, context, limits));
        let metered = self.engine().is_metered();
        if metered && let Err(error) = store.set_fuel(u64::MAX) {
            return not_run(format!("the engine counts no fuel: {error}"));
        }
        let timer = store.data().timer();
        let payload = v1::Request { payload: request.payload.clone() };
        let mut is_there = false;
        let result = timer
            .time(async {
                let instance = pre.instantiate_async(&mut store).await?;
                is_there = true;
                instance.call_evaluate(&mut store, &payload).await
            })
            .await;
        store.data().finish();
        let fuel = store.get_fuel().ok().filter(|_| metered).map(|left| u64::MAX - left);
        let limiter = &store.data().limiter;
        let ended = match ended::sort(result, limits, limiter.refused(), is_there) {
            Ended::Trap(_) if store.data().has_stalled() => ended::stalled(),
            ended => ended,
        };
        RuleCall { ended, cpu: timer.used(), memory_bytes: limiter.memory_bytes(), fuel }
    }

    /// A store for one call, with the call's limits.
    pub(crate) fn store(&self, state: CallState) -> Store<CallState> {
        let arguments = argument_bytes(&state.limits);
        let mut store = Store::new(self.engine().wasmtime(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(arguments);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| {
            store.data().check()?;
            // A guest that computes for long shares its thread with other calls.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

/// A call that the host could not run.
fn not_run(why: String) -> RuleCall {
    RuleCall { ended: Ended::Host(why), cpu: Duration::ZERO, memory_bytes: 0, fuel: None }
}

/// How much host memory the arguments or the result of one call may take: a guest can claim any
/// length for a list. A value in a list takes several times the bytes that the limits count.
fn argument_bytes(limits: &Limits) -> usize {
    let largest =
        [limits.bytes_sent, limits.event_bytes, limits.follow_up_bytes, limits.log_bytes, limits.output_bytes]
            .into_iter()
            .max();
    let bytes = largest.unwrap_or(0).saturating_mul(8).max(LEAST_ARGUMENTS);
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
