"""The looks of pictures and pages: one sheet, light and dark."""

# colours of the kinds of boxes; all text on them has a contrast of at least 4.5 to 1
COLOURS = """
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --ink: #1b1c1e; --soft: #5d6166; --rule: #d9dbde; --card: #ffffff;
  --arrow: #9aa0a6; --focus: #1a5fd0;
  --product: #2f6fdb; --reduction: #12855f; --move: #8a8f96; --control: #9b4fc9;
  --call: #c05a11; --plain: #62717f; --end: #eef0f3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --ink: #e8e9eb; --soft: #a3a9b0; --rule: #34383d; --card: #1f2226;
    --arrow: #6c737b; --focus: #7db0ff;
    --product: #6ea3ff; --reduction: #4cc79c; --move: #8d949c; --control: #c792ea;
    --call: #f0a35e; --plain: #93a4b4; --end: #2a2e34;
  }
}
"""

PICTURE = """
.graph {
  display: block;
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
}
.graph text { text-anchor: middle; fill: var(--ink); }
.graph .title { font-size: 13px; font-weight: 600; }
.graph .row { font-size: 11px; fill: var(--soft); }
.graph .frame { fill: var(--card); stroke: var(--rule); }
.graph .bar { fill: var(--plain); rx: 2px; }
.graph .product .bar { fill: var(--product); }
.graph .reduction .bar { fill: var(--reduction); }
.graph .move .bar { fill: var(--move); }
.graph .control .bar { fill: var(--control); }
.graph .control .frame { stroke: var(--control); }
.graph .call .bar { fill: var(--call); }
.graph .input .frame, .graph .output .frame { fill: var(--end); }
.graph .arrows path { fill: none; stroke: var(--arrow); stroke-width: 1.3; }
.graph .head { fill: var(--arrow); }
.graph a.opens .title { text-decoration: underline; text-underline-offset: 3px; }
.graph a.opens:hover .frame, .graph a.opens:focus .frame {
  stroke: var(--focus); stroke-width: 2;
}
.graph a.opens:focus { outline: none; }
.graph .heading { font-size: 14px; font-weight: 600; text-anchor: start; }
"""

PAGE = """
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
header, main { max-width: 72rem; margin: 0 auto; }
h1 { margin: 0 0 .5rem; font-size: 1.35rem; overflow-wrap: anywhere; }
h2 { margin: 1.5rem 0 .5rem; font-size: 1.05rem; }
code {
  font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: .87em;
}
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .9rem; margin: 0 0 1rem; }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
details {
  border: 1px solid var(--rule); border-radius: 8px; background: var(--card); margin: .6rem 0;
}
details details { background: var(--paper); }
summary { cursor: pointer; padding: .55rem .8rem; border-radius: 8px; overflow-wrap: anywhere; }
summary:focus-visible, .scroll:focus-visible, a:focus-visible {
  outline: 2px solid var(--focus); outline-offset: 2px;
}
.about { color: var(--soft); font-size: .87em; }
.inner { padding: 0 .8rem .8rem; }
.inner:target { outline: 2px solid var(--focus); border-radius: 8px; }
.scroll { overflow-x: auto; padding: .5rem 0; }
/* on a narrow screen a picture shrinks a little, and then scrolls */
.scroll .graph {
  width: clamp(calc(var(--width) * .72), 100%, var(--width)); height: auto; margin: 0 auto;
}
.line { font-weight: 600; }
.legend {
  display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .4rem 0 0;
  list-style: none; color: var(--soft); font-size: .87em;
}
.legend i {
  display: inline-block; width: .7em; height: .7em; border-radius: 2px; margin-right: .4em;
  background: var(--colour);
}
table {
  border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92em;
}
th, td {
  text-align: right; padding: .25rem .6rem; border-top: 1px solid var(--rule);
  white-space: nowrap;
}
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--soft); font-weight: 500; border-top: 0; }
td .source {
  display: block; color: var(--soft); white-space: normal; overflow-wrap: anywhere;
  min-width: 12rem;
}
"""
