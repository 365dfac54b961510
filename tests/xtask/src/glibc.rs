use std::fmt;

use anyhow::Context;
use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::FileHeader;

/// A version of the GNU C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Glibc(u32, u32);

impl Glibc {
    /// What Amazon Linux 2023 has, on which the runtime `provided.al2023` stands.
    pub(crate) const AMAZON_LINUX_2023: Self = Self(2, 34);

    /// The newest version whose symbols a binary asks for. Fails where it asks for none: it
    /// would be none that Lambda starts, or not read as it should be.
    pub(crate) fn needed_by(binary: &[u8]) -> anyhow::Result<Self> {
        let header = FileHeader64::<Endianness>::parse(binary).context("not a binary of 64 bits")?;
        let endian = header.endian()?;
        let sections = header.sections(endian, binary)?;
        let mut newest = None;
        if let Some((mut libraries, link)) = sections.gnu_verneed(endian, binary)? {
            let strings = sections.strings(endian, binary, link)?;
            while let Some((_, mut versions)) = libraries.next()? {
                while let Some(version) = versions.next()? {
                    newest = newest.max(Self::parse(version.name(endian, strings)?));
                }
            }
        }
        newest.context("it asks for no version of glibc")
    }

    /// `GLIBC_2.34`; the names of other libraries' versions are none. One name stands for what
    /// the loader has to understand, and says nothing of the version that first does.
    fn parse(name: &[u8]) -> Option<Self> {
        if name == b"GLIBC_ABI_DT_RELR" {
            return Some(Self(2, 36));
        }
        let (major, rest) = std::str::from_utf8(name).ok()?.strip_prefix("GLIBC_")?.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(Glibc::parse(b"GLIBC_2.2.5"), Some(Glibc(2, 2)));
        assert!(Glibc::parse(b"GLIBC_2.4") < Glibc::parse(b"GLIBC_2.34"));
        assert!(Glibc::parse(b"GLIBC_2.36") > Some(Glibc::AMAZON_LINUX_2023));
        assert!(Glibc::parse(b"GLIBC_ABI_DT_RELR") > Some(Glibc::AMAZON_LINUX_2023));
        for other in [&b"GCC_3.0"[..], b"GLIBC_PRIVATE", b"\xff"] {
            assert_eq!(Glibc::parse(other), None);
        }
    }

    #[test]
    fn a_binary_of_this_machine_says_what_it_needs() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = Glibc::needed_by(&own).unwrap();
        // The oldest that this compiler's standard library runs on.
        assert!(needed >= Glibc(2, 17), "{needed}");
        assert!(Glibc::needed_by(&own[..own.len() / 2]).is_err());
        assert!(Glibc::needed_by(b"#!/bin/sh\n").is_err());
    }
}
