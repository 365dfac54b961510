use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use tenet_audit::{Ask, Heard, Name};
use tenet_core::Digest;
use tokio::time::Instant;

use crate::clocks::micros;

/// How long a host may still work for a client that has heard nothing, or a COMMIT without an answer be under way.
const AFTERWARDS: Duration = Duration::from_secs(4);

/// When each request was sent and answered, and which answers say that nothing was changed.
pub(crate) struct Claims {
    began: Instant,
    asked: Mutex<BTreeMap<(Name, String), Vec<Asked>>>,
}

/// When a request was sent.
#[derive(Clone, Copy)]
pub(crate) struct Since(i64);

struct Asked {
    from: i64,
    until: i64,
    says_nothing: bool,
}

/// A stored answer: the digest of its payload, and when its transaction began by the database's clock.
pub(crate) struct Decided {
    pub(crate) digest: Vec<u8>,
    pub(crate) at: i64,
}

impl Claims {
    /// Of a story that began at this time.
    pub(crate) fn new(began: Instant) -> Self {
        Self { began, asked: Mutex::default() }
    }

    /// A request is about to be sent.
    pub(crate) fn ask(&self) -> Since {
        Since(micros(self.began.elapsed()))
    }

    /// It was answered, or nothing was heard.
    pub(crate) fn hear(&self, ask: &Ask, Since(from): Since, heard: &Heard) {
        let (says_nothing, afterwards) = match heard {
            Heard::Nothing(_) => (false, AFTERWARDS),
            Heard::Answer { body, .. } if body.contains(r#""code":"outcome-unknown""#) => (false, AFTERWARDS),
            Heard::Settled => (false, Duration::ZERO),
            Heard::Answer { status, .. } => (matches!(status, 500 | 503), Duration::ZERO),
        };
        let until = micros(self.began.elapsed() + afterwards);
        let mut asked = self.asked.lock().unwrap();
        let times = asked.entry((ask.name.clone(), ask.payload.to_string())).or_default();
        times.push(Asked { from, until, says_nothing });
    }

    /// The requests that were decided while only those were under way whose answers say that nothing was changed.
    pub(crate) fn broken(&self, decided: &BTreeMap<Name, Decided>) -> Vec<Name> {
        let asked = self.asked.lock().unwrap();
        let broken = asked.iter().filter(|((name, payload), times)| {
            let Some(Decided { digest, at }) = decided.get(name) else { return false };
            let is_of_payload = Digest::of(payload).is_ok_and(|of_payload| of_payload.as_bytes() == digest.as_slice());
            let mut then = times.iter().filter(|asked| (asked.from..=asked.until).contains(at)).peekable();
            is_of_payload && then.peek().is_some() && then.all(|asked| asked.says_nothing)
        });
        broken.map(|((name, _), _)| name.clone()).collect()
    }
}
