//! The attribute behind `#[tenet::rule]`.
//!
//! It turns one function into a component's export and says in plain words why a
//! function cannot be one. What the attribute means to those who write rules is told
//! where the SDK re-exports it, so that its examples compile. This crate knows names of
//! the SDK's hidden module and nothing else of it: no types, no contract.

mod expand;

use proc_macro::TokenStream;

#[expect(missing_docs, reason = "documented where the SDK re-exports it")]
#[proc_macro_attribute]
pub fn rule(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::rule(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
