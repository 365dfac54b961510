use crate::error::DeployError;

/// Where AWS lists the regions and their sets.
const PAGE: &str =
    "https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html#region-availability";

/// Region sets within which Aurora DSQL clusters can be peered, including the witness, from [`PAGE`].
/// Stockholm, Spain, Mumbai and Singapore came on 2026-07-31
/// (<https://docs.aws.amazon.com/aurora-dsql/latest/userguide/release-notes.html>).
const SETS: [(&str, &[&str]); 3] = [
    ("US", &["us-east-1", "us-east-2", "us-west-2"]),
    ("Asia Pacific", &["ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1"]),
    ("Europe", &["eu-central-1", "eu-north-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"]),
];

/// The middle of the regions' names.
const DIRECTIONS: [&str; 9] =
    ["north", "south", "east", "west", "central", "northeast", "northwest", "southeast", "southwest"];

/// The beginnings of the names of regions in other partitions
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>).
const PARTITIONS: [&str; 5] = ["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"];

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
    /// Checks that the three are different and not known to be of different region sets. If no
    /// witness is named and one region of the set is left, that one is the witness.
    ///
    /// AWS adds regions, so that one of no known set is accepted: see [`Self::warning`].
    ///
    /// # Errors
    /// Names the region that does not fit, and the possible ones.
    pub fn new(served: [String; 2], witness: Option<String>) -> Result<Self, DeployError> {
        let [one, other] = &served;
        for region in served.iter().chain(&witness) {
            if PARTITIONS.iter().any(|start| region.starts_with(start)) {
                let why = format!("{region} is in another partition of AWS than `aws`");
                return Err(DeployError::new(why).help(
                    "the names of resources in the rights and the templates begin with arn:aws:, and Aurora DSQL has \
                     no regions there that are known here",
                ));
            }
            if !is_region(region) {
                return Err(DeployError::new(format!("{region:?} is no name of a region, as us-east-1 is"))
                    .help("an area of two letters, a direction as `east` or `southwest`, and a number"));
            }
        }
        if one == other {
            return Err(DeployError::new(format!("{one} is named twice, and a deployment has two regions")));
        }
        if let (Some((name, set)), Some((other_name, other_set))) = (set_of(one), set_of(other))
            && name != other_name
        {
            return Err(DeployError::new(format!(
                "{one} is of the region set {name} ({}) and {other} of {other_name} ({}): clusters are peered \
                 within one set",
                set.join(", "),
                other_set.join(", ")
            )));
        }
        let unknown = served.iter().find(|region| set_of(region).is_none());
        let known = set_of(one).or_else(|| set_of(other));
        let set = known.map_or(&[][..], |(_, set)| set);
        let left: Vec<&str> = set.iter().copied().filter(|region| region != one && region != other).collect();
        let help = || match left.as_slice() {
            [] => format!("{PAGE} lists the regions of a set"),
            left => format!("`witness` may be {}", left.join(" or ")),
        };
        let witness = match (witness, left.as_slice()) {
            (Some(witness), _) => witness,
            (None, [only]) => (*only).to_owned(),
            (None, _) => {
                // A region that is mistaken has no use for a witness.
                let why = match unknown {
                    Some(region) => {
                        format!(
                            "{region} is in no region set of Aurora DSQL that is known here, and there is no witness"
                        )
                    }
                    None => "there is no witness".to_owned(),
                };
                return Err(DeployError::new(why).help(match unknown {
                    Some(_) => format!("if it is the region that is meant, name its `witness`: {}", help()),
                    None => help(),
                }));
            }
        };
        if served.contains(&witness) {
            let why = format!("{witness} has a cluster of its own, and a witness has none");
            return Err(DeployError::new(why).help(help()));
        }
        if let (Some((name, _)), Some((of, _))) = (known, set_of(&witness))
            && name != of
        {
            let why = format!("the witness {witness} is of the region set {of}, and the clusters are of {name}");
            return Err(DeployError::new(why).help(help()));
        }
        Ok(Self { served, witness })
    }

    /// What has to be known before clusters are created, if a region is of no known set: AWS alone
    /// decides whether the three can be peered.
    pub fn warning(&self) -> Option<String> {
        let unknown: Vec<_> =
            self.served.iter().chain([&self.witness]).filter(|region| set_of(region).is_none()).collect();
        let first = unknown.first()?;
        Some(format!(
            "{first} is in no region set of Aurora DSQL that is known here. AWS decides whether {}, {} and the witness {} \
             can be peered: {PAGE}",
            self.served[0], self.served[1], self.witness
        ))
    }
}

