//! The preprocessor that `docs/book.toml` names: mdBook runs it with the book on standard input.

use std::io::Read;
use std::process::ExitCode;

const HELP: &str = "\
A preprocessor of mdBook: formulas between dollar signs become MathML. It is run by `mdbook build docs`, not by hand.

  pullback-book supports RENDERER   is the renderer HTML? (exit status)
  pullback-book                     reads `[context, book]` from standard input and prints the book";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["supports", renderer] => ExitCode::from(u8::from(renderer != "html")),
        [] => match run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                eprintln!("pullback-book: {e}");
                ExitCode::FAILURE
            }
        },
        _ => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
    }
}

fn run() -> Result<(), pullback_book::Error> {
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    println!("{}", pullback_book::preprocess(&input)?);
    Ok(())
}
