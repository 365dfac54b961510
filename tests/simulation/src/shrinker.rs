use std::collections::BTreeSet;
use std::sync::Arc;

use tenet_audit::Kind;

use crate::rules::Components;
use crate::selection::Selection;
use crate::simulation::{Outcome, Simulation};

/// Makes the story of a finding short: leaves out requests and faults as long as the finding stays.
pub struct Shrinker<'a> {
    components: &'a Arc<Components>,
    simulation: Simulation,
    kind: Kind,
    /// How many more stories are run.
    left: u32,
}

/// Which part of a selection is made smaller.
#[derive(Clone, Copy)]
enum Part {
    Steps,
    Faults,
    Wire,
}

impl<'a> Shrinker<'a> {
    /// For a story with a finding. At most so many stories are run.
    pub fn new(
        components: &'a Arc<Components>,
        simulation: &Simulation,
        found: &Outcome,
        stories: u32,
    ) -> Option<Self> {
        let kind = found.report.wrongs.first()?.0.kind;
        let selection = Selection {
            steps: Some((0..found.parts.0).collect()),
            faults: Some((0..found.parts.1).collect()),
            wire: Some(found.wire.iter().cloned().collect()),
        };
        let selection = Selection {
            steps: simulation.selection.steps.clone().or(selection.steps),
            faults: simulation.selection.faults.clone().or(selection.faults),
            wire: selection.wire,
        };
        let simulation = Simulation { selection, keeps_story: false, ..simulation.clone() };
        Some(Self { components, simulation, kind, left: stories })
    }

    /// The shortest story that was found.
    ///
    /// # Errors
    /// Fails if a world could not be set up.
    pub fn shrink(mut self) -> anyhow::Result<Simulation> {
        loop {
            let before = self.size();
            for part in [Part::Faults, Part::Wire, Part::Steps] {
                self.shrink_part(part)?;
            }
            if self.size() == before || self.left == 0 {
                return Ok(Simulation { keeps_story: true, ..self.simulation });
            }
        }
    }

    fn size(&self) -> usize {
        let Selection { steps, faults, wire } = &self.simulation.selection;
        [steps, faults].into_iter().flatten().map(BTreeSet::len).sum::<usize>() + wire.as_ref().map_or(0, BTreeSet::len)
    }

    /// Leaves out ever smaller pieces, the last ones first: what comes before a piece does not change without it.
    fn shrink_part(&mut self, part: Part) -> anyhow::Result<()> {
        let mut piece = self.length(part);
        while piece > 0 {
            let mut end = self.length(part);
            while end > 0 {
                let from = end.saturating_sub(piece);
                let without = self.without(part, from, end);
                if self.still_found(&without)? {
                    self.simulation = without;
                }
                end = from;
            }
            piece /= 2;
        }
        Ok(())
    }

    fn length(&self, part: Part) -> usize {
        let Selection { steps, faults, wire } = &self.simulation.selection;
        match part {
            Part::Steps => steps.as_ref().map_or(0, BTreeSet::len),
            Part::Faults => faults.as_ref().map_or(0, BTreeSet::len),
            Part::Wire => wire.as_ref().map_or(0, BTreeSet::len),
        }
    }

    fn without(&self, part: Part, from: usize, to: usize) -> Simulation {
        fn cut<T: Ord + Clone>(kept: &mut Option<BTreeSet<T>>, from: usize, to: usize) {
            if let Some(kept) = kept {
                let left = kept.iter().enumerate().filter(|(place, _)| !(from..to).contains(place));
                *kept = left.map(|(_, element)| element.clone()).collect();
            }
        }
        let mut simulation = self.simulation.clone();
        let Selection { steps, faults, wire } = &mut simulation.selection;
        match part {
            Part::Steps => cut(steps, from, to),
            Part::Faults => cut(faults, from, to),
            Part::Wire => cut(wire, from, to),
        }
        simulation
    }

    fn still_found(&mut self, simulation: &Simulation) -> anyhow::Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        Ok(simulation.run(self.components)?.report.count(self.kind) > 0)
    }
}
