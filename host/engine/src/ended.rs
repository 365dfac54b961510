//! Maps the result of a call to the way it ended.

use serde_json::value::RawValue;
use tenet_core::{Ended, Limit, LimitExceeded, Limits, Rejection, Verdict};
use wasmtime::{Trap, WasmBacktrace};

use crate::guest_stop::GuestStop;
use crate::v1;

/// The longest text from a guest's failure that is kept, in bytes.
const MAX_TEXT: usize = 4096;

/// The most functions listed in a trap's text.
const MAX_FRAMES: usize = 8;

/// wasmtime's message when arguments or a result exceed the allowed size. wasmtime has no error
/// type for this; a system test checks the text.
const TOO_MUCH_DATA: &str = "fuel allocated for hostcalls has been exhausted";

/// wasmtime's message for an access outside linear memory, before the address.
const FAULT: &str = "memory fault at wasm address 0x";

/// A stack overflow below address 0 wraps to this address or above: addresses have 32 bits.
const BELOW_ZERO: u64 = (1 << 32) - (16 << 20);

/// Frames of panic handling, which do not show where the panic occurred.
const PANICKING: &[&str] = &["__rustc::", "core::panicking::", "std::panicking::", "std::sys::backtrace::"];

/// Classifies the `result` of a call. `refused` is a refused growth of memory or table, if any.
/// `is_there` says whether an instance existed: later failures are the guest's fault.
pub(crate) fn sort(
    result: wasmtime::Result<Result<v1::Verdict, String>>,
    limits: &Limits,
    refused: Option<LimitExceeded>,
    is_there: bool,
) -> Ended {
    if let Some(exceeded) = refused {
        return Ended::Limit(exceeded);
    }
    match result {
        Ok(Ok(v1::Verdict::Accept(output))) => accepted(output, limits),
        Ok(Ok(v1::Verdict::Reject(rejection))) => rejected(rejection, limits),
        Ok(Err(bug)) => Ended::Bug(shortened(bug)),
        Err(error) => failed(&error, limits, is_there),
    }
}

/// The end of a guest that waits for a promise, and has nothing left to run.
pub(crate) fn stalled() -> Ended {
    Ended::Bug("a promise that it waits for never settles: resolve or reject each new Promise".to_owned())
}

fn accepted(output: String, limits: &Limits) -> Ended {
    if let Err(exceeded) = Limit::OutputBytes.check(limits.output_bytes, bytes([&output])) {
        return Ended::Limit(exceeded);
    }
    match serde_json::from_str::<&RawValue>(&output) {
        Ok(_) => Ended::Verdict(Verdict::Accept(output)),
        Err(error) => Ended::Bug(format!("the output is not JSON: {error}")),
    }
}

fn rejected(rejection: v1::Rejection, limits: &Limits) -> Ended {
    let v1::Rejection { code, message, details } = rejection;
    let used = bytes([&code, &message]) + bytes(details.iter().flat_map(|(name, text)| [name, text]));
    if let Err(exceeded) = Limit::OutputBytes.check(limits.output_bytes, used) {
        return Ended::Limit(exceeded);
    }
    let length = code.chars().count();
    if !(1..=128).contains(&length) || code.contains('\0') {
        return Ended::Bug(format!("a rejection's code has 1 to 128 characters and no U+0000; this one has {length}"));
    }
    Ended::Verdict(Verdict::Reject(Rejection { code, message, details }))
}

fn failed(error: &wasmtime::Error, limits: &Limits, is_there: bool) -> Ended {
    match error.downcast_ref::<GuestStop>() {
        Some(GuestStop::Limit(exceeded)) => return Ended::Limit(*exceeded),
        Some(GuestStop::Stopped) => return Ended::Stopped,
        Some(GuestStop::Misuse(what)) => return Ended::Trap(what.clone()),
        Some(GuestStop::Host(what)) => return Ended::Host((*what).to_owned()),
        None => {}
    }
    let exceeded = |limit, allowed| Ended::Limit(LimitExceeded { limit, allowed, used: None });
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let cause = error.root_cause().to_string();
    if cause.ends_with(TOO_MUCH_DATA) {
        // The guest's frames are on the stack during a host call, and gone when the guest returns.
        return match backtrace {
            Some(_) => exceeded(Limit::BytesSent, Some(limits.bytes_sent)),
            None => exceeded(Limit::OutputBytes, Some(limits.output_bytes)),
        };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => exceeded(Limit::Stack, None),
        Some(Trap::MemoryOutOfBounds) if error.chain().any(|part| is_below_zero(&part.to_string())) => {
            exceeded(Limit::Stack, None)
        }
        Some(_) => Ended::Trap(shortened(trap_text(&cause, backtrace))),
        // An argument or result of the guest violated the component model.
        None if is_there => Ended::Trap(shortened(trap_text(&cause, backtrace))),
        None => Ended::Host(shortened(cause)),
    }
}

