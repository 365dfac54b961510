use std::hash::{Hash, Hasher};

/// A seed for one purpose, made of the seed of all and the purpose.
pub(crate) fn mix(seed: u64, purpose: impl Hash) -> u64 {
    let mut mixed = Mixed(0xcbf2_9ce4_8422_2325);
    seed.hash(&mut mixed);
    purpose.hash(&mut mixed);
    mixed.finish()
}

/// FNV-1a with a final mix. The standard library's hasher may change between versions, and seeds are written down.
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 33)
    }
}
