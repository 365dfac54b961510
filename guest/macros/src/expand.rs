use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Error, FnArg, ItemFn, ReturnType, Signature, Type};

/// The function itself, and the code that makes it the component's export.
pub(crate) fn rule(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "#[tenet::rule] takes no arguments"));
    }
    let function: ItemFn = syn::parse2(item).map_err(|error| {
        Error::new(error.span(), "#[tenet::rule] goes on a function with a body, and on nothing else")
    })?;
    let (input, returned) = shape_of(&function.sig)?;
    let name = &function.sig.ident;
    // The exported macro causes a conflict on purpose: a component has one `evaluate`, and without
    // this a second rule would compile everywhere except in the WebAssembly linker.
    Ok(quote! {
        #function

        #[doc(hidden)]
        #[macro_export]
        macro_rules! __a_crate_holds_one_tenet_rule {
            () => {};
        }

        const _: () = {
            const RULE: ::tenet::__private::Rule<#input, #returned> =
                ::tenet::__private::rule::<#input, #returned>(#name);

            struct Export;

            impl ::tenet::__private::Guest for Export {
                fn evaluate(
                    request: ::tenet::__private::Request,
                ) -> ::core::result::Result<::tenet::__private::Verdict, ::std::string::String> {
                    RULE.evaluate(request)
                }

                fn describe() -> ::std::string::String {
                    RULE.describe()
                }
            }

            // Natively nothing else calls the rule, and the compiler would report dead code.
            const _: fn() -> ::std::string::String = <Export as ::tenet::__private::Guest>::describe;

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "the component's export, as wit-bindgen writes it")]
            const _: () = {
                ::tenet::__private::export!(Export);
            };
        };
    })
}

/// The types of a rule's only argument and of its result, if the signature is valid. The expansion
/// names both, so that compiler errors about them point at them.
fn shape_of(signature: &Signature) -> Result<(&Type, &Type), Error> {
    if let Some(receiver) = signature.receiver() {
        return refused(receiver, "a rule is a free function, not a method");
    }
    if let Some(word) = &signature.asyncness {
        return refused(word, "a rule is not async: its queries wait for their answer");
    }
    if let Some(word) = &signature.constness {
        return refused(word, "a rule is not const");
    }
    if let Some(word) = &signature.unsafety {
        return refused(word, "a rule is not unsafe");
    }
    if let Some(word) = &signature.abi {
        return refused(word, "a rule is an ordinary Rust function: the attribute makes the export");
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        return refused(&signature.generics, "a rule is not generic: its input and output are types of their own");
    }
    Ok((input_of(signature)?, returned_by(signature)?))
}

fn input_of(signature: &Signature) -> Result<&Type, Error> {
    let mut inputs = signature.inputs.iter();
    match (inputs.next(), inputs.next()) {
        (Some(FnArg::Typed(argument)), None) => match &*argument.ty {
            Type::Reference(_) => refused(&argument.ty, "a rule owns its input: take it by value"),
            ty if has(ty, borrows) => refused(ty, "a rule owns its input: its text is `String` and not `&str`"),
            ty if has(ty, is_impl) => refused(ty, "a rule is not generic: name the type of its input"),
            ty => Ok(ty),
        },
        (None, _) => refused(
            &signature.ident,
            "a rule takes one argument, its input; one that needs none takes `_: tenet::NoInput`",
        ),
        _ => refused(&signature.inputs, "a rule takes one argument, its input"),
    }
}

fn returned_by(signature: &Signature) -> Result<&Type, Error> {
    match &signature.output {
        ReturnType::Default => refused(&signature.ident, "a rule returns `tenet::Result<Output>`"),
        ReturnType::Type(_, ty) if has(ty, is_impl) => {
            refused(ty, "a rule is not generic: name the type of its output")
        }
        ReturnType::Type(_, ty) => Ok(ty),
    }
}

fn refused<T>(tokens: impl ToTokens, why: &str) -> Result<T, Error> {
    Err(Error::new_spanned(tokens, why))
}

/// Whether these tokens occur anywhere in a type.
fn has(ty: &Type, wanted: fn(&[TokenTree]) -> bool) -> bool {
    fn within(tokens: TokenStream, wanted: fn(&[TokenTree]) -> bool) -> bool {
        let tokens: Vec<_> = tokens.into_iter().collect();
        wanted(&tokens)
            || tokens
                .into_iter()
                .any(|token| matches!(token, TokenTree::Group(group) if within(group.stream(), wanted)))
    }
    within(ty.to_token_stream(), wanted)
}

fn is_impl(tokens: &[TokenTree]) -> bool {
    tokens.iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "impl"))
}

/// A lifetime other than `'static`.
fn borrows(tokens: &[TokenTree]) -> bool {
    tokens.windows(2).any(|pair| {
        matches!(pair, [TokenTree::Punct(tick), TokenTree::Ident(name)] if tick.as_char() == '\'' && name != "static")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(item: TokenStream) -> String {
        rule(TokenStream::new(), item).unwrap_err().to_string()
    }

    #[test]
    fn a_rule_keeps_its_function_and_gains_an_export_for_wasm_only() {
        let function = quote! { fn decide(input: Input) -> tenet::Result<Output> { answer(input) } };
        let text = rule(TokenStream::new(), function.clone()).unwrap().to_string();
        assert!(text.starts_with(&function.to_string()), "{text}");
        assert!(text.contains("rule :: < Input , tenet :: Result < Output > > (decide)"), "{text}");
        let (_, export) = text.split_once("# [cfg (target_arch = \"wasm32\")]").unwrap();
        assert!(export.contains("export ! (Export)"), "{text}");
    }

    #[test]
    fn each_misuse_is_told_in_its_own_words() {
        for (item, words) in [
            (quote! { struct Rule; }, "goes on a function"),
            (quote! { fn r(i: I) -> R; }, "with a body"),
            (quote! { fn r(&self, i: I) -> R {} }, "not a method"),
            (quote! { async fn r(i: I) -> R {} }, "not async"),
            (quote! { const fn r(i: I) -> R {} }, "not const"),
            (quote! { unsafe fn r(i: I) -> R {} }, "not unsafe"),
            (quote! { extern "C" fn r(i: I) -> R {} }, "ordinary Rust function"),
            (quote! { fn r<T>(i: T) -> R {} }, "not generic"),
            (quote! { fn r(i: impl Read) -> R {} }, "not generic"),
            (quote! { fn r(i: &str) -> R {} }, "by value"),
            (quote! { fn r(i: Option<(I<'_>,)>) -> R {} }, "owns its input"),
            (quote! { fn r(i: I) -> Result<(impl Write,)> {} }, "name the type of its output"),
            (quote! { fn r() -> R {} }, "NoInput"),
            (quote! { fn r(a: A, b: B) -> R {} }, "one argument"),
            (quote! { fn r(i: I) {} }, "tenet::Result"),
        ] {
            let text = refusal(item.clone());
            assert!(text.contains(words), "{item}: {text}");
        }
    }

    #[test]
    fn the_attribute_takes_no_arguments() {
        let refused = rule(quote! { name = "x" }, quote! { fn r(i: I) -> R {} }).unwrap_err();
        assert!(refused.to_string().contains("takes no arguments"));
    }
}
