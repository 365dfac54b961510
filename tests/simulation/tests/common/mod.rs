//! What the tests of stories share.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tenet_simulation::{Components, Outcome, Simulation};

/// The rules, loaded once.
pub(crate) fn components() -> &'static Arc<Components> {
    static COMPONENTS: OnceLock<Arc<Components>> = OnceLock::new();
    COMPONENTS.get_or_init(|| {
        let built = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tenet").join(name);
        Arc::new(Components::load(&built("rules"), &built("guests")).unwrap())
    })
}

/// Runs a story.
pub(crate) fn run(simulation: &Simulation) -> Outcome {
    simulation.run(components()).unwrap()
}
