//! Values that a template wants and does not get.

use miyabi_core::failure::FailureClass;

use super::{failure, values};

#[test]
fn what_is_missing_is_told() {
    let mut values = values();
    values["task"].as_object_mut().unwrap().remove("acceptance");
    let missing = failure("codegen", &values);
    assert_eq!(missing.class, FailureClass::Input);
    insta::assert_snapshot!(missing.message, @"render template `codegen` at `{% if task.acceptance %}`: undefined value (in codegen:31)");

    let mut values = super::values();
    values.as_object_mut().unwrap().remove("analysis");
    let missing = failure("analyst", &values);
    insta::assert_snapshot!(missing.message, @"render template `analyst` at `${ analysis | json }`: undefined value (in analyst:32)");

    for name in ["none", "", "../codegen", "codegen.md", "コード"] {
        assert_eq!(failure(name, &values).message, format!("find template `{name}`"));
    }
}
