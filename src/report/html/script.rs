//! The only script of the page. It lets the reader sort a table by a column.

/// The script. Its hash is in [`HASH`].
pub(super) const SORT: &str = r#"for (const th of document.querySelectorAll("thead th")) {
  const button = document.createElement("button");
  button.append(...th.childNodes);
  th.append(button);
  button.addEventListener("click", () => {
    const rows = th.closest("table").tBodies[0], at = th.cellIndex;
    const down = th.getAttribute("aria-sort") !== "descending";
    const key = (row) => row.cells[at].dataset.key ?? row.cells[at].textContent;
    const order = (a, b) => a - b || String(a).localeCompare(b, "en", { numeric: true });
    const sorted = [...rows.rows].sort((a, b) => order(key(a), key(b)) * (down ? -1 : 1));
    for (const other of th.parentNode.cells) other.removeAttribute("aria-sort");
    th.setAttribute("aria-sort", down ? "descending" : "ascending");
    rows.append(...sorted);
  });
}
"#;

/// The SHA-256 of [`SORT`] in base64. The page allows only the script with this hash. A test in `tests/cli` checks
/// the hash.
pub(super) const HASH: &str = "o+nRgwD9AqxeLgIJa5i8Jh2AlznQeEarsYprHfapUsU=";
