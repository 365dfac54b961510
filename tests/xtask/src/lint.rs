use crate::repository::{GUESTS, Repository, run};
use crate::stages::Stages;
use crate::{circles, documents, licences};

/// Everything that needs no test to run.
pub(crate) fn task(repository: &Repository) -> anyhow::Result<()> {
    let mut stages = Stages::default();
    let done = all(repository, &mut stages);
    stages.print_summary();
    done
}

/// The stages of it.
pub(crate) fn all(repository: &Repository, stages: &mut Stages) -> anyhow::Result<()> {
    stages.run("fmt", || {
        run(&mut repository.cargo(&["fmt", "--all", "--check"]))?;
        for guests in GUESTS {
            run(&mut repository.cargo_for_guests(&["fmt", "--all", "--check", "--manifest-path", guests]))?;
        }
        Ok(())
    })?;
    stages.run("documents", || documents::check(repository))?;
    stages.run("circles", || circles::check(repository))?;
    stages.run("licences", || licences::check(repository))?;
    stages.run("clippy", || {
        let clippy = ["clippy", "--locked", "--workspace", "--all-targets"];
        run(repository.cargo(&clippy).args(["--", "-D", "warnings"]))?;
        for guests in GUESTS {
            let mut cargo = repository.cargo_for_guests(&clippy);
            run(cargo.args(["--manifest-path", guests, "--", "-D", "warnings"]))?;
        }
        Ok(())
    })?;
    stages.run("doc", || {
        let doc = ["doc", "--locked", "--workspace", "--no-deps"];
        run(repository.cargo(&doc).env("RUSTDOCFLAGS", "-D warnings"))?;
        for guests in GUESTS {
            let mut cargo = repository.cargo_for_guests(&doc);
            run(cargo.args(["--manifest-path", guests]).env("RUSTDOCFLAGS", "-D warnings"))?;
        }
        Ok(())
    })
}
