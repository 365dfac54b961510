use anyhow::bail;
use include_dir::{Dir, include_dir};
use tenet_core::Code;

use crate::args::ExplainArgs;
use crate::report::{Problem, show};
use crate::terminal;

/// A page for each code.
static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/explain");

/// Shows the page of a code, or the titles of all.
pub(crate) fn explain(args: &ExplainArgs) -> anyhow::Result<()> {
    let Some(wanted) = &args.code else {
        let title = |code: Code| page(code).lines().next().unwrap_or_default().trim_start_matches("# ").to_owned();
        return show(&Code::ALL.map(title));
    };
    match Code::ALL.into_iter().find(|code| code.as_str().eq_ignore_ascii_case(wanted)) {
        Some(code) => terminal::write(&format!("{}\n", page(code).trim_end())),
        None => bail!(Problem::new(format!("there is no code {wanted}"), "`tenet explain` lists them all")),
    }
}

fn page(code: Code) -> &'static str {
    let page = PAGES.get_file(format!("{code}.md")).and_then(|file| file.contents_utf8());
    page.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page_and_each_page_a_code() {
        for code in Code::ALL {
            assert!(page(code).starts_with(&format!("# {code}: ")) && page(code).lines().count() > 2, "{code}");
        }
        assert_eq!(PAGES.files().count(), Code::ALL.len());
        let mut codes = Code::ALL.map(Code::as_str);
        codes.sort_unstable();
        assert_eq!(codes, Code::ALL.map(Code::as_str), "in order, and none twice");
    }
}
