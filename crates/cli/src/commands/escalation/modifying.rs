//! Plans that people change before the work begins.

use miyabi_core::ports::EscalationRow;
use miyabi_core::task::{Task, check_tasks};
use serde::{Deserialize, Serialize};

use super::AnswerArgs;
use crate::commands::issue::read_text;
use crate::context::Context;
use crate::error::CliError;
use crate::wiring::Home;

/// Stands over the tasks; a reader of YAML takes it for a comment.
const HEAD: &str = "# Change titles, descriptions, dependencies and estimates, remove tasks, add others (`task-<issue>-<n>`).\n\
                    # Then: miyabi escalation answer";

/// A plan as people change it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// In the order of the plan.
    pub tasks: Vec<Task>,
    #[serde(skip)]
    question: String,
}

/// The plan that a question is about. Errors: it is about something else.
pub(super) async fn plan(home: &Home, row: &EscalationRow) -> Result<Plan, CliError> {
    let run = home.engine(None).read(&row.run).await?;
    let asked = run.as_ref().and_then(|run| run.step(&row.escalation.step));
    let takes_tasks = row.escalation.actions.iter().any(|action| action.id == "modify");
    let output = asked.and_then(|state| state.output()).filter(|_| takes_tasks);
    let plan = output.and_then(|output| output.get("tasks"));
    let tasks = plan.and_then(|tasks| serde_json::from_value(tasks.clone()).ok());
    let Some(tasks) = tasks else {
        return Err(CliError::input(format!("question {} is not about a plan", row.id))
            .hint("`miyabi escalation show` says what it takes"));
    };
    Ok(Plan { tasks, question: row.id.to_string() })
}

/// The plan as a file that can be changed and given back.
pub(super) fn text(plan: &Plan) -> String {
    let yaml = serde_saphyr::to_string(plan).unwrap_or_default();
    format!("{HEAD} {} --action modify --tasks FILE\n{yaml}", plan.question)
}

/// The tasks that the answer gives, if it gives any; checked like those of a coordinator.
pub(super) async fn tasks(
    context: &Context,
    home: &Home,
    row: &EscalationRow,
    args: &AnswerArgs,
) -> Result<Vec<Task>, CliError> {
    let path = match (&args.tasks, args.action.as_str()) {
        (None, "modify") => {
            return Err(CliError::input("`modify` needs the tasks that are to be done instead").hint(
                format!(
                    "`miyabi escalation plan {0} > plan.yaml`, change it, then add `--tasks plan.yaml`",
                    row.id
                ),
            ));
        }
        (None, _) => return Ok(Vec::new()),
        (Some(_), action) if action != "modify" => {
            return Err(CliError::input(format!("`{action}` takes no tasks"))
                .hint("`--tasks` belongs to `--action modify`"));
        }
        (Some(path), _) => path,
    };
    let text = read_text(context, path)?;
    let shown = path.display();
    let plan: Plan = serde_saphyr::from_str(&text).map_err(|error| {
        CliError::input(format!("{shown}: the tasks cannot be read"))
            .because(error.to_string())
            .hint("it has the form that `miyabi escalation plan` prints")
    })?;
    let run = home.engine(None).read(&row.run).await?;
    let Some(run) = run else { return Err(CliError::input(format!("run {} is gone", row.number))) };
    if let Err(problems) = check_tasks(&plan.tasks, run.started.issue.number, run.policy()) {
        let wrong = CliError::input(format!("{shown}: these tasks are no plan"));
        return Err(problems.iter().fold(wrong, |error, problem| error.because(problem.to_string())));
    }
    Ok(plan.tasks)
}
