//! WASI 0.2 for rules whose runtime needs it to start: everything is linked, but every capability
//! is denied or frozen.
//!
//! The clocks are frozen at the request's time, waiting ends at once, and random bytes come from
//! the request's own sequence, so that a rule stays a function of its request and its query
//! results. There are no files, sockets, environment variables or arguments. Output on the standard
//! streams goes to the rule's log, line by line, under the log's limits.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand_core::TryRng;
use tenet_core::{HostCalls, LogLevel, Randomness, Timestamp};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasData, Linker, LinkerInstance, Resource, ResourceTable, ResourceType, Val};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream, WasiCli, WasiCliView as _};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::{cli, random};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, OutputStream, Pollable, StreamError, subscribe};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, async_trait};

use crate::call::CallState;
use crate::guest_stop::GuestStop;

/// The packages that are linked.
const PACKAGES: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// The most resources, such as streams and pollables, that one call may hold at a time.
const MOST_RESOURCES: usize = 1_000;

/// The most random bytes per call, as for the contract's own `random`.
const MOST_RANDOM: u64 = 65_536;

/// The most bytes that a stream accepts in one write.
const MOST_WRITTEN: usize = 64 << 10;

/// Longer lines are logged in parts, so that a guest cannot make the host buffer more.
const LONGEST_LINE: usize = 16 << 10;

/// What the runtime of JavaScript prints before it aborts because a promise never settles. A system test checks the
/// text.
const STALLED: &str = "event loop error, but no exception is pending";

/// The WASI state of one call. It is created at the guest's first use: Rust rules never use it.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    streams: [Arc<Mutex<Line>>; 2],
}

impl Wasi {
    pub(crate) fn new(calls: &Arc<dyn HostCalls>, now: Timestamp) -> Self {
        let line = |level| {
            Arc::new(Mutex::new(Line { calls: Arc::clone(calls), level, text: Vec::new(), has_stalled: false }))
        };
        let streams = [line(LogLevel::Info), line(LogLevel::Warn)];
        let [out, err] = &streams;
        let seed = calls
            .random(Randomness::Runtime, 16)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u128::from_le_bytes);
        let context = WasiCtxBuilder::new()
            .stdout(Stream(Arc::clone(out)))
            .stderr(Stream(Arc::clone(err)))
            .secure_random(Random(Arc::clone(calls)))
            .insecure_random(Random(Arc::clone(calls)))
            .insecure_random_seed(seed)
            .max_random_size(MOST_RANDOM)
            .wall_clock(Frozen(now))
            .monotonic_clock(Frozen(now))
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_RESOURCES);
        Self { context, table, streams }
    }

    /// Whether the guest's runtime has printed that nothing is left to run and its function has not ended.
    pub(crate) fn has_stalled(&self) -> bool {
        self.streams.iter().any(|stream| lock(stream).has_stalled)
    }

    /// Logs output that does not end with a newline. The guest has ended, so an order to stop it
    /// has no effect.
    pub(crate) fn finish(&self) {
        for stream in &self.streams {
            let _ = lock(stream).flush();
        }
    }
}

/// Whether this is the name of such an interface, in a version 0.2.
pub(crate) fn offers(name: &str) -> bool {
    let version = name.split_once('@').map(|(_, version)| version);
    PACKAGES.iter().any(|package| name.starts_with(package))
        && version.is_some_and(|version| version.starts_with("0.2."))
}

