//! The vault as a host uses it: what it opens, what it refuses, and how often it fetches keys.
#![expect(clippy::unwrap_used, reason = "a test ends where it panics")]

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tenet_core::{
    BoxFuture, DualInstant, Fault, Occasion, Timestamp, Vault, VaultCall, VaultField, VaultRefusal, VaultVerb,
};
use tenet_vault::{FieldVault, KeyCachePolicy, KeyFault, Keys, LocalKeys, NewKey, Secret};
use tokio::sync::Notify;

const KEEPING: KeyCachePolicy =
    KeyCachePolicy { period: Duration::from_secs(86_400), keys: 10, age: Duration::from_secs(3600) };

/// Local keys that count their calls, and that block, delay or fail as configured.
#[derive(Clone, Default)]
struct Counted(Arc<State>);

#[derive(Default)]
struct State {
    made: AtomicU32,
    unwrapped: AtomicU32,
    away: AtomicBool,
    hangs: AtomicBool,
    takes: Mutex<Duration>,
    asked: Notify,
    go: Notify,
}

impl Counted {
    fn counts(&self) -> (u32, u32) {
        (self.0.made.load(Ordering::SeqCst), self.0.unwrapped.load(Ordering::SeqCst))
    }

    async fn fault(&self) -> Result<(), Fault> {
        self.0.asked.notify_one();
        if self.0.hangs.load(Ordering::SeqCst) {
            self.0.go.notified().await;
        }
        let (began, takes) = (DualInstant::now(), *self.0.takes.lock().unwrap());
        while began.elapsed() < takes {
            tokio::task::yield_now().await;
        }
        if self.0.away.load(Ordering::SeqCst) { Err(Fault::vault("away")) } else { Ok(()) }
    }
}

impl Keys for Counted {
    fn make<'a>(&'a self, operation: &'a str, period: u64, deadline: Instant) -> BoxFuture<'a, Result<NewKey, Fault>> {
        Box::pin(async move {
            self.0.made.fetch_add(1, Ordering::SeqCst);
            self.fault().await?;
            LocalKeys::development().make(operation, period, deadline).await
        })
    }

    fn unwrap<'a>(
        &'a self,
        operation: &'a str,
        wrapped: &'a [u8],
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Secret, KeyFault>> {
        Box::pin(async move {
            self.0.unwrapped.fetch_add(1, Ordering::SeqCst);
            self.fault().await.map_err(KeyFault::Away)?;
            LocalKeys::development().unwrap(operation, wrapped, deadline).await
        })
    }
}

fn call(verb: VaultVerb, row_key: &str, bytes: &[u8]) -> VaultCall {
    let field = VaultField { table: "accounts".into(), column: "iban".into(), row_key: row_key.into() };
    VaultCall { verb, field, bytes: bytes.into() }
}

fn occasion(operation: &str, day: i64) -> Occasion<'_> {
    let (now, deadline) = (Timestamp(day * 86_400_000_000), Instant::now() + Duration::from_secs(60));
    Occasion { operation, now, salt: [1; 32], deadline }
}

async fn seal(vault: &FieldVault, operation: &str, day: i64) -> Vec<u8> {
    vault.ask(&call(VaultVerb::Seal, "ann", b"DE89"), occasion(operation, day)).await.unwrap().unwrap()
}

async fn open(vault: &FieldVault, sealed: &[u8]) -> Vec<u8> {
    vault.ask(&call(VaultVerb::Open, "ann", sealed), occasion("another", 9)).await.unwrap().unwrap()
}

#[tokio::test]
async fn one_key_an_operation_and_period_is_made_and_what_was_sealed_here_opens_without_asking() {
    let keys = Counted::default();
    let vault = FieldVault::new(keys.clone(), KEEPING);
    for _ in 0..3 {
        let sealed = seal(&vault, "pay", 1).await;
        assert_eq!(open(&vault, &sealed).await, b"DE89");
    }
    assert_eq!(keys.counts(), (1, 0));
    seal(&vault, "pay", 2).await;
    seal(&vault, "refund", 1).await;
    seal(&vault, "pay", 1).await;
    assert_eq!(keys.counts(), (3, 0));
}

#[tokio::test]
async fn another_process_unwraps_a_key_once_and_again_when_it_has_been_there_for_long() {
    let sealed = seal(&FieldVault::new(Counted::default(), KEEPING), "pay", 1).await;
    let keys = Counted::default();
    let vault = FieldVault::new(keys.clone(), KEEPING);
    for _ in 0..3 {
        assert_eq!(open(&vault, &sealed).await, b"DE89");
    }
    assert_eq!(keys.counts(), (0, 1));
    let keys = Counted::default();
    let vault = FieldVault::new(keys.clone(), KeyCachePolicy { age: Duration::ZERO, ..KEEPING });
    open(&vault, &sealed).await;
    open(&vault, &sealed).await;
    assert_eq!(keys.counts(), (0, 2));
}

