//! Pieces of HTML, and the functions that escape texts.

use std::fmt::Write;

/// Returns the text, in which each character with a meaning in HTML is escaped.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Returns `json` with `<` and other special characters escaped. So the JSON cannot end the element `script` that
/// contains it.
pub(super) fn json_in_script(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => _ = write!(escaped, "\\u{:04x}", u32::from(c)),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// A cell of a table.
pub(super) struct Cell {
    /// The content as HTML.
    pub(super) html: String,
    /// The value by which the column is sorted, or `None` if the column is sorted by the content.
    pub(super) key: Option<String>,
}

impl Cell {
    pub(super) fn text(text: &str) -> Self {
        Self { html: escape(text), key: None }
    }

    /// Returns the cell of a number. `None` is shown as a dash, and sorted below every number.
    pub(super) fn number(value: Option<f64>, text: impl FnOnce() -> String) -> Self {
        match value {
            Some(value) => Self { html: escape(&text()), key: Some(value.to_string()) },
            None => Self { html: UNKNOWN.to_owned(), key: Some("-1e300".to_owned()) },
        }
    }

    pub(super) fn html(html: String) -> Self {
        Self { html, key: None }
    }
}

/// The HTML of an unknown value.
pub(super) const UNKNOWN: &str = "<span class=\"dash\" aria-label=\"unknown\" role=\"img\">–</span>";

/// A column of a table.
pub(super) struct Heading {
    pub(super) text: &'static str,
    /// The class of the column's cells: `name`, `num`, or empty.
    pub(super) class: &'static str,
}

/// Returns a table. On a narrow screen, each row is a block, and each cell has its heading next to it.
pub(super) fn table(caption: &str, headings: &[Heading], rows: Vec<Vec<Cell>>) -> String {
    let mut out = format!(
        "<table role=\"table\"><caption>{}</caption><thead role=\"rowgroup\"><tr role=\"row\">",
        escape(caption)
    );
    for Heading { text, class } in headings {
        out += &format!("<th role=\"columnheader\" scope=\"col\" class=\"{class}\">{}</th>", escape(text));
    }
    out += "</tr></thead><tbody role=\"rowgroup\">";
    for row in rows {
        out += "<tr role=\"row\">";
        for (Heading { text, class }, Cell { html, key }) in headings.iter().zip(row) {
            let key = key.map_or_else(String::new, |key| format!(" data-key=\"{}\"", escape(&key)));
            let (tag, role) = if *class == "name" { ("th", "rowheader\" scope=\"row") } else { ("td", "cell") };
            out += &format!(
                "<{tag} role=\"{role}\" class=\"{class}\" data-label=\"{}\"{key}>{html}</{tag}>",
                escape(text)
            );
        }
        out += "</tr>";
    }
    out + "</tbody></table>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_become_markup() {
        assert_eq!(escape("<b a='1' c=\"2\">&amp;"), "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
        assert_eq!(json_in_script("\"</script><!--&\u{2028}\""), "\"\\u003c/script\\u003e\\u003c!--\\u0026\\u2028\"");
    }
}
