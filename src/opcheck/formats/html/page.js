"use strict";
// Ties the parts of the page together: one result and one layer are selected, everywhere.

const byId = (id) => document.getElementById(id);
const MOST_OPENED = 40; // boxes that one can take in at first sight

const has = (severity) => RESULTS.find((result) => result.findings.some((f) => f.severity === severity));
let current = has("error") ?? has("warning") ?? RESULTS[0];
let selected = null;

const graph = new LayerGraph(byId("graph"), { onSelect: select, onToggle: toggle });
const list = new LayerList(byId("layers"), { onSelect: select, onToggle: toggle });
const table = new OpTable(byId("ops"), { onSelect: select });

function select(node) {
  selected = node;
  graph.select(node);
  list.mark(node);
  showDetails(byId("details"), node, current);
  if (byId("one-layer").checked) showOps();
}

function toggle(node) {
  if (!node.children.length) return select(node);
  if (!graph.open.delete(node.id)) graph.open.add(node.id);
  draw();
  select(node);
  return list.focus(node);
}

/** Select a layer wherever it is: what hides it opens, and the graph comes into view. */
function reveal(node, result = current) {
  for (const outer of node.line.slice(1, -1)) graph.open.add(outer.id);
  choose(result);
  select(node);
  byId("explorer").scrollIntoView({ block: "start" });
}

function draw() {
  graph.show(current);
  list.show(current, graph.open);
  graph.select(selected);
  const idle = [...OF_LAYER.values()].filter((node) => !current.whole.get(node).ops && !node.children.length);
  byId("shown").textContent = idle.length
    ? `${current.label}; ${plural(idle.length, "layer")} without ops in this step`
    : current.label;
}

function showOps() {
  table.layers = byId("one-layer").checked && selected ? layersIn(selected) : null;
  table.show(current);
}

function choose(result) {
  current = result;
  document.querySelectorAll(".result").forEach((card, i) => {
    card.classList.toggle("chosen", RESULTS[i] === result);
    card.querySelector("button")?.setAttribute("aria-pressed", String(RESULTS[i] === result));
  });
  draw();
  showDetails(byId("details"), selected, current);
  showOps();
}

/** Open models from the outside in, while the graph stays one that can be taken in. */
function openSome() {
  let waiting = [...ROOT.children];
  let boxes = waiting.length;
  while (waiting.length) {
    const next = [];
    for (const node of waiting) {
      const group = node.number === null;
      if (group || !node.children.length || boxes + node.children.length > MOST_OPENED) continue;
      graph.open.add(node.id);
      boxes += node.children.length;
      next.push(...node.children);
    }
    waiting = next;
  }
}

function setUpCards() {
  document.querySelectorAll(".result").forEach((card, i) => {
    const title = card.querySelector("h3");
    const button = el("button", { type: "button", "aria-pressed": "false" });
    button.append(...title.childNodes);
    title.append(button);
    card.addEventListener("click", () => choose(RESULTS[i]));
  });
}

/** A layer that is named in the text becomes a way to it. */
function setUpWays() {
  const byPath = new Map([...OF_LAYER.values()].map((node) => [node.path, node]));
  for (const name of document.querySelectorAll("[data-layer]")) {
    const { layer, target, step } = name.dataset;
    const result = RESULTS.find((each) => each.target === target && each.step === step);
    const node = byPath.get(layer);
    if (node) name.replaceWith(wayTo(name.textContent, node, result));
  }
}

function setUpTools() {
  for (const [status, words] of Object.entries(STATUSES)) {
    byId("legend").append(el("li", {}, el("span", { className: `dot ${status}` }), ` ${words}`));
  }
  byId("legend").append(el("li", {}, el("span", { className: "dash" }), " copied between the memories"));
  byId("expand").addEventListener("click", () => {
    for (const node of NODES.values()) if (node.children.length) graph.open.add(node.id);
    draw();
  });
  byId("collapse").addEventListener("click", () => (graph.open.clear(), draw()));
  byId("zoom-in").addEventListener("click", () => graph.zoom(1.25));
  byId("zoom-out").addEventListener("click", () => graph.zoom(0.8));
  byId("fit").addEventListener("click", () => graph.fit());
  byId("find").addEventListener("input", (event) => list.filter(event.target.value, current, graph.open));
  byId("filter").addEventListener("input", (event) => {
    table.needle = event.target.value.trim().toLowerCase();
    table.update();
  });
  byId("small").addEventListener("change", (event) => {
    table.small = event.target.checked;
    table.update();
  });
  byId("one-layer").addEventListener("change", showOps);
}

function setUpTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const apply = () => {
    byId("theme").textContent = dark() ? "Light" : "Dark";
    graph.restyle();
  };
  byId("theme").hidden = false;
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    apply();
  });
  system.addEventListener("change", apply);
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    graph.restyle();
    byId("picture").replaceChildren(el("img", { src: graph.picture(), alt: "" }));
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    graph.restyle();
  });
  apply();
}

if (RESULTS.length) {
  byId("explorer").hidden = false;
  byId("ops").hidden = false;
  setUpCards();
  setUpWays();
  setUpTools();
  setUpTheme();
  openSome();
  choose(current);
  performance.mark("opcheck:ready");
}
