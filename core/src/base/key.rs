//! Content keys: what a task computes, as 128 bits that are the same in every process, build and platform.
//!
//! A key is the XXH3-128 hash of a canonical byte string (scheme [`SCHEME`]): lengths before contents, integers little-endian.
//! Equal work therefore has equal keys, which is what common-subexpression elimination and result caches stand on.
//!
//! A layer's key is made of its kind's name, its operators (name, version, parameters), its grids and argument patterns, and the
//! keys of its inputs; a task's key is [`Key::child`] of its layer's key, or of its own content where the kind knows it (explicit
//! lists without inputs, data). It does **not** depend on annotations, metadata, projected bytes, optimisation (a rewritten layer
//! keeps the key of what it replaces), the process, the platform's word size or byte order, or the order in which layers were
//! built. It **does** change with an operator's name, version or parameters and with [`SCHEME`], which must be renamed whenever
//! anything hashed changes: `tests/data/keys.txt` holds keys of every kind of layer, and a test compares. Keys of closures,
//! and of values whose content has no name, are [`unique`] to a run of the process. The hash is
//! not meant to resist somebody who *looks* for collisions; peers are authenticated before their keys are believed.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// Names the way keys are made. It is hashed into every key, so that a change of scheme can never match old keys.
pub const SCHEME: &str = "kvern-key-1";

/// The identity of a task's result.
///
/// ```
/// use kvern_core::Key;
/// let a = Key::builder("example").str("x").u64(3).finish();
/// let b = Key::builder("example").str("x").u64(3).finish();
/// assert_eq!(a, b);
/// assert_eq!(a.to_string().parse::<Key>().unwrap(), a);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key([u64; 2]);

impl Key {
    /// Starts a key of the given domain (two domains never share keys).
    pub fn builder(domain: &str) -> KeyBuilder {
        KeyBuilder(Vec::with_capacity(160)).str(SCHEME).str(domain)
    }

    /// The key of the `index`-th task of the layer that has this key. Cheap: a few multiplications, no allocation.
    ///
    /// The mixer is the finaliser of SplitMix64 (Steele, Lea, Flood 2014) on both words, each fed with the other.
    pub fn child(self, index: u64) -> Self {
        let a = mix(self.0[0] ^ mix(index.wrapping_add(0x9e37_79b9_7f4a_7c15)));
        let b = mix(self.0[1].wrapping_add(a).rotate_left(29) ^ index);
        Self([a, b])
    }

    /// The two words, most significant first.
    pub fn words(self) -> [u64; 2] {
        self.0
    }

    /// From the two words that [`Key::words`] gave.
    pub fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// The first eight hex digits: enough for a person to tell tasks apart in a message.
    pub fn short(self) -> String {
        format!("{:08x}", self.0[0] >> 32)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0[0], self.0[1])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key: 32 hexadecimal digits are expected")]
pub struct ParseKeyError(String);

impl std::str::FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = || ParseKeyError(s.to_owned());
        if s.len() != 32 || !s.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let word = |r: std::ops::Range<usize>| u64::from_str_radix(&s[r], 16).map_err(|_| bad());
        Ok(Self([word(0..16)?, word(16..32)?]))
    }
}

/// Feeds what identifies a piece of work into a [`Key`]. Each part is preceded by its length where that could be ambiguous.
///
/// Collects bytes and hashes them at once: the state of a streaming hash is half a kilobyte, which would be moved at every step.
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// A text.
    pub fn str(self, s: &str) -> Self {
        self.bytes(s.as_bytes())
    }

    /// Bytes of any length.
    pub fn bytes(mut self, b: &[u8]) -> Self {
        self.0.extend_from_slice(&(b.len() as u64).to_le_bytes());
        self.0.extend_from_slice(b);
        self
    }

    /// An integer.
    pub fn u64(mut self, v: u64) -> Self {
        self.0.extend_from_slice(&v.to_le_bytes());
        self
    }

    /// Another key.
    pub fn key(self, k: Key) -> Self {
        self.u64(k.0[0]).u64(k.0[1])
    }

    /// The finished key.
    pub fn finish(self) -> Key {
        let h = xxh3_128(&self.0);
        Key([(h >> 64) as u64, h as u64])
    }
}

/// A key that no other task of any process has: for work whose content cannot be named, such as a capturing closure.
///
/// It mixes the process id, the start time and a counter. Such a key never matches anything, so its result is never reused.
pub fn unique(domain: &str) -> Key {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static BASE: OnceLock<Key> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let base = BASE.get_or_init(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = now.map_or(0, |d| d.as_nanos() as u64);
        // An address differs between processes on systems that randomise them.
        let address = (&raw const NEXT) as u64;
        Key::builder("unique")
            .u64(u64::from(std::process::id()))
            .u64(nanos)
            .u64(address)
            .finish()
    });
    Key::builder(domain)
        .key(*base)
        .u64(NEXT.fetch_add(1, Ordering::Relaxed))
        .finish()
}

/// A hasher for maps whose keys are [`Key`]s: they are random already, so the first word is the hash.
#[derive(Default, Clone)]
pub struct KeyHasher(u64);

impl std::hash::Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*b);
        }
    }

    fn write_u64(&mut self, v: u64) {
        self.0 = self.0.rotate_left(32) ^ v;
    }

    fn write_usize(&mut self, _len: usize) {}
}

/// A map by key.
pub type KeyMap<V> = std::collections::HashMap<Key, V, std::hash::BuildHasherDefault<KeyHasher>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cannot_run_into_each_other() {
        let ab = Key::builder("d").str("ab").str("c").finish();
        let a = Key::builder("d").str("a").str("bc").finish();
        assert_ne!(ab, a);
        assert_ne!(
            Key::builder("d").str("x").finish(),
            Key::builder("e").str("x").finish()
        );
    }

    #[test]
    fn children_of_neighbouring_layers_do_not_collide() {
        let mut seen = std::collections::HashSet::new();
        for layer in 0..100 {
            let k = Key::builder("layer").u64(layer).finish();
            for i in 0..1000 {
                assert!(seen.insert(k.child(i)), "layer {layer} task {i}");
            }
        }
    }

    #[test]
    fn a_bad_text_is_named() {
        let e = "xyz".parse::<Key>().unwrap_err();
        assert_eq!(
            e.to_string(),
            "\"xyz\" is not a key: 32 hexadecimal digits are expected"
        );
    }

    #[test]
    fn unique_keys_differ() {
        assert_ne!(unique("a"), unique("a"));
    }
}
