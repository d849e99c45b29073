"use strict";
// The graph of the layers, drawn by Cytoscape.js and laid out by dagre.

const READABLE = 0.6; // zoom below which labels are too small to read

class LayerGraph {
  constructor(container, { onSelect, onToggle }) {
    this.container = container;
    this.open = new Set();
    this.cy = cytoscape({
      container,
      minZoom: 0.05,
      maxZoom: 3,
      boxSelectionEnabled: false,
      autoungrabify: true,
      style: this.style(),
    });
    this.cy.on("tap", "node", (event) => onSelect(nodeOf(event.target)));
    this.cy.on("tap", (event) => event.target === this.cy && onSelect(null));
    this.cy.on("dbltap", "node", (event) => onToggle(nodeOf(event.target)));
    // The wheel scrolls the page until one clicks into the graph.
    this.cy.userZoomingEnabled(false);
    container.addEventListener("pointerdown", () => this.cy.userZoomingEnabled(true));
    container.addEventListener("pointerleave", () => this.cy.userZoomingEnabled(false));
    container.addEventListener("keydown", (event) => this.key(event, onSelect, onToggle));
  }

  /** Draw a result again with what is open now. */
  show(result) {
    this.result = result;
    const { nodes, edges } = this.elements();
    this.cy.batch(() => {
      this.cy.elements().remove();
      this.cy.add([...nodes, ...edges]);
    });
    const drawn = this.cy.elements().not("edge[!data]");
    drawn.layout({ name: "dagre", rankDir: "TB", nodeSep: 28, rankSep: 44, edgeSep: 14, fit: false }).run();
    this.fit();
  }

  /** All of it, or where that would be too small to read, its beginning. */
  fit() {
    this.cy.resize();
    this.cy.fit(undefined, 24);
    if (this.cy.zoom() >= READABLE) {
      if (this.cy.zoom() > 1.2) this.cy.zoom(1.2), this.cy.center();
      return;
    }
    const box = this.cy.elements().boundingBox();
    const zoom = Math.max(READABLE, Math.min(0.85, this.cy.width() / (box.w + 48)));
    this.cy.zoom(zoom);
    const first = this.cy.nodes(":childless").sort((a, b) => a.position("y") - b.position("y"))[0];
    this.cy.pan({
      x: this.cy.width() / 2 - first.position("x") * zoom,
      y: 40 - box.y1 * zoom,
    });
  }

  zoom(factor) {
    const middle = { x: this.cy.width() / 2, y: this.cy.height() / 2 };
    this.cy.zoom({ level: this.cy.zoom() * factor, renderedPosition: middle });
  }

  select(node) {
    this.cy.nodes(".selected").removeClass("selected");
    if (!node) return;
    const drawn = this.cy.getElementById(this.shown(node).id);
    drawn.addClass("selected");
    if (drawn.empty()) return;
    const box = drawn.renderedBoundingBox();
    const out = box.x1 < 0 || box.y1 < 0 || box.x2 > this.cy.width() || box.y2 > this.cy.height();
    if (out) this.cy.center(drawn);
  }

  /** The node, or the closed model that hides it. */
  shown(node) {
    return node.line.slice(1).find((each) => !this.open.has(each.id)) ?? node;
  }

  elements() {
    const flows = this.flows();
    const nodes = [];
    const visit = (node, parent) => {
      const tally = this.result.whole.get(node);
      if (!tally.ops && !flows.touched.has(node)) return;
      const open = this.open.has(node.id) && node.children.length > 0;
      nodes.push(this.node(node, node.id, tally, parent, open, flows.inside.get(node.id)));
      if (!open) return;
      const own = this.result.own.get(node);
      if (own && own.ops) {
        const drawn = this.node(node, `${node.id}:own`, own, node.id, false, flows.inside.get(`${node.id}:own`));
        drawn.data.label = `${shortened(node.name, 34)}: its own ops`;
        drawn.data.width = widthOf(drawn.data.label);
        drawn.classes = "";
        nodes.push(drawn);
      }
      for (const child of node.children) visit(child, node.id);
    };
    for (const child of ROOT.children) visit(child, undefined);
    const present = new Set(nodes.map((node) => node.data.id));
    const edges = [...flows.between.values()].filter(
      ({ data }) => present.has(data.source) && present.has(data.target),
    );
    return { nodes, edges };
  }

  node(node, id, tally, parent, open, inside = 0) {
    const second = [node.className, tally.status === "accelerator" ? "" : tally.words];
    if (inside) second.push(`⇄ ${inside}`);
    const name = shortened(node.name, 34);
    const detail = shortened(second.filter(Boolean).join(" · "), 44);
    return {
      group: "nodes",
      data: {
        id,
        parent,
        node: node.id,
        label: open ? name : `${node.children.length ? "▸ " : ""}${name}\n${detail}`,
        status: tally.status,
        width: widthOf(`${name}  `, detail),
      },
      classes: open ? "open" : node.children.length ? "closed" : "",
    };
  }

