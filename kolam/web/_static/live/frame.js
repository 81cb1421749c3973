import { html } from "../charts/dom.js";

/** A button that turns the page from light to dark and back; it begins as the system says. */
export function makeThemeButton() {
  const root = document.documentElement;
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia(
      "(prefers-color-scheme: dark)",
    ).matches;
  const say = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
  };
  const button = html("button", {
    type: "button",
    class: "theme",
    onclick: () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      say();
    },
  });
  say();
  return button;
}

/**
 * Links to the parts of the page; the one in view is marked.
 * @param {{id: string, title: string, element: HTMLElement}[]} sections
 */
export function makeContents(sections) {
  const links = new Map(
    sections.map(({ id, title }) => [id, html("a", { href: `#${id}` }, title)]),
  );
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries)
        if (isIntersecting)
          for (const [id, link] of links)
            if (id === target.id) link.setAttribute("aria-current", "true");
            else link.removeAttribute("aria-current");
    },
    { rootMargin: "-20% 0px -70% 0px" },
  );
  for (const { element } of sections) watch.observe(element);
  return html("ol", {}, [...links.values()].map((link) => html("li", {}, link)));
}

/**
 * Show on the page why it could not be drawn, and leave the error to the console.
 * @param {unknown} error
 * @returns {never}
 */
export function showFailure(error) {
  document.documentElement.dataset.state = "failed";
  const text = error instanceof Error ? error.message : String(error);
  document.querySelector("main")?.replaceChildren(
    html("pre", { class: "failure", role: "alert" }, text),
  );
  throw error;
}
