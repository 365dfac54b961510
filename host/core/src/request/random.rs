use sha2::{Digest as _, Sha256};

/// A deterministic sequence of pseudo-random bytes: SHA-256 over a seed, a label and a counter.
pub struct Random {
    prefix: Sha256,
    blocks: u64,
    left: Vec<u8>,
}

impl Random {
    /// The sequence with this label. Labels separate the uses of one seed.
    pub fn new(seed: &[u8; 32], label: &str, number: u64) -> Self {
        let prefix = Sha256::new()
            .chain_update(seed)
            .chain_update((label.len() as u64).to_be_bytes())
            .chain_update(label)
            .chain_update(number.to_be_bytes());
        Self { prefix, blocks: 0, left: Vec::new() }
    }

    /// The next bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        while self.left.len() < length {
            let block = self.prefix.clone().chain_update(self.blocks.to_be_bytes()).finalize();
            self.left.extend_from_slice(&block);
            self.blocks += 1;
        }
        let rest = self.left.split_off(length);
        std::mem::replace(&mut self.left, rest)
    }

    /// The next 32 bytes.
    pub fn array(&mut self) -> [u8; 32] {
        let mut array = [0; 32];
        array.iter_mut().zip(self.bytes(32)).for_each(|(byte, random)| *byte = random);
        array
    }

    /// The next eight bytes as a number.
    pub fn number(&mut self) -> u64 {
        self.bytes(8).into_iter().fold(0, |number, byte| number << 8 | u64::from(byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bytes_however_they_are_asked_for() {
        let mut whole = Random::new(&[7; 32], "rule", 0);
        let mut parts = Random::new(&[7; 32], "rule", 0);
        let mut joined = parts.bytes(5);
        joined.extend(parts.bytes(60));
        assert_eq!(whole.bytes(65), joined);
    }

    #[test]
    fn seed_label_and_number_keep_sequences_apart() {
        let first = |seed, label, number| Random::new(&[seed; 32], label, number).bytes(16);
        let base = first(1, "rule", 0);
        assert!(base != first(2, "rule", 0) && base != first(1, "retry", 0) && base != first(1, "rule", 1));
    }
}
