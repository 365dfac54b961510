/// The text with everything in code replaced by spaces, so that every byte that is left is prose
/// and stands where it stood.
pub(super) fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let start = line.trim_start();
        match fence {
            Some(end) => {
                if start.trim_end() == end {
                    fence = None;
                }
                blank(line, &mut out);
            }
            None if start.starts_with("```") => {
                fence = Some("```");
                blank(line, &mut out);
            }
            None => out.push_str(line),
        }
    }
    without_spans(&out)
}

/// Without what is between backticks, which may go on in the next line but not past an empty one.
fn without_spans(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        out.push_str(before);
        out.push(' ');
        match after.split_once('`') {
            Some((code, next)) if !code.contains("\n\n") => {
                blank(code, &mut out);
                out.push(' ');
                rest = next;
            }
            _ => rest = after,
        }
    }
    out.push_str(rest);
    out
}

fn blank(text: &str, out: &mut String) {
    out.extend(text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}

/// The anchors of a document's headings, as GitHub makes them.
pub(super) fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        in_code ^= line.starts_with("```");
        let title = line.trim_start_matches('#');
        if in_code || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor: String = title.trim().to_lowercase().chars().filter(is_kept).collect();
        let anchor = anchor.replace(' ', "-");
        let same = anchors.iter().filter(|other| **other == anchor).count();
        anchors.push(if same == 0 { anchor } else { format!("{anchor}-{same}") });
    }
    anchors
}

/// The rows of each table of a document: the cells, without the line below the header.
pub(super) fn tables(text: &str) -> Vec<Vec<Vec<String>>> {
    let mut tables = Vec::new();
    let mut table: Vec<Vec<String>> = Vec::new();
    for line in text.lines().chain([""]) {
        match line.strip_prefix('|') {
            Some(row) if row.starts_with(" ---") => {}
            Some(row) => {
                let row = row.trim_end().trim_end_matches('|');
                table.push(row.split('|').map(|cell| cell.trim().to_owned()).collect());
            }
            None if table.is_empty() => {}
            None => tables.push(std::mem::take(&mut table)),
        }
    }
    tables
}

/// What stands in backticks in a text.
pub(super) fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_blanked_and_prose_stays_in_place() {
        let text = "a `b\nc` d\n```x\ne\n```\nf `g\n\nh";
        let prose = prose(text);
        assert_eq!(prose.len(), text.len());
        assert_eq!(prose, "a   \n   d\n    \n \n   \nf  g\n\nh");
    }

    #[test]
    fn anchors_are_those_of_github() {
        let text = "# A `b`, c-d\n```\n# no\n```\n## x\n## x\n#no\n";
        assert_eq!(anchors(text), ["a-b-c-d", "x", "x-1"]);
    }

    #[test]
    fn a_table_ends_where_its_rows_do() {
        let text = "| a | b |\n| --- | --- |\n| `c` | d |\n\n| e |\n| --- |\n";
        let cells = |row: &[&str]| row.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!(tables(text), [vec![cells(&["a", "b"]), cells(&["`c`", "d"])], vec![cells(&["e"])]]);
        assert_eq!(code_spans("`a`, `b` c").collect::<Vec<_>>(), ["a", "b"]);
    }
}
