/// A name as SQL has it in quotes: PostgreSQL then neither folds its case nor takes it for a keyword.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
