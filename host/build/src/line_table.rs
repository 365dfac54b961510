//! Maps each part of a bundled module to its source and line.

use serde::Deserialize;
use serde_json::json;

/// The parts of a source map, version 3, that are used here (<https://tc39.es/ecma426/>).
#[derive(Deserialize)]
struct SourceMap {
    sources: Vec<String>,
    mappings: String,
}

/// The numbered sources of a bundled module, and for each of its lines the parts that come from
/// another line than the previous part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LineTable {
    sources: Vec<String>,
    lines: Vec<Vec<Part>>,
}

/// The column where a part begins, and its source: columns and lines are counted from 1, the source
/// is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    column: i64,
    source: i64,
    line: i64,
}

impl LineTable {
    /// Reads a source map. An unreadable one gives an empty table.
    pub(crate) fn read(map: &[u8]) -> Self {
        Self::of(map).unwrap_or_default()
    }

    fn of(map: &[u8]) -> Option<Self> {
        let SourceMap { sources, mappings } = serde_json::from_slice(map).ok()?;
        let (mut source, mut line) = (0_i64, 0_i64);
        let mut lines = Vec::new();
        for generated in mappings.split(';') {
            let mut column = 0_i64;
            let mut parts: Vec<Part> = Vec::new();
            for segment in generated.split(',').filter(|segment| !segment.is_empty()) {
                let fields = numbers(segment)?;
                column = column.checked_add(*fields.first()?)?;
                let (Some(by_source), Some(by_line)) = (fields.get(1), fields.get(2)) else { continue };
                source = source.checked_add(*by_source)?;
                line = line.checked_add(*by_line)?;
                if parts.last().is_none_or(|last| (last.source, last.line) != (source, line + 1)) {
                    parts.push(Part { column: column + 1, source, line: line + 1 });
                }
            }
            lines.push(parts);
        }
        Some(Self { sources, lines })
    }

    /// Renames each source.
    pub(crate) fn rename(&mut self, name: impl Fn(&str) -> String) {
        self.sources.iter_mut().for_each(|source| *source = name(source));
    }

    /// A JavaScript statement that stores the table where the SDK looks for it when it reports an
    /// error: JSON text, with a list for each line of the bundle and `column,source,line` for each
    /// part.
    pub(crate) fn statement(&self) -> String {
        let part = |part: &Part| format!("{},{},{}", part.column, part.source, part.line);
        let lines = self.lines.iter().map(|parts| parts.iter().map(part).collect::<Vec<_>>().join(" "));
        let table = json!({ "sources": self.sources, "lines": lines.collect::<Vec<_>>() });
        format!("globalThis.tenetLines = {};\n", serde_json::Value::from(table.to_string()))
    }

    /// The source and its line for a line and a column of the bundle.
    pub(crate) fn place(&self, line: usize, column: usize) -> Option<(&str, usize)> {
        let parts = self.lines.get(line.checked_sub(1)?)?;
        let column = i64::try_from(column).ok()?;
        let part = parts.iter().rfind(|part| part.column <= column)?;
        let source = self.sources.get(usize::try_from(part.source).ok()?)?;
        Some((source, usize::try_from(part.line).ok()?))
    }
}

/// The numbers of a segment: Base64 digits of 5 bits each, least significant first, with the sign
/// in the lowest bit.
fn numbers(segment: &str) -> Option<Vec<i64>> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut numbers = Vec::new();
    let (mut number, mut shift) = (0_i64, 0_u32);
    for digit in segment.chars() {
        let digit = i64::try_from(DIGITS.find(digit)?).ok()?;
        number |= (digit & 31).checked_shl(shift)?;
        if digit & 32 == 0 {
            numbers.push(if number & 1 == 1 { -(number >> 1) } else { number >> 1 });
            (number, shift) = (0, 0);
        } else {
            shift += 5;
        }
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_line_has_its_own_source() {
        assert_eq!(numbers("AAgBC"), Some(vec![0, 0, 16, 1]));
        assert_eq!(numbers("D"), Some(vec![-1]));
        assert_eq!(numbers("?"), None);
        let map = br#"{"version":3,"sources":["a.js","b.js"],"names":[],"mappings":"AAAA,CAAC,EACA;;ACDA"}"#;
        let table = LineTable::read(map);
        let text = table.statement();
        let text = text.strip_prefix("globalThis.tenetLines = ").unwrap().strip_suffix(";\n").unwrap();
        let text: String = serde_json::from_str(text).unwrap();
        assert_eq!(text, r#"{"lines":["1,0,1 4,0,2","","1,1,1"],"sources":["a.js","b.js"]}"#);
        assert_eq!(table.place(1, 3), Some(("a.js", 1)));
        assert_eq!(table.place(1, 9), Some(("a.js", 2)));
        assert_eq!((table.place(2, 1), table.place(0, 1), table.place(9, 1)), (None, None, None));
        assert_eq!(LineTable::read(b"{}"), LineTable::default());
    }
}
