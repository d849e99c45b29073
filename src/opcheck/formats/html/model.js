"use strict";
// The report as the scripts below use it: layers as a tree, and what each result says of each.

const VERDICTS = ["accelerator", "host-pinned", "cpu", "fails", "unknown"];
const WORST_FIRST = ["fails", "cpu", "host-pinned", "unknown"];
// How a layer is coloured, the worst first. "minor": only ops of little weight leave it.
const STATUSES = {
  fails: "fails",
  cpu: "on the CPU",
  "host-pinned": "host-pinned",
  unknown: "unknown",
  minor: "only small ops leave",
  accelerator: "all there",
  none: "no ops",
};
const MOST_CHILDREN = 60; // of one parent; more are drawn in groups
const OUTSIDE = -1;

const DATA = JSON.parse(document.getElementById("data").textContent);
const text = (number) => (number < 0 ? "" : DATA.texts[number]);

/** An element with properties, `data-` and `aria-` attributes and children; text is never markup. */
function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.includes("-") || key === "role" || key === "style") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

function plural(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function copies(number) {
  return `${number.toLocaleString("en")} ${number === 1 ? "copy" : "copies"}`;
}

/** 61659 -> "61.7 k". */
function short(number, unit = "") {
  if (number === null || number === undefined) return "?";
  const scale = ["", "k", "M", "G", "T", "P"];
  let step = 0;
  while (number >= 1000 && step < scale.length - 1) {
    number /= 1000;
    step += 1;
  }
  const digits = step && number < 100 ? number.toFixed(1) : String(Math.round(number));
  return `${digits} ${scale[step]}${unit}`.trim();
}

/** "98.5 %"; never 0 % or 100 % unless it is exactly that. */
function percent(part, whole) {
  const share = (100 * part) / whole;
  return `${part === 0 || part === whole ? share : Math.min(Math.max(share, 0.1), 99.9).toFixed(1)} %`;
}

class LayerNode {
  /** `number` is the layer's own in the data; a group of layers has none. */
  constructor(id, name, parent, layer = null, number = null) {
    Object.assign(this, { id, name, parent, layer, number, children: [] });
    this.path = layer === null ? name : layer.path;
  }

  get className() {
    if (this.layer) return this.layer.class;
    return this.children.length ? plural(this.children.length, "layer") : "";
  }

  /** From the outermost to this one. */
  get line() {
    return this.parent ? [...this.parent.line, this] : [this];
  }
}

const ROOT = new LayerNode("root", "", null);
const NODES = new Map(); // id -> node
const OF_LAYER = new Map(); // number of the layer -> node

function addNode(node) {
  NODES.set(node.id, node);
  return node;
}

/** Children in groups of consecutive ones where there are too many to draw. */
function grouped(node) {
  node.children.forEach(grouped);
  if (node.children.length <= MOST_CHILDREN) return;
  const size = Math.max(20, Math.ceil(node.children.length / 40));
  const all = node.children;
  node.children = [];
  for (let start = 0; start < all.length; start += size) {
    const members = all.slice(start, start + size);
    const name = `${members[0].name} … ${members[members.length - 1].name}`;
    const group = addNode(new LayerNode(`${node.id}.${start}`, name, node));
    group.children = members;
    for (const member of members) member.parent = group;
    node.children.push(group);
  }
  grouped(node);
}

DATA.layers.forEach((layer, number) => {
  OF_LAYER.set(number, addNode(new LayerNode(`layer${number}`, layer.name, null, layer, number)));
});
DATA.layers.forEach((layer, number) => {
  const node = OF_LAYER.get(number);
  node.parent = OF_LAYER.get(layer.parent) ?? ROOT;
  node.parent.children.push(node);
});
if (DATA.steps.some((step) => step.ops.layer.includes(OUTSIDE))) {
  const outside = addNode(new LayerNode("outside", "(outside any layer)", ROOT, null, OUTSIDE));
  ROOT.children.push(outside);
  OF_LAYER.set(OUTSIDE, outside);
}
grouped(ROOT);

/** What one result says of a layer, or of a model with all that is in it. */
class Tally {
  constructor() {
    Object.assign(this, { ops: 0, counts: [0, 0, 0, 0, 0], matter: [0, 0, 0, 0, 0] });
    Object.assign(this, { copies: 0, flops: 0, there: 0, uncounted: 0 });
  }

  add(other) {
    this.ops += other.ops;
    other.counts.forEach((count, verdict) => (this.counts[verdict] += count));
    other.matter.forEach((count, verdict) => (this.matter[verdict] += count));
    this.copies += other.copies;
    this.flops += other.flops;
    this.there += other.there;
    this.uncounted += other.uncounted;
    return this;
  }

  get status() {
    if (!this.ops) return "none";
    if (this.counts[3]) return "fails";
    if (this.matter[2]) return "cpu";
    if (this.matter[1]) return "host-pinned";
    if (this.counts[4]) return "unknown";
    return this.counts[0] === this.ops ? "accelerator" : "minor";
  }

  /** "4 cpu, 1 unknown"; where nothing else leaves, how many ops of little weight do. */
  get words() {
    if (this.status === "minor") return plural(this.ops - this.counts[0], "small op");
    const parts = WORST_FIRST.map((name) => [this.matter[VERDICTS.indexOf(name)], name]);
    return parts.filter(([count]) => count).map((part) => part.join(" ")).join(", ");
  }
}

class Result {
  constructor(data) {
    Object.assign(this, data);
    this.opsOfStep = DATA.steps.find((step) => step.name === data.step).ops;
    this.own = new Map(); // node -> Tally of its own ops
    this.whole = new Map(); // node -> Tally with all that is in it
    this.opsOfStep.layer.forEach((layer, i) => {
      const verdict = this.ops.verdict[i];
      if (verdict < 0) return;
      const tally = this.tallyOf(OF_LAYER.get(layer));
      tally.ops += 1;
      tally.counts[verdict] += 1;
      tally.matter[verdict] += this.ops.matters[i];
      tally.flops += this.opsOfStep.flops[i] ?? 0;
      tally.uncounted += this.opsOfStep.flops[i] === null;
      if (verdict === 0) tally.there += this.opsOfStep.flops[i] ?? 0;
    });
    for (const [from, to, , crossings] of this.flows) {
      if (!crossings) continue;
      for (const layer of new Set([from, to])) this.tallyOf(OF_LAYER.get(layer)).copies += crossings;
    }
    this.sum(ROOT);
  }

  tallyOf(node) {
    if (!this.own.has(node)) this.own.set(node, new Tally());
    return this.own.get(node);
  }

  sum(node) {
    const tally = new Tally();
    if (this.own.has(node)) tally.add(this.own.get(node));
    for (const child of node.children) tally.add(this.sum(child));
    this.whole.set(node, tally);
    return tally;
  }

  get label() {
    return `${this.step} on ${this.target}`;
  }
}

const RESULTS = DATA.results.map((data) => new Result(data));
