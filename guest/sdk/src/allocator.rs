#![expect(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::{Cell, UnsafeCell};
use std::ptr::null_mut;

/// Allocates memory from the front, and frees only the last block.
///
/// An instance lives for one call, and memory that was not freed goes with it. The first blocks lie
/// inside the memory that the instance is created with: growing it costs more than a typical call
/// has to allocate, and untouched memory costs nothing.
///
/// # Contract
///
/// There is one thread: a component of this contract cannot start another one, and the `Sync` below
/// relies on that alone. `next..end` is free memory that nothing else uses: first the arena, which
/// only this type can name, later pages that `memory_grow` added. A block starts at or after `next`
/// and ends at or before `end`, and `next` then moves to its end, so that blocks never overlap.
struct Bump {
    next: Cell<usize>,
    end: Cell<usize>,
}

const ARENA: usize = 64 << 10;
const PAGE: usize = 64 << 10;
/// The least number of pages to grow by, so that a rule that needs much memory grows rarely.
const STEP: usize = 4;

#[repr(align(16))]
struct Arena(UnsafeCell<[u8; ARENA]>);

// SAFETY: there is one thread (the contract of `Bump`).
unsafe impl Sync for Arena {}
// SAFETY: there is one thread (the contract of `Bump`).
unsafe impl Sync for Bump {}

static MEMORY: Arena = Arena(UnsafeCell::new([0; ARENA]));

#[global_allocator]
static ALLOCATOR: Bump = Bump { next: Cell::new(0), end: Cell::new(0) };

impl Bump {
    /// Reserves `size` bytes at `start`, which is at `next` or after it. Returns the start of the
    /// block, which differs from `start` if the memory could not be extended in place.
    fn reserve(&self, start: usize, size: usize, align: usize) -> Option<usize> {
        if start.checked_add(size)? <= self.end.get() {
            return Some(start);
        }
        if self.end.get() == 0 {
            let arena = MEMORY.0.get() as usize;
            self.next.set(arena);
            self.end.set(arena + ARENA);
            return self.reserve(arena.checked_next_multiple_of(align)?, size, align);
        }
        let contiguous = self.end.get() == memory_size(0) * PAGE;
        let missing = if contiguous { start.checked_add(size)? - self.end.get() } else { size.checked_add(align)? };
        let pages = missing.div_ceil(PAGE);
        let grow = |pages| Some((memory_grow(0, pages), pages)).filter(|(before, _)| *before != usize::MAX);
        let (before, pages) = grow(pages.max(STEP)).or_else(|| grow(pages))?;
        self.end.set((before + pages) * PAGE);
        if contiguous {
            return Some(start);
        }
        self.next.set(before * PAGE);
        (before * PAGE).checked_next_multiple_of(align)
    }
}

// SAFETY: by the contract of `Bump` a block has at least the requested size and alignment and does
// not overlap any other; null means that no memory is available.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.next.get().checked_next_multiple_of(layout.align());
        match start.and_then(|start| self.reserve(start, layout.size(), layout.align())) {
            Some(start) => {
                self.next.set(start + layout.size());
                start as *mut u8
            }
            None => null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block as usize + layout.size() == self.next.get() {
            self.next.set(block as usize);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let start = block as usize;
        let last = start + layout.size() == self.next.get();
        if last && start.checked_add(size).is_some_and(|end| end <= self.end.get()) {
            self.next.set(start + size);
            return block;
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller guarantees that `size` with the block's alignment is a valid layout.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: `size` is not zero, as `alloc` requires.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: the old block has `layout.size()` bytes, the new one has more, and
            // no two blocks overlap.
            unsafe { std::ptr::copy_nonoverlapping(block, moved, layout.size()) };
        }
        moved
    }
}
