//! Bounds that a component has to meet before it is compiled.
//!
//! The compiler allocates memory for each module and component and processes them recursively, and a component that is
//! instantiated twice has its wiring compiled twice. These bounds are checked in one pass over the bytes with almost no allocation.
//! They are several times what a rule with a language runtime needs.

use wasmparser::{BinaryReaderError, ComponentInstance, Encoding, FunctionBody, Operator, Parser, Payload};

/// The largest component, in bytes.
pub(crate) const BYTES: usize = 64 << 20;

/// The deepest nesting of modules and components, counting the outermost.
const DEPTH: usize = 8;

/// Modules and components.
const PARTS: usize = 256;

/// Instantiations of components. Nested instantiations multiply.
const INSTANCES: usize = 16;

/// Bytes of the definitions that connect modules: types, imports, exports, aliases, instances, lifted or lowered
/// functions. Each instance of a component has its own.
const WIRING: usize = 256 << 10;

/// Functions with a body.
const FUNCTIONS: usize = 100_000;

/// Bytes of one function's body.
const BODY: usize = 1 << 20;

/// Branches times locals, over all functions: at a merge of control flow each local may differ. A branch is a block, a
/// jump, or a target of a table. JavaScript's runtime has 7 million. 20 million take the compiler 2 s and 0.4 GB, and
/// twice that takes four times as long.
const BRANCHES_BY_LOCALS: usize = 20 << 20;

/// Branches times loops. JavaScript's runtime has 7 million; 4,000 consecutive loops in one function have 32 million
/// and take 0.9 s, 16,000 of them 14 s.
const BRANCHES_BY_LOOPS: usize = 20 << 20;

/// Branches times blocks. JavaScript's runtime has 160 million; 500 million take 1 to 4 s, and 80,000 consecutive
/// conditions, which have 6,400 million, take 9 s.
const BRANCHES_BY_BLOCKS: usize = 512 << 20;

/// Why a component is not compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// A count exceeds its bound.
    #[error("the component has more than {most} {what}")]
    TooMuch { what: &'static str, most: usize },
    /// The component cannot be parsed.
    #[error("{0}")]
    Damaged(BinaryReaderError),
}

#[derive(Default)]
struct Counted {
    parts: usize,
    instances: usize,
    wiring: usize,
    functions: usize,
    branches_by_locals: usize,
    branches_by_loops: usize,
    branches_by_blocks: usize,
    /// For each part that is being parsed, whether it is a component.
    inside: Vec<bool>,
}

/// Checks a component against the bounds.
pub(crate) fn check(component: &[u8]) -> Result<(), Unfit> {
    within("bytes", component.len(), BYTES)?;
    let mut counted = Counted::default();
    for payload in Parser::new(0).parse_all(component) {
        counted.take(&payload.map_err(Unfit::Damaged)?)?;
    }
    Ok(())
}

impl Counted {
    fn take(&mut self, payload: &Payload<'_>) -> Result<(), Unfit> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.inside.push(*encoding == Encoding::Component);
                within("modules and components inside each other", self.inside.len(), DEPTH)?;
                self.parts += 1;
                within("modules and components", self.parts, PARTS)?;
            }
            Payload::End(_) => drop(self.inside.pop()),
            Payload::CodeSectionEntry(body) => {
                self.functions += 1;
                within("functions", self.functions, FUNCTIONS)?;
                within("bytes of one function", body.range().len(), BODY)?;
                self.paths(body)?;
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    if matches!(instance.map_err(Unfit::Damaged)?, ComponentInstance::Instantiate { .. }) {
                        self.instances += 1;
                        within("instances of components", self.instances, INSTANCES)?;
                    }
                }
            }
            _ => {}
        }
        if self.inside.last() == Some(&true)
            && let Some((id, range)) = payload.as_section()
            && !NOT_WIRING.contains(&id)
        {
            self.wiring += range.len();
            within("bytes of types, imports, exports and instances", self.wiring, WIRING)?;
        }
        Ok(())
    }
}

