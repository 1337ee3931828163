//! Writes the operator of a function.
//!
//! A function and a type may have one name in Rust, since they live in different namespaces. So `fn scale` keeps its name and is called
//! as ever, and beside it stands a type `scale`, which has no values and only serves as the place of `scale::delayed`, `scale::op`,
//! `scale::NAME` and `scale::VERSION`: `use ops::scale` brings both. (A module `scale` would do the same, but could not see types that
//! are local to a function, and a method on the function is not possible on stable Rust.)

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Error;
use syn::spanned::Spanned;

use crate::arguments::Arguments;
use crate::function::{Function, Output, Parameter, Role};

/// The function as it was, and its operator; or the function and what is wrong with it.
pub(crate) fn op(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let arguments = Arguments::read(arguments, &mut errors);
    let mut function = match syn::parse2::<Function>(item.clone()) {
        Ok(f) => f,
        Err(e) => {
            errors.push(e);
            let errors = errors.iter().map(Error::to_compile_error);
            return quote!(#(#errors)* #item);
        }
    };
    errors.append(&mut function.errors);
    let plain = &function.plain;
    if !errors.is_empty() {
        // The function stays, so that what calls it does not fail as well.
        let errors = errors.iter().map(Error::to_compile_error);
        return quote!(#plain #(#errors)*);
    }
    let operator = operator(&arguments, &function);
    quote!(#plain #operator)
}

fn operator(a: &Arguments, f: &Function) -> TokenStream {
    let core = &a.core;
    let (name, vis, version) = (&f.name, &f.visibility, a.version);
    let (pure, inline, uses_block) = (a.pure, a.inline, a.uses_block);
    let full_name = match &a.name {
        Some(name) => quote!(#name),
        None => quote!(::core::concat!(
            ::core::env!("CARGO_PKG_NAME"),
            ".",
            ::core::stringify!(#name)
        )),
    };
    let shown = a
        .name
        .as_ref()
        .map_or_else(|| format!("….{name}"), syn::LitStr::value);
    let title = format!(
        "[`{name}()`] as the operator `{shown}`, version {version}: `{name}::delayed` calls it lazily."
    );
    let delayed_doc = format!(
        "Calls [`{name}()`] lazily: the same arguments, each input a value or a `&Delayed` of it. Equal calls are made once."
    );
    let conditions: Vec<_> = f
        .attributes
        .iter()
        .filter(|x| x.path().is_ident("cfg"))
        .collect();
    let op_function = op_function(core, f);
    let delayed = delayed(core, f, &delayed_doc);
    let instantiate = instantiate(core, f);
    quote! {
        #(#conditions)*
        #[doc = #title]
        #[allow(non_camel_case_types, dead_code, reason = "named as the function whose operator it is; not every part is used")]
        #vis enum #name {}

        #(#conditions)*
        #[allow(dead_code, reason = "not every part is used")]
        impl #name {
            /// The operator's name, in any process.
            #vis const NAME: &'static str = #full_name;

            /// The operator's version.
            #vis const VERSION: u32 = #version;

            const __TRAITS: #core::OpTraits = #core::OpTraits {
                pure: #pure,
                uses_block: #uses_block,
                inline: #inline,
            };

            #op_function
            #delayed
        }

        #(#conditions)*
        const _: () = {
            #instantiate

            #core::__private::inventory::submit! {
                #core::OperatorEntry {
                    make: || ::std::sync::Arc::new(#core::__private::NamedFunction {
                        name: #name::NAME,
                        version: #name::VERSION,
                        traits: #name::__TRAITS,
                        instantiate,
                    }),
                    source: ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                }
            }
        };
    }
}

fn params(f: &Function) -> Option<&Parameter> {
    f.parameters
        .iter()
        .find(|p| matches!(p.role, Role::Params(_)))
}

/// `scale::op(&p)`, for graphs that are written by hand.
fn op_function(core: &TokenStream, f: &Function) -> TokenStream {
    let (vis, me) = (&f.visibility, &f.name);
    match params(f) {
        None => quote! {
            /// The operator as a graph holds it.
            #[must_use]
            #vis fn op() -> #core::OpRef {
                #core::OpRef::named(Self::NAME, Self::VERSION, Self::__TRAITS, ::std::vec::Vec::new())
            }
        },
        Some(p) => {
            let (name, written) = (&p.name, &p.written);
            let encode = quote_spanned!(written.span()=> #core::__private::encode_params);
            quote! {
                /// The operator with these parameters, as a graph holds it.
                ///
                /// # Errors
                /// `BadInput` if the parameters cannot be serialised.
                #vis fn op(#name: #written) -> #core::Result<#core::OpRef> {
                    let params = #encode(#me::NAME, #name)?;
                    ::core::result::Result::Ok(#core::OpRef::named(Self::NAME, Self::VERSION, Self::__TRAITS, params))
                }
            }
        }
    }
}

