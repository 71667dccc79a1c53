//! A dry run: what a run of an issue would do.

use miyabi_core::analysis::Analysis;
use miyabi_core::issue::Issue;
use miyabi_core::plan::Schedule;
use miyabi_core::policy::Policy;
use miyabi_core::task::Task;
use serde::Serialize;

use crate::output::clean::{clean_line, short};
use crate::output::text;

/// What a run of an issue would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanView {
    /// The issue.
    pub issue: Issue,
    /// The run that it would join, by number.
    pub joins_run: Option<u64>,
    /// How it is rated by the deterministic reader.
    pub analysis: Analysis,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// Ids of tasks by level: those of one level may be worked on at once.
    pub levels: Vec<Vec<String>>,
    /// Ids of the tasks on the longest path by estimate.
    pub critical_path: Vec<String>,
    /// Its length in minutes.
    pub critical_minutes: u64,
    /// What keeps the tasks from being a plan.
    pub problems: Vec<String>,
    /// Who would do the tasks.
    pub agent: String,
    /// Who would rate and decompose in place of the deterministic readers.
    pub planner: Option<String>,
    /// Who would read the finished change.
    pub reviewer: Option<String>,
    /// The base branch and its commit.
    pub base: (String, String),
    /// The numbers behind the decisions.
    pub policy: Policy,
    /// What would happen, in order.
    pub would: Vec<String>,
}

impl PlanView {
    /// Fills in the order of the tasks.
    pub fn schedule(&mut self, schedule: &Schedule) {
        let id = |ix: &usize| self.tasks.get(*ix).map_or_else(String::new, |task| task.id.to_string());
        self.levels = schedule.levels.iter().map(|level| level.iter().map(id).collect()).collect();
        self.critical_path = schedule.critical_path.iter().map(id).collect();
        self.critical_minutes = schedule.length;
    }
}

/// What the policy does with an issue of that complexity.
pub fn before_work(complexity: f64, policy: &Policy) -> String {
    if complexity > policy.approve_above {
        format!("wait for your approval: complexity {complexity:.1} is above {:.1}", policy.approve_above)
    } else if complexity >= policy.notify_from {
        format!(
            "tell people and wait {}: complexity {complexity:.1} is at least {:.1}",
            text::minutes(policy.notify_delay_secs.div_ceil(60)),
            policy.notify_from
        )
    } else {
        format!("start at once: complexity {complexity:.1} is below {:.1}", policy.notify_from)
    }
}

/// The dry run for people.
pub fn render(plan: &PlanView) -> String {
    let PlanView { issue, analysis, .. } = plan;
    let mut out =
        format!("dry run of issue #{}: {}\nnothing is written\n\n", issue.number, short(&issue.title, 100));
    if let Some(run) = plan.joins_run {
        out.push_str(&format!(
            "run {run} of this issue has not ended: it would be joined, and nothing new would start\n\n"
        ));
    }
    out.push_str(&format!(
        "analysis (by {}): complexity {:.1}, {}, security {}, about {}\n",
        clean_line(&analysis.analyst),
        analysis.complexity,
        analysis.kind.as_str(),
        analysis.security.as_str(),
        text::minutes(u64::from(analysis.estimate_minutes)),
    ));
    for reason in &analysis.reasons {
        out.push_str(&format!("  - {}\n", short(reason, 200)));
    }
    out.push('\n');
    for (level, ids) in plan.levels.iter().enumerate() {
        for id in ids {
            let Some(task) = plan.tasks.iter().find(|task| task.id.as_str() == id) else { continue };
            let needs: Vec<_> = task.dependencies.iter().map(ToString::to_string).collect();
            let needs =
                if needs.is_empty() { String::new() } else { format!("  after {}", needs.join(", ")) };
            out.push_str(&format!(
                "level {} {} {} ({}, {}){needs}\n",
                level + 1,
                task.id,
                short(&task.title, 70),
                task.kind.as_str(),
                text::minutes(u64::from(task.estimate_minutes))
            ));
        }
    }
    if !plan.critical_path.is_empty() {
        let length = text::minutes(plan.critical_minutes);
        out.push_str(&format!("critical path ({length}): {}\n", plan.critical_path.join(" → ")));
    }
    for problem in &plan.problems {
        out.push_str(&format!("problem: {}\n", clean_line(problem)));
    }
    out.push_str(&format!(
        "\nagent {}, base {} {}\n",
        clean_line(&plan.agent),
        clean_line(&plan.base.0),
        text::short_id(&plan.base.1)
    ));
    if let Some(planner) = &plan.planner {
        out.push_str(&format!(
            "{} would rate and decompose the issue; what stands above is the deterministic readers' view\n",
            clean_line(planner)
        ));
    }
    if let Some(reviewer) = &plan.reviewer {
        out.push_str(&format!("{} would read the finished change\n", clean_line(reviewer)));
    }
    out.push_str("\nwould:\n");
    for (n, step) in plan.would.iter().enumerate() {
        out.push_str(&format!("  {}. {step}\n", n + 1));
    }
    out
}
