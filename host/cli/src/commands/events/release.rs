use super::{deadline, open};
use crate::args::ReleaseArgs;
use crate::problem::Problem;
use crate::terminal;

/// Releases parked events.
pub(crate) async fn release(args: &ReleaseArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    for id in &args.ids {
        if !database.release(*id, deadline()).await? {
            let help = "`tenet events parked` lists those that are; one that is not there is at the bus or on its way";
            return Err(Problem::new(format!("the event {id} is not parked"), help).into());
        }
        terminal::tell(&format!("{id} is released: the next relay offers it to the bus"));
    }
    database.close(deadline()).await;
    Ok(())
}
