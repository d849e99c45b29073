"use strict";
// The table of ops: one row an op of the step, one column a target.

const PAGE = 100;

class OpTable {
  constructor(section, { onSelect }) {
    this.section = section;
    this.table = section.querySelector("table");
    this.count = section.querySelector("#count");
    this.more = section.querySelector("#more");
    this.nothing = section.querySelector("#nothing");
    this.wanted = new Set([1, 2, 3, 4]);
    Object.assign(this, { needle: "", small: false, layers: null, sort: "weight", descending: true });
    this.more.addEventListener("click", () => this.page(PAGE * 2));
    this.table.addEventListener("click", (event) => {
      const head = event.target.closest("th button");
      if (head) return this.sortBy(head.dataset.key);
      const row = event.target.closest("tbody tr");
      return row && onSelect(OF_LAYER.get(this.result.opsOfStep.layer[row.dataset.op]));
    });
    this.checkboxes();
  }

  checkboxes() {
    const field = this.section.querySelector("#verdicts");
    VERDICTS.forEach((name, verdict) => {
      const box = el("input", { type: "checkbox", checked: this.wanted.has(verdict), value: name });
      box.addEventListener("change", () => {
        if (box.checked) this.wanted.add(verdict);
        else this.wanted.delete(verdict);
        this.update();
      });
      field.append(el("label", {}, box, " ", el("span", { className: `chip ${name}` }, name)));
    });
  }

  show(result) {
    this.result = result;
    this.beside = RESULTS.filter((each) => each.step === result.step);
    this.update();
  }

  columns() {
    const { result } = this;
    const step = result.opsOfStep;
    const number = (values, unit) => ({ value: (i) => values[i] ?? -1, show: (i) => short(values[i], unit) });
    return [
      { key: "type", title: "op", value: (i) => text(step.type[i]) },
      { key: "layer", title: "layer", value: (i) => OF_LAYER.get(step.layer[i]).path },
      { key: "dtype", title: "dtype", value: (i) => text(step.dtype[i]) },
      ...this.beside.map((each, n) => ({
        key: `verdict${n}`,
        title: each.target,
        value: (i) => each.ops.verdict[i],
        show: (i) => {
          const verdict = VERDICTS[each.ops.verdict[i]];
          return verdict ? el("span", { className: `chip ${verdict}` }, verdict) : "not there";
        },
      })),
      { key: "flops", title: "FLOPs", ...number(step.flops), numeric: true },
      { key: "bytes", title: "bytes", ...number(step.bytes, "B"), numeric: true },
      { key: "copies", title: "copies", value: (i) => result.ops.copies[i], numeric: true },
      { key: "reason", title: `why, on ${result.target}`, value: (i) => text(result.ops.reason[i]) },
      { key: "name", title: "name", value: (i) => step.name[i] },
    ];
  }

  sortBy(key) {
    this.descending = this.sort === key ? !this.descending : ["flops", "bytes", "copies"].includes(key);
    this.sort = key;
    this.update();
    this.table.querySelector(`[data-key="${key}"]`).focus();
  }

  update() {
    const columns = this.columns();
    this.rows = this.matching(columns);
    this.order(columns);
    const heads = columns.map((column) => {
      const sorted = this.sort === column.key;
      const button = el("button", { type: "button", "data-key": column.key }, column.title);
      const direction = this.descending ? "descending" : "ascending";
      return el(
        "th",
        {
          scope: "col",
          className: column.numeric ? "numeric" : "",
          "aria-sort": sorted ? direction : null,
        },
        button,
      );
    });
    this.table.tHead.replaceChildren(el("tr", {}, ...heads));
    this.table.tBodies[0].replaceChildren();
    this.drawn = 0;
    const all = this.result.ops.verdict.filter((verdict) => verdict >= 0).length;
    this.count.textContent = `${this.rows.length.toLocaleString("en")} of ${all.toLocaleString("en")} of the ${this.result.step} step`;
    this.page(PAGE);
    this.nothing.hidden = this.rows.length > 0;
    this.nothing.textContent = this.small
      ? "No op is like that: choose other verdicts, or clear the filter."
      : "No op that matters is like that: choose other verdicts, or show the ops of little weight too.";
  }

  /** An op is shown when it has one of the verdicts wanted on any of the targets side by side. */
  matching(columns) {
    const step = this.result.opsOfStep;
    const texts = columns.filter((column) => !column.numeric && !column.show);
    const found = [];
    for (let i = 0; i < step.name.length; i += 1) {
      if (this.layers && !this.layers.has(step.layer[i])) continue;
      const wanted = this.beside.some((each) => {
        const verdict = each.ops.verdict[i];
        return this.wanted.has(verdict) && (this.small || verdict === 0 || each.ops.matters[i]);
      });
      if (!wanted) continue;
      if (this.needle) {
        const line = texts.map((column) => column.value(i)).join("\n").toLowerCase();
        if (!line.includes(this.needle)) continue;
      }
      found.push(i);
    }
    return found;
  }

  order(columns) {
    const column = columns.find((each) => each.key === this.sort);
    const { ops, opsOfStep } = this.result;
    const weight = (i) => [0, 1, 2, 4, 3][ops.verdict[i]] * 1e15 + (opsOfStep.bytes[i] ?? 0);
    const value = column ? column.value : weight;
    const sign = this.descending ? -1 : 1;
    const keys = new Map(this.rows.map((i) => [i, value(i)]));
    this.rows.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      const difference = typeof x === "string" ? x.localeCompare(y, "en") : x - y;
      return difference ? sign * difference : a - b;
    });
  }

  page(number) {
    const columns = this.columns();
    const rows = this.rows.slice(this.drawn, this.drawn + number).map((i) =>
      el(
        "tr",
        { "data-op": i },
        ...columns.map((column) =>
          el(
            "td",
            { className: `${column.key} ${column.numeric ? "numeric" : ""}` },
            column.show ? column.show(i) : String(column.value(i)),
          ),
        ),
      ),
    );
    this.table.tBodies[0].append(...rows);
    this.drawn += rows.length;
    const left = this.rows.length - this.drawn;
    this.more.hidden = left <= 0;
    this.more.textContent = `Show more (${left.toLocaleString("en")} left)`;
  }
}
