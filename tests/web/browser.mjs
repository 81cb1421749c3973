// Drives one Chromium: a JSON line {url, check, argument, width, dark} in, {found} or {failure} out.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** @typedef {import("playwright-core").Page} Page */

/** What a visit can look at. Each gets the page and the argument, and gives JSON. */
const CHECKS = {
  /** What went wrong while the page was drawn, and what it fetched. */
  trace: (page, _, trace) => trace,

  title: page => page.title(),

  text: page => page.evaluate(() => document.body.innerText),

  /** Width of the page beyond the window, and what sticks out. */
  overflow: page =>
    page.evaluate(() => ({
      beyond: document.documentElement.scrollWidth - innerWidth,
      parts: [...document.querySelectorAll("main *")]
        .filter(part => part.getBoundingClientRect().right > innerWidth + 1 && !part.closest(".scroll, pre"))
        .map(part => part.outerHTML.slice(0, 120)),
    })),

  /** Elements of some selector. */
  count: (page, selector) => page.evaluate(one => document.querySelectorAll(one).length, selector),

  texts: (page, selector) =>
    page.evaluate(one => [...document.querySelectorAll(one)].map(part => part.textContent), selector),

  /** Set every field of the form to each row in turn, by the controls, and read the answers. */
  answers: (page, rows) => page.evaluate(fillAndRead, rows),

  /** Choose values of the two lists over the slices, and read the order of the rows. */
  slices: (page, [measure, order]) =>
    page.evaluate(
      ([measure, order]) => {
        for (const [name, value] of [["Measure", measure], ["Order", order]]) {
          const list = document.querySelector(`select[name=${name}]`);
          list.value = value;
          list.dispatchEvent(new Event("change"));
        }
        return [...document.querySelectorAll(".slices tbody th")].map(cell => cell.firstChild.textContent);
      },
      [measure, order],
    ),

  accessibility: page => page.evaluate(walk),

  /** Press Tab through the page: the names of what has the focus, and whether it shows. */
  async tabs(page, count) {
    const seen = [];
    for (let at = 0; at < count; at++) {
      await page.keyboard.press("Tab");
      seen.push(
        await page.evaluate(() => {
          const part = document.activeElement;
          const style = getComputedStyle(part);
          return {
            name: part.getAttribute("aria-label") ?? part.labels?.[0]?.textContent ?? part.textContent.slice(0, 40),
            shows: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
          };
        }),
      );
    }
    return seen;
  },

  /** Type into the first number field by keyboard alone: the answer before and after. */
  async typing(page, value) {
    const read = () => page.evaluate(() => [...document.querySelectorAll(".answer .fill")].map(bar => bar.style.getPropertyValue("--share")));
    const before = await read();
    await page.focus(".field.number input[type=number]");
    await page.keyboard.press("Control+A");
    await page.keyboard.type(String(value));
    return { before, after: await read() };
  },

  /** Colours of the page before and after the button that turns them. */
  async theme(page) {
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const before = await paper();
    await page.click("button.theme");
    return { before, after: await paper(), label: await page.getAttribute("button.theme", "aria-label") };
  },

  /** Least contrast of text against what lies behind it. */
  contrast: page => page.evaluate(leastContrast),

  /** Number of elements of the page after many answers. */
  elements: (page, times) =>
    page.evaluate(async many => {
      const entry = document.querySelector(".field.number input[type=number]");
      for (let at = 0; at < many; at++) {
        entry.value = String(30 + (at % 40));
        entry.dispatchEvent(new Event("input"));
      }
      return document.querySelectorAll("*").length;
    }, times),

  /** Load the folder's own model.js in the page and predict. */
  imported: (page, rows) =>
    page.evaluate(async all => {
      const { load } = await import(new URL("model.js", location.href).href);
      const model = await load();
      return all.map(row => {
        const { label, scores } = model.predict(row);
        return { label, scores: [...scores] };
      });
    }, rows),
};

/** @param {Record<string, unknown>[]} rows */
function fillAndRead(rows) {
  const fields = new Map(
    [...document.querySelectorAll(".field")].map(field => [field.querySelector("label").textContent, field]),
  );
  return rows.map(row => {
    for (const [name, value] of Object.entries(row)) {
      const field = fields.get(name);
      const missing = field.querySelector(".missing-switch");
      missing.checked = value === null;
      missing.dispatchEvent(new Event("change"));
      if (value === null) continue;
      const control = field.querySelector(".control input, .control select");
      if (control.type === "checkbox") control.checked = value;
      else if (control.tagName === "SELECT")
        control.selectedIndex = [...control.options].findIndex(option => option.textContent === String(value));
      else control.value = String(value);
      control.dispatchEvent(new Event(control.tagName === "SELECT" || control.type === "checkbox" ? "change" : "input"));
    }
    const label = document.querySelector(".answer .label");
    const bars = [...document.querySelectorAll(".answer .fill")];
    return {
      label: label.textContent,
      scores: bars.length ? bars.map(bar => Number(bar.style.getPropertyValue("--share"))) : [Number(label.title)],
    };
  });
}

