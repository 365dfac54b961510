use crate::error::DeployError;

/// Region sets within which Aurora DSQL clusters can be peered, including the witness
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html>).
const SETS: [(&str, &[&str]); 3] = [
    ("US", &["us-east-1", "us-east-2", "us-west-2"]),
    ("Asia Pacific", &["ap-northeast-1", "ap-northeast-2", "ap-northeast-3"]),
    ("Europe", &["eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3"]),
];

/// Two regions with a cluster each, and the witness region, which stores a copy of the log and has
/// no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// The regions of the function. Changes begin in the first.
    pub served: [String; 2],
    /// The region whose vote lets commits continue if one of the two is unavailable.
    pub witness: String,
}

impl Regions {
    /// Checks that AWS can peer clusters there. If no witness is named and one region of the set is
    /// left, that one is the witness.
    ///
    /// # Errors
    /// Names the region that does not fit, and the possible ones.
    pub fn new(served: [String; 2], witness: Option<String>) -> Result<Self, DeployError> {
        let [one, other] = &served;
        if one == other {
            return Err(DeployError::new(format!("{one} is named twice, and a deployment has two regions")));
        }
        let (name, set) = set_of(one)?;
        let (other_name, other_set) = set_of(other)?;
        if name != other_name {
            return Err(DeployError::new(format!(
                "{one} is of the region set {name} ({}) and {other} of {other_name} ({}): clusters are peered \
                 within one set",
                set.join(", "),
                other_set.join(", ")
            )));
        }
        let left: Vec<&str> = set.iter().copied().filter(|region| region != one && region != other).collect();
        let witness = match (witness, left.as_slice()) {
            (Some(witness), _) => witness,
            (None, [only]) => (*only).to_owned(),
            (None, _) => {
                return Err(
                    DeployError::new("there is no witness").help(format!("`witness` may be {}", left.join(" or ")))
                );
            }
        };
        if !left.contains(&witness.as_str()) {
            let why = if served.contains(&witness) {
                format!("{witness} has a cluster of its own, and a witness has none")
            } else {
                let of = set_of(&witness).map_or("none that is known".to_owned(), |(other, _)| other.to_owned());
                format!("the witness {witness} is of the region set {of}, and the clusters are of {name}")
            };
            return Err(DeployError::new(why).help(format!("`witness` may be {}", left.join(" or "))));
        }
        Ok(Self { served, witness })
    }
}

fn set_of(region: &str) -> Result<(&'static str, &'static [&'static str]), DeployError> {
    SETS.into_iter().find(|(_, set)| set.contains(&region)).ok_or_else(|| {
        let all: Vec<_> = SETS.iter().flat_map(|(_, set)| set.iter().copied()).collect();
        DeployError::new(format!("{region} is in no region set of Aurora DSQL that is known: {}", all.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(one: &str, other: &str, witness: Option<&str>) -> Result<Regions, DeployError> {
        Regions::new([one.to_owned(), other.to_owned()], witness.map(str::to_owned))
    }

    #[test]
    fn the_witness_is_of_the_same_set_and_neither_of_the_two() {
        assert_eq!(regions("us-east-1", "us-west-2", None).unwrap().witness, "us-east-2");
        assert_eq!(regions("us-east-1", "us-west-2", Some("us-east-2")).unwrap().witness, "us-east-2");
        assert_eq!(regions("eu-west-1", "eu-west-2", Some("eu-central-1")).unwrap().witness, "eu-central-1");
        for (one, other, witness, why, help) in [
            ("us-east-1", "us-west-2", Some("eu-west-1"), "eu-west-1 is of the region set Europe", "us-east-2"),
            ("us-east-1", "us-west-2", Some("us-west-2"), "us-west-2 has a cluster of its own", "us-east-2"),
            ("us-east-1", "us-west-2", Some("sa-east-1"), "none that is known", "us-east-2"),
            ("us-east-1", "eu-west-1", None, "within one set", ""),
            ("us-east-1", "us-east-1", None, "twice", ""),
            ("us-east-1", "sa-east-1", None, "sa-east-1 is in no region set", ""),
            ("eu-west-1", "eu-west-2", None, "no witness", "eu-central-1 or eu-west-3"),
        ] {
            let error = regions(one, other, witness).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.advice().unwrap_or_default().contains(help), "{error:?}");
        }
    }
}
