use crate::bucket::Bucket;
use crate::clusters;
use crate::deployment::Deployment;
use crate::error::DeployError;
use crate::stack::Stack;
use crate::vault_key;

/// How much of a deployment to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DestroyOptions {
    /// Also the clusters, with all their data, and the vault's key.
    pub clusters: bool,
    /// The deployment's name, if their deletion protection is to be turned off.
    pub lift_protection: Option<String>,
}

impl Deployment {
    /// Deletes what `deploy` created: the stacks, the buckets and, on request, the clusters and the
    /// vault's key. Returns what is left, one line each.
    ///
    /// # Errors
    /// Fails before any change if clusters are to be deleted that are protected, unless
    /// `lift_protection` names the deployment; otherwise if AWS cannot delete something. Another
    /// run continues.
    pub async fn destroy(&self, options: &DestroyOptions) -> Result<Vec<String>, DeployError> {
        let mut all = Vec::new();
        let mut left = Vec::new();
        for region in &self.regions {
            let found = clusters::all(region, &self.names.name).await?;
            all.extend(found.own.into_iter().map(|cluster| (region, cluster)));
            let why = "may be the deployment's: dsql:ListTagsForResource is not allowed";
            left.extend(found.unknown.iter().map(|id| format!("{}: cluster {id} {why}", region.name)));
        }
        if options.clusters {
            let may_lift = options.lift_protection.as_deref() == Some(self.names.name.as_str());
            let protected: Vec<_> = all
                .iter()
                .filter(|(_, cluster)| cluster.is_protected && !cluster.is_going())
                .map(|(_, cluster)| cluster.id.clone())
                .collect();
            if !protected.is_empty() && !may_lift {
                return Err(DeployError::new(format!("protected from deletion: {}", protected.join(", ")))
                    .help(format!("--lift-protection {} says that all their data may go", self.names.name)));
            }
        }
        // Delete the workflows first: they use the function's bus and invoke the function, which
        // are in the other stack.
        for region in &self.regions {
            Stack::of(region, &self.names, &self.names.workflows(), self.polling).delete(&*self.progress).await?;
        }
        let [one, other] = &self.regions;
        let stack = |region| Stack::of(region, &self.names, self.names.stack(), self.polling);
        let (of_one, of_other) = (stack(one), stack(other));
        clusters::both(of_one.delete(&*self.progress), of_other.delete(&*self.progress)).await?;
        for region in &self.regions {
            let bucket = Bucket::of(region, &self.names);
            if bucket.delete().await? {
                self.progress.say(Some(&region.name), &format!("bucket {} is gone", bucket.name()));
            }
        }
        if !options.clusters {
            left.extend(all.iter().map(|(region, cluster)| {
                format!("{}: cluster {} ({}), with all its data", region.name, cluster.id, cluster.status)
            }));
            for region in &self.regions {
                if let Some(key) = vault_key::described(region, &self.names.vault_key()).await? {
                    left.push(format!("{}: the vault's key {}, which sealed fields need", region.name, key.key_id));
                }
            }
            return Ok(left);
        }
        // An interrupted run may have requested the deletion of one.
        all.retain(|(_, cluster)| !cluster.is_going());
        for (region, cluster) in &all {
            if cluster.is_protected {
                clusters::protect(region, cluster, false, &self.polling).await?;
            }
        }
        // Each waits for the other's deletion, so request both before waiting for either.
        for (region, cluster) in &all {
            clusters::delete(region, cluster, &self.polling).await?;
            self.progress.say(Some(&region.name), &format!("cluster {} is being deleted", cluster.id));
        }
        for region in &self.regions {
            clusters::gone(region, &self.names.name, &self.polling).await?;
        }
        vault_key::delete(&self.regions, &self.names, &*self.progress).await?;
        Ok(left)
    }
}
