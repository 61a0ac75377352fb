// What is to be seen, in Graphviz's language.  Colours come from style.css, by class.

import { QUICK } from "./model.js";

const quoted = (text) => `"${String(text).replace(/[\\"]/g, "\\$&").replace(/[\u0000-\u001f]/g, " ")}"`;

const escaped = (text) =>
  String(text)
    .replace(/[\u0000-\u001f]/g, " ")
    .replace(/[&<>"]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);

// A title and lines in small print.
function label(title, ...small) {
  const lines = small.filter(Boolean).map((line) => `<br/><font point-size="9">${escaped(line)}</font>`);
  return `<${escaped(title) || " "}${lines.join("")}>`;
}

function node(model, key) {
  const part = model.part(key);
  if (key[0] === "b") {
    const count = part.parameters ? `${part.parameters.toLocaleString("en")} parameters` : "";
    return `${key} [id=${key} class="module" label=${label(`▸ ${part.title}`, count)}]`;
  }
  const { kind, title, small, note, family } = part;
  const symbol = kind === "op" && title.length === 1 && !small && !note;
  const shape = symbol ? "shape=circle margin=0 width=0.32 height=0.32 fixedsize=true fontsize=14" : "";
  const heat = part.heat === null ? "" : ` heat${Math.round(part.heat * 10)}`;
  const size = kind === "parameter" ? "fontsize=10 margin=\"0.1,0.05\"" : "";
  return `${key} [id=${key} class="${kind} ${family || "own"}${heat}" label=${label(title, small, note)} ${shape} ${size}]`;
}

export function dot(model, { nodes, home, edges, effort }) {
  const lines = [
    `digraph { rankdir=${model.direction} newrank=true nodesep=0.3 ranksep=0.32 pad=0.2 bgcolor=transparent`,
    'graph [fontname=Arial fontsize=11 labeljust=l]',
    'node [shape=box style=rounded height=0.34 margin="0.14,0.06" fontname=Arial fontsize=12]',
    "edge [arrowsize=0.6 fontname=Arial fontsize=9]",
  ];
  if (effort > QUICK) lines.push("graph [splines=line nslimit=1 nslimit1=1 mclimit=0.1]");
  // Up to two parameters that only one op uses stand to its left and right.
  const uses = new Map();
  for (const edge of edges) uses.set(edge.tail, (uses.get(edge.tail) ?? 0) + 1);
  const beside = new Map(); // op -> its parameters
  const placed = new Set();
  for (const { tail, head } of edges) {
    const near = beside.get(head) ?? [];
    const lonely = model.part(tail).kind === "parameter" && uses.get(tail) === 1 && home.get(tail) === home.get(head);
    if (lonely && near.length < 2) {
      beside.set(head, [...near, tail]);
      placed.add(tail);
    }
  }
  const inside = new Map(); // id of a box -> statements
  const put = (id, line) => inside.set(id, [...(inside.get(id) ?? []), line]);
  for (const key of nodes) {
    if (placed.has(key)) continue;
    const near = (beside.get(key) ?? []).map((other) => node(model, other));
    const line = node(model, key);
    put(home.get(key), near.length ? `{ rank=same; ${[near[0], line, ...near.slice(1)].join("; ")} }` : line);
  }
  const open = new Set();
  for (const key of nodes) for (let id = home.get(key); id >= 0; id = model.boxes[id].parent) open.add(id);
  const write = (id, indent) => {
    for (const line of inside.get(id) ?? []) lines.push(`${indent}${line}`);
    for (const box of model.boxes) {
      if (box.parent !== id || !open.has(box.id)) continue;
      lines.push(`${indent}subgraph cluster_${box.id} { graph [id=b${box.id} class="level${box.level % 2}"`);
      lines.push(`${indent}  label=${quoted(`▾ ${box.title}`)} style=rounded margin=9]`);
      write(box.id, `${indent}  `);
      lines.push(`${indent}}`);
    }
  };
  write(-1, "  ");
  const straight = new Set(); // ends of edges along which the data goes on straight
  const both = edges.some((edge) => edge.kind === "data");
  edges.forEach(({ tail, head, kind, label: text }, at) => {
    const small = kind === "data" && model.part(tail).kind !== "parameter" && effort <= QUICK && text;
    const right = (beside.get(head) ?? []).indexOf(tail) > 0 || (both && kind === "gradient");
    const [from, to] = right ? [head, tail] : [tail, head];
    const options = [`id=e${at} class=${kind}`];
    if (small) options.push(`label=${quoted(`  ${text}`)}`);
    if (kind === "data" && model.part(tail).kind !== "parameter" && !straight.has(`${tail}>`) && !straight.has(`>${head}`)) {
      straight.add(`${tail}>`).add(`>${head}`);
      options.push("weight=8");
    }
    if (right) options.push("dir=back");
    if (kind === "kept") options.push("constraint=false style=dashed");
    lines.push(`  ${from} -> ${to} [${options.join(" ")}]`);
  });
  return [...lines, "}"].join("\n");
}
