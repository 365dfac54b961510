use std::fs::File;
use std::io;
use std::path::Path;

pub use tenet_core::{MAX_CODE, MAX_RECORD, MAX_TEXT};

/// Reads an untrusted file.
///
/// # Errors
/// Fails if the file has more than `most` bytes, after reading at most one byte beyond them, or if
/// it cannot be read.
pub fn read_at_most(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    tenet_core::read_at_most(File::open(path)?, most)
}

/// The same for text.
///
/// # Errors
/// Fails as [`read_at_most`] does, and if the file is not UTF-8.
pub fn text_at_most(path: &Path, most: usize) -> io::Result<String> {
    tenet_core::text_at_most(File::open(path)?, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_not_read_to_it() {
        let endless = Path::new("/dev/zero");
        assert_eq!(read_at_most(endless, 1000).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(text_at_most(endless, 1000).unwrap_err().to_string(), "it has more than 1000 bytes");
    }
}
