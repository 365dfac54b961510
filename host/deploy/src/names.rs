/// The names of a deployment's resources, the same in every region. A resource that is found by its
/// name needs no file that records it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The deployment's name: 1 to 20 letters, digits and hyphens.
    pub name: String,
    /// The account.
    pub account: String,
}

/// The alias of the served function.
pub const LIVE: &str = "live";

/// The tag of clusters and keys. Its value is the deployment's name.
pub(crate) const TAG: &str = "tenet:deployment";

impl Names {
    /// The name of a region's stack, its function and its bus.
    pub fn stack(&self) -> &str {
        &self.name
    }

    /// The name of the workflows' stack.
    pub fn workflows(&self) -> String {
        format!("{}-workflows", self.name)
    }

    /// The bucket for the zips. Bucket names are global, so it includes the account.
    pub fn bucket(&self, region: &str) -> String {
        format!("{}-{}-{region}-bundles", self.name, self.account)
    }

    /// The role of the function in a region, which may sign in to the database.
    pub fn function_role(&self, region: &str) -> String {
        format!("arn:aws:iam::{}:role/{}-{region}-function", self.account, self.name)
    }

    /// The alias of the vault's key.
    pub fn vault_key(&self) -> String {
        format!("alias/{}-vault", self.name)
    }

    /// The log group of the function.
    pub fn logs(&self) -> String {
        format!("/aws/lambda/{}", self.name)
    }
}
