/// Whether a terminal does something with a character other than show it: controls, line breaks of Unicode, and the
/// marks, embeddings, overrides and isolates of UAX #9, which reorder the text around them.
pub fn is_obeyed(character: char) -> bool {
    let is_break = matches!(character, '\u{2028}' | '\u{2029}');
    let is_direction =
        matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (character.is_control() && character != '\t') || is_break || is_direction
}
