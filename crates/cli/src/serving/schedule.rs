//! Rules with a time: at that time, open issues with their labels get a run.

use cronexpr::Crontab;
use jiff::Timestamp;
use miyabi_core::issue::Issue;
use miyabi_core::trigger::{On, Place, Rule, Subject, unmet};
use miyabi_forge::IssueFilter;
use tracing::{info, warn};

use super::Site;
use crate::error::CliError;
use crate::{starting, times};

/// When which rule is due. A time that passed while nobody served is not made up for.
pub(super) struct Schedule {
    entries: Vec<Entry>,
}

struct Entry {
    rule: Rule,
    times: Crontab,
    next: Option<Timestamp>,
}

impl Schedule {
    /// The rules with a time. Errors: one that cannot be read.
    pub(super) fn of(rules: &[Rule], now: Timestamp) -> Result<Self, CliError> {
        let mut entries = Vec::new();
        for rule in rules {
            if let On::Schedule { cron, .. } = &rule.on {
                let times = times::parse(cron)?;
                entries.push(Entry { rule: rule.clone(), next: times::next(&times, now), times });
            }
        }
        Ok(Self { entries })
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
    use super::*;

    #[test]
    fn a_rule_is_due_once_however_often_its_time_came() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let on = |cron: &str| On::Schedule { cron: cron.to_owned(), labels: vec!["nightly".to_owned()] };
        let rules =
            [Rule::new("hourly", "issue", on("0 * * * *")), Rule::new("comment", "issue", On::Comment)];
        let mut schedule = Schedule::of(&rules, at("2026-11-20T01:30:00Z")).unwrap();
        assert_eq!(schedule.next(), Some(at("2026-11-20T02:00:00Z")));
        assert_eq!(schedule.due(at("2026-11-20T01:59:59Z")), []);
        let due = schedule.due(at("2026-11-20T05:10:00Z"));
        assert_eq!(due.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["hourly"]);
        assert_eq!(schedule.next(), Some(at("2026-11-20T06:00:00Z")));
        assert!(Schedule::of(&[Rule::new("x", "issue", on("soon"))], at("2026-11-20T01:30:00Z")).is_err());
    }
}
