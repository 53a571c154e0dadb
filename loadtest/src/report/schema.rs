//! JSON Schema of `report.json`, generated from the types.

use schemars::{Schema, schema_for};

use super::Report;

/// See the module; `aircheck-loadtest schema` prints it.
#[must_use]
pub fn schema() -> Schema {
    schema_for!(Report)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::report::tests::synthetic;

    fn errors(report: &Value) -> Vec<String> {
        let validator = jsonschema::validator_for(&serde_json::to_value(schema()).unwrap()).unwrap();
        validator.iter_errors(report).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn report() -> Value {
        serde_json::from_str(&synthetic::report(1, 4, 20).to_json()).unwrap()
    }

    #[test]
    fn a_report_is_valid() {
        assert_eq!(errors(&report()), [""; 0]);
        let runs = [2, 4].map(|n| synthetic::measurement(1, n, 10));
        let steps = Report::from(&synthetic::context(), &runs).unwrap();
        assert_eq!(errors(&serde_json::from_str(&steps.to_json()).unwrap()), [""; 0]);
    }

    #[test]
    fn what_is_not_a_report_is_not_valid() {
        let check = |pointer: &str, value: Value| {
            let mut report = report();
            *report.pointer_mut(pointer).unwrap() = value;
            assert!(!errors(&report).is_empty(), "{pointer}");
        };
        check("/schema", json!("aircheck.loadtest.report.v2"));
        check("/figures/0/latency/percentiles/p95", json!("fast"));
        check("/figures/0/counts/missing", json!(-1));
        check("/objectives/0/unit", json!("parsecs"));
        check("/started_at", json!(0));
        check("/generator", json!({}));
    }
}
