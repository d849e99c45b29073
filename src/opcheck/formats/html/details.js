"use strict";
// What is known of the selected layer.

const MOST_OPS = 200;
const MOST_PLACES = 12;

function showDetails(container, node, result) {
  container.replaceChildren(...(node ? layerDetails(node, result) : resultDetails(result)));
}

function resultDetails(result) {
  return [
    el("h3", {}, result.label),
    el("p", { className: "dim" }, result.description),
    ...result.why.map((gap) => el("p", { className: "gap" }, gap)),
    ...worstLayers(result),
    el("p", { className: "dim" }, "Select a layer to see its ops, why they are where they are, and what to do."),
    ...findings(result.findings.filter((finding) => finding.layer === OUTSIDE)),
  ];
}

/** The layers to look at first, each a way to it. */
function worstLayers(result) {
  if (!result.opsOfStep.name.length) return [];
  const places = [...result.own].filter(([, tally]) => WORST_FIRST.includes(tally.status));
  if (!places.length) return [el("p", {}, "No op that matters leaves the accelerator in this step.")];
  const rank = ([, tally]) => WORST_FIRST.indexOf(tally.status);
  const order = places.sort((a, b) => rank(a) - rank(b) || b[1].copies - a[1].copies);
  const rows = order.slice(0, MOST_PLACES).map(([node, tally]) =>
    el(
      "li",
      {},
      el("span", { className: `dot ${tally.status}`, role: "img", "aria-label": STATUSES[tally.status] }),
      wayTo(node.path, node),
      el("span", { className: "words" }, tally.words),
    ),
  );
  const more = order.length - rows.length;
  return [
    el("h4", {}, `Where to look: ${plural(order.length, "layer")}`),
    el("ul", { className: "where-list" }, ...rows),
    more > 0 ? el("p", { className: "dim" }, `and ${more} more in the list`) : "",
  ].filter(Boolean);
}

/** A button that selects a layer, and the result that the text is about. */
function wayTo(words, node, result) {
  const button = el("button", { type: "button", className: "goto" }, words);
  button.addEventListener("click", () => reveal(node, result));
  return button;
}

function layerDetails(node, result) {
  const tally = result.whole.get(node);
  const kind = node.layer?.kind && node.layer.kind !== "builtin" ? ` · ${node.layer.kind}` : "";
  const inside = layersIn(node);
  return [
    el("h3", {}, node.path),
    el("p", { className: "dim" }, `${node.className}${kind}`),
    targetsTable(node, result),
    cost(tally, result),
    ...findings(result.findings.filter((f) => inside.has(f.layer) && f.layer !== OUTSIDE)),
    ...opsOf(inside, result),
  ];
}

/** The numbers of the layer and of all in it. */
function layersIn(node) {
  const found = new Set();
  const visit = (each) => {
    if (each.number !== null) found.add(each.number);
    each.children.forEach(visit);
  };
  visit(node);
  return found;
}

function targetsTable(node, current) {
  const beside = RESULTS.filter((result) => result.step === current.step);
  const used = VERDICTS.map((_, i) => i === 0 || beside.some((result) => result.whole.get(node).counts[i]));
  const rows = beside.map((result) => {
    const tally = result.whole.get(node);
    return el(
      "tr",
      { className: result === current ? "current" : "" },
      el("th", { scope: "row" }, result.target),
      ...tally.counts
        .filter((_, i) => used[i])
        .map((count) => el("td", { className: count ? "" : "zero" }, String(count))),
    );
  });
  const heads = ["target", ...VERDICTS.filter((_, i) => used[i])].map((name) => el("th", { scope: "col" }, name));
  return el(
    "table",
    { className: "numbers" },
    el("caption", {}, `Ops by verdict, ${current.step}`),
    el("thead", {}, el("tr", {}, ...heads)),
    el("tbody", {}, ...rows),
  );
}

function cost(tally, result) {
  if (!tally.ops) return el("p", {}, `No ops in the ${result.step} step.`);
  const gap = tally.uncounted ? `, unknown for ${plural(tally.uncounted, "op")}` : "";
  const share = tally.flops ? `, ${percent(tally.there, tally.flops)} there` : "";
  return el(
    "p",
    { className: "cost" },
    `${short(tally.flops)} FLOPs${share}${gap} · ${copies(tally.copies)} between the memories`,
  );
}

/** Notes folded: they are many, and seldom what one looks for. */
function findings(list) {
  const notes = list.filter((finding) => finding.severity === "note").map(findingBox);
  const others = list.filter((finding) => finding.severity !== "note").map(findingBox);
  if (!notes.length) return others;
  return [...others, el("details", {}, el("summary", {}, plural(notes.length, "note")), ...notes)];
}

function findingBox(finding) {
  return el(
    "div",
    { className: `finding ${finding.severity}${finding.accepted ? " accepted" : ""}` },
    el("strong", {}, finding.severity),
    " ",
    el("span", { className: "code" }, finding.code),
    el("p", {}, finding.message),
    finding.fix ? el("p", { className: "fix" }, finding.fix) : null,
    finding.accepted ? el("p", { className: "fix" }, `Accepted: ${finding.accepted}`) : null,
  );
}

/** Its ops, those that leave first. */
function opsOf(layers, result) {
  const step = result.opsOfStep;
  const found = [];
  step.layer.forEach((layer, i) => {
    if (layers.has(layer) && result.ops.verdict[i] >= 0) found.push(i);
  });
  if (!found.length) return [];
  const rank = (i) => [3, 2, 1, 4, 0].indexOf(result.ops.verdict[i]) - 10 * result.ops.matters[i];
  found.sort((a, b) => rank(a) - rank(b) || a - b);
  const rows = found.slice(0, MOST_OPS).map((i) => opItem(i, result));
  const more = found.length - rows.length;
  return [
    el("h4", {}, plural(found.length, "op")),
    el("ul", { className: "op-list" }, ...rows),
    more > 0 ? el("p", { className: "dim" }, `and ${more} more in the table below`) : "",
  ].filter(Boolean);
}

function opItem(i, result) {
  const step = result.opsOfStep;
  const verdict = VERDICTS[result.ops.verdict[i]];
  const numbers = [
    step.flops[i] ? `${short(step.flops[i])} FLOPs` : "",
    step.bytes[i] ? short(step.bytes[i], "B") : "",
    result.ops.copies[i] ? copies(result.ops.copies[i]) : "",
    text(result.ops.evidence[i]),
  ];
  return el(
    "li",
    { className: result.ops.matters[i] || verdict === "accelerator" ? "" : "small" },
    el("span", { className: `chip ${verdict}` }, verdict),
    " ",
    el("b", {}, text(step.type[i])),
    " ",
    el("span", { className: "dim" }, text(step.dtype[i])),
    el("div", { className: "op-name" }, step.name[i]),
    verdict === "accelerator" ? "" : el("div", {}, text(result.ops.reason[i])),
    el("div", { className: "dim" }, numbers.filter(Boolean).join(" · ")),
  );
}