fn set_of(region: &str) -> Option<(&'static str, &'static [&'static str])> {
    SETS.into_iter().find(|(_, set)| set.contains(&region))
}

/// Whether it has the form of a region's name, `us-east-1`. Areas and numbers are added, directions are not.
fn is_region(name: &str) -> bool {
    let parts: Vec<_> = name.split('-').collect();
    let [area, direction, number] = parts.as_slice() else { return false };
    area.len() == 2
        && area.bytes().all(|byte| byte.is_ascii_lowercase())
        && DIRECTIONS.contains(direction)
        && number.len() == 1
        && number.bytes().all(|byte| byte.is_ascii_digit())
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
            ("us-east-1", "eu-west-1", None, "within one set", ""),
            ("us-east-1", "us-east-1", None, "twice", ""),
            ("eu-west-1", "eu-west-2", None, "no witness", "eu-central-1 or eu-north-1"),
            ("us-east-1", "sa-east-1", Some("eu-west-1"), "the clusters are of US", "us-east-2 or us-west-2"),
            ("us-east-1", "sa-east-1", None, "sa-east-1 is in no region set", "us-east-2 or us-west-2"),
            ("us-east-9", "us-west-2", None, "us-east-9 is in no region set", "if it is the region that is meant"),
            ("sa-east-1", "sa-west-1", None, "no witness", PAGE),
            ("us-east-1", "us-west", None, "\"us-west\" is no name of a region", ""),
            ("us-east-1", "us-west-2", Some("Ohio"), "\"Ohio\" is no name of a region", ""),
            ("us-est-1", "us-west-2", None, "\"us-est-1\" is no name of a region", "a direction as `east`"),
            ("us-east-1", "us-west-22", None, "\"us-west-22\" is no name of a region", ""),
            ("cn-north-1", "cn-northwest-1", None, "cn-north-1 is in another partition", "arn:aws:"),
            ("us-gov-west-1", "us-gov-east-1", None, "us-gov-west-1 is in another partition", ""),
            ("us-east-1", "us-west-2", Some("eusc-de-east-1"), "eusc-de-east-1 is in another partition", ""),
            ("us-iso-east-1", "us-isob-east-1", None, "us-iso-east-1 is in another partition", ""),
        ] {
            let error = regions(one, other, witness).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.advice().unwrap_or_default().contains(help), "{error:?}");
        }
    }

    #[test]
    fn the_regions_of_july_2026_are_of_their_sets() {
        for (one, other, witness) in
            [("eu-north-1", "eu-south-2", "eu-west-1"), ("ap-south-1", "ap-southeast-1", "ap-northeast-1")]
        {
            assert_eq!(regions(one, other, Some(witness)).unwrap().warning(), None);
        }
    }

    #[test]
    fn a_region_of_no_known_set_is_accepted_with_a_warning_that_has_the_page() {
        for (one, other, witness, unknown) in [
            ("us-east-1", "us-west-2", "ca-central-1", "ca-central-1 is in no region set"),
            ("ca-central-1", "ca-west-1", "us-east-2", "ca-central-1 is in no region set"),
            ("us-east-1", "mx-central-1", "us-east-2", "mx-central-1 is in no region set"),
            ("us-east-1", "us-west-1", "us-east-2", "us-west-1 is in no region set"),
        ] {
            let warning = regions(one, other, Some(witness)).unwrap().warning().unwrap();
            assert!(warning.starts_with(unknown) && warning.ends_with(PAGE), "{warning}");
        }
    }
}
