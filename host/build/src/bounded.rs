use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// The largest file that a team writes, a manifest, a test or a step of a schema, in bytes.
pub const MAX_TEXT: usize = 4 << 20;

/// The largest file that the harness writes and reads again, an index or a capsule, in bytes.
pub const MAX_RECORD: usize = 64 << 20;

/// Reads a file that may come from a stranger.
///
/// # Errors
/// Fails where it has more than `most` bytes, having read no more than that, and where it cannot
/// be read.
pub fn read_at_most(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

/// The same for text.
///
/// # Errors
/// Fails as [`read_at_most`] does, and where the file is not UTF-8.
pub fn text_at_most(path: &Path, most: usize) -> io::Result<String> {
    let text = String::from_utf8(read_at_most(path, most)?);
    text.map_err(|error| io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_there_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "four").unwrap();
        assert_eq!(read_at_most(&path, 4).unwrap(), b"four");
        assert_eq!(read_at_most(&path, 3).unwrap_err().to_string(), "it has more than 3 bytes");
        assert_eq!(read_at_most(Path::new("/dev/zero"), 1000).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&path, [0xff]).unwrap();
        assert_eq!(text_at_most(&path, 4).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
