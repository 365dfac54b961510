use tenet_core::{BoxFuture, Fault, Occasion, Vault, VaultCall, Vaulted};

/// The vault of a host without one.
#[derive(Clone, Copy, Debug)]
pub struct NoVault;

impl Vault for NoVault {
    fn ask<'a>(&'a self, _: &'a VaultCall, _: Occasion<'a>) -> BoxFuture<'a, Result<Vaulted, Fault>> {
        Box::pin(std::future::ready(Err(Fault::vault("this host has no vault"))))
    }
}
