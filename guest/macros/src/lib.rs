//! The attribute behind `#[tenet::rule]`.
//!
//! It turns a function into a component's export, or explains why the function cannot be one. The
//! attribute is documented where the SDK re-exports it, so that its examples compile. This crate
//! depends only on the names in the SDK's hidden module: on no types and no contract.

mod expand;

use proc_macro::TokenStream;

#[expect(missing_docs, reason = "documented where the SDK re-exports it")]
#[proc_macro_attribute]
pub fn rule(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::rule(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
