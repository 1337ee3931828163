//! `#[plugin_op]`: the operator of a plugin, from a plain function.
//!
//! As with `#[op]` the function keeps its name and stays what it is, and beside it stands a type of that name without values, which is the
//! `PluginOperator`. What an input may be is a trait of kvern-plugin, so nothing is known of types here.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, PathArguments, ReturnType, Token, Type,
    Visibility, parenthesized,
};

use crate::arguments::{flag, name, no_such_key, path, version};

const KEYS: [&str; 6] = ["name", "version", "elementwise", "pure", "inline", "crate"];

pub(crate) fn plugin_op(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let keys = Keys::read(arguments, &mut errors);
    let function = match Function::parse.parse2(item.clone()) {
        Ok(function) => function,
        Err(e) => {
            errors.push(e);
            let told = errors.iter().map(Error::to_compile_error);
            return quote!(#(#told)* #item);
        }
    };
    errors.extend(function.errors.iter().cloned());
    if keys.name.is_none() && errors.is_empty() {
        errors.push(Error::new(
            Span::call_site(),
            "a plugin's operator needs a name: #[plugin_op(name = \"plugin.op\")]",
        ));
    }
    let plain = &function.plain;
    if !errors.is_empty() {
        let told = errors.iter().map(Error::to_compile_error);
        return quote!(#(#told)* #plain);
    }
    let operator = operator(&keys, &function);
    quote!(#plain #operator)
}

/// What stands in the brackets.
struct Keys {
    name: Option<LitStr>,
    version: u32,
    elementwise: bool,
    pure: bool,
    inline: bool,
    sdk: TokenStream,
}

impl Keys {
    fn read(tokens: TokenStream, errors: &mut Vec<Error>) -> Self {
        let mut keys = Self {
            name: None,
            version: 1,
            elementwise: false,
            pure: true,
            inline: false,
            sdk: quote!(::kvern_plugin),
        };
        let read = |input: ParseStream<'_>| {
            while !input.is_empty() {
                let key = input.call(Ident::parse_any)?;
                keys.value(&key, input, errors)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(e) = read.parse2(tokens) {
            errors.push(e);
        }
        keys
    }

    fn value(
        &mut self,
        key: &Ident,
        input: ParseStream<'_>,
        errors: &mut Vec<Error>,
    ) -> syn::Result<()> {
        match key.to_string().as_str() {
            "name" => self.name = Some(name(input, errors)?),
            "version" => self.version = version(input, errors)?.unwrap_or(self.version),
            "elementwise" => self.elementwise = flag(input)?,
            "pure" => self.pure = flag(input)?,
            "inline" => self.inline = flag(input)?,
            "crate" => self.sdk = path(input)?,
            _ => return Err(no_such_key("#[plugin_op]", key, &KEYS)),
        }
        Ok(())
    }
}

/// A function, with its mistakes.
struct Function {
    visibility: Visibility,
    name: Ident,
    parameters: Vec<Parameter>,
    /// What it returns; whether that is a `Result`.
    output: (TokenStream, bool),
    /// Its documentation, a line each.
    about: Vec<LitStr>,
    /// Without what only the attribute understands.
    plain: TokenStream,
    errors: Vec<Error>,
}

enum Parameter {
    Input(Ident, Type),
    Params(Type),
    Context,
}

impl Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut errors = Vec::new();
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        if !input.peek(Token![fn]) {
            return Err(
                input.error("#[plugin_op] goes on a plain function: not async, unsafe or extern")
            );
        }
        input.parse::<Token![fn]>()?;
        let name: Ident = input.parse()?;
        if input.peek(Token![<]) {
            return Err(input.error(
                "an operator is one function under one name, so it cannot be generic: write one for each type",
            ));
        }
        let content;
        parenthesized!(content in input);
        let mut parameters = Vec::new();
        let mut list = TokenStream::new();
        while !content.is_empty() {
            parameter(&content, &mut parameters, &mut list, &mut errors)?;
            if let Some(comma) = content.parse::<Option<Token![,]>>()? {
                comma.to_tokens(&mut list);
            } else if !content.is_empty() {
                return Err(content.error("expected `,`"));
            }
        }
        for (what, is) in [
            (
                "#[params]: put both into one struct",
                is_params as fn(&Parameter) -> bool,
            ),
            ("context", is_context),
        ] {
            if parameters.iter().filter(|p| is(p)).count() > 1 {
                errors.push(Error::new(
                    name.span(),
                    format!("an operator has one {what}"),
                ));
            }
        }
        let returns: ReturnType = input.parse()?;
        let output = match &returns {
            ReturnType::Default => (quote!(()), false),
            ReturnType::Type(_, t) => (t.to_token_stream(), is_result(t)),
        };
        let body: Group = input
            .parse()
            .map_err(|e| Error::new(e.span(), "an operator needs a body"))?;
        let arguments = Group::new(proc_macro2::Delimiter::Parenthesis, list);
        let about = attributes.iter().filter_map(doc_line).collect();
        let plain = quote!(#(#attributes)* #visibility fn #name #arguments #returns #body);
        Ok(Self {
            visibility,
            name,
            parameters,
            output,
            about,
            plain,
            errors,
        })
    }
}

const fn is_params(p: &Parameter) -> bool {
    matches!(p, Parameter::Params(_))
}

const fn is_context(p: &Parameter) -> bool {
    matches!(p, Parameter::Context)
}

fn doc_line(attribute: &Attribute) -> Option<LitStr> {
    match &attribute.meta {
        Meta::NameValue(m) if m.path.is_ident("doc") => match &m.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(line),
                ..
            }) => Some(line.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// Reads one parameter; writes it out again to `list`.
fn parameter(
    input: ParseStream<'_>,
    parameters: &mut Vec<Parameter>,
    list: &mut TokenStream,
    errors: &mut Vec<Error>,
) -> syn::Result<()> {
    let (marks, others): (Vec<_>, Vec<_>) = input
        .call(Attribute::parse_outer)?
        .into_iter()
        .partition(|a| a.path().is_ident("params"));
    others.iter().for_each(|a| a.to_tokens(list));
    let mut pattern = TokenStream::new();
    while !input.peek(Token![:]) {
        if input.is_empty() || input.peek(Token![,]) {
            return Err(input.error("expected `: Type`; an operator is a free function"));
        }
        input.parse::<TokenTree>()?.to_tokens(&mut pattern);
    }
    let colon: Token![:] = input.parse()?;
    let written: Type = input.parse()?;
    quote!(#pattern #colon #written).to_tokens(list);
    if !marks.is_empty() {
        match &written {
            Type::Reference(r) if r.mutability.is_none() => {
                parameters.push(Parameter::Params((*r.elem).clone()));
            }
            _ => errors.push(Error::new_spanned(
                &written,
                "parameters serve all calls of the operator, so they are taken by reference: `#[params] p: &T`",
            )),
        }
        return Ok(());
    }
    if let Type::Reference(r) = &written
        && matches!(&*r.elem, Type::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == "Ctx"))
    {
        parameters.push(Parameter::Context);
        return Ok(());
    }
    let mut names = pattern
        .into_iter()
        .filter(|t| !matches!(t, TokenTree::Ident(i) if i == "mut"));
    let name = match (names.next(), names.next()) {
        (Some(TokenTree::Ident(name)), None) if name != "_" => name,
        _ => format_ident!("input{}", parameters.len()),
    };
    parameters.push(Parameter::Input(name, written));
    Ok(())
}

fn is_result(t: &Type) -> bool {
    matches!(t, Type::Path(p) if p.path.segments.last().is_some_and(|s| {
        s.ident == "Result" && matches!(s.arguments, PathArguments::AngleBracketed(_))
    }))
}

/// The type that stands for the function, and its registration.
fn operator(keys: &Keys, f: &Function) -> TokenStream {
    let sdk = &keys.sdk;
    let private = quote!(#sdk::__private);
    let (vis, name, full_name, version) = (&f.visibility, &f.name, &keys.name, keys.version);
    let flags = [
        (keys.pure, "DETERMINISTIC"),
        (keys.elementwise, "ELEMENTWISE"),
        (keys.inline, "INLINE"),
    ];
    let flags = flags.iter().filter(|f| f.0).map(|f| {
        let flag = Ident::new(f.1, Span::call_site());
        quote!(#private::abi::op::flags::#flag)
    });
    let params = f.parameters.iter().find_map(|p| match p {
        Parameter::Params(t) => Some(t.to_token_stream()),
        _ => None,
    });
    let params = params.unwrap_or_else(|| quote!(#private::NoParams));
    let (own, inputs, ctx, metas) = (
        Ident::new("params", Span::mixed_site()),
        Ident::new("inputs", Span::mixed_site()),
        Ident::new("ctx", Span::mixed_site()),
        Ident::new("metas", Span::mixed_site()),
    );
    let mut count = 0usize;
    let (mut arguments, mut signature, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for p in &f.parameters {
        match p {
            Parameter::Input(label, t) => {
                let (label, span) = (label.to_string(), t.span());
                arguments
                    .push(quote_spanned!(span=> #private::read::<#t>(&#inputs, #count, #label)?));
                signature.push(quote_spanned!(span=> (#label, #private::takes::<#t>())));
                checks.push(quote_spanned!(span=> #private::check::<#t>(#metas, #count, #label)?;));
                count += 1;
            }
            Parameter::Params(_) => arguments.push(quote!(#own)),
            Parameter::Context => arguments.push(ctx.to_token_stream()),
        }
    }
    let (output, is_result) = &f.output;
    let returned = match is_result {
        true => output.clone(),
        false => quote!(#private::Plain<#output>),
    };
    let call = match is_result {
        true => quote!(#name(#(#arguments),*)),
        false => quote!(#private::Plain(#name(#(#arguments),*))),
    };
    let about = &f.about;
    let elementwise = keys.elementwise;
    let title = full_name.as_ref().map(LitStr::value).unwrap_or_default();
    let title = format!("[`{name}()`] as the operator `{title}`, version {version}.");
    quote! {
        #[doc = #title]
        #[allow(non_camel_case_types, reason = "named as the function whose operator it is")]
        #vis enum #name {}

        impl #sdk::PluginOperator for #name {
            const NAME: &'static str = #full_name;
            const VERSION: u32 = #version;
            const FLAGS: u64 = 0 #(| #flags)*;
            type Params = #params;

            fn signature() -> ::std::string::String {
                #private::signature(&[#(#signature),*], &#private::gives::<#returned>(), &#private::joined(&[#(#about),*]))
            }

            fn run(
                #own: &Self::Params,
                #inputs: #private::Inputs<'_>,
                #ctx: &#sdk::Ctx<'_>,
            ) -> #sdk::Result<#private::abi::Value> {
                let _ = (#own, #ctx);
                #inputs.expect(#count)?;
                #private::Returned::finish(#call)
            }

            fn infer(_: &Self::Params, #metas: &[#private::abi::Meta]) -> #sdk::Result<#private::abi::Meta> {
                #private::expect(#metas.len(), #count)?;
                #(#checks)*
                ::core::result::Result::Ok(#private::infer::<#returned>(#metas, #elementwise))
            }
        }

        #sdk::register_operator!(#name);
    }
}
