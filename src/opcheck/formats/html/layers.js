"use strict";
// The list of the layers beside the graph: the same, for the keyboard and for screen readers.

class LayerList {
  constructor(container, { onSelect, onToggle }) {
    this.container = container;
    this.onSelect = onSelect;
    this.onToggle = onToggle;
    this.needle = "";
    container.addEventListener("keydown", (event) => this.key(event));
    container.addEventListener("click", (event) => {
      const row = event.target.closest("[role=treeitem]");
      if (!row) return;
      const node = NODES.get(row.dataset.node);
      if (event.target.closest(".twisty")) onToggle(node);
      else onSelect(node);
    });
  }

  /** The layers of a result; a dot for each target of the same step, so that they stand side by side. */
  show(result, open) {
    this.open = open;
    const beside = RESULTS.filter((each) => each.step === result.step);
    const heads = beside.map((each) =>
      el("span", { className: "dot-head", title: each.label }, each.target),
    );
    this.tree = el("div", { role: "tree", "aria-label": `Layers, ${result.step}` });
    const visit = (node, level) => {
      const opened = this.needle ? true : open.has(node.id);
      if (this.matches(node)) this.tree.append(this.row(node, level, opened, beside, result));
      if (opened || this.needle) for (const child of node.children) visit(child, level + 1);
    };
    for (const child of ROOT.children) visit(child, 1);
    this.container.replaceChildren(
      el("div", { className: "heads", "aria-hidden": "true" }, el("span", {}, "layer"), ...heads),
      this.tree,
    );
    this.mark(this.selected);
  }

  matches(node) {
    if (!this.needle) return true;
    return `${node.path} ${node.className}`.toLowerCase().includes(this.needle) && node.layer !== null;
  }

  row(node, level, opened, beside, result) {
    const dots = beside.map((each) => {
      const status = each.whole.get(node).status;
      const label = `${each.target}: ${STATUSES[status]}`;
      return el("span", { className: `dot ${status}`, title: label, role: "img", "aria-label": label });
    });
    const has = node.children.length > 0;
    return el(
      "div",
      {
        role: "treeitem",
        "aria-level": level,
        "aria-selected": "false",
        "aria-expanded": has ? String(opened) : null,
        "data-node": node.id,
        tabIndex: -1,
        style: `--level:${level - 1}`,
        title: node.path,
      },
      el("span", { className: "twisty", "aria-hidden": "true" }, has ? (opened ? "▾" : "▸") : ""),
      el("span", { className: "name" }, this.needle ? node.path : node.name),
      el("span", { className: "class" }, node.className),
      el("span", { className: "words" }, result.whole.get(node).words),
      ...dots,
    );
  }

  filter(needle, result, open) {
    this.needle = needle.trim().toLowerCase();
    this.show(result, open);
  }

  mark(node) {
    this.selected = node;
    const rows = this.rows();
    for (const row of rows) {
      row.setAttribute("aria-selected", String(Boolean(node) && row.dataset.node === node.id));
      row.tabIndex = -1;
    }
    const chosen = rows.find((row) => node && row.dataset.node === node.id) ?? rows[0];
    if (!chosen) return;
    chosen.tabIndex = 0;
    if (node) chosen.scrollIntoView({ block: "nearest" });
  }

  rows() {
    return [...this.tree.children];
  }

  key(event) {
    const row = event.target.closest("[role=treeitem]");
    if (!row) return;
    const rows = this.rows();
    const at = rows.indexOf(row);
    const node = NODES.get(row.dataset.node);
    const opened = row.getAttribute("aria-expanded");
    const go = (index) => {
      const next = rows[Math.max(0, Math.min(rows.length - 1, index))];
      next.tabIndex = 0;
      if (next !== row) row.tabIndex = -1;
      next.focus();
    };
    const keys = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      Home: () => go(0),
      End: () => go(rows.length - 1),
      ArrowRight: () => (opened === "false" ? this.onToggle(node) : go(at + 1)),
      ArrowLeft: () => {
        if (opened === "true") return this.onToggle(node);
        return go(rows.findIndex((each) => each.dataset.node === node.parent.id));
      },
      Enter: () => this.onSelect(node),
      " ": () => this.onSelect(node),
    };
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }

  focus(node) {
    const row = this.rows().find((each) => each.dataset.node === node.id);
    if (row) row.focus();
  }
}
