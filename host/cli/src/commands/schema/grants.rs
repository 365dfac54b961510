use tenet_core::Grants;
use tenet_database::Schema;

use super::opened;
use crate::args::GrantsArgs;
use crate::terminal::show;

/// Writes the GRANTs of a role.
pub(crate) async fn grants(args: &GrantsArgs) -> anyhow::Result<()> {
    let mut all = Grants::default();
    for (_, index) in opened(&args.bundles).await? {
        index.rules.into_iter().for_each(|rule| all.add(rule.grants));
    }
    let statements = Schema::privileges(&args.role).into_iter().chain(tenet_policy::privileges(&all, &args.role));
    show(&statements.map(|statement| format!("{statement};")).collect::<Vec<_>>())
}
