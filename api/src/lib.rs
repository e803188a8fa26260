//! The public interface of a crate as text: every `pub` item of its sources with its signature, without bodies and
//! without documentation.
//!
//! It is read from the sources and not from rustdoc, so it works on a stable compiler. A `pub` item of a private module
//! is listed under that module; `pub use` says what of it is shown and where. Macros are not run: where a call of one
//! makes public items or methods, the call is listed as it stands.

use proc_macro2::{Group, TokenStream, TokenTree};
use std::path::{Path, PathBuf};
use syn::{Attribute, Fields, ImplItem, Item, Stmt, TraitItem, Visibility};

/// What keeps a crate from being read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that a `mod` names is not there.
    #[error("{file}: {source}")]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not Rust.
    #[error("{file}: {source}")]
    Parse {
        /// Which.
        file: PathBuf,
        /// Why.
        source: syn::Error,
    },
}

/// The public items of the crate whose `lib.rs` stands in `src`, by module.
///
/// # Errors
/// A file that cannot be read or parsed.
pub fn interface(src: &Path) -> Result<String, Error> {
    let mut sections = Vec::new();
    walk(&src.join("lib.rs"), src, "crate", &mut sections)?;
    sections.sort();
    Ok(sections.into_iter().map(|(path, text)| format!("// {path}\n{text}\n")).collect())
}

/// Reads a file and the modules that it names, which stand in `folder`.
fn walk(file: &Path, folder: &Path, path: &str, out: &mut Vec<(String, String)>) -> Result<(), Error> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Read { file: file.into(), source })?;
    let parsed = syn::parse_file(&text).map_err(|source| Error::Parse { file: file.into(), source })?;
    items(parsed.items, folder, path, out)
}

fn items(list: Vec<Item>, folder: &Path, path: &str, out: &mut Vec<(String, String)>) -> Result<(), Error> {
    let mut shown = Vec::new();
    for item in list {
        if let Item::Mod(m) = item {
            if is_hidden(&m.attrs) {
                continue;
            }
            let name = m.ident.to_string();
            let (below, path) = (folder.join(&name), format!("{path}::{name}"));
            match m.content {
                Some((_, inner)) => items(inner, &below, &path, out)?,
                None => {
                    let flat = folder.join(format!("{name}.rs"));
                    let file = if flat.exists() { flat } else { below.join("mod.rs") };
                    walk(&file, &below, &path, out)?;
                }
            }
        } else if let Some(item) = public(item) {
            shown.push(item);
        }
    }
    if !shown.is_empty() {
        let text = prettyplease::unparse(&syn::File { shebang: None, attrs: Vec::new(), items: shown });
        out.push((path.to_string(), text));
    }
    Ok(())
}

fn is_public(v: &Visibility) -> bool {
    matches!(v, Visibility::Public(_))
}

/// Compiled for tests only, or hidden from documentation.
fn is_hidden(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|a| {
        let mut hidden = false;
        if a.path().is_ident("doc") || a.path().is_ident("cfg") {
            let _ = a.parse_nested_meta(|m| {
                hidden |= m.path.is_ident("hidden") || m.path.is_ident("test");
                Ok(())
            });
        }
        hidden
    })
}

/// What a macro is called with, without documentation.
fn undocumented(tokens: TokenStream) -> TokenStream {
    let is_doc = |t: &TokenTree| match t {
        TokenTree::Group(g) => matches!(g.stream().into_iter().next(), Some(TokenTree::Ident(i)) if i == "doc"),
        _ => false,
    };
    let mut tokens = tokens.into_iter().peekable();
    let mut kept = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(p) if p.as_char() == '#' && tokens.peek().is_some_and(is_doc) => drop(tokens.next()),
            TokenTree::Group(g) => kept.push(Group::new(g.delimiter(), undocumented(g.stream())).into()),
            token => kept.push(token),
        }
    }
    kept.into_iter().collect()
}

/// Does a macro make something public, as far as its call says?
fn makes_public(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|t| matches!(t, TokenTree::Ident(i) if i == "pub"))
}

