//! Links: what a page links to, the names that headings have as targets, and links out of the book. Whether the targets
//! are there is for the tests to see.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Every target of a link or an image.
pub fn targets(markdown: &str) -> Vec<String> {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES);
    let target = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        _ => None,
    };
    events.filter_map(target).collect()
}

/// The names by which headings are linked to: small letters, hyphens for spaces, no punctuation.
pub fn anchors(markdown: &str) -> Vec<String> {
    let (mut found, mut heading) = (vec![], None);
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => found.extend(heading.take().map(|h| anchor(&h))),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    *heading += &text;
                }
            }
            _ => {}
        }
    }
    found
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A page of `docs/` in which links to files of the repository, which are not part of the book, become their names.
pub fn name_files(markdown: &str) -> String {
    let mut page = String::with_capacity(markdown.len());
    let mut end = 0;
    for (event, place) in Parser::new_ext(markdown, Options::ENABLE_TABLES).into_offset_iter() {
        let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
        let (Some(path), Some((text, _))) = (dest_url.strip_prefix("../"), markdown[place.clone()].rsplit_once("]("))
        else {
            continue;
        };
        let text = text.trim_start_matches('[');
        page += &markdown[end..place.start];
        page += &if text.trim_matches('`') == path { format!("`{path}`") } else { format!("{text} (`{path}`)") };
        end = place.end;
    }
    page + &markdown[end..]
}
