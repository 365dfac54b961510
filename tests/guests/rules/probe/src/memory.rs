//! Allocates endlessly, and writes to the memory.

use std::hint::black_box;

use serde::de::IgnoredAny;

pub(crate) fn run(_: IgnoredAny) -> tenet::Result<()> {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1_u8; 1 << 20]));
    }
}
