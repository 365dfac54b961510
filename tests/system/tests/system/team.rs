//! The harness as a library: a team's Rust tests run the tests of its rules.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use snapbox::{assert_data_eq, str};
use tenet_harness::testing::StepResult;
use tenet_harness::{Harness, Report, Silent, TestEvent};

use crate::support::shop::Shop;

fn harness(shop: &Shop) -> Harness {
    Harness::new(&shop.folder).out(shop.built.path())
}

/// The names of the tests that ended, in the order in which they did, and the report.
async fn ran(harness: &Harness) -> (Vec<String>, Report) {
    let mut names = Vec::new();
    let report = harness.run(&Silent, |event| {
        if let TestEvent::Ended(outcome) = event {
            names.push(outcome.name.clone());
        }
    });
    let report = report.await.unwrap();
    (names, report)
}

#[tokio::test(flavor = "multi_thread")]
async fn report_has_each_outcome_and_shows_failures_as_the_terminal_does() {
    let shop = Shop::new("perk");
    let (mut names, report) = ran(&harness(&shop)).await;
    report.assert_passed();
    assert!(report.has_passed() && report.failures().next().is_none());
    assert_eq!(report.to_string(), "");
    names.sort();
    let all = ["at-once", "changes-a-balance", "refuses"].map(|name| format!("rules/perk/tests/{name}"));
    assert_eq!(names, all);
    assert_eq!(report.outcomes.iter().map(|outcome| &outcome.name).collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
    assert_eq!(report.coverage().unwrap().percent(), 100);

    shop.edit(
        "rules/perk/src/lib.rs",
        "Some(balance) = input.balance_after(before)",
        "Some(balance) = Some(before + input.points)",
    );
    fs::write(shop.folder.join("rules/perk/tests/wrong.toml"), "version = 1\n[[step]]\nrejct = 1\n").unwrap();
    let two = ["refuses", "wrong"].map(|name| shop.folder.join(format!("rules/perk/tests/{name}.toml")));
    let (names, report) = ran(&harness(&shop).paths(two).jobs(1)).await;
    assert_eq!(names.len(), report.outcomes.len());
    let failed: Vec<_> = report.failures().collect();
    let [refuses, wrong] = failed.as_slice() else { panic!("{report}") };
    let error = wrong.unreadable.as_ref().unwrap();
    assert!(error.what().contains("unknown field `rejct`") && error.code().is_some(), "{error:?}");
    assert!(error.place().is_some_and(|place| place.text.contains("rejct")), "{error:?}");
    let codes: Vec<_> = refuses.failures.iter().filter_map(|failure| failure.code).map(|code| code.as_str()).collect();
    assert_eq!(codes, ["T0602", "T0603"]);
    let StepResult::Request { target, answer, .. } = &refuses.steps[0] else { panic!("{:?}", refuses.steps) };
    assert_eq!((target.as_str(), answer.status.code()), ("perk", 200));

    let panic = catch_unwind(AssertUnwindSafe(|| report.assert_passed())).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    let shown = shop.tenet(&["test", "--filter", "perk/tests/refuses"]).stdout;
    let again = |text: &str| text.lines().find(|line| line.contains("again: ")).unwrap().to_owned();
    assert!(text.contains(&format!("again: tenet test --bundle {}", shop.folder.display())), "{text}");
    // But for the time that it took and the folder that it is run in.
    let part = |text: &str| text[text.find("      What cannot be").unwrap()..].replace(&again(text), "");
    assert!(part(text).starts_with(part(&shown).trim_end()), "{text}{shown}");
}

#[test]
fn bundle_that_cannot_be_built_is_an_error_with_help() {
    let folder = tempfile::tempdir().unwrap();
    let error = tenet_harness::run(folder.path()).unwrap_err();
    assert!(error.what().ends_with("is no bundle: it has neither tenet.toml nor index.json"), "{error:?}");
    assert_data_eq!(error.help().unwrap(), str!["name one with --bundle; `tenet new PATH` makes one"]);
    assert_eq!(error.code().map(|code| code.as_str()), Some("T0101"));
}
