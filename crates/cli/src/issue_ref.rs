//! How an issue is typed: its number, or the repository with it.

use std::fmt;
use std::str::FromStr;

use miyabi_core::ids::IssueNumber;
use miyabi_forge::RepoName;

/// `42`, `#42` or `acme/shop#42`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueRef {
    /// The repository on GitHub; none: the one that the command speaks of.
    pub repo: Option<RepoName>,
    /// The number.
    pub number: IssueNumber,
}

impl FromStr for IssueRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (repo, number) = text.split_once('#').unwrap_or(("", text));
        let number: IssueNumber = number.parse().map_err(|_| "it is no number of an issue".to_owned())?;
        if number == 0 {
            return Err("issues are counted from 1".to_owned());
        }
        let repo = match repo {
            "" => None,
            repo => Some(repo.parse().map_err(|_| format!("`{repo}` is not written `owner/name`"))?),
        };
        Ok(Self { repo, number })
    }
}

impl fmt::Display for IssueRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.repo {
            Some(repo) => write!(f, "{repo}#{}", self.number),
            None => write!(f, "#{}", self.number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_are_typed_in_three_ways() {
        for (typed, shown) in [("42", "#42"), ("#7", "#7"), ("acme/shop.rs#1", "acme/shop.rs#1")] {
            assert_eq!(typed.parse::<IssueRef>().expect("it is an issue").to_string(), shown);
        }
        for typed in
            ["", "0", "-1", "x", "#", "shop#1", "a/b/c#1", "acme/shop", "acme/shop#", "../..#1", "１"]
        {
            assert!(typed.parse::<IssueRef>().is_err(), "{typed}");
        }
    }
}