  /** Flows between what is drawn, and how many copies stay inside one. */
  flows() {
    const between = new Map();
    const inside = new Map();
    const touched = new Set();
    const drawnAs = (layer) => {
      const node = OF_LAYER.get(layer);
      for (const each of node.line) touched.add(each);
      const shown = this.shown(node);
      const own = shown === node && this.open.has(node.id) && node.children.length > 0;
      return own ? `${node.id}:own` : shown.id;
    };
    for (const [from, to, data, crossings, bytes] of this.result.flows) {
      const source = drawnAs(from);
      const target = drawnAs(to);
      if (source === target) {
        inside.set(source, (inside.get(source) ?? 0) + crossings);
        continue;
      }
      const id = `${source}>${target}`;
      const edge = between.get(id)?.data ?? { id, source, target, data: 0, crossings: 0, bytes: 0 };
      edge.data ||= data;
      edge.crossings += crossings;
      edge.bytes = edge.bytes === null || bytes === null ? null : edge.bytes + bytes;
      edge.label = edge.crossings
        ? `${copies(edge.crossings)}, ${short(edge.bytes, "B")}`
        : "";
      between.set(id, { group: "edges", data: edge });
    }
    return { between, inside, touched };
  }

  /** Along the data with the arrow keys. */
  key(event, onSelect, onToggle) {
    const current = this.cy.nodes(".selected");
    const keys = {
      "+": () => this.zoom(1.25),
      "=": () => this.zoom(1.25),
      "-": () => this.zoom(0.8),
      0: () => this.fit(),
      Enter: () => current.nonempty() && onToggle(nodeOf(current)),
      ArrowDown: () => this.step(current, current.outgoers("node"), onSelect),
      ArrowUp: () => this.step(current, current.incomers("node"), onSelect),
      ArrowRight: () => this.beside(current, 1, onSelect),
      ArrowLeft: () => this.beside(current, -1, onSelect),
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }

  step(current, next, onSelect) {
    if (current.empty()) next = this.cy.nodes().filter((node) => !node.isParent()).roots();
    if (next.nonempty()) onSelect(nodeOf(next[0]));
  }

  beside(current, direction, onSelect) {
    if (current.empty()) return this.step(current, current, onSelect);
    const row = this.cy
      .nodes()
      .filter((node) => !node.isParent() && Math.abs(node.position("y") - current.position("y")) < 30)
      .sort((a, b) => a.position("x") - b.position("x"));
    const at = row.toArray().findIndex((node) => node.same(current));
    const next = row[at + direction];
    return next && onSelect(nodeOf(next));
  }

  /** All of it, as a PNG in a URL. */
  picture() {
    return this.cy.png({ full: true, scale: 2, maxWidth: 4000, maxHeight: 6000 });
  }

  restyle() {
    this.cy.style(this.style());
  }

  style() {
    const theme = getComputedStyle(document.documentElement);
    const colour = (name) => theme.getPropertyValue(`--${name}`).trim();
    const font = { "font-family": "system-ui, sans-serif", color: colour("ink") };
    return [
      {
        selector: "node",
        style: {
          ...font,
          shape: "round-rectangle",
          width: "data(width)",
          height: 40,
          label: "data(label)",
          "text-wrap": "wrap",
          "text-max-width": 300,
          "text-valign": "center",
          "font-size": 12,
          "line-height": 1.25,
          "background-color": colour("panel"),
          "border-width": 1.5,
          "border-color": colour("line"),
        },
      },
      ...Object.keys(STATUSES).map((status) => ({
        selector: `node[status = "${status}"]`,
        style: {
          "background-color": colour(`${status}-fill`),
          "border-color": colour(status),
          "border-style": status === "unknown" ? "dashed" : "solid",
          "border-width": ["fails", "cpu", "host-pinned"].includes(status) ? 2.5 : 1.5,
        },
      })),
      { selector: "node.closed", style: { "border-style": "double", "border-width": 4 } },
      {
        selector: "node.open",
        style: {
          "text-valign": "top",
          "text-halign": "center",
          "text-margin-y": -4,
          "font-size": 11,
          color: colour("dim"),
          "background-opacity": 0.25,
          padding: 14,
        },
      },
      {
        selector: "node.selected",
        style: { "outline-width": 3, "outline-color": colour("accent"), "outline-offset": 3 },
      },
      {
        selector: "edge",
        style: {
          width: 1.5,
          "curve-style": "bezier",
          "line-color": colour("edge"),
          "target-arrow-color": colour("edge"),
          "target-arrow-shape": "triangle",
          "arrow-scale": 0.8,
        },
      },
      {
        selector: "edge[crossings > 0]",
        style: {
          ...font,
          width: 2.5,
          "line-style": "dashed",
          "line-color": colour("crossing"),
          "target-arrow-color": colour("crossing"),
          label: "data(label)",
          "font-size": 10,
          "text-background-color": colour("page"),
          "text-background-opacity": 0.9,
          "text-background-padding": 2,
        },
      },
    ];
  }
}

/** Of a box with these lines; the second is a little smaller. */
function widthOf(first, second = "") {
  return Math.max(96, 7 * Math.max(first.length, 0.88 * second.length) + 16);
}

function nodeOf(element) {
  return NODES.get(element.data("node"));
}

function shortened(name, length) {
  return name.length <= length ? name : `${name.slice(0, length - 1)}…`;
}
