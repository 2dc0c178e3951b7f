//! The page itself: one file that loads nothing but its data, and a policy that holds it to that.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// The page.
pub(crate) const PAGE: &str = include_str!("page.html");

/// The page's Content-Security-Policy: its own script and style, named by their hashes, and data from
/// where it comes from.
pub(crate) fn policy() -> HeaderValue {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let policy = format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; connect-src 'self'; img-src data:; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash("script"),
            hash("style"),
        );
        // Letters, digits and what stands above.
        HeaderValue::try_from(policy)
            .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
    });
    POLICY.clone()
}

/// The hash of what the page's only element of this kind holds.
fn hash(element: &str) -> String {
    let (begin, end) = (format!("<{element}>"), format!("</{element}>"));
    let inside = PAGE
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    let inside = inside.map_or("", |(inside, _)| inside);
    let digest = ring::digest::digest(&ring::digest::SHA256, inside.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_holds_one_script_and_one_style_and_loads_nothing() {
        for element in ["script", "style"] {
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1, "{element}");
            assert_eq!(
                PAGE.matches(&format!("</{element}>")).count(),
                1,
                "{element}"
            );
        }
        for way in [
            " src=",
            "@import",
            "url(",
            "http:",
            "https:",
            "innerHTML",
            " style=",
            " on",
        ] {
            let way_of_its_own = way == " on";
            let found = PAGE.match_indices(way).any(|(at, _)| {
                // An attribute with a handler, not a word.
                !way_of_its_own
                    || PAGE[at..].split('=').next().is_some_and(|name| {
                        name.len() > 4 && name[3..].chars().all(|c| c.is_ascii_lowercase())
                    })
            });
            assert!(!found, "{way}");
        }
        let policy = policy();
        let policy = policy.to_str().expect("it is text");
        assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
    }
}
