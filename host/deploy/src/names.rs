/// What the parts of a deployment are called, in every region alike. What is found by its name
/// needs no file that remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The deployment's own, of 1 to 20 letters, digits and hyphens.
    pub name: String,
    /// The account that it lies in.
    pub account: String,
}

/// The alias of the function that is served.
pub const LIVE: &str = "live";

/// The tag by which clusters and keys are found again, with the deployment's name.
pub(crate) const TAG: &str = "tenet:deployment";

impl Names {
    /// The stack of a region, its function, its bus.
    pub fn stack(&self) -> &str {
        &self.name
    }

    /// The stack of the workflows beside it.
    pub fn workflows(&self) -> String {
        format!("{}-workflows", self.name)
    }

    /// The bucket with the zips. Of all names this one has to be no other account's.
    pub fn bucket(&self, region: &str) -> String {
        format!("{}-{}-{region}-bundles", self.name, self.account)
    }

    /// The role that the function has in a region, which the database lets in.
    pub fn function_role(&self, region: &str) -> String {
        format!("arn:aws:iam::{}:role/{}-{region}-function", self.account, self.name)
    }

    /// The alias of the vault's key.
    pub fn vault_key(&self) -> String {
        format!("alias/{}-vault", self.name)
    }

    /// The group that the function logs to.
    pub fn logs(&self) -> String {
        format!("/aws/lambda/{}", self.name)
    }
}
