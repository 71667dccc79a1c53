//! Tests of the module that this file belongs to.

use proptest::prelude::*;

use super::*;
use crate::ports::AddedLine;
use crate::report::{CheckKind, Finding, Severity};

/// Letters and digits without a pattern, so that no real-looking secret stands in this file.
fn noise(length: usize) -> String {
    let alphabet: Vec<char> = ('a'..='z').chain('0'..='9').chain('A'..='Z').collect();
    (0..length).map(|i| alphabet[(i * 17 + i * i * 7 + 3) % alphabet.len()]).collect()
}

/// One secret of every kind, in its surroundings, and what remains.
fn samples() -> Vec<(String, String)> {
    let n = noise;
    let hex = n(16).to_uppercase();
    let line = |before: &str, secret: String, kind: &str, after: &str| {
        (format!("{before}{secret}{after}"), format!("{before}[redacted:{kind}]{after}"))
    };
    vec![
        line("token ", format!("ghp_{}", n(36)), "github-token", "."),
        line("", format!("github_pat_{}_{}", n(22), n(40)), "github-token", " 秘密"),
        line("x=", format!("ghs_{}", n(36)), "github-token", "\n"),
        line("鍵は", format!("ghp_{}", n(36)), "github-token", "です"),
        line("", format!("glpat-{}", n(20)), "gitlab-token", ""),
        line("「", format!("sk-ant-api03-{}", n(60)), "anthropic-key", "」"),
        line("", format!("sk-proj-{}", n(40)), "openai-key", ""),
        line("", format!("sk_live_{}", n(24)), "stripe-key", ""),
        line("id ", format!("AKIA{hex}"), "aws-key", " end"),
        line("", format!("AIza{}", n(35)), "google-key", ""),
        line("", format!("xoxb-{}-{}", "123456789012", n(24)), "slack-token", ""),
        line("https://hooks.slack.com/services/", format!("T0/B0/{}", n(24)), "slack-webhook", " "),
        line("", format!("npm_{}", n(36)), "npm-token", ""),
        line("", format!("eyJ{}.eyJ{}.{}", n(20), n(30), n(40)), "jwt", ""),
        line("Authorization: Bearer ", n(12), "authorization", ""),
        line("\"authorization\": \"Basic ", n(20), "authorization", "\""),
        line("bearer ", n(24), "bearer", ""),
        line("git clone https://bob:", n(10), "url-password", "@forge.example/o/r"),
        line("postgres://:", "pässwörd".to_owned(), "url-password", "@localhost/db"),
        line("API_KEY = \"", n(12), "assigned", "\""),
        line("my.client-secret: '", "correct-horse!".to_owned(), "assigned", "'"),
        line("password: \"", "br[ack]et5".to_owned(), "assigned", "\""),
        line("DB_PASSWORD=", n(20), "assigned", ""),
        line(
            "a\n",
            format!(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{}\n{}\n-----END RSA PRIVATE KEY-----",
                n(64),
                n(9)
            ),
            "private-key",
            "\nb",
        ),
        line(
            "",
            format!("-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----", n(64)),
            "private-key",
            "\"",
        ),
        line("cut: ", format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{}", n(64)), "private-key", ""),
    ]
}

#[test]
fn every_kind_is_taken_out_where_it_stands() {
    let redactor = Redactor::default();
    for (text, want) in samples() {
        assert_eq!(redactor.redact(&text), want, "{text:?}");
    }
    let all: String = samples().into_iter().map(|(text, _)| format!("{text}; ")).collect();
    let want: String = samples().into_iter().map(|(_, want)| format!("{want}; ")).collect();
    // The key that is cut swallows nothing but letters.
    assert_eq!(redactor.redact(&all), want);
}

#[test]
fn ordinary_text_is_left_as_it_is() {
    let redactor = Redactor::default();
    for text in [
        "",
        "let password = hash_password(input);",
        "fn token(&self) -> Token",
        "secret = \"${SECRET}\"",
        "token: \"$TOKEN\"",
        "password = \"password\"",
        "https://example.com:8080/path@2x.png",
        "the secret: be kind to your neighbours",
        "commit 0123456789abcdef0123456789abcdef01234567",
        "sk-short ghp_short AKIAshort",
        "bearer of good news and many other things",
        "risk-management-of-large-projects-in-the-field",
        "秘密のパスワード：なし",
    ] {
        assert!(
            matches!(redactor.redact(text), Cow::Borrowed(same) if same == text),
            "{text:?}: {}",
            redactor.redact(text)
        );
    }
}

#[test]
fn known_values_are_taken_out_wherever_they_stand() {
    let redactor = Redactor::new(
        ["hunter2hunter2", "hunter2hunter2long", "short", " 合言葉は秘密 \n", "first line\nsecond line"]
            .map(str::to_owned),
    );
    assert_eq!(
        redactor.redact("xhunter2hunter2longx hunter2hunter2 short 合言葉は秘密! first line"),
        "x[redacted:value]x [redacted:value] short [redacted:value]! [redacted:value]"
    );
    assert_eq!(format!("{redactor:?}"), "Redactor { values: 6, .. }");
    // Neither leaves a rest of the other.
    let begun = Redactor::new([format!("ghp_{}", noise(10)), format!("{}-tail", noise(36))]);
    assert_eq!(begun.redact(&format!("ghp_{}-tail.", noise(36))), "[redacted:github-token].");
    // A known value that glued a token to a word.
    let glued = format!("ahunter2hunter2ghp_{}", noise(36));
    assert_eq!(redactor.redact(&glued), "a[redacted:value][redacted:github-token]");
}

#[test]
fn a_known_value_inside_a_mark_is_no_secret() {
    let redactor = Redactor::new(["redacted:".to_owned(), "github-token".to_owned()]);
    let once = redactor.redact(&format!("ghp_{}", noise(36))).into_owned();
    assert_eq!(once, "[redacted:github-token]");
    assert_eq!(redactor.redact(&once), once);
}

#[test]
fn megabytes_are_redacted_in_one_go() {
    let text =
        format!("{} ghp_{} ", "line of a log with a password: no\n".repeat(30_000), noise(36)).repeat(2);
    let redacted = Redactor::new(["hunter2hunter2".to_owned()]).redact(&text).into_owned();
    assert_eq!(redacted.matches("[redacted:github-token]").count(), 2);
}

fn added(text: &str) -> AddedLine {
    AddedLine { file: "src/設定.rs".to_owned(), line: 7, text: text.to_owned() }
}

#[test]
fn secrets_in_a_diff_are_named_and_not_shown() {
    for (text, _) in samples() {
        let lines: Vec<AddedLine> = text.lines().map(added).collect();
        let findings = find_secrets(&lines);
        // `pässwörd` and `correct-horse!` are no random values: they are taken out, but not accused.
        let expected = usize::from(!text.contains("correct-horse"));
        assert_eq!(findings.len(), expected, "{text:?}: {findings:?}");
        for finding in findings {
            assert!(finding.message.len() < 120 && !finding.message.contains(&noise(8)), "{finding:?}");
        }
    }
    assert_eq!(
        find_secrets(&[added(&format!("a ghp_{} b ghp_{}", noise(36), noise(30)))]),
        [Finding {
            check: CheckKind::Secrets,
            severity: Severity::Critical,
            rule: "secret::github-token".to_owned(),
            message: "this line adds what looks like a GitHub token: take it out and revoke it".to_owned(),
            file: Some("src/設定.rs".to_owned()),
            line: Some(7),
        }]
    );
}

#[test]
fn placeholders_are_no_secrets() {
    for text in [
        format!("ghp_{}", "x".repeat(36)),
        format!("ghp_{}", "ab".repeat(18)),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        "postgres://user:password@localhost/db".to_owned(),
        "https://$USER:${TOKEN}@forge.example".to_owned(),
        "api_key = \"your-api-key-here-1\"".to_owned(),
        "API_KEY=changeme-changeme-1".to_owned(),
        "token = \"abcabcabcabc\"".to_owned(),
        "password: \"correct-horse\"".to_owned(),
        "let token_count = tokens_of_the_line;".to_owned(),
        "Authorization: Bearer <your token>".to_owned(),
        "sk-ant-xxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        "if text.starts_with(\"-----BEGIN RSA PRIVATE KEY-----\") {".to_owned(),
    ] {
        assert_eq!(find_secrets(&[added(&text)]), vec![], "{text:?}");
    }
}

#[test]
fn a_private_key_in_code_is_a_secret_by_its_first_line() {
    for text in [
        "-----BEGIN PRIVATE KEY-----",
        "let key = \"-----BEGIN EC PRIVATE KEY-----",
        "let key = \"-----BEGIN EC PRIVATE KEY-----\\n\\",
        "  \"-----BEGIN RSA PRIVATE KEY-----\\n\" +",
    ] {
        assert_eq!(find_secrets(&[added(text)]).len(), 1, "{text:?}");
    }
}

#[test]
fn findings_are_bounded() {
    let lines = vec![added(&format!("ghp_{}", noise(36))); 1000];
    assert_eq!(find_secrets(&lines).len(), MAX_SECRETS);
}

proptest! {
    #[test]
    fn redacting_again_changes_nothing(
        parts in prop::collection::vec(prop_oneof![
            "(?s).{0,12}",
            "[a-z:/@='\" ]{0,12}",
            prop::sample::select(samples().into_iter().map(|(text, _)| text).collect::<Vec<_>>()),
            prop::sample::select(vec!["password=", "://a:", "ghp_", "[redacted:", "value]", "Bearer ", "secret: \"", "hunter2hunter2"])
                .prop_map(str::to_owned),
        ], 0..8),
    ) {
        let text = parts.concat();
        let redactor = Redactor::new(["hunter2hunter2".to_owned(), "redacted".to_owned()]);
        let once = redactor.redact(&text).into_owned();
        prop_assert_eq!(redactor.redact(&once), once.as_str());
        prop_assert!(!once.contains("hunter2hunter2"));
    }
}

#[test]
fn names_of_variables_tell_which_are_secret() {
    for name in [
        "GITHUB_TOKEN",
        "GITHUB_TOKENS",
        "npm_config__authToken",
        "ANTHROPIC_API_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "SSH_PRIVATE_KEY_FILE",
        "PGPASSWORD",
        "DB_PASSWD",
        "DB_PWD",
        "CLIENT_SECRET_2",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "MIYABI_SMTP_URL",
        "MIYABI_SLACK_WEBHOOK_URL",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["PATH", "PWD", "OLDPWD", "HOME", "REGION", "KEYBOARD", "TOKENIZER", "URL", "地域"] {
        assert!(!is_secret_name(name), "{name}");
    }
}
