use std::io::{self, ErrorKind, Read};

/// The largest file written by people (a manifest, a test or a schema step), in bytes.
pub const MAX_TEXT: usize = 4 << 20;

/// The largest file that the tools write and read back (an index or a capsule), in bytes.
pub const MAX_RECORD: usize = 64 << 20;

/// The largest file of machine code, in bytes. Lambda accepts 250 MB of files in total
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const MAX_CODE: usize = 250 << 20;

/// Reads untrusted input to its end.
///
/// # Errors
/// Fails if the input has more than `most` bytes, after reading at most one byte beyond them, or if
/// it cannot be read.
pub fn read_at_most(input: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_at_most_into(input, most, &mut bytes)?;
    Ok(bytes)
}

/// Like [`read_at_most`], but appends to `bytes`.
///
/// # Errors
/// As [`read_at_most`].
pub fn read_at_most_into(input: impl Read, most: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let read = input.take(limit).read_to_end(bytes)?;
    if read > most {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {most} bytes")));
    }
    Ok(())
}

/// Like [`read_at_most`], for text.
///
/// # Errors
/// As [`read_at_most`], and if the text is not UTF-8.
pub fn text_at_most(input: impl Read, most: usize) -> io::Result<String> {
    let text = String::from_utf8(read_at_most(input, most)?);
    text.map_err(|error| io::Error::new(ErrorKind::InvalidData, error.utf8_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_there_may_be() {
        assert_eq!(read_at_most(&b"four"[..], 4).unwrap(), b"four");
        let error = read_at_most(&b"four"[..], 3).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::FileTooLarge, "it has more than 3 bytes"));
        let mut bytes = b"a".to_vec();
        assert!(read_at_most_into(io::repeat(0), 1000, &mut bytes).is_err() && bytes.len() == 1002);
        assert_eq!(text_at_most(&[0xff][..], 4).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
