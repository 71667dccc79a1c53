//! Rules with a time: at that time, open issues with their labels get a run.

use std::sync::Arc;

use cronexpr::Crontab;
use jiff::Timestamp;
use miyabi_core::issue::Issue;
use miyabi_core::trigger::{On, Place, Rule, Subject, TriggerSettings, unmet};
use miyabi_forge::IssueFilter;
use tracing::{info, warn};

use super::Site;
use crate::error::CliError;
use crate::{starting, times};

/// When which rule is due. A time that passed while nobody served, or before its rule was there, is not made up for.
#[derive(Default)]
pub(super) struct Schedule {
    entries: Vec<Entry>,
    /// The rules as they were read last; none: never.
    read: Option<Arc<TriggerSettings>>,
}

struct Entry {
    rule: Rule,
    times: Crontab,
    next: Option<Timestamp>,
}

impl Schedule {
    /// Takes the rules as they are now, and gives what cannot be used and was not told before, each in words. A rule
    /// whose time stays what it was is due when it was.
    pub(super) fn take(&mut self, rules: &Arc<TriggerSettings>, now: Timestamp) -> Vec<String> {
        if self.read.as_ref().is_some_and(|read| Arc::ptr_eq(read, rules)) {
            return Vec::new();
        }
        let before = self.read.replace(Arc::clone(rules));
        let was_told = |broken| before.as_ref().is_some_and(|before| before.broken.contains(broken));
        let new = rules.broken.iter().filter(|broken| !was_told(*broken));
        let mut told: Vec<String> = new.map(|broken| format!("{}: {}", broken.from, broken.reason)).collect();
        let mut entries = Vec::new();
        for rule in &rules.rules {
            let On::Schedule { cron, .. } = &rule.on else { continue };
            let known =
                self.entries.iter().find(|known| known.rule.name == rule.name && known.rule.on == rule.on);
            match times::parse(cron) {
                Ok(times) => {
                    let next = known.map_or_else(|| times::next(&times, now), |known| known.next);
                    entries.push(Entry { rule: rule.clone(), next, times });
                }
                Err(error) => told.push(format!("rule {}: {}", rule.name, error.summary())),
            }
        }
        self.entries = entries;
        told
    }

    /// When [`due`](Self::due) is worth calling.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.entries.iter().filter_map(|entry| entry.next).min()
    }

    /// The rules whose time has come, each once however often it came.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Rule> {
        let mut due = Vec::new();
        for entry in &mut self.entries {
            if entry.next.is_some_and(|at| at <= now) {
                entry.next = times::next(&entry.times, now);
                due.push(entry.rule.clone());
            }
        }
        due
    }
}

impl Site {
    /// Begins runs for the issues of a rule whose time has come. An issue that cannot be taken keeps no other back.
    pub(super) async fn on_time(&self, rule: &Rule) -> Result<(), CliError> {
        let On::Schedule { labels, .. } = &rule.on else { return Ok(()) };
        if !rule.is_of_issues() {
            return self.begin_on_time(rule).await;
        }
        for issue in self.labelled(labels).await? {
            let on = Subject { at: Place::Issue(issue.number), open: true, labels: issue.labels.clone() };
            if unmet(&rule.conditions, &on).is_some()
                || starting::live_run(&self.home, issue.number).await?.is_some()
            {
                continue;
            }
            let number = issue.number;
            let begun = match self.asked_for(&labels[0], &issue).await? {
                Some(actor) => self.begin(issue, actor, &rule.name).await,
                None => continue,
            };
            match begun {
                Ok(run) => info!(run.id = %run, issue = number, rule = rule.name, "began a run on time"),
                Err(error) => {
                    warn!(issue = number, rule = rule.name, "no run was begun: {}", error.summary())
                }
            }
        }
        Ok(())
    }

    /// Open issues with all of these labels.
    async fn labelled(&self, labels: &[String]) -> Result<Vec<Issue>, CliError> {
        if let Some(github) = &self.home.github {
            let filter = IssueFilter { labels: labels.to_vec(), ..IssueFilter::default() };
            return Ok(github.issues(&filter).await?);
        }
        let mut issues = self.home.records.local_issues(false).await?;
        issues.retain(|issue| labels.iter().all(|label| issue.labels.contains(label)));
        Ok(issues)
    }
}

#[cfg(test)]
mod tests {
    use miyabi_core::trigger::Broken;

    use super::*;

    #[test]
    fn a_rule_is_due_once_however_often_its_time_came() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let on = |cron: &str| On::Schedule { cron: cron.to_owned(), labels: vec!["nightly".to_owned()] };
        let of = |rules: &[Rule], broken: &[Broken]| {
            let (rules, broken) = (rules.to_vec(), broken.to_vec());
            Arc::new(TriggerSettings { rules, broken, ..TriggerSettings::default() })
        };
        let rules =
            [Rule::new("hourly", "issue", on("0 * * * *")), Rule::new("comment", "issue", On::Comment)];
        let mut schedule = Schedule::default();
        assert_eq!(schedule.take(&of(&rules, &[]), at("2026-11-20T01:30:00Z")), [] as [String; 0]);
        assert_eq!(schedule.next(), Some(at("2026-11-20T02:00:00Z")));
        assert_eq!(schedule.due(at("2026-11-20T01:59:59Z")), []);
        let due = schedule.due(at("2026-11-20T05:10:00Z"));
        assert_eq!(due.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["hourly"]);
        assert_eq!(schedule.next(), Some(at("2026-11-20T06:00:00Z")));
        // Another rule comes, and a file that cannot be used is told of once.
        let broken = Broken { rule: "x".to_owned(), from: "x.yaml".to_owned(), reason: "no flow".to_owned() };
        let now = at("2026-11-20T06:10:00Z");
        let more = [&[Rule::new("half", "issue", on("30 * * * *"))], &rules[..]].concat();
        assert_eq!(schedule.take(&of(&more, std::slice::from_ref(&broken)), now), ["x.yaml: no flow"]);
        assert_eq!(schedule.take(&of(&more, std::slice::from_ref(&broken)), now), [] as [String; 0]);
        assert_eq!(schedule.next(), Some(at("2026-11-20T06:00:00Z")), "what was due is not forgotten");
        let due = schedule.due(now);
        assert_eq!(due.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["hourly"]);
        assert_eq!(
            schedule.next(),
            Some(at("2026-11-20T06:30:00Z")),
            "a time before it came is not made up for"
        );
        // One that went is not due any more; a time that is none keeps nothing else back.
        let told = schedule.take(&of(&[Rule::new("x", "issue", on("soon")), rules[0].clone()], &[]), now);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(schedule.next(), Some(at("2026-11-20T07:00:00Z")));
    }
}
