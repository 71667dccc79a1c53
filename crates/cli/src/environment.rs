//! What flows read of the environment: what the setting `flow.env` allows, and nothing that is secret.

use std::collections::BTreeMap;

use miyabi_core::plan::Plan;
use miyabi_core::redact::Redactor;

use crate::context::Context;
use crate::error::CliError;

/// The longest value that a run is told, in bytes: it stands in the first event of the run.
const MAX_VALUE: usize = 32 * 1024;

/// The variables that the plan reads, each with its value here; none: it is not set. A value that is set and empty is
/// an empty text.
///
/// The names were held against the setting when the file was read. Errors: a value holds a secret, or is too long.
pub fn read_by(plan: &Plan, context: &Context) -> Result<BTreeMap<String, Option<String>>, CliError> {
    let names = plan.environment();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let redactor = context.redactor();
    names
        .into_iter()
        .map(|name| {
            let found = context.env.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            found.iter().try_for_each(|value| check(&name, value, &redactor))?;
            Ok((name, found))
        })
        .collect()
}

/// Errors: the value is no value for a log.
fn check(name: &str, value: &str, redactor: &Redactor) -> Result<(), CliError> {
    let refused = |why: String| {
        CliError::input(format!("the flow cannot be given `{name}` of the environment")).because(why)
    };
    if redactor.redact(value) != value {
        return Err(refused(
            "its value holds what seems to be a secret; it would stand in the log of the run".to_owned(),
        )
        .hint("take it out of the flow and of `flow.env`, or set it to what is no secret"));
    }
    if value.len() > MAX_VALUE {
        return Err(refused(format!("its value has {} bytes; at most {MAX_VALUE} are taken", value.len()))
            .hint("put into it what the flow needs"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_as_it_is_or_refused() {
        let redactor = Redactor::new(["correct-horse".to_owned()]);
        for value in ["", "eu-west-1", "東京 ${x}", "a\nb"] {
            assert_eq!(check("REGION", value, &redactor), Ok(()), "{value}");
        }
        let token = format!("ghp_{}", "a1B2".repeat(9));
        for (value, why) in [
            (token.as_str(), "seems to be a secret"),
            ("x=correct-horse", "seems to be a secret"),
            (&"長".repeat(11_000), "has 33000 bytes; at most 32768"),
        ] {
            let error = check("REGION", value, &redactor).unwrap_err();
            let told = error.render();
            assert!(told.contains("`REGION`") && told.contains(why) && !told.contains(value), "{told}");
        }
    }
}
