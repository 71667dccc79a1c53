//! Settings for people: the result with its origins, and the reference page.

use serde::Serialize;
use serde_json::Value;

use super::{DEFAULTS, Layer, Origin, Settings, env_name};
use crate::output::text;

/// One setting as `config show` tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// `run.max_parallel`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Where it came from, in words.
    pub origin: String,
}

/// Every setting with its value and origin, in the order of their keys.
pub fn shown(settings: &Settings) -> Vec<Shown> {
    let origin = |key: &String| settings.origins.get(key).unwrap_or(&Origin::Default).to_string();
    settings
        .values
        .iter()
        .map(|(key, value)| Shown { key: key.clone(), value: value.clone(), origin: origin(key) })
        .collect()
}

impl Settings {
    /// The table of `config show`.
    pub fn table(&self) -> String {
        let rows = shown(self).into_iter().map(|shown| [shown.key, shown.value.to_string(), shown.origin]);
        text::table(["setting", "value", "origin"], rows)
    }
}

/// The page about settings.
pub fn page() -> String {
    let mut page = String::from(
        "# Settings\n\n<!-- Made from crates/cli/default-settings.toml. Refresh: MIYABI_UPDATE=1 cargo test -p miyabi --test pages -->\n\n\
         Later places win: the defaults below, `~/.config/miyabi/config.toml`, `miyabi.toml` in the repository, the environment, flags.\n\
         With `--config FILE` that file stands in place of the two files.\n\
         An unknown key is an error that names its line.\n\
         `miyabi config show` prints the result and where each value comes from.\n\n```toml\n",
    );
    page.push_str(DEFAULTS);
    page.push_str("```\n\n## Environment\n\n| variable | setting |\n|---|---|\n");
    for key in Layer::defaults().values.keys() {
        page.push_str(&format!("| `{}` | `{key}` |\n", env_name(key)));
    }
    page.push_str("\nLists are separated by commas; an empty variable counts as absent.\n`NO_COLOR` switches colours off.\n");
    page
}