/// Keeps what a caller must know: `#[non_exhaustive]`, `#[must_use]`.
fn plain(attrs: &mut Vec<Attribute>) {
    attrs.retain(|a| a.path().is_ident("non_exhaustive") || a.path().is_ident("must_use"));
}

fn fields(f: &mut Fields) {
    let keep = |f: &mut syn::Field| {
        plain(&mut f.attrs);
        is_public(&f.vis)
    };
    match f {
        Fields::Named(n) => {
            n.named = std::mem::take(&mut n.named).into_iter().filter_map(|mut f| keep(&mut f).then_some(f)).collect()
        }
        Fields::Unnamed(n) => {
            n.unnamed =
                std::mem::take(&mut n.unnamed).into_iter().filter_map(|mut f| keep(&mut f).then_some(f)).collect();
        }
        Fields::Unit => {}
    }
}

/// The item as its users see it, if they do.
fn public(item: Item) -> Option<Item> {
    Some(match item {
        Item::Fn(mut f) if is_public(&f.vis) && !is_hidden(&f.attrs) => {
            plain(&mut f.attrs);
            f.block.stmts = Vec::<Stmt>::new();
            Item::Fn(f)
        }
        Item::Struct(mut s) if is_public(&s.vis) && !is_hidden(&s.attrs) => {
            plain(&mut s.attrs);
            fields(&mut s.fields);
            Item::Struct(s)
        }
        Item::Enum(mut e) if is_public(&e.vis) && !is_hidden(&e.attrs) => {
            plain(&mut e.attrs);
            for v in &mut e.variants {
                plain(&mut v.attrs);
                v.fields.iter_mut().for_each(|f| plain(&mut f.attrs));
            }
            Item::Enum(e)
        }
        Item::Trait(mut t) if is_public(&t.vis) && !is_hidden(&t.attrs) => {
            plain(&mut t.attrs);
            for item in &mut t.items {
                if let TraitItem::Fn(f) = item {
                    plain(&mut f.attrs);
                    if let Some(block) = &mut f.default {
                        block.stmts.clear();
                    }
                } else if let TraitItem::Type(t) = item {
                    plain(&mut t.attrs);
                } else if let TraitItem::Const(c) = item {
                    plain(&mut c.attrs);
                }
            }
            Item::Trait(t)
        }
        Item::Impl(mut i) => {
            plain(&mut i.attrs);
            match i.trait_ {
                Some(_) => i.items.clear(),
                None => {
                    i.items.retain_mut(|item| match item {
                        ImplItem::Fn(f) => {
                            let shown = is_public(&f.vis) && !is_hidden(&f.attrs);
                            plain(&mut f.attrs);
                            f.block.stmts.clear();
                            shown
                        }
                        ImplItem::Const(c) => {
                            plain(&mut c.attrs);
                            is_public(&c.vis)
                        }
                        ImplItem::Macro(m) => {
                            m.mac.tokens = undocumented(std::mem::take(&mut m.mac.tokens));
                            true
                        }
                        _ => false,
                    });
                    if i.items.is_empty() {
                        return None;
                    }
                }
            }
            Item::Impl(i)
        }
        Item::Macro(mut m) if m.ident.is_none() && makes_public(&m.mac.tokens) => {
            m.mac.tokens = undocumented(m.mac.tokens);
            Item::Macro(m)
        }
        Item::Type(mut t) if is_public(&t.vis) && !is_hidden(&t.attrs) => {
            plain(&mut t.attrs);
            Item::Type(t)
        }
        Item::Const(mut c) if is_public(&c.vis) && !is_hidden(&c.attrs) => {
            plain(&mut c.attrs);
            // A long table is its type.
            *c.expr = syn::parse_quote!(..);
            Item::Const(c)
        }
        Item::Use(mut u) if is_public(&u.vis) && !is_hidden(&u.attrs) => {
            plain(&mut u.attrs);
            Item::Use(u)
        }
        _ => return None,
    })
}
