import { html } from "./dom.js";
import { number, percent } from "./format.js";

/**
 * A confusion matrix as a table: true class down, predicted class across, tinted by the share of
 * the true class.
 * @param {number[][]} counts
 * @param {string[]} classes
 */
export function confusionMatrix(counts, classes) {
  return html(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Confusion matrix" },
    html(
      "table",
      { class: "confusion" },
      html("caption", {}, "predicted"),
      html(
        "thead",
        {},
        html(
          "tr",
          {},
          html("td", { class: "corner" }, "actual"),
          classes.map((name) => html("th", { scope: "col" }, name)),
        ),
      ),
      html(
        "tbody",
        {},
        counts.map((row, actual) => {
          const total = row.reduce((sum, count) => sum + count, 0);
          return html(
            "tr",
            {},
            html("th", { scope: "row" }, classes[actual]),
            row.map((count, predicted) => {
              const share = total ? count / total : 0;
              const cell = html(
                "td",
                { class: predicted === actual ? "right" : "wrong" },
                html("b", {}, number(count)),
                html("small", {}, percent(share)),
              );
              cell.style.setProperty("--share", share.toFixed(3));
              return cell;
            }),
          );
        }),
      ),
    ),
  );
}
