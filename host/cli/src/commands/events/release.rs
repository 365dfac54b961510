use super::{all_were, deadline, of_host, open};
use crate::args::ReleaseArgs;
use crate::terminal;

/// Releases parked events.
pub(crate) async fn release(args: &ReleaseArgs) -> anyhow::Result<()> {
    let database = open(&args.database).await?;
    let mut missing = Vec::new();
    for id in &args.ids {
        if database.release(*id, deadline()).await.map_err(of_host)? {
            terminal::tell(&format!("{id} is released: the next relay offers it to the bus"));
        } else {
            missing.push(id.to_string());
        }
    }
    database.close(deadline()).await;
    let help = "`tenet events parked` lists those that are; one that is not there is at the bus or on its way";
    all_were("event", "is not parked", help, &missing)
}
