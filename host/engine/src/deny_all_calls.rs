use tenet_core::{
    BoxFuture, Event, EventError, EventId, FollowUpId, HostCalls, LogLevel, Outcome, Randomness, Schedule,
    ScheduleError, SqlError, Statement, Stop, VaultCall, Vaulted,
};

/// The host calls of a rule that is called without a request: all are refused.
pub(crate) struct DenyAllCalls;

impl HostCalls for DenyAllCalls {
    fn run(&self, _: Vec<Statement>) -> BoxFuture<'_, Result<Result<Vec<Outcome>, SqlError>, Stop>> {
        Box::pin(std::future::ready(Err(Stop)))
    }

    fn refuse(&self, _: SqlError) -> Result<SqlError, Stop> {
        Err(Stop)
    }

    fn publish(&self, _: Event) -> Result<Result<EventId, EventError>, Stop> {
        Err(Stop)
    }

    fn schedule(&self, _: Schedule) -> Result<Result<FollowUpId, ScheduleError>, Stop> {
        Err(Stop)
    }

    fn cancel(&self, _: FollowUpId) -> BoxFuture<'_, Result<Result<bool, ScheduleError>, Stop>> {
        Box::pin(std::future::ready(Err(Stop)))
    }

    fn vault(&self, _: VaultCall) -> BoxFuture<'_, Result<Vaulted, Stop>> {
        Box::pin(std::future::ready(Err(Stop)))
    }

    fn log(&self, _: LogLevel, _: String) -> Result<(), Stop> {
        Err(Stop)
    }

    fn random(&self, _: Randomness, _: u32) -> Result<Vec<u8>, Stop> {
        Err(Stop)
    }

    fn key(&self) -> Option<&str> {
        None
    }
}
