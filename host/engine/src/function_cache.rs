//! A cache of the machine code of functions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use wasmtime::CacheStore;

/// The first bytes of a cache file. The number is the version of the format.
const MAGIC: &[u8; 16] = b"tenet functions1";

/// The most bytes of machine code in a file. The least recently used entries are evicted first.
const MAX_BYTES: u64 = 256 << 20;

/// The most entries in a file.
const MAX_ENTRIES: u64 = 1 << 20;

/// The compiler's key of a function: SHA-256 over its body and everything else that its code
/// depends on, including the compiler's version.
type Key = [u8; 32];

/// Machine code of functions in one file, keyed by their source.
///
/// A rule with a language runtime has about ten thousand functions, and a change of the rule
/// changes few of them. The cache is for development: deployed code is compiled without it.
///
/// A file that is damaged or has another format is treated as empty. Each entry has a digest, which
/// detects damage but not forgery: keep the file in a folder that other users cannot write to.
#[derive(Debug)]
pub(crate) struct FunctionCache {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    file: Option<File>,
    /// The entries of the file, in order.
    kept: Vec<Entry>,
    by_key: HashMap<Key, usize>,
    /// Whether each entry of the file was used.
    used: Vec<bool>,
    added: Vec<(Key, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    /// SHA-256 of the code.
    digest: Key,
    offset: u64,
    length: u64,
}

/// Bytes of one entry in the index: its key, its digest and its length.
const ENTRY: u64 = 32 + 32 + 8;

impl FunctionCache {
    /// Opens the cache in a file, which need not exist.
    pub(crate) fn open(path: &Path) -> Self {
        let state = File::open(path).and_then(State::read).unwrap_or_default();
        Self { path: path.to_owned(), state: Mutex::new(state) }
    }

    /// Replaces the file if entries were added. Entries used in this run go first.
    ///
    /// If two processes write concurrently, the last file wins.
    pub(crate) fn save(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.added.is_empty() {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let temporary = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let written = state.write(&temporary).and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _gone = fs::remove_file(&temporary);
        }
        written?;
        *state = File::open(&self.path).and_then(State::read)?;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(file: File) -> io::Result<Self> {
        let damaged = || io::Error::from(io::ErrorKind::InvalidData);
        let size = file.metadata()?.len();
        let mut reader = BufReader::new(&file);
        let mut magic = [0; MAGIC.len()];
        reader.read_exact(&mut magic)?;
        let count = read_number(&mut reader)?;
        let start = MAGIC.len() as u64 + 8 + count.checked_mul(ENTRY).ok_or_else(damaged)?;
        if magic != *MAGIC || count > MAX_ENTRIES || start > size {
            return Err(damaged());
        }
        let mut state = Self::default();
        let mut offset = start;
        for at in 0.. {
            if at as u64 == count {
                break;
            }
            let (mut key, mut digest) = (Key::default(), Key::default());
            reader.read_exact(&mut key)?;
            reader.read_exact(&mut digest)?;
            let length = read_number(&mut reader)?;
            state.kept.push(Entry { key, digest, offset, length });
            state.by_key.insert(key, at);
            offset = offset.checked_add(length).filter(|end| *end <= size).ok_or_else(damaged)?;
        }
        state.used = vec![false; state.kept.len()];
        drop(reader);
        state.file = Some(file);
        Ok(state)
    }

    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let at = *self.by_key.get(key)?;
        let code = self.code(self.kept.get(at)?)?;
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
        Some(code)
    }

    /// The code of an entry, unless it is damaged.
    fn code(&self, entry: &Entry) -> Option<Vec<u8>> {
        let mut code = vec![0; usize::try_from(entry.length).ok()?];
        self.file.as_ref()?.read_exact_at(&mut code, entry.offset).ok()?;
        (digest(&code) == entry.digest).then_some(code)
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let added = self.added.iter().map(|(key, code)| Entry {
            key: *key,
            digest: digest(code),
            offset: 0,
            length: code.len() as u64,
        });
        let added: Vec<(Entry, Option<&[u8]>)> =
            added.zip(&self.added).map(|(entry, (_, code))| (entry, Some(code.as_slice()))).collect();
        let of_file = |wanted: bool| {
            let entries = self.kept.iter().zip(&self.used).filter(move |(_, used)| **used == wanted);
            entries.map(|(entry, _)| (*entry, None))
        };
        let mut left = MAX_BYTES;
        let fits = |(entry, _): &(Entry, Option<&[u8]>)| match left.checked_sub(entry.length) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        let most = usize::try_from(MAX_ENTRIES).unwrap_or(usize::MAX);
        let all: Vec<_> =
            added.into_iter().chain(of_file(true)).chain(of_file(false)).take(most).filter(fits).collect();
        let mut writer = BufWriter::new(File::create(path)?);
        writer.write_all(MAGIC)?;
        writer.write_all(&(all.len() as u64).to_le_bytes())?;
        for (entry, _) in &all {
            writer.write_all(&entry.key)?;
            writer.write_all(&entry.digest)?;
            writer.write_all(&entry.length.to_le_bytes())?;
        }
        for (entry, code) in &all {
            match code {
                Some(code) => writer.write_all(code)?,
                // A damaged entry stays damaged; reading it detects that.
                None => writer.write_all(&self.code(entry).unwrap_or_else(|| vec![0; entry.length as usize]))?,
            }
        }
        writer.flush()
    }
}

impl CacheStore for FunctionCache {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.state().get(key).map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let Ok(key) = Key::try_from(key) else { return false };
        self.state().added.push((key, value));
        true
    }
}

fn digest(code: &[u8]) -> Key {
    Sha256::digest(code).into()
}

fn read_number(reader: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Key = [1; 32];
    const TWO: Key = [2; 32];

    fn get(cache: &FunctionCache, key: Key) -> Option<Vec<u8>> {
        cache.get(&key).map(Cow::into_owned)
    }

    #[test]
    fn what_was_saved_is_there_again_beside_what_is_added_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not there yet").join("functions");
        let cache = FunctionCache::open(&path);
        assert!(cache.insert(&ONE, b"code of one".to_vec()) && get(&cache, ONE).is_none());
        cache.save().unwrap();
        assert_eq!(get(&cache, ONE).unwrap(), b"code of one");
        let cache = FunctionCache::open(&path);
        assert!(cache.insert(&TWO, Vec::new()) && !cache.insert(b"no key", Vec::new()));
        cache.save().unwrap();
        let cache = FunctionCache::open(&path);
        assert_eq!(get(&cache, ONE).unwrap(), b"code of one");
        assert_eq!(get(&cache, TWO).unwrap(), b"");
        assert_eq!(get(&cache, [3; 32]), None);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_gives_nothing_or_what_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("functions");
        let cache = FunctionCache::open(&path);
        cache.insert(&ONE, b"code of one".to_vec());
        cache.insert(&TWO, b"code of two".to_vec());
        cache.save().unwrap();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            fs::write(&path, &damaged).unwrap();
            let cache = FunctionCache::open(&path);
            for (key, code) in [(ONE, b"code of one"), (TWO, b"code of two")] {
                assert!(get(&cache, key).is_none_or(|given| given == code), "byte {at}");
            }
            fs::write(&path, &whole[..at]).unwrap();
            let cache = FunctionCache::open(&path);
            assert!(get(&cache, TWO).is_none(), "cut at {at}");
        }
    }
}
