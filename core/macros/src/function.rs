//! The function below `#[op]`: what of it the operator is made from, and what of it does not fit.
//!
//! Patterns, qualifiers and the body are kept as tokens, unparsed, and written out again as they came.

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Error, GenericArgument, Generics, Path, PathArguments, ReturnType, Token, Type,
    Visibility, WhereClause, parenthesized,
};

/// A function, with its mistakes.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) name: Ident,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Output,
    /// The whole function without what only `#[op]` understands.
    pub(crate) plain: TokenStream,
    pub(crate) errors: Vec<Error>,
}

/// One parameter of the function.
pub(crate) struct Parameter {
    /// Its name, or one made up if it is a pattern.
    pub(crate) name: Ident,
    /// As written, for the generated signatures.
    pub(crate) written: Type,
    pub(crate) role: Role,
}

/// What a parameter is given.
pub(crate) enum Role {
    /// One input, which is held as this owned type.
    Input(TokenStream),
    /// All further inputs, each held as the first type and given as a reference to the second.
    Inputs(TokenStream, TokenStream),
    /// The operator's parameters, which are decoded as this owned type.
    Params(TokenStream),
    /// The task's context.
    Context,
}

/// What the function returns.
pub(crate) enum Output {
    Value(TokenStream),
    /// Something whose last path segment is `Result`.
    Result(TokenStream),
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut errors = Vec::new();
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        let mut qualifiers = TokenStream::new();
        while !input.peek(Token![fn]) {
            let word = input
                .call(Ident::parse_any)
                .map_err(|e| not_a_function(e.span()))?;
            match word.to_string().as_str() {
                "const" => {}
                "async" => errors.push(Error::new(
                    word.span(),
                    "an operator is not async: a worker runs it to its end; wait inside it, or make it two operators",
                )),
                "unsafe" | "extern" => errors.push(Error::new(
                    word.span(),
                    format!("an operator is a safe Rust function, not an `{word}` one: wrap it"),
                )),
                _ => return Err(not_a_function(word.span())),
            }
            word.to_tokens(&mut qualifiers);
            if let Ok(Some(abi)) = input.parse::<Option<syn::LitStr>>() {
                abi.to_tokens(&mut qualifiers);
            }
        }
        let fn_token: Token![fn] = input.parse()?;
        let name: Ident = input.parse()?;
        let generics: Generics = input.parse()?;
        if !generics.params.is_empty() {
            errors.push(Error::new_spanned(
                &generics.params,
                "an operator is one function under one name, so it cannot be generic: write one for each type, which may call a \
                 generic function",
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
        check_roles(&parameters, &mut errors);
        let returns: ReturnType = input.parse()?;
        let output = output(&returns, &mut errors);
        let clause: Option<WhereClause> = input.parse()?;
        if let Some(clause) = &clause {
            errors.push(Error::new_spanned(
                clause,
                "an operator is not generic, so there is nothing for a `where` clause to say",
            ));
        }
        let body: Group = input
            .parse()
            .map_err(|e| Error::new(e.span(), "an operator needs a body"))?;
        let arguments = Group::new(proc_macro2::Delimiter::Parenthesis, list);
        let plain = quote! {
            #(#attributes)* #visibility #qualifiers #fn_token #name #generics #arguments #returns #clause #body
        };
        Ok(Self {
            attributes,
            visibility,
            name,
            parameters,
            output,
            plain,
            errors,
        })
    }
}

fn not_a_function(span: proc_macro2::Span) -> Error {
    Error::new(span, "#[op] goes on a plain function")
}

/// Reads one parameter; writes it out again to `list`.
fn parameter(
    input: ParseStream<'_>,
    parameters: &mut Vec<Parameter>,
    list: &mut TokenStream,
    errors: &mut Vec<Error>,
) -> syn::Result<()> {
    let attributes = input.call(Attribute::parse_outer)?;
    let (marks, others): (Vec<_>, Vec<_>) = attributes
        .into_iter()
        .partition(|a| a.path().is_ident("params"));
    others.iter().for_each(|a| a.to_tokens(list));
    let mut pattern = TokenStream::new();
    while !input.peek(Token![:]) || input.peek(Token![::]) {
        if input.is_empty() || input.peek(Token![,]) {
            pattern.to_tokens(list);
            let me = pattern
                .clone()
                .into_iter()
                .any(|t| matches!(t, TokenTree::Ident(i) if i == "self"));
            let words = if me {
                "an operator is a free function: `self` cannot be an input"
            } else {
                "expected `: Type`"
            };
            errors.push(Error::new_spanned(pattern, words));
            return Ok(());
        }
        if let Some(colons) = input.parse::<Option<Token![::]>>()? {
            colons.to_tokens(&mut pattern);
        } else {
            input.parse::<TokenTree>()?.to_tokens(&mut pattern);
        }
    }
    let colon: Token![:] = input.parse()?;
    let written: Type = input.parse()?;
    quote!(#pattern #colon #written).to_tokens(list);
    if let Some(again) = marks.get(1) {
        errors.push(Error::new_spanned(again, "#[params] is given twice"));
    }
    let name = name_of(&pattern, parameters.len());
    match role(&name, &written, marks.first()) {
        Ok(role) => parameters.push(Parameter {
            name,
            written,
            role,
        }),
        Err(e) => errors.push(e),
    }
    Ok(())
}

/// `x` and `mut x` have a name; `_` and patterns get one.
fn name_of(pattern: &TokenStream, number: usize) -> Ident {
    let mut tokens = pattern
        .clone()
        .into_iter()
        .filter(|t| !matches!(t, TokenTree::Ident(i) if i == "mut"));
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(name)), None) if name != "_" => name,
        _ => format_ident!("input{number}"),
    }
}