/// `scale::delayed(&x, &p)`.
fn delayed(core: &TokenStream, f: &Function, doc: &str) -> TokenStream {
    let vis = &f.visibility;
    let inputs = Ident::new("inputs", Span::mixed_site());
    let mut list = Vec::new();
    let mut pushes = Vec::new();
    for p in &f.parameters {
        let (name, written) = (&p.name, &p.written);
        match &p.role {
            Role::Input(t) => {
                let bound = quote_spanned!(written.span()=> impl #core::delayed::Argument<#t>);
                list.push(quote!(#name: #bound));
                pushes.push(quote!(#inputs.push(#core::delayed::Argument::<#t>::place(#name));));
            }
            Role::Inputs(t, _) => {
                let bound = quote_spanned!(written.span()=>
                    impl ::core::iter::IntoIterator<Item: #core::delayed::Argument<#t>>);
                list.push(quote!(#name: #bound));
                pushes.push(quote! {
                    #inputs.extend(
                        ::core::iter::IntoIterator::into_iter(#name).map(#core::delayed::Argument::<#t>::place),
                    );
                });
            }
            Role::Params(_) => list.push(quote!(#name: #written)),
            Role::Context => {}
        }
    }
    let output = match &f.output {
        Output::Value(t) => t.clone(),
        Output::Result(t) => quote_spanned!(t.span()=> <#t as #core::__private::TaskResult>::Value),
    };
    let op = match params(f) {
        None => quote!(Self::op()),
        Some(p) => {
            let name = &p.name;
            quote!(#core::__private::op_or_error(Self::NAME, Self::op(#name)))
        }
    };
    quote! {
        #[doc = #doc]
        #vis fn delayed(#(#list),*) -> #core::Delayed<#output> {
            let mut #inputs = ::std::vec::Vec::new();
            #(#pushes)*
            #core::__private::call(#op, #inputs)
        }
    }
}

/// The function that turns encoded parameters into a kernel.
fn instantiate(core: &TokenStream, f: &Function) -> TokenStream {
    let name = &f.name;
    let (inputs, ctx, decoded) = (
        Ident::new("inputs", Span::mixed_site()),
        Ident::new("ctx", Span::mixed_site()),
        Ident::new("decoded", Span::mixed_site()),
    );
    let mut next = 0usize;
    let mut many = false;
    let mut gather = TokenStream::new();
    let mut arguments = Vec::new();
    let mut own = quote!(());
    for p in &f.parameters {
        let (label, span) = (p.name.to_string(), p.written.span());
        match &p.role {
            Role::Input(t) => {
                arguments.push(quote_spanned! {span=>
                    #core::__private::input::<#t>(#inputs, #next, #label)?
                });
                next += 1;
            }
            Role::Inputs(t, seen) => {
                let rest = format_ident!("rest", span = Span::mixed_site());
                gather = quote_spanned! {span=>
                    let mut #rest: ::std::vec::Vec<&#seen> = ::std::vec::Vec::with_capacity(#inputs.len().saturating_sub(#next));
                    for n in #next..#inputs.len() {
                        #rest.push(#core::__private::input::<#t>(#inputs, n, #label)?);
                    }
                };
                arguments.push(quote!(&#rest));
                many = true;
            }
            Role::Params(t) => {
                own = t.clone();
                arguments.push(quote!(&#decoded));
            }
            Role::Context => arguments.push(ctx.to_token_stream()),
        }
    }
    let made = match &f.output {
        Output::Value(t) => quote_spanned!(t.span()=> #core::__private::task_value),
        Output::Result(t) => quote_spanned!(t.span()=> #core::__private::task_result),
    };
    let own_span = params(f).map_or_else(Span::call_site, |p| p.written.span());
    let decode = quote_spanned!(own_span=> #core::__private::decode_params::<#own>);
    quote! {
        fn instantiate(bytes: &[u8]) -> #core::Result<::std::sync::Arc<dyn #core::Kernel>> {
            #[allow(unused_variables, clippy::let_unit_value, reason = "an operator without parameters has only ()")]
            let #decoded = #decode(#name::NAME, bytes)?;
            ::core::result::Result::Ok(::std::sync::Arc::new(
                move |#inputs: &mut [#core::Value], #ctx: &#core::TaskContext<'_>| -> #core::Result<#core::Value> {
                    let #inputs: &[#core::Value] = #inputs;
                    let _ = #ctx;
                    #core::__private::check_inputs(#name::NAME, #inputs.len(), #next, #many)?;
                    #gather
                    #made(#name(#(#arguments),*))
                },
            ))
        }
    }
}