/// Whether the fault is an overflow of the stack that compilers place at the bottom of linear
/// memory (not the engine's own stack): the addresses wrap to the highest ones.
fn is_below_zero(fault: &str) -> bool {
    let Some((_, rest)) = fault.split_once(FAULT) else { return false };
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or_default();
    u64::from_str_radix(digits, 16).is_ok_and(|address| address >= BELOW_ZERO)
}

/// The cause on one line, followed by the guest's functions, innermost first.
fn trap_text(cause: &str, backtrace: Option<&WasmBacktrace>) -> String {
    let frames = backtrace.map(WasmBacktrace::frames).unwrap_or_default();
    let mut names: Vec<String> = frames
        .iter()
        .filter_map(|frame| frame.func_name())
        .map(|name| format!("{:#}", rustc_demangle::demangle(name)))
        .filter(|name| !PANICKING.iter().any(|prefix| name.starts_with(prefix)))
        .collect();
    names.dedup();
    names.truncate(MAX_FRAMES);
    if names.is_empty() { cause.to_owned() } else { format!("{cause} (in {})", names.join(" < ")) }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

fn bytes<'a>(texts: impl IntoIterator<Item = &'a String>) -> u64 {
    texts.into_iter().map(|text| text.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(result: wasmtime::Result<Result<v1::Verdict, String>>) -> Ended {
        sort(result, &Limits { output_bytes: 20, ..Limits::default() }, None, false)
    }

    fn accept(output: &str) -> Ended {
        ended(Ok(Ok(v1::Verdict::Accept(output.into()))))
    }

    fn reject(code: &str, message: &str, details: &[(&str, &str)]) -> Ended {
        let details = details.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
        ended(Ok(Ok(v1::Verdict::Reject(v1::Rejection { code: code.into(), message: message.into(), details }))))
    }

    #[test]
    fn an_output_is_json_within_its_limit_and_is_left_as_it_is() {
        for output in ["{\"amount\": 100.50}", "1e400", "null"] {
            assert_eq!(accept(output), Ended::Verdict(Verdict::Accept(output.into())));
        }
        for output in ["", "{", "1 2", "NaN"] {
            assert!(matches!(accept(output), Ended::Bug(text) if text.starts_with("the output is not JSON: ")));
        }
        let exceeded = LimitExceeded { limit: Limit::OutputBytes, allowed: Some(20), used: Some(21) };
        assert_eq!(accept(&"1".repeat(21)), Ended::Limit(exceeded));
    }

    #[test]
    fn a_rejection_has_a_code_and_counts_as_output() {
        assert!(matches!(reject("no", "", &[]), Ended::Verdict(Verdict::Reject(_))));
        assert!(matches!(reject("", "why", &[]), Ended::Bug(_)));
        assert!(matches!(reject("a\0b", "why", &[]), Ended::Bug(_)));
        let exceeded = LimitExceeded { limit: Limit::OutputBytes, allowed: Some(20), used: Some(22) };
        assert_eq!(reject("no", "1234567890", &[("12345", "12345")]), Ended::Limit(exceeded));
    }

    #[test]
    fn a_host_calls_order_is_found_again_under_context() {
        let error = |stop: GuestStop| ended(Err(wasmtime::Error::from(stop).context("error while executing")));
        assert_eq!(error(GuestStop::Stopped), Ended::Stopped);
        let exceeded = LimitExceeded { limit: Limit::Cpu, allowed: Some(1), used: Some(2) };
        assert_eq!(error(exceeded.into()), Ended::Limit(exceeded));
        assert_eq!(error(GuestStop::Misuse("no".into())), Ended::Trap("no".into()));
    }

    #[test]
    fn traps_are_sorted_and_their_text_comes_once() {
        let stack = LimitExceeded { limit: Limit::Stack, allowed: None, used: None };
        assert_eq!(ended(Err(Trap::StackOverflow.into())), Ended::Limit(stack));
        let text = Trap::IntegerDivisionByZero.to_string();
        assert_eq!(ended(Err(Trap::IntegerDivisionByZero.into())), Ended::Trap(text));
        assert_eq!(ended(Err(wasmtime::Error::msg("no room"))), Ended::Host("no room".into()));
        let lie = sort(Err(wasmtime::Error::msg("no such text")), &Limits::default(), None, true);
        assert_eq!(lie, Ended::Trap("no such text".into()));
    }

    #[test]
    fn a_fault_at_the_top_of_the_address_space_is_a_stack_that_grew_below_zero() {
        let fault =
            |address: &str| format!("memory fault at wasm address 0x{address} in linear memory of size 0x30000");
        for address in ["fffffff0", "ffff0000", "100000010"] {
            assert!(is_below_zero(&fault(address)), "{address}");
        }
        for address in ["30000", "0", "7fffffff", ""] {
            assert!(!is_below_zero(&fault(address)), "{address}");
        }
        assert!(!is_below_zero("wasm trap: out of bounds memory access"));
    }

    #[test]
    fn a_guests_text_is_bounded() {
        let Ended::Bug(text) = ended(Ok(Err("ü".repeat(1 << 20)))) else { panic!() };
        assert!(text.len() <= MAX_TEXT + 3 && text.ends_with("ü…"));
    }
}
