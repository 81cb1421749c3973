import { breakable, html } from "../charts/dom.js";
import { number, percent } from "../charts/format.js";

const SHOWN = 5;

/** A short list of the fields that could move the present answer most. */
export function makeRanking() {
  const list = html("ol", { class: "bars" });
  const note = html("p", { class: "note" });
  const element = html(
    "div",
    { class: "ranking" },
    html("h3", {}, "What moves it most here"),
    note,
    list,
  );
  return {
    element,
    /**
     * @param {{name: string, answers: number[]}[]} sweeps
     * @param {string} task
     * @param {string} followed what the answers are of
     */
    show(sweeps, task, followed) {
      const reach = sweeps
        .map(
          ({ name, answers }) => ({
            name,
            span: answers.length ? Math.max(...answers) - Math.min(...answers) : 0,
          }),
        )
        .sort((a, b) => b.span - a.span)
        .slice(0, SHOWN);
      const most = task === "regression" ? reach[0]?.span || 1 : 1;
      const what = task === "regression" ? followed : `the probability of ${followed}`;
      note.textContent = `Reach of each field alone on ${what}`;
      list.replaceChildren(
        ...reach.map(({ name, span }) => {
          const bar = html("span", { class: "fill" });
          bar.style.setProperty("--share", String(span / most));
          return html(
            "li",
            {},
            html("span", { class: "name", title: name }, breakable(name)),
            html("span", { class: "track" }, bar),
            html("span", { class: "share" }, task === "regression" ? number(span) : percent(span)),
          );
        }),
      );
    },
  };
}