impl Counted {
    /// Counts the properties of a function in which the compiler's time and memory grow faster than linearly.
    fn paths(&mut self, body: &FunctionBody<'_>) -> Result<(), Unfit> {
        let mut locals = 0_usize;
        for group in body.get_locals_reader().map_err(Unfit::Damaged)? {
            let (count, _) = group.map_err(Unfit::Damaged)?;
            locals = locals.saturating_add(usize::try_from(count).unwrap_or(usize::MAX));
        }
        let (mut branches, mut blocks, mut loops) = (0_usize, 0_usize, 0_usize);
        for operator in body.get_operators_reader().map_err(Unfit::Damaged)? {
            match operator.map_err(Unfit::Damaged)? {
                Operator::Loop { .. } => (branches, blocks, loops) = (branches + 1, blocks + 1, loops + 1),
                Operator::Block { .. } | Operator::If { .. } => (branches, blocks) = (branches + 1, blocks + 1),
                Operator::Br { .. } | Operator::BrIf { .. } => branches += 1,
                Operator::BrTable { targets } => {
                    branches = branches.saturating_add(usize::try_from(targets.len()).unwrap_or(usize::MAX));
                }
                _ => {}
            }
        }
        let times = |so_far: &mut usize, other: usize| {
            *so_far = so_far.saturating_add(branches.saturating_mul(other));
            *so_far
        };
        let by_locals = times(&mut self.branches_by_locals, locals);
        within("branches by locals", by_locals, BRANCHES_BY_LOCALS)?;
        within("branches by loops", times(&mut self.branches_by_loops, loops), BRANCHES_BY_LOOPS)?;
        within("branches by blocks", times(&mut self.branches_by_blocks, blocks), BRANCHES_BY_BLOCKS)
    }
}

/// Sections of a component that are parts themselves, or are not compiled: custom sections, modules, components
/// (<https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md>).
const NOT_WIRING: [u8; 3] = [0, 1, 4];