/// Links clocks, random numbers, streams and process interfaces. Files and sockets are linked by
/// [`deny`] instead of wasmtime-wasi: its implementation is as large as all the rest, and would be
/// denied anyway.
pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<CallState, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<CallState, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    cli::exit::add_to_linker::<CallState, WasiCli>(linker, CallState::cli)?;
    cli::environment::add_to_linker::<CallState, WasiCli>(linker, CallState::cli)?;
    cli::terminal_input::add_to_linker::<CallState, WasiCli>(linker, CallState::cli)?;
    cli::terminal_output::add_to_linker::<CallState, WasiCli>(linker, CallState::cli)?;
    cli::terminal_stdin::add_to_linker::<CallState, WasiCli>(linker, CallState::cli)?;
    cli::terminal_stdout::add_to_linker::<CallState, WasiCli>(linker, CallState::cli)?;
    cli::terminal_stderr::add_to_linker::<CallState, WasiCli>(linker, CallState::cli)?;
    // The default monotonic clock really waits.
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<CallState, Timeless>(linker, |state| Standing(state))?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Links a component's imports of files and sockets so that every use is denied. Listing the
/// preopened folders gives an empty list, and creating a socket gives an error; any function that
/// needs an existing file or socket ends the guest.
pub(crate) fn deny(linker: &mut Linker<CallState>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (name, import) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !DENIED.iter().any(|package| name.starts_with(package)) {
            continue;
        }
        let mut denied = linker.instance(name)?;
        for (name, export) in instance.exports(&engine) {
            match export.ty {
                ComponentItem::Resource(_) => denied.resource(name, resource(name), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(_) => deny_function(&mut denied, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// The packages of files and sockets.
const DENIED: [&str; 2] = ["wasi:filesystem/", "wasi:sockets/"];

/// A file or a socket. None ever exists.
enum Nothing {}

/// The type of a resource by its name. Streams are shared by all of WASI.
fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<DynPollable>(),
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "error" => ResourceType::host::<wasmtime::Error>(),
        _ => ResourceType::host::<Nothing>(),
    }
}

fn deny_function(interface: &mut LinkerInstance<'_, CallState>, name: &str) -> wasmtime::Result<()> {
    let answer = match name {
        "get-directories" => Some(Val::List(Vec::new())),
        "create-tcp-socket" | "create-udp-socket" => {
            Some(Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned()))))))
        }
        // Called with the error of a failed stream, which is never an error of a file.
        "filesystem-error-code" => Some(Val::Option(None)),
        _ => None,
    };
    let denied = format!("{name} wants a file or a socket, and a rule has none");
    interface.func_new(name, move |mut store, _, _, results| {
        store.data_mut().count()?;
        match (&answer, results) {
            (Some(answer), [result]) => {
                *result = answer.clone();
                Ok(())
            }
            _ => Err(GuestStop::Misuse(denied.clone()).into()),
        }
    })
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Wasi { context, table, .. } = self.wasi();
        WasiCtxView { ctx: context, table }
    }
}

/// The wall clock, frozen at the request's time.
struct Frozen(Timestamp);

impl HostWallClock for Frozen {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.micros()).unwrap_or(0))
    }
}

impl HostMonotonicClock for Frozen {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        0
    }
}

/// A monotonic clock on which every deadline has passed. Reading it does not count as a host call: runtimes read it on
/// their own, a collector of garbage thousands of times. The limit on processor time bounds it.
struct Standing<'a>(&'a mut CallState);

struct Timeless;

impl HasData for Timeless {
    type Data<'a> = Standing<'a>;
}

impl Standing<'_> {
    fn at_once(&mut self) -> wasmtime::Result<Resource<DynPollable>> {
        let WasiCtxView { table, .. } = self.0.ctx();
        let now = table.push(Now)?;
        subscribe(table, now)
    }
}

impl monotonic_clock::Host for Standing<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }

    fn subscribe_duration(&mut self, _: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.at_once()
    }
}

/// A pollable that is always ready.
struct Now;

#[async_trait]
impl Pollable for Now {
    async fn ready(&mut self) {}
}

/// The call's random sequence for runtimes.
struct Random(Arc<dyn HostCalls>);

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        for part in buffer.chunks_mut(1 << 16) {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            // Refused only if the guest is being stopped; then the bytes are never used.
            if let Ok(bytes) = self.0.random(Randomness::Runtime, length) {
                part.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
            }
        }
        Ok(())
    }
}

/// A buffered line of output.
struct Line {
    calls: Arc<dyn HostCalls>,
    level: LogLevel,
    text: Vec<u8>,
    has_stalled: bool,
}

impl Line {
    fn write(&mut self, bytes: &[u8]) -> Result<(), GuestStop> {
        for &byte in bytes {
            if byte == b'\n' {
                self.flush()?;
            } else {
                self.text.push(byte);
                if self.text.len() >= LONGEST_LINE {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), GuestStop> {
        if self.text.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.text).into_owned();
        self.text.clear();
        self.has_stalled |= text.contains(STALLED);
        Ok(self.calls.log(self.level, text)?)
    }
}

fn lock(line: &Mutex<Line>) -> std::sync::MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard output or standard error.
#[derive(Clone)]
struct Stream(Arc<Mutex<Line>>);

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    /// For other versions of WASI, which are not linked.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        lock(&self.0).write(&bytes).map_err(|stop| StreamError::Trap(stop.into()))
    }

    /// A flush does not end a line: runtimes flush after each write.
    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(MOST_WRITTEN)
    }
}

impl fmt::Debug for Wasi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wasi").finish_non_exhaustive()
    }
}
