//! Explanations as people read them: the answer first, then the steps.

use std::fmt::Write;

use super::{Explanation, Rule, Step, Verdict};

impl Explanation {
    /// The answer in a line, a line for whatever contradicts itself, and a table of the steps.
    pub fn for_people(&self) -> String {
        let mut text = format!("{}\n", self.answer());
        for step in self.with(Verdict::Contradiction) {
            line(
                &mut text,
                format_args!("CONTRADICTION: {}: {}", step.rule.as_str(), step.detail),
            );
        }
        let rules = width(Rule::ALL.iter().map(|rule| rule.as_str()));
        let verdicts = width(self.steps.iter().map(|step| step.verdict.as_str()).chain(["verdict"]));
        line(&mut text, format_args!(""));
        line(
            &mut text,
            format_args!("{:rules$}  {:verdicts$}  detail", "rule", "verdict"),
        );
        for Step { rule, verdict, detail } in &self.steps {
            let (rule, verdict) = (rule.as_str(), verdict.as_str());
            line(&mut text, format_args!("{rule:rules$}  {verdict:verdicts$}  {detail}"));
        }
        text
    }

    fn answer(&self) -> String {
        let of = |verdict| {
            self.with(verdict)
                .map(|step| step.rule.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (hide, give) = (of(Verdict::Hide), of(Verdict::Give));
        match (self.visible, hide.is_empty(), give.is_empty()) {
            (true, _, false) => format!("VISIBLE, given by: {give}"),
            (true, _, true) => "VISIBLE".to_owned(),
            (false, false, _) => format!("NOT VISIBLE, hidden by: {hide}"),
            (false, true, true) => "NOT VISIBLE: no source has it".to_owned(),
            (false, true, false) => format!("NOT VISIBLE, though given by: {give}"),
        }
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("memory takes whatever is written");
}

fn width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(str::len).max().unwrap_or_default()
}