fn within(what: &'static str, found: usize, most: usize) -> Result<(), Unfit> {
    if found > most { Err(Unfit::TooMuch { what, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn section(id: u8, body: &[u8]) -> Vec<u8> {
        [&[id], number(body.len()).as_slice(), body].concat()
    }

    fn number(mut value: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value > 0x7f {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    fn component(sections: &[Vec<u8>]) -> Vec<u8> {
        [COMPONENT, &sections.concat()].concat()
    }

    fn nested(depth: usize) -> Vec<u8> {
        (1..depth).fold(component(&[]), |inner, _| component(&[section(4, &inner)]))
    }

    fn bound(component: &[u8]) -> Option<usize> {
        match check(component) {
            Ok(()) => None,
            Err(Unfit::TooMuch { most, .. }) => Some(most),
            Err(Unfit::Damaged(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_compiled_is_bounded() {
        assert_eq!((bound(&nested(DEPTH)), bound(&nested(DEPTH + 1))), (None, Some(DEPTH)));
        let modules = |count: usize| component(&vec![section(1, MODULE); count]);
        assert_eq!((bound(&modules(PARTS - 1)), bound(&modules(PARTS))), (None, Some(PARTS)));
        let instances = |count: usize| {
            let body = [number(count), [0, 0, 0].repeat(count)].concat();
            component(&[section(4, COMPONENT), section(5, &body)])
        };
        assert_eq!((bound(&instances(INSTANCES)), bound(&instances(INSTANCES + 1))), (None, Some(INSTANCES)));
        // An enumeration with one case whose name is empty.
        let types = |count: usize| component(&[section(7, &[number(count), [0x6d, 1, 0].repeat(count)].concat())]);
        assert_eq!((bound(&types(WIRING / 3 - 4)), bound(&types(WIRING / 3 + 1))), (None, Some(WIRING)));
        let code = |bodies: &[Vec<u8>]| {
            let bodies: Vec<u8> = bodies.iter().flat_map(|body| [number(body.len()), body.clone()].concat()).collect();
            bodies
        };
        let module = |count: usize, body: usize| {
            // No locals, `unreachable` as often as needed, and the end.
            let one = [vec![0; body - 1], vec![0x0b]].concat();
            let bodies = code(&vec![one; count]);
            let functions = section(3, &[number(count), vec![0; count]].concat());
            let module = [MODULE, &functions, &section(10, &[number(count), bodies].concat())].concat();
            component(&[section(1, &module)])
        };
        assert_eq!((bound(&module(FUNCTIONS, 2)), bound(&module(FUNCTIONS + 1, 2))), (None, Some(FUNCTIONS)));
        assert_eq!((bound(&module(1, BODY)), bound(&module(1, BODY + 1))), (None, Some(BODY)));
        assert_eq!(bound(&vec![0; BYTES + 1]), Some(BYTES));
    }

    /// A component with `count` functions that have this many locals and this body.
    fn functions(count: usize, locals: usize, body: &[u8]) -> Vec<u8> {
        let body = [&[1], number(locals).as_slice(), &[0x7f], body, &[0x0b]].concat();
        let bodies = [number(body.len()), body].concat().repeat(count);
        let types = section(3, &[number(count), vec![0; count]].concat());
        let module = [MODULE, &types, &section(10, &[number(count), bodies].concat())].concat();
        component(&[section(1, &module)])
    }

    /// The compiler's time is not linear in these. The bounds' comments give the measurements.
    #[test]
    fn what_paths_through_functions_multiply_is_bounded() {
        // `block end`, `loop end`, `br 0`, and a table of a target and the default.
        let (block, repeated): (&[u8], &[u8]) = (&[0x02, 0x40, 0x0b], &[0x03, 0x40, 0x0b]);
        let blocks = |count: usize, locals: usize| bound(&functions(1, locals, &block.repeat(count)));
        assert_eq!(blocks(10, BRANCHES_BY_LOCALS / 10), None);
        assert_eq!(blocks(10, BRANCHES_BY_LOCALS / 10 + 1), Some(BRANCHES_BY_LOCALS));
        assert_eq!((blocks(23_000, 1), blocks(24_000, 1)), (None, Some(BRANCHES_BY_BLOCKS)));
        let loops = |count: usize| bound(&functions(1, 1, &repeated.repeat(count)));
        assert_eq!((loops(4500), loops(4600)), (None, Some(BRANCHES_BY_LOOPS)));
        // Jumps and the targets of tables count, summed over all functions.
        let jumps = |count: usize| bound(&functions(1, BRANCHES_BY_LOCALS / 100, &[0x0c, 0].repeat(count)));
        assert_eq!((jumps(100), jumps(101)), (None, Some(BRANCHES_BY_LOCALS)));
        let table = [&[0x0e], number(1000).as_slice(), &[0; 1001]].concat();
        let tables = |count: usize| bound(&functions(1, BRANCHES_BY_LOCALS / 10_000, &table.repeat(count)));
        assert_eq!((tables(10), tables(11)), (None, Some(BRANCHES_BY_LOCALS)));
        let many = |count: usize| bound(&functions(count, 1, &repeated.repeat(1000)));
        assert_eq!((many(20), many(21)), (None, Some(BRANCHES_BY_LOOPS)));
    }

    #[test]
    fn what_breaks_off_is_damaged_and_no_panic() {
        let whole = component(&[section(1, MODULE), section(4, COMPONENT), section(5, &[1, 0, 0, 0])]);
        assert_eq!(bound(&whole), None);
        for end in 8..whole.len() {
            for byte in [0, 0x7f, 0xff] {
                let changed = [&whole[..end], &[byte], whole.get(end + 1..).unwrap_or_default()].concat();
                let _ = check(&changed);
            }
            let _ = check(&whole[..end]);
        }
    }
}
