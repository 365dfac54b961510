use std::sync::{Arc, Mutex};

/// Which IAM roles sign in as which role of the database: one list for all endpoints of it.
#[derive(Clone, Debug, Default)]
pub struct Roles(Arc<Mutex<Vec<(String, String)>>>);

/// Where DSQL tells of them.
const MAPPINGS: &str = "sys.iam_pg_role_mappings";

/// What PostgreSQL does not know and does in place of it.
const NOTHING: &str = "DO 'BEGIN END'";

impl Roles {
    /// Each role, and the ARN of who signs in as it.
    pub fn granted(&self) -> Vec<(String, String)> {
        self.0.lock().unwrap().clone()
    }

    /// Whether anybody signs in as this role.
    pub(crate) fn has(&self, role: &str) -> bool {
        self.0.lock().unwrap().iter().any(|(granted, _)| granted == role)
    }

    /// What the server is told in place of a statement about them, if it is one.
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