fn role(name: &Ident, written: &Type, mark: Option<&Attribute>) -> syn::Result<Role> {
    if let Type::ImplTrait(t) = bare(written) {
        return Err(implied_generic(t));
    }
    let Type::Reference(reference) = bare(written) else {
        let shown = written.to_token_stream().to_string().replace(' ', "");
        let why = match mark {
            Some(_) => "parameters serve all tasks of the operator",
            None => "inputs may be read by other tasks too",
        };
        return Err(Error::new_spanned(
            written,
            format!("{why}, so `{name}` is taken by reference: `{name}: &{shown}`"),
        ));
    };
    if reference.mutability.is_some() {
        return Err(Error::new_spanned(
            written,
            format!(
                "`{name}` may be read by other tasks too, so it cannot be changed in place: take `&`"
            ),
        ));
    }
    if let Some(lifetime) = &reference.lifetime {
        return Err(Error::new_spanned(
            lifetime,
            "an operator cannot name lifetimes: each input lives as long as the call",
        ));
    }
    let target = bare(&reference.elem);
    if is_context(target) {
        return match mark {
            Some(m) => Err(Error::new_spanned(
                m,
                "the context is not a parameter of the operator",
            )),
            None => Ok(Role::Context),
        };
    }
    if mark.is_some() {
        return Ok(Role::Params(owned(target)?));
    }
    if let Type::Slice(slice) = target
        && let Type::Reference(each) = bare(&slice.elem)
    {
        let seen = bare(&each.elem);
        return Ok(Role::Inputs(owned(seen)?, seen.to_token_stream()));
    }
    Ok(Role::Input(owned(target)?))
}

fn implied_generic(t: &syn::TypeImplTrait) -> Error {
    Error::new_spanned(
        t,
        "an operator has one concrete type for each input: `impl Trait` would make it generic",
    )
}

/// The type itself, without the invisible groups that `macro_rules` puts around it.
fn bare(t: &Type) -> &Type {
    match t {
        Type::Group(g) => bare(&g.elem),
        Type::Paren(p) => bare(&p.elem),
        other => other,
    }
}

fn is_context(t: &Type) -> bool {
    matches!(t, Type::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == "TaskContext"))
}

/// What a task makes so that it can be borrowed as `t`: `String` for `str`, `Vec<T>` for `[T]`, else `t`.
fn owned(t: &Type) -> syn::Result<TokenStream> {
    match t {
        Type::Slice(s) => {
            let element = &s.elem;
            Ok(quote!(::std::vec::Vec<#element>))
        }
        Type::Path(p) if p.path.is_ident("str") => Ok(quote!(::std::string::String)),
        Type::ImplTrait(t) => Err(implied_generic(t)),
        Type::TraitObject(_) => Err(Error::new_spanned(
            t,
            "tasks pass values of concrete types: a trait object cannot be an input",
        )),
        other => Ok(other.to_token_stream()),
    }
}

/// What concerns several parameters at once.
fn check_roles(parameters: &[Parameter], errors: &mut Vec<Error>) {
    let all = |want: fn(&Role) -> bool| parameters.iter().filter(move |p| want(&p.role));
    for second in all(|r| matches!(r, Role::Params(_))).skip(1) {
        errors.push(Error::new_spanned(
            &second.written,
            "an operator has one #[params]: put both into one struct",
        ));
    }
    for second in all(|r| matches!(r, Role::Context)).skip(1) {
        errors.push(Error::new_spanned(
            &second.written,
            "the context is given once",
        ));
    }
    let mut inputs = all(|r| matches!(r, Role::Input(_) | Role::Inputs(..)));
    if let Some(many) = inputs.by_ref().find(|p| matches!(p.role, Role::Inputs(..)))
        && inputs.next().is_some()
    {
        errors.push(Error::new_spanned(
            &many.written,
            "any number of inputs can only be the last of them: nothing would tell where the next begins",
        ));
    }
}

fn output(returns: &ReturnType, errors: &mut Vec<Error>) -> Output {
    let ReturnType::Type(_, t) = returns else {
        return Output::Value(quote!(()));
    };
    match bare(t) {
        Type::Reference(_) => errors.push(Error::new_spanned(
            t,
            "a result outlives the inputs, so an operator returns an owned value, not a reference",
        )),
        Type::ImplTrait(_) | Type::TraitObject(_) => errors.push(Error::new_spanned(
            t,
            "tasks pass values of concrete types: name the type that is returned",
        )),
        Type::Path(p) if is_result(&p.path) => return Output::Result(p.to_token_stream()),
        _ => {}
    }
    Output::Value(t.to_token_stream())
}

fn is_result(path: &Path) -> bool {
    path.segments.last().is_some_and(|s| {
        s.ident == "Result"
            && match &s.arguments {
                PathArguments::AngleBracketed(a) => {
                    a.args.iter().any(|a| matches!(a, GenericArgument::Type(_)))
                }
                // `fmt::Result`: an alias without arguments.
                PathArguments::None => true,
                PathArguments::Parenthesized(_) => false,
            }
    })
}
