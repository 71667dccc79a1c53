//! Properties of expressions: no text makes them panic, values are never read again, the same gives the same.

use std::collections::BTreeMap;

use miyabi_core::expression::{
    Scope, StepView, evaluate, fill, references_of_condition, references_of_text, render,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Pieces of expressions, put together without sense.
fn scraps() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "trigger", "payload", "steps", "output", "a", "検査", "in", "null", "true", "contains", "default",
        ".", ",", "(", ")", "[", "]", "${", "$${", "}", "{{", "{%", "'", "\"", "\\", "==", "===", "!=", "<",
        ">=", "&&", "||", "!", "=", "|", "-", "1", "0.5", "1e9", " ", "\n", "\u{0}", "\u{202E}", "'x'", "$",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

/// Values that look like everything that could be expanded.
fn hostile() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "${ANTHROPIC_API_KEY}",
        "${env.SECRET}",
        "${steps.a.output}",
        "${trigger.payload.text}",
        "$${x}",
        "{{ 7*7 }}",
        "{% raw %}",
        "${",
        "}",
        "$",
        "\\",
        "'",
        "\"",
        "\n",
        "検査",
        "\u{0}",
        "x",
    ]);
    prop_oneof![prop::collection::vec(words, 0..12).prop_map(|words| words.concat()), any::<String>()]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        hostile().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

fn with_scope<T>(payload: &Value, look: impl FnOnce(&Scope<'_>) -> T) -> T {
    let trigger = json!({ "payload": payload });
    let secret = BTreeMap::from([("SECRET", "s3cr3t")]);
    let step = StepView { status: "succeeded", output: Some(payload) };
    look(&Scope {
        trigger: Some(&trigger),
        steps: BTreeMap::from([("a", step)]),
        parent: Some(step),
        outputs: BTreeMap::from([("a", payload)]),
        environment: secret,
        ..Scope::default()
    })
}

/// Whatever becomes of it, problems lie inside the text.
fn check_text(text: &str, payload: &Value) -> Result<(), TestCaseError> {
    let length = text.chars().count();
    with_scope(payload, |scope| {
        let results = [
            evaluate(text, scope).map(|_| ()),
            render(text, scope).map(|_| ()),
            fill(&json!({ "x": [text] }), scope).map(|_| ()),
            references_of_condition(text).map(|_| ()),
            references_of_text(text).map(|_| ()),
        ];
        for problem in results.into_iter().filter_map(Result::err) {
            prop_assert!(problem.offset <= length, "{problem} in {text:?}");
            prop_assert!(problem.line >= 1 && problem.column >= 1);
            prop_assert!(!problem.message.is_empty());
        }
        Ok(())
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), payload in values()) {
        check_text(&text, &payload)?;
    }

    #[test]
    fn no_scraps_make_it_panic(text in scraps(), payload in values()) {
        check_text(&text, &payload)?;
        check_text(&format!("${{{text}}}"), &payload)?;
    }

    #[test]
    fn a_value_stays_what_it_is(text in hostile()) {
        with_scope(&json!({ "text": text }), |scope| {
            for template in ["${trigger.payload.text}", "${steps.a.output.text}", "${parent.output.text}", "${a.text}"] {
                prop_assert_eq!(&render(template, scope).unwrap().text, &text);
                prop_assert_eq!(&fill(&json!(template), scope).unwrap().value, &json!(text));
            }
            let twice = render("${a.text}${a.text}", scope).unwrap().text;
            prop_assert_eq!(twice, format!("{text}{text}"));
            Ok(())
        })?;
    }

    #[test]
    fn a_text_without_places_stays_what_it_is(text in hostile()) {
        prop_assume!(!text.contains("${"));
        prop_assert_eq!(&render(&text, &Scope::default()).unwrap().text, &text);
    }

    #[test]
    fn every_text_can_be_written(text in hostile()) {
        let written = text.replace("${", "$${");
        // `$${` in the text itself would be written `$$${`, whose first sign stands for itself.
        prop_assert_eq!(&render(&written, &Scope::default()).unwrap().text, &text);
    }

    #[test]
    fn the_same_gives_the_same(text in scraps(), payload in values()) {
        with_scope(&payload, |scope| {
            prop_assert_eq!(evaluate(&text, scope), evaluate(&text, scope));
            prop_assert_eq!(render(&text, scope), render(&text, scope));
            Ok(())
        })?;
    }

    #[test]
    fn comparing_is_orderly(a in values(), b in values()) {
        let both = json!({ "a": a, "b": b });
        with_scope(&both, |scope| {
            let holds = |condition: &str| evaluate(condition, scope).unwrap().holds();
            if a.is_null() || b.is_null() {
                for sign in ["==", "!=", "<", "<=", ">", ">=", "in"] {
                    prop_assert!(!holds(&format!("a.a {sign} a.b")), "{sign}");
                }
            } else {
                prop_assert!(holds("a.a == a.b") != holds("a.a != a.b"));
                prop_assert!(holds("a.a == a.a"));
                prop_assert!(!(holds("a.a < a.b") && holds("a.a >= a.b")));
                prop_assert_eq!(holds("a.a < a.b"), holds("a.b > a.a"));
                prop_assert_eq!(holds("a.a == a.b"), holds("a.b == a.a"));
            }
            prop_assert!(holds("a.a == null") != holds("a.a != null"));
            Ok(())
        })?;
    }
}
