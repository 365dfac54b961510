/// The length of a message includes its own four bytes.
const LENGTH: usize = 4;

/// A message of PostgreSQL's protocol, version 3. The first message of a connection has no tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) tag: Option<u8>,
    pub(crate) body: Vec<u8>,
}

/// Divides a stream of bytes into messages.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    received: Vec<u8>,
    has_begun: bool,
}

impl Message {
    pub(crate) fn new(tag: u8, body: Vec<u8>) -> Self {
        Self { tag: Some(tag), body }
    }

    /// An error of a statement, or of the whole connection.
    pub(crate) fn error(is_fatal: bool, sqlstate: &str, text: &str) -> Self {
        let severity = if is_fatal { "FATAL" } else { "ERROR" };
        Self::new(b'E', format!("S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0").into_bytes())
    }

    pub(crate) fn is(&self, tag: u8) -> bool {
        self.tag == Some(tag)
    }

    /// The text of a statement to run or to parse.
    pub(crate) fn statement(&self) -> Option<String> {
        let place = match self.tag? {
            b'Q' => 0,
            b'P' => 1,
            _ => return None,
        };
        let text = self.body.split(|byte| *byte == 0).nth(place)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// The same message with another statement.
    pub(crate) fn with_statement(&self, text: &str) -> Self {
        let ends: Vec<_> = (0..self.body.len()).filter(|at| self.body[*at] == 0).collect();
        let (before, after) = if self.is(b'Q') { (0, ends[0]) } else { (ends[0] + 1, ends[1]) };
        Self { tag: self.tag, body: [&self.body[..before], text.as_bytes(), &self.body[after..]].concat() }
    }

    /// Whether the answer to this ends with ReadyForQuery.
    pub(crate) fn ends_a_cycle(&self) -> bool {
        self.is(b'Q') || self.is(b'S')
    }

    /// The SQLSTATE of an error.
    pub(crate) fn sqlstate(&self) -> Option<String> {
        let field = self.body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"))?;
        self.is(b'E').then(|| String::from_utf8_lossy(field).into_owned())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len() + LENGTH).unwrap();
        let mut bytes = Vec::with_capacity(self.body.len() + LENGTH + 1);
        bytes.extend(self.tag);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

impl Framing {
    /// The stream of a client, whose first message has no tag.
    pub(crate) fn of_client() -> Self {
        Self::default()
    }

    /// The stream of a server.
    pub(crate) fn of_server() -> Self {
        Self { has_begun: true, ..Self::default() }
    }

    /// The messages that are complete with these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.received.extend(bytes);
        let (mut messages, mut at) = (Vec::new(), 0);
        loop {
            let tag_length = usize::from(self.has_begun);
            let rest = &self.received[at..];
            let Some(length) = rest.get(tag_length..tag_length + LENGTH) else { break };
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize + tag_length;
            if rest.len() < length {
                break;
            }
            let tag = self.has_begun.then(|| rest[0]);
            messages.push(Message { tag, body: rest[tag_length + LENGTH..length].to_vec() });
            self.has_begun = true;
            at += length;
        }
        self.received.drain(..at);
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_stream_is_cut() {
        let messages = [
            Message { tag: None, body: b"\0\x03\0\0user\0a\0\0".to_vec() },
            Message::new(b'Q', b"COMMIT\0".to_vec()),
            Message::new(b'P', b"s1\0SELECT 1\0\0\0".to_vec()),
            Message::new(b'S', Vec::new()),
        ];
        let bytes = messages.iter().flat_map(Message::bytes).collect::<Vec<_>>();
        for cut in 0..bytes.len() {
            let mut framing = Framing::of_client();
            let found = [framing.push(&bytes[..cut]), framing.push(&bytes[cut..])].concat();
            assert_eq!(found, messages, "{cut}");
        }
        assert_eq!(messages[1].statement().as_deref(), Some("COMMIT"));
        assert_eq!(messages[2].statement().as_deref(), Some("SELECT 1"));
        assert_eq!(messages[2].with_statement("x").body, b"s1\0x\0\0\0");
        assert_eq!(Message::error(false, "40001", "no").sqlstate().as_deref(), Some("40001"));
    }
}