#[tokio::test]
async fn a_key_is_as_old_as_the_call_that_asked_for_it() {
    let sealed = seal(&FieldVault::new(Counted::default(), KEEPING), "pay", 1).await;
    let (keys, age) = (Counted::default(), Duration::from_millis(200));
    *keys.0.takes.lock().unwrap() = age;
    let vault = FieldVault::new(keys.clone(), KeyCachePolicy { age, ..KEEPING });
    open(&vault, &sealed).await;
    open(&vault, &sealed).await;
    assert_eq!(keys.counts(), (0, 2), "the first one was too old when it came");
}

#[tokio::test]
async fn no_more_keys_are_kept_than_may_be_and_the_one_used_longest_ago_goes() {
    let keys = Counted::default();
    let vault = FieldVault::new(keys.clone(), KeyCachePolicy { keys: 2, ..KEEPING });
    for operation in ["a", "b", "a", "c", "a"] {
        seal(&vault, operation, 1).await;
    }
    assert_eq!(keys.counts().0, 3, "a was never gone");
    seal(&vault, "b", 1).await;
    assert_eq!(keys.counts().0, 4, "b was");
}

#[tokio::test]
async fn those_who_want_one_key_at_once_make_one_call() {
    let keys = Counted::default();
    let vault = Arc::new(FieldVault::new(keys.clone(), KEEPING));
    keys.0.hangs.store(true, Ordering::SeqCst);
    let all: Vec<_> = (0..8)
        .map(|_| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move { seal(&vault, "pay", 1).await })
        })
        .collect();
    keys.0.asked.notified().await;
    keys.0.hangs.store(false, Ordering::SeqCst);
    keys.0.go.notify_one();
    let mut sealed = Vec::new();
    for one in all {
        sealed.push(one.await.unwrap());
    }
    sealed.dedup();
    assert_eq!((keys.counts(), sealed.len()), ((1, 0), 1));
}

#[tokio::test]
async fn keys_that_are_away_are_the_hosts_fault_and_the_next_one_asks_again() {
    let keys = Counted::default();
    let vault = FieldVault::new(keys.clone(), KEEPING);
    keys.0.away.store(true, Ordering::SeqCst);
    let ask = call(VaultVerb::Seal, "ann", b"DE89");
    assert!(vault.ask(&ask, occasion("pay", 1)).await.unwrap_err().is_vault());
    keys.0.away.store(false, Ordering::SeqCst);
    let sealed = seal(&vault, "pay", 1).await;
    assert_eq!(keys.counts(), (2, 0));
    // A call that never completes ends at the caller's deadline.
    keys.0.hangs.store(true, Ordering::SeqCst);
    let vault = FieldVault::new(keys, KEEPING);
    let soon = Occasion { deadline: Instant::now() + Duration::from_millis(20), ..occasion("pay", 1) };
    assert!(vault.ask(&ask, soon).await.unwrap_err().is_vault());
    let opening = call(VaultVerb::Open, "ann", &sealed);
    assert!(vault.ask(&opening, soon).await.unwrap_err().is_vault());
}

#[tokio::test]
async fn what_is_refused_is_told_by_what_is_wrong_with_it() {
    let vault = FieldVault::new(LocalKeys::development(), KEEPING);
    let sealed = seal(&vault, "pay", 1).await;
    let refused = async |vault: &FieldVault, row_key: &str, bytes: &[u8]| {
        vault.ask(&call(VaultVerb::Open, row_key, bytes), occasion("pay", 1)).await.unwrap().unwrap_err().refusal
    };
    assert_eq!(refused(&vault, "ann", b"DE89").await, VaultRefusal::NotSealed);
    assert_eq!(refused(&vault, "ann", b"").await, VaultRefusal::NotSealed);
    assert_eq!(refused(&vault, "bob", &sealed).await, VaultRefusal::Elsewhere);
    let other = FieldVault::new(LocalKeys::parse(&"0a".repeat(32)).unwrap(), KEEPING);
    assert_eq!(refused(&other, "ann", &sealed).await, VaultRefusal::Elsewhere);
    assert_eq!(open(&other, &seal(&other, "pay", 1).await).await, b"DE89");
    // Replaces the operation's name with another one.
    let of_pal: Vec<u8> = sealed.iter().enumerate().map(|(at, byte)| if at == 8 { b'l' } else { *byte }).collect();
    assert_eq!(refused(&vault, "ann", &of_pal).await, VaultRefusal::Elsewhere);
    // The bytes in a row show which kind of key sealed them.
    assert!(sealed.windows(15).any(|part| part == b"for development"));
    for text in ["", "0a", &"0g".repeat(32), &"+a".repeat(32)] {
        assert!(LocalKeys::parse(text).is_err(), "{text}");
    }
}
