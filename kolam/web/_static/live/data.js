/**
 * Read the JSON block of the page.
 * @returns {unknown}
 */
export function readPage() {
  return JSON.parse(document.getElementById("page-data")?.textContent ?? "null");
}
