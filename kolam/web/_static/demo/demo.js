import { html } from "../charts/dom.js";
import { bytes, number } from "../charts/format.js";
import { makeForm } from "../live/form.js";
import { makeThemeButton, showFailure } from "../live/frame.js";
import { readPage } from "../live/data.js";
import { facts } from "../live/section.js";
import { load } from "../runtime/predictor.js";

/** @typedef {{label: string, card: Record<string, unknown>, live: import("../runtime/parcel.js").Inlined | null}} Page */

const USE = `import { load } from "./model.js";

const model = await load();
const { label, scores } = model.predict(row); // model.d.ts says what a row is`;

async function main() {
  const page = /** @type {Page} */ (readPage());
  const predictor = await load(page.live ?? new URL(".", document.baseURI));
  const { files } = predictor.manifest;
  document.querySelector(".top")?.append(makeThemeButton());
  document.querySelector("main")?.replaceChildren(
    html(
      "header",
      { class: "overview" },
      html(
        "p",
        { class: "eyebrow" },
        predictor.task === "regression"
          ? "A regression model"
          : `A classifier of ${number(predictor.classes.length)} classes`,
      ),
      html("h1", {}, `Predict ${page.label}`),
      html(
        "p",
        { class: "summary" },
        "Set the fields; the answer follows as you type. The model is WebAssembly in this page: " +
          "nothing you enter leaves it.",
      ),
    ),
    html("section", { "aria-label": "The model" }, makeForm(predictor, []).element),
    html(
      "section",
      { "aria-labelledby": "inside" },
      html("h2", { id: "inside" }, "What is in it"),
      facts([
        ["columns read", number(predictor.columns.length)],
        ["numbers made of them", number(predictor.features.width)],
        ["code", bytes(files["model.wasm"].bytes)],
        ["weights", bytes(files["model.weights"].bytes)],
        ["column program", bytes(files["features.json"].bytes)],
      ]),
      page.live ? null : use(),
    ),
  );
  document.documentElement.dataset.state = "ready";
}

function use() {
  return html(
    "div",
    {},
    html("h3", {}, "Use it in your own page"),
    html(
      "pre",
      { class: "sample", tabindex: "0" },
      USE,
    ),
  );
}

main().catch(showFailure);
