use crate::args::ServeArgs;
use crate::server::{self, Telling};

/// Serves a bundle's operations in both regions until it is asked to stop.
pub(crate) async fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    server::run(args, Telling::default(), None, None).await
}
