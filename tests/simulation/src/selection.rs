use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use anyhow::Context as _;

use crate::wire_faults::WireFault;

/// Which parts of a story are kept. Without a selection it is the whole story.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The steps of the clients, by their numbers.
    pub steps: Option<BTreeSet<usize>>,
    /// The faults that come at their times.
    pub faults: Option<BTreeSet<usize>>,
    /// The faults of single statements.
    pub wire: Option<BTreeSet<WireFault>>,
}

impl Selection {
    /// Keeps the parts of a list with these numbers.
    pub(crate) fn keep<T>(&self, parts: &mut Vec<T>, kept: &Option<BTreeSet<usize>>) {
        let Some(kept) = kept else { return };
        let mut number = 0;
        parts.retain(|_| {
            number += 1;
            kept.contains(&(number - 1))
        });
    }
}

/// Parts are separated by semicolons, and their elements by commas.
impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = |kept: &Option<BTreeSet<usize>>| match kept {
            None => "*".to_owned(),
            Some(kept) => kept.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
        };
        let wire = match &self.wire {
            None => "*".to_owned(),
            Some(kept) => {
                let one = |fault: &WireFault| format!("{}@{}/{}", fault.connection, fault.statement, fault.one_in);
                kept.iter().map(one).collect::<Vec<_>>().join(",")
            }
        };
        write!(f, "{};{};{wire}", numbers(&self.steps), numbers(&self.faults))
    }
}

impl FromStr for Selection {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let [steps, faults, wire] = text.split(';').collect::<Vec<_>>().try_into().ok().context("three parts")?;
        let elements = |part: &str| part.split(',').filter(|element| !element.is_empty()).map(str::to_owned).collect();
        let numbers = |part: &str| -> anyhow::Result<Option<BTreeSet<usize>>> {
            if part == "*" {
                return Ok(None);
            }
            let elements: Vec<String> = elements(part);
            Ok(Some(elements.iter().map(|number| Ok(number.parse()?)).collect::<anyhow::Result<_>>()?))
        };
        let wire_fault = |element: &String| -> anyhow::Result<WireFault> {
            let (connection, rest) = element.rsplit_once('@').context("CONNECTION@STATEMENT/ONE_IN")?;
            let (statement, one_in) = rest.split_once('/').context("CONNECTION@STATEMENT/ONE_IN")?;
            let connection = connection.to_owned();
            Ok(WireFault { connection, statement: statement.parse()?, one_in: one_in.parse()? })
        };
        let wire = match wire {
            "*" => None,
            wire => Some(elements(wire).iter().map(wire_fault).collect::<anyhow::Result<_>>()?),
        };
        Ok(Self { steps: numbers(steps)?, faults: numbers(faults)?, wire })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        let fault = WireFault { connection: "us-east-1/0.2#5>us-west-2".to_owned(), statement: 7, one_in: 40 };
        let some = Selection { steps: Some([1, 5].into()), faults: Some(BTreeSet::new()), wire: Some([fault].into()) };
        for selection in [Selection::default(), some] {
            assert_eq!(selection.to_string().parse::<Selection>().unwrap(), selection);
        }
        assert!("1".parse::<Selection>().is_err());
    }
}
