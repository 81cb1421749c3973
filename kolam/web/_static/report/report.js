import { makeForm } from "../live/form.js";
import { load } from "../runtime/predictor.js";
import { makeContents, makeThemeButton, showFailure } from "../live/frame.js";
import { readPage } from "../live/data.js";
import { overview } from "./overview.js";
import { quality } from "./quality.js";
import { card, lineage, targets, training } from "./run.js";
import { section } from "../live/section.js";
import { slices } from "./slices.js";
import { anomalies, columns } from "./table.js";

/** @param {import("./data.js").Report} report */
async function live({ live, examples }) {
  if (!live) return null;
  const predictor = await load(live);
  return section(
    "try",
    "Try it",
    "This is the model itself, compiled to WebAssembly and running in this page. Change a field " +
      "and the answer follows; the line under each field shows where the answer would go.",
    makeForm(predictor, examples).element,
  );
}

async function main() {
  const report = /** @type {import("./data.js").Report} */ (readPage());
  const main = /** @type {HTMLElement} */ (document.querySelector("main"));
  const sections = [
    await live(report),
    quality(report),
    slices(report),
    targets(report),
    anomalies(report),
    columns(report),
    training(report),
    lineage(report),
    card(report),
  ].filter((part) => part !== null);
  main.replaceChildren(overview(report), ...sections.map(({ element }) => element));
  document.querySelector(".top")?.append(makeThemeButton());
  document.querySelector("#contents")?.replaceChildren(makeContents(sections));
  document.documentElement.dataset.state = "ready";
}

main().catch(showFailure);
