//! Paths: only such are passed on that everybody reads the same way, and of these only what is on the list.

use super::provider::Provider;

/// What stands below the service's address, if that is on its list. Its paths here are its name, the path of its
/// address, and what is asked.
pub(super) fn below<'a>(path: &'a str, provider: &Provider, base: &str) -> Option<&'a str> {
    let asked = path.strip_prefix('/')?.strip_prefix(provider.name)?.strip_prefix(base)?;
    let is_allowed = is_plain(asked) && provider.paths.iter().any(|pattern| fits(pattern, asked));
    is_allowed.then_some(asked)
}

/// Whether nobody on the way can read another path into it: no segment is empty, climbs, or is encoded.
pub(super) fn is_plain(path: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "-._~:@".contains(c);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(is_letter);
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment))
}

fn fits(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == "*" || wanted == given => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::provider::PROVIDERS;
    use super::*;

    #[test]
    fn what_is_on_the_list_passes_and_nothing_else() {
        let [anthropic, openai, gemini] = &PROVIDERS;
        for (provider, base, path, asked) in [
            (anthropic, "", "/anthropic/v1/messages", "/v1/messages"),
            (anthropic, "", "/anthropic/v1/messages/count_tokens", "/v1/messages/count_tokens"),
            (anthropic, "/gate/way", "/anthropic/gate/way/v1/models", "/v1/models"),
            (openai, "/v1", "/openai/v1/responses", "/responses"),
            (openai, "/v1", "/openai/v1/responses/compact", "/responses/compact"),
            (openai, "/v1", "/openai/v1/models/gpt-5.1:x@1", "/models/gpt-5.1:x@1"),
            (openai, "", "/openai/chat/completions", "/chat/completions"),
            (
                gemini,
                "",
                "/gemini/v1beta/models/g:streamGenerateContent",
                "/v1beta/models/g:streamGenerateContent",
            ),
            (gemini, "", "/gemini/v1/models/...", "/v1/models/..."),
        ] {
            assert_eq!(below(path, provider, base), Some(asked), "{path}");
        }
        for (provider, base, path) in [
            (anthropic, "", ""),
            (anthropic, "", "/"),
            (anthropic, "", "/anthropic"),
            (anthropic, "", "/v1/messages"),
            (anthropic, "", "/openai/v1/messages"),
            (anthropic, "", "/anthropicx/v1/messages"),
            (anthropic, "", "/anthropic/v1/files"),
            (anthropic, "", "/anthropic/v1/messages/"),
            (anthropic, "", "/anthropic/v1/messages/batches"),
            (anthropic, "", "/anthropic/V1/messages"),
            (anthropic, "", "/anthropic/v1/models/"),
            (anthropic, "", "/anthropic/v1/models/a/b"),
            (anthropic, "", "/anthropic/v1/models/.."),
            (anthropic, "", "/anthropic/v1/models/."),
            (anthropic, "", "/anthropic/v1/models/../files"),
            (anthropic, "", "/anthropic/v1/models/..%2ffiles"),
            (anthropic, "", "/anthropic/v1/models/%2e%2e"),
            (anthropic, "", "/anthropic/v1/models/%2E%2E/files"),
            (anthropic, "", "/anthropic/v1/models/%252e%252e"),
            (anthropic, "", "/anthropic/v1/models/a%2Fb"),
            (anthropic, "", "/anthropic/v1/models/a\\..\\files"),
            (anthropic, "", "/anthropic/v1/models/a;/../files"),
            (anthropic, "", "/anthropic//v1/messages"),
            (anthropic, "", "//anthropic/v1/messages"),
            (anthropic, "", "/anthropic/v1//messages"),
            (anthropic, "", "/anthropic/./v1/messages"),
            (anthropic, "", "/anthropic/x/../v1/messages"),
            (anthropic, "", "/anthropic/v1/messages\0"),
            (anthropic, "", "/anthropic/v1/modeľs"),
            (anthropic, "/gate", "/anthropic/v1/messages"),
            (openai, "/v1", "/openai/v1beta/models"),
            (openai, "/v1", "/openai/v1responses"),
            (openai, "/v1", "/openai/v1/files"),
            (openai, "/v1", "/openai/v1/../v2/models"),
            (openai, "/v1", "/openai/v1/organization/admin_api_keys"),
            (gemini, "", "/gemini/v1beta/files"),
            (gemini, "", "/gemini/v1beta/models/a:b/operations"),
        ] {
            assert_eq!(below(path, provider, base), None, "{path}");
        }
    }

    /// A path as a careless server might read it: decoded, again and again, and then walked.
    fn walked(path: &str) -> Vec<String> {
        let mut text = path.to_owned();
        loop {
            let next = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
            if next == text {
                break;
            }
            text = next;
        }
        let mut folders = Vec::new();
        for segment in text.split(['/', '\\']) {
            match segment {
                "" | "." => {}
                ".." => drop(folders.pop()),
                name => folders.push(name.to_owned()),
            }
        }
        folders
    }

    proptest! {
        #[test]
        fn what_passes_is_the_same_however_it_is_read(
            tail in "(/|\\.|\\.\\.|%2e|%2F|%25|\\\\|v1|messages|models|files|a){0,12}",
        ) {
            let [anthropic, ..] = &PROVIDERS;
            let path = format!("/anthropic/v1/models{tail}");
            if let Some(asked) = below(&path, anthropic, "") {
                let plain: Vec<&str> = asked.split('/').skip(1).collect();
                prop_assert_eq!(walked(asked), plain.clone());
                prop_assert!(plain.starts_with(&["v1", "models"]) && plain.len() <= 3, "{}", path);
            }
        }
    }
}
