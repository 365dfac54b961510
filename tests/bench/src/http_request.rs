use std::io::{BufRead, Read};

use anyhow::Context;

/// A request, as far as the benchmarks' servers need it.
pub(crate) struct HttpRequest {
    /// Its path.
    pub(crate) path: String,
    /// Its body.
    pub(crate) body: String,
}

impl HttpRequest {
    /// Reads the next request of a connection, with a whole or chunked body; none after the last.
    ///
    /// # Errors
    /// Fails if it is malformed or incomplete.
    pub(crate) fn read(reader: &mut impl BufRead) -> anyhow::Result<Option<Self>> {
        let Some(first) = line(reader)? else { return Ok(None) };
        let path = first.split(' ').nth(1).context("a request without a path")?.to_owned();
        let (mut length, mut chunked) = (0, false);
        while let Some(header) = line(reader)?.filter(|header| !header.is_empty()) {
            let (name, value) = header.split_once(':').context("a header without a colon")?;
            match (name.to_lowercase().as_str(), value.trim()) {
                ("content-length", value) => length = value.parse()?,
                ("transfer-encoding", value) => chunked = value == "chunked",
                _ => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            while let Some(size) = line(reader)? {
                let size = u64::from_str_radix(&size, 16)?;
                reader.by_ref().take(size).read_to_end(&mut body)?;
                line(reader)?;
                if size == 0 {
                    break;
                }
            }
        } else {
            reader.by_ref().take(length).read_to_end(&mut body)?;
        }
        Ok(Some(Self { path, body: String::from_utf8(body)? }))
    }
}

/// The next line without its line break; none after the last.
fn line(reader: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut line = String::new();
    let read = reader.read_line(&mut line)?;
    Ok((read > 0).then(|| line.trim_end().to_owned()))
}
