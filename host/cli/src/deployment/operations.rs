use tenet_core::bundle::Operation;
use tenet_deploy::Config;

use crate::problem::Problem;

/// Checks the operations that a configuration names against those of its bundle.
pub(crate) fn check(config: &Config, operations: &[Operation]) -> Result<(), Problem> {
    let find = |key: &str, name: &str| {
        operations.iter().find(|operation| operation.name == name).ok_or_else(|| {
            let names: Vec<_> = operations.iter().map(|operation| operation.name.as_str()).collect();
            Problem::new(
                format!("{key} is {name:?}, which the bundle does not have"),
                format!("name one of its operations: {}", names.join(", ")),
            )
        })
    };
    if let Some(smoke) = &config.smoke
        && find("smoke.operation", &smoke.operation)?.read_only
    {
        return Err(Problem::new(
            format!("smoke.operation is {:?}, which only reads", smoke.operation),
            "name one that takes a key: its answer is kept and read in the other region",
        ));
    }
    if let Some(route) = &config.events.route {
        find("events.route.operation", &route.operation)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_those_of_the_bundle() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/rules");
        let bundle = tenet_build::Bundle::open(folder).unwrap();
        let least = "version = 1\nname = \"shop\"\nregions = [\"us-east-1\", \"us-west-2\"]\n";
        let check = |more: &str| {
            let config = Config::parse(&format!("{least}{more}\n")).unwrap();
            check(&config, bundle.operations()).map_err(|problem| format!("{problem}; {}", problem.help()))
        };
        check("[smoke]\noperation = \"write\"\n[events]\nroute = { operation = \"transfer\", amount = 1 }").unwrap();
        for (more, why) in [
            (
                "[smoke]\noperation = \"wriet\"",
                "smoke.operation is \"wriet\", which the bundle does not have; name one",
            ),
            ("[smoke]\noperation = \"read\"", "smoke.operation is \"read\", which only reads"),
            ("[events]\nroute = { operation = \"transfre\", amount = 1 }", "events.route.operation is \"transfre\""),
        ] {
            let error = check(more).unwrap_err();
            assert!(error.starts_with(why), "{error}");
        }
    }
}
