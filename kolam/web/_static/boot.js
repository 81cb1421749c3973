// Starts the modules that a single page carries (kolam/web/_modules.py packs them): each becomes a
// blob: URL, and the imports of the next ones are led there. A classic script, since it is inline.
(async () => {
  const packed = document.getElementById("page-modules")?.textContent ?? "";
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  /** @type {[string, string][]} */
  const modules = JSON.parse(await new Response(stream).text());
  /** @type {{[name: string]: string}} */
  const urls = {};
  let last = "";
  for (const [name, source] of modules) {
    const form = /^((?:import|export)\b[^;'"]*?\bfrom\s+)["'](\.{1,2}\/[^"']+)["'];/gm;
    const led = source.replace(form, (_, /** @type {string} */ head, /** @type {string} */ path) => {
      return `${head}"${urls[new URL(path, `http://page/${name}`).pathname.slice(1)]}";`;
    });
    const text = `${led}\n//# sourceURL=kolam/${name}\n`;
    last = urls[name] = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  }
  await import(last);
})();
