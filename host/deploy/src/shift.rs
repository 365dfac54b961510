use crate::deployment::Deployment;
use crate::error::DeployError;
use crate::recovery::Recovery;
use crate::regional::Regional;
use crate::stack::{Stack, Standing};
use crate::versions::{self, Versions};

/// A region's stack, and what it serves.
struct Serving<'a> {
    region: &'a Regional,
    stack: Stack<'a>,
    standing: Standing,
    versions: Versions,
}

impl Deployment {
    /// Gives the canary all calls, in both regions. A region where an interrupted run has already
    /// done so stays as it is.
    ///
    /// # Errors
    /// Fails if there is no canary.
    pub async fn promote(&self) -> Result<(), DeployError> {
        let mut moved = false;
        for serving in self.serving().await? {
            if let Some(promoted) = serving.versions.promoted() {
                self.shift(serving, &promoted).await?;
                moved = true;
            }
        }
        if moved { Ok(()) } else { Err(DeployError::new("there is no canary to promote")) }
    }

    /// Removes the canary or, if there is none, serves the previous version, in both regions.
    ///
    /// # Errors
    /// Fails if there is no previous version.
    pub async fn rollback(&self) -> Result<(), DeployError> {
        let [one, other] = self.serving().await?;
        let has_canary = one.versions.canary.is_some() || other.versions.canary.is_some();
        // If an interrupted run has already rolled back the first region, the other one follows.
        let follows = !has_canary && self.serves_what_the_other_served(&one, &other).await?;
        let mut moved = false;
        for (serving, stays) in [(one, follows), (other, false)] {
            if stays || (has_canary && serving.versions.canary.is_none()) {
                continue;
            }
            if let Some(before) = serving.versions.rolled_back() {
                self.shift(serving, &before).await?;
                moved = true;
            }
        }
        if moved { Ok(()) } else { Err(DeployError::new("no version was served before")) }
    }

    /// Whether the first region serves the zip that was the other's previous one. Version numbers
    /// differ between regions; the zip is the same.
    async fn serves_what_the_other_served(&self, one: &Serving<'_>, other: &Serving<'_>) -> Result<bool, DeployError> {
        let Some(previous) = &other.versions.previous else { return Ok(false) };
        let digest = async |of: &Serving<'_>, version: &str| versions::digest(of.region, &self.names, version).await;
        let served = digest(one, one.versions.served()).await?;
        Ok(served.is_some()
            && served != digest(other, other.versions.served()).await?
            && served == digest(other, previous).await?)
    }

    async fn serving(&self) -> Result<[Serving<'_>; 2], DeployError> {
        let [one, other] = &self.regions;
        Ok([self.serving_in(one).await?, self.serving_in(other).await?])
    }

    async fn serving_in<'a>(&self, region: &'a Regional) -> Result<Serving<'a>, DeployError> {
        let stack = Stack::of(region, &self.names, self.names.stack(), self.polling);
        // Wait for the end of an interrupted run's change.
        let Some(standing) = stack.settled().await? else {
            return Err(self.without_stack(region));
        };
        if Recovery::of(&standing.status) == Recovery::Delete {
            return Err(DeployError::new(format!(
                "{}: the stack {} is {}, and serves nothing",
                region.name,
                self.names.stack(),
                standing.status
            ))
            .help("`tenet deploy` makes it again"));
        }
        let versions = Versions::read(&standing);
        versions.settle(region, &self.names, &self.polling).await?;
        Ok(Serving { region, stack, standing, versions })
    }

    async fn shift(&self, serving: Serving<'_>, to: &Versions) -> Result<(), DeployError> {
        let mut parameters = serving.standing.parameters;
        to.write(&mut parameters);
        serving.stack.apply(&self.template, &parameters, &*self.progress).await?;
        to.settle(serving.region, &self.names, &self.polling).await?;
        self.say_versions(serving.region, to);
        Ok(())
    }
}
