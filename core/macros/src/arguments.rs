//! What stands in the brackets of `#[op(…)]`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Error, LitBool, LitInt, LitStr, Path, Token};

use crate::nearest::nearest;

const KEYS: [&str; 6] = ["name", "version", "pure", "inline", "uses_block", "crate"];

/// The keys of `#[op(…)]`, checked.
pub(crate) struct Arguments {
    /// `None`: the package's name and the function's.
    pub(crate) name: Option<LitStr>,
    pub(crate) version: u32,
    pub(crate) pure: bool,
    pub(crate) inline: bool,
    pub(crate) uses_block: bool,
    /// Where kvern-core is found.
    pub(crate) core: TokenStream,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            name: None,
            version: 1,
            pure: true,
            inline: false,
            uses_block: false,
            core: quote!(::kvern_core),
        }
    }
}

impl Arguments {
    /// Reads them; every mistake is added to `errors` and reading goes on.
    pub(crate) fn read(tokens: TokenStream, errors: &mut Vec<Error>) -> Self {
        let mut all = Self::default();
        let read = |input: ParseStream<'_>| {
            let mut seen: Vec<Ident> = Vec::new();
            while !input.is_empty() {
                let key = input.call(Ident::parse_any)?;
                if seen.contains(&key) {
                    errors.push(Error::new(key.span(), format!("`{key}` is given twice")));
                }
                seen.push(key.clone());
                all.value(&key, input, errors)?;
                if !input.is_empty() {
                    input.parse::<Token![,]>()?;
                }
            }
            Ok(())
        };
        if let Err(e) = read.parse2(tokens) {
            errors.push(e);
        }
        all
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
            "pure" => self.pure = flag(input)?,
            "inline" => self.inline = flag(input)?,
            "uses_block" => self.uses_block = flag(input)?,
            "crate" => self.core = path(input)?,
            _ => return Err(no_such_key("#[op]", key, &KEYS)),
        }
        Ok(())
    }
}

/// `= "namespace.op"`.
pub(crate) fn name(input: ParseStream<'_>, errors: &mut Vec<Error>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    let name: LitStr = input.parse()?;
    errors.extend(check_name(&name.value(), name.span()));
    Ok(name)
}

/// `= 3`; `None`: it is not allowed, and stands among the errors.
pub(crate) fn version(input: ParseStream<'_>, errors: &mut Vec<Error>) -> syn::Result<Option<u32>> {
    input.parse::<Token![=]>()?;
    let version: LitInt = input.parse()?;
    if let Ok(v @ 1..) = version.base10_parse() {
        return Ok(Some(v));
    }
    errors.push(Error::new(
        version.span(),
        format!("version {version} is not allowed: 1 to {}", u32::MAX),
    ));
    Ok(None)
}

/// `= path::to::a::crate`.
pub(crate) fn path(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    input.parse::<Token![=]>()?;
    let path = input.call(Path::parse_mod_style)?;
    Ok(quote!(#path))
}

/// What an attribute says to a key that it does not know.
pub(crate) fn no_such_key(attribute: &str, key: &Ident, keys: &[&str]) -> Error {
    let hint = nearest(&key.to_string(), keys).map_or_else(
        || format!("there are: {}", keys.join(", ")),
        |near| format!("did you mean `{near}`?"),
    );
    let words = format!("{attribute} has no key `{key}`; {hint}");
    Error::new(key.span(), words)
}

/// `inline` alone is true; `inline = false` says otherwise.
pub(crate) fn flag(input: ParseStream<'_>) -> syn::Result<bool> {
    if input.parse::<Option<Token![=]>>()?.is_none() {
        return Ok(true);
    }
    Ok(input.parse::<LitBool>()?.value)
}

/// Names are `namespace.op`: at least two parts of letters, digits, `_` and `-`.
pub(crate) fn check_name(name: &str, span: Span) -> Option<Error> {
    let parts: Vec<&str> = name.split('.').collect();
    let why = if let Some(c) = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c)))
    {
        format!("{c:?} is not allowed in it (letters, digits, `_`, `-`, and `.` between parts)")
    } else if parts.iter().any(|p| p.is_empty()) {
        "one of its parts is empty".to_owned()
    } else if parts.len() < 2 {
        "it has no namespace".to_owned()
    } else {
        return None;
    };
    Some(Error::new(
        span,
        format!(
            "{name:?} cannot name an operator: {why}. A name is \"namespace.op\", such as \"demo.scale\""
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Arguments, Vec<String>) {
        let mut errors = Vec::new();
        let all = Arguments::read(text.parse().unwrap(), &mut errors);
        (all, errors.iter().map(Error::to_string).collect())
    }

    #[test]
    fn everything_at_once() {
        let (a, errors) = read(
            "name = \"demo.scale\", version = 3, pure = false, inline, uses_block = true, crate = ::kvern::core,",
        );
        assert_eq!(errors, Vec::<String>::new());
        assert_eq!(a.name.unwrap().value(), "demo.scale");
        assert_eq!(
            (a.version, a.pure, a.inline, a.uses_block),
            (3, false, true, true)
        );
        assert_eq!(a.core.to_string(), quote!(::kvern::core).to_string());
    }

    #[test]
    fn mistakes_are_named() {
        let (_, errors) = read("name = \"scale\", version = 0, version = 2");
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert!(errors[0].contains("it has no namespace"), "{errors:?}");
        assert!(errors[1].contains("version 0 is not allowed"), "{errors:?}");
        assert!(errors[2].contains("given twice"), "{errors:?}");
        let (_, errors) = read("verison = 1");
        assert!(errors[0].contains("did you mean `version`?"), "{errors:?}");
        for bad in ["a..b", ".a", "a.", "a b.c", "a.b\u{e9}"] {
            assert!(check_name(bad, Span::call_site()).is_some(), "{bad}");
        }
        assert!(check_name("my-crate.sub_1.op", Span::call_site()).is_none());
    }
}
