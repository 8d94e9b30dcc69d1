//! Each rule over real stores, put into the state that it speaks of.

mod contradictions;
mod filters;
mod sources;
mod world;

use std::collections::BTreeSet;

use super::{Explanation, Rule, Step, Verdict};
use world::World;

/// The page for operators.
const PAGE: &str = include_str!("../../../../docs/explain.md");

/// The names in the first column of the table that begins with this header.
fn first_column(header: &str) -> BTreeSet<&'static str> {
    let rows = PAGE.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('`').nth(1)).collect()
}

#[test]
fn the_page_for_operators_names_every_rule_and_verdict() {
    let rules: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(first_column("| rule |"), rules);
    let verdicts = [
        Verdict::Pass,
        Verdict::Hide,
        Verdict::Give,
        Verdict::Lack,
        Verdict::Note,
        Verdict::Contradiction,
    ];
    assert_eq!(
        first_column("| verdict |"),
        verdicts.iter().map(|verdict| verdict.as_str()).collect()
    );
    for rule in Rule::ALL {
        let heading = format!("\n### `{}`\n", rule.as_str());
        assert!(PAGE.contains(&heading), "there is no example of {}", rule.as_str());
    }
}

#[test]
fn people_read_the_answer_first() {
    let step = |rule, verdict, detail: &str| Step {
        rule,
        verdict,
        detail: detail.to_owned(),
    };
    let explanation = Explanation {
        visible: false,
        steps: vec![
            step(Rule::Mute, Verdict::Hide, "account 1 mutes account 2"),
            step(Rule::Stored, Verdict::Give, "it is in the stored timeline"),
            step(Rule::Timeline, Verdict::Contradiction, "it holds too much"),
        ],
    };
    let text = explanation.for_people();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "NOT VISIBLE, hidden by: mute",
            "CONTRADICTION: timeline: it holds too much",
            "",
            "rule      verdict        detail",
            "mute      hide           account 1 mutes account 2",
            "stored    give           it is in the stored timeline",
            "timeline  contradiction  it holds too much",
        ]
    );
}

#[test]
fn what_is_written_as_json_is_read_again() {
    let step = Step {
        rule: Rule::Chunk,
        verdict: Verdict::Note,
        detail: "d".to_owned(),
    };
    let explanation = Explanation {
        visible: true,
        steps: vec![step],
    };
    let json = serde_json::to_value(&explanation).unwrap();
    let expected = serde_json::json!({
        "visible": true,
        "steps": [{"rule": "chunk", "verdict": "note", "detail": "d"}],
    });
    assert_eq!(json, expected);
    assert_eq!(serde_json::from_value::<Explanation>(json).unwrap(), explanation);
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
    }
}

#[tokio::test]
async fn a_visible_tweet_passes_all_rules() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    let explanation = world.explain(tweet).await;
    assert!(explanation.visible);
    let rules: Vec<Rule> = explanation.steps.iter().map(|step| step.rule).collect();
    let told = |rule: &Rule| ![Rule::Chunk, Rule::Read].contains(rule);
    assert_eq!(rules, Rule::ALL.into_iter().filter(told).collect::<Vec<_>>());
}
