//! Exit codes: what the caller may rely on. `docs/exit-codes.md` is made from this file.

/// An exit code with its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The number.
    pub code: u8,
    /// In a word.
    pub name: &'static str,
    /// What it means and what to do.
    pub meaning: &'static str,
}

/// What was asked for is done.
pub const DONE: Exit = Exit {
    code: 0,
    name: "done",
    meaning: "What was asked for is done. Joining a run that another process drives, and finding nothing to do, are done too.",
};
/// The user or the settings are wrong.
pub const INPUT: Exit = Exit {
    code: 1,
    name: "user or settings error",
    meaning: "What was given cannot be used: not a repository, an unknown issue, a setting that does not exist. Nothing was started.",
};
/// The command line cannot be read.
pub const USAGE: Exit = Exit {
    code: 2,
    name: "usage",
    meaning: "The command line cannot be read: an unknown option, a missing argument.",
};
/// Whoever read our output went away.
pub const BROKEN_PIPE: Exit = Exit {
    code: 3,
    name: "broken pipe",
    meaning: "Whoever read the standard output went away. Runs were interrupted as with Ctrl-C and can be resumed.",
};
/// A task or a check failed.
pub const FAILED: Exit = Exit {
    code: 10,
    name: "failed",
    meaning: "A task, a check or a whole run ended without success. `miyabi report` tells the story.",
};
/// A person is asked.
pub const WAITING: Exit = Exit {
    code: 11,
    name: "waiting for a person",
    meaning: "A run waits for an answer. `miyabi escalation list` shows the question and how to answer it.",
};
/// Something outside is not there.
pub const UNAVAILABLE: Exit = Exit {
    code: 20,
    name: "unavailable",
    meaning: "A program, a service or the disk that is needed is not there. Try again when it is.",
};
/// Our bug.
pub const BUG: Exit = Exit {
    code: 70,
    name: "our bug",
    meaning: "miyabi itself is wrong. The log of the run is whole; please report it.",
};
/// Ctrl-C.
pub const INTERRUPTED: Exit = Exit {
    code: 130,
    name: "interrupted",
    meaning: "Ctrl-C or SIGTERM. What ran was ended and recorded; `miyabi resume` goes on from there.",
};

/// Every code that is in use; all others are reserved.
pub const ALL: [Exit; 9] = [DONE, INPUT, USAGE, BROKEN_PIPE, FAILED, WAITING, UNAVAILABLE, BUG, INTERRUPTED];

/// The page about exit codes.
pub fn page() -> String {
    let mut page = String::from(
        "# Exit codes\n\n<!-- Made from crates/cli/src/exit.rs. Refresh: MIYABI_UPDATE=1 cargo test -p miyabi --test pages -->\n\n\
         | code | name | meaning |\n|---|---|---|\n",
    );
    for exit in ALL {
        page.push_str(&format!("| {} | {} | {} |\n", exit.code, exit.name, exit.meaning));
    }
    page.push_str(
        "\nAll others are reserved.\n\n\
         When several runs end in one command, the first of these that applies is the exit code: 70, 130, 20, 10, 11, 0.\n",
    );
    page
}

/// The exit of a command that drove several runs: the one that needs attention most.
pub fn worst(exits: impl IntoIterator<Item = Exit>) -> Exit {
    const ORDER: [Exit; 6] = [BUG, INTERRUPTED, UNAVAILABLE, FAILED, WAITING, DONE];
    let rank = |exit: &Exit| ORDER.iter().position(|other| other == exit).unwrap_or(0);
    exits.into_iter().min_by_key(rank).unwrap_or(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_sorted() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn the_worst_exit_wins() {
        assert_eq!(worst([]), DONE);
        assert_eq!(worst([DONE, WAITING]), WAITING);
        assert_eq!(worst([WAITING, FAILED, DONE]), FAILED);
        assert_eq!(worst([FAILED, INTERRUPTED]), INTERRUPTED);
        assert_eq!(worst([INTERRUPTED, BUG]), BUG);
    }
}
