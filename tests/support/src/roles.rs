use std::sync::{Arc, Mutex};

/// Which IAM roles may sign in as which database role: one list for all endpoints of a database.
#[derive(Clone, Debug, Default)]
pub struct Roles(Arc<Mutex<Vec<(String, String)>>>);

/// The view in which DSQL lists them.
const MAPPINGS: &str = "sys.iam_pg_role_mappings";

/// A statement without effect, sent instead of those that PostgreSQL does not support.
const NOTHING: &str = "DO 'BEGIN END'";

impl Roles {
    /// Each database role, with the ARN of the IAM role that may sign in as it.
    pub fn granted(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }

    /// Whether any IAM role may sign in as this role.
    pub(crate) fn has(&self, role: &str) -> bool {
        self.0.lock().unwrap().iter().any(|(granted, _)| granted == role)
    }

    /// The statement that the server receives instead of one about these roles.
    pub(crate) fn translate(&self, sql: &str) -> Option<String> {
        if let Some(grant) = sql.trim().strip_prefix("AWS IAM GRANT ") {
            let (role, arn) = grant.split_once(" TO ").unwrap();
            let mapping = (role.trim_matches('"').to_owned(), arn.trim_matches('\'').to_owned());
            self.0.lock().unwrap().push(mapping);
            return Some(NOTHING.to_owned());
        }
        sql.contains(MAPPINGS).then(|| {
            let mut rows = vec!["(NULL::text, NULL::text)".to_owned()];
            rows.extend(self.granted().iter().map(|(role, arn)| format!("('{role}', '{arn}')")));
            sql.replace(MAPPINGS, &format!("(VALUES {}) AS mappings (pg_role_name, arn)", rows.join(", ")))
        })
    }
}