/** Landmarks, names and order, as a screen reader meets them. */
function walk() {
  const nameOf = part =>
    part.getAttribute("aria-label") ||
    (part.getAttribute("aria-labelledby") ?? "").split(" ").map(id => document.getElementById(id)?.textContent).join(" ").trim() ||
    part.labels?.[0]?.textContent ||
    (["BUTTON", "A", "SUMMARY"].includes(part.tagName) ? part.textContent : "");
  const parts = selector => [...document.querySelectorAll(selector)];
  const ids = parts("[id]").map(part => part.id);
  return {
    language: document.documentElement.lang,
    landmarks: parts("header.top, nav, main").map(part => part.tagName),
    firstHeadings: parts("h1").length,
    headings: parts("h1, h2, h3, h4").map(part => Number(part.tagName[1])),
    unnamed: parts("button, a, input, select, summary, [role=region], section, form, nav")
      .filter(part => !nameOf(part))
      .map(part => part.outerHTML.slice(0, 120)),
    pictures: parts("svg:not([aria-hidden=true])")
      .filter(part => part.getAttribute("role") !== "img" || !part.querySelector("title")?.textContent)
      .map(part => part.outerHTML.slice(0, 120)),
    repeatedIds: ids.filter((id, at) => ids.indexOf(id) !== at),
    tablesWithoutHead: parts("table").filter(table => !table.querySelector("th[scope=col]")).length,
    live: parts("[aria-live]").length,
    positiveTabindex: parts("[tabindex]").filter(part => part.tabIndex > 0).length,
  };
}

/** The worst text of the page, by the formula of WCAG 2. */
function leastContrast() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) =>
    [r, g, b]
      .map(part => part / 255)
      .map(part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
      .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = part => {
    for (let one = part; one; one = one.parentElement) {
      const colour = rgba(getComputedStyle(one).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return rgba(getComputedStyle(document.documentElement).backgroundColor);
  };
  let worst = { ratio: 21, text: "" };
  for (const part of document.querySelectorAll("body *")) {
    const text = [...part.childNodes].filter(node => node.nodeType === 3).map(node => node.textContent.trim()).join("");
    if (!text || !part.checkVisibility() || part.closest(".hidden, .skip, noscript, script, style, option")) continue;
    const style = getComputedStyle(part);
    const [one, two] = [light(rgba(part instanceof SVGElement ? style.fill : style.color)), light(behind(part))];
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < worst.ratio) worst = { ratio, text: text.slice(0, 60) };
  }
  return worst;
}

// checks that leave the page as they found it: the next visit of the same page may go on with it
const LOOKS = ["trace", "title", "text", "texts", "count", "overflow", "accessibility", "contrast"];

const browser = await chromium.launch({ executablePath: process.argv[2], args: ARGUMENTS });
let kept = null;

/** Open a page and wait until it is drawn, or take the one that is still open. */
async function visit({ url, width, dark }) {
  if (kept?.url === url && kept.dark === dark) {
    await kept.page.setViewportSize({ width, height: 900 });
    await kept.page.evaluate(() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))));
    return kept;
  }
  await kept?.page.close();
  const page = await browser.newPage({
    viewport: { width, height: 900 },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
  });
  const trace = { console: [], errors: [], requests: [] };
  page.on("console", message => trace.console.push(message.text()));
  page.on("pageerror", error => trace.errors.push(error.message));
  page.on("request", request => {
    if (!/^(data|blob):/.test(request.url())) trace.requests.push(request.url());
  });
  kept = { url, dark, page, trace };
  await page.goto(url);
  await page.waitForFunction(() => document.documentElement.dataset.state, null, { timeout: 30_000 });
  return kept;
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  try {
    const { page, trace } = await visit(asked);
    const found = await CHECKS[asked.check](page, asked.argument, trace);
    console.log(JSON.stringify({ found }));
  } catch (failure) {
    console.log(JSON.stringify({ failure: `${failure.stack}\n${JSON.stringify(kept?.trace)}` }));
  }
  if (!LOOKS.includes(asked.check)) {
    await kept?.page.close();
    kept = null;
  }
}
await browser.close();
