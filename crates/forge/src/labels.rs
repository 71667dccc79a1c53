//! The rule for labels: what a write does not name stays, in its order.

/// The labels after a write: `remove` first, then `add`; nothing twice, nothing blank.
///
/// A name in `remove` that ends in `*` stands for every label with that prefix. A label that is both removed and
/// added stays where it was.
pub(crate) fn apply(current: &[String], add: &[String], remove: &[String]) -> Vec<String> {
    let stays = |label: &String| add.contains(label) || !remove.iter().any(|pattern| covers(pattern, label));
    let mut labels: Vec<String> = current.iter().filter(|label| stays(label)).cloned().collect();
    for label in add {
        if !label.trim().is_empty() && !labels.contains(label) {
            labels.push(label.clone());
        }
    }
    labels
}

/// Whether a name in `remove` means this label.
pub(crate) fn covers(pattern: &str, label: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => label.starts_with(prefix),
        None => label == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::apply;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_state_replaces_other_states_only() {
        let current = labels(&["バグ", "state:pending", "priority:P1-High", "state:done"]);
        let after = apply(&current, &labels(&["state:implementing"]), &labels(&["state:*"]));
        assert_eq!(after, labels(&["バグ", "priority:P1-High", "state:implementing"]));
    }

    #[test]
    fn a_label_that_is_there_keeps_its_place() {
        let current = labels(&["state:done", "a"]);
        let after = apply(&current, &labels(&["a", "b", "b", " ", "state:done"]), &labels(&["state:*"]));
        assert_eq!(after, labels(&["state:done", "a", "b"]));
    }

    #[test]
    fn names_without_a_star_are_exact() {
        let current = labels(&["quality", "quality:good", "品質"]);
        assert_eq!(apply(&current, &[], &labels(&["quality"])), labels(&["quality:good", "品質"]));
        assert_eq!(apply(&current, &[], &labels(&["*"])), labels(&[]));
        assert_eq!(apply(&current, &[], &labels(&["", "quality:goo"])), current);
    }
}
