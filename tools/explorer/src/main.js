// The page: a bar, the drawing, and what there is to say about the node that is selected.

import { instance } from "@viz-js/viz";
import { dot } from "./dot.js";
import { Model } from "./model.js";
import { describe, element, help } from "./panel.js";
import { Stage } from "./stage.js";

const model = new Model(JSON.parse(document.getElementById("graph").textContent));
const graphviz = await instance();
let selected = null; // a key
let shown = { nodes: [], edges: [] };
let found = []; // keys
let theme = "auto";

// --- the page ---------------------------------------------------------------------------------------------

const button = (text, label, action) =>
  element("button", { type: "button", title: label, "aria-label": label, onclick: action }, text);

const search = element("input", {
  type: "search", placeholder: "search ( / )", "aria-label": "search", autocomplete: "off", spellcheck: "false",
});
const hits = element("output", { "aria-live": "polite" });
const canvas = element("main", {
  tabindex: 0, role: "application", "aria-label": `${model.data.title}: the graph; arrow keys walk along its edges`,
});
const body = element("div", { class: "body" });
const said = element("p", { class: "unseen", role: "status" }); // what is selected, in a word
const close = button("×", "close (Esc)", () => select(null));
close.classList.add("close");
const panel = element("aside", { "aria-label": "details", tabindex: 0 }, close, body);

const parameters = button("weights", "show or hide parameters", () => {
  model.parameters = !model.parameters;
  if (selected && !model.parameters && model.part(selected).kind === "parameter") selected = null;
  draw();
});
const bar = element(
  "header", {}, element("h1", {}, model.data.title), search, hits,
  element(
    "nav", { "aria-label": "view" },
    button("fold", "fold all modules", () => refold(1)),
    button("unfold", "unfold all modules", () => {
      if (refold(Infinity) < model.deepest()) hits.textContent = "too much to lay out at once: the innermost stay folded";
    }),
    parameters,
    button("turn", "top to bottom, or left to right", () => {
      model.direction = model.direction === "TB" ? "LR" : "TB";
      draw(true);
    }),
    button("fit", "show all (0)", () => stage.fit()),
    button("◐", "light, dark, or as the system says", () => {
      theme = { auto: "dark", dark: "light", light: "auto" }[theme];
      document.documentElement.dataset.theme = theme;
    }),
    button("?", "help", () => select(null)),
  ),
);
document.documentElement.dataset.theme = theme;
document.body.append(bar, canvas, panel, said);
const stage = new Stage(canvas);

// --- drawing ------------------------------------------------------------------------------------------------

function draw(afresh = false) {
  shown = model.visible();
  const svg = graphviz.renderSVGElement(dot(model, shown));
  for (const title of svg.querySelectorAll("title")) {
    const group = title.parentNode;
    const key = group.id;
    if (/^[nb]\d+$/.test(key)) title.textContent = model.part(key).story ?? model.part(key).path;
    else if (/^e\d+$/.test(key)) title.textContent = shown.edges[Number(key.slice(1))].story;
    else title.remove();
  }
  svg.setAttribute("aria-hidden", "true"); // the panel says it in words
  if (afresh) stage.view = null;
  stage.show(svg);
  parameters.setAttribute("aria-pressed", String(model.parameters));
  mark();
}

function mark() {
  for (const group of stage.svg.querySelectorAll(".selected, .near, .found")) {
    group.classList.remove("selected", "near", "found");
  }
  for (const key of found) stage.group(visibleKey(key))?.classList.add("found");
  if (!selected) return;
  stage.group(selected)?.classList.add("selected");
  shown.edges.forEach(({ tail, head }, at) => {
    if (tail === selected || head === selected) stage.group(`e${at}`)?.classList.add("near");
  });
}

// What is to be seen of a part: itself, or the folded box around it.
function visibleKey(key) {
  let seen = key;
  for (const box of model.around(model.part(key))) if (model.folded.has(box.id)) seen = `b${box.id}`;
  return seen;
}

function select(key, reach = true) {
  selected = key;
  body.replaceChildren(...(key ? describe(model, key, () => toggle(key)) : help()));
  said.textContent = key ? word(key) : "";
  document.body.classList.toggle("open", key !== null);
  panel.scrollTop = 0;
  mark();
  if (key && reach) stage.reach(key);
}

function word(key) {
  const part = model.part(key);
  if (key[0] === "b") return `${part.title}, ${model.folded.has(part.id) ? "folded" : "open"}`;
  const box = model.boxes[part.box];
  return [part.title, part.shape, box && `in ${box.path}`].filter(Boolean).join(", ");
}

function toggle(key) {
  const box = model.part(key);
  if (!model.folded.has(box.id)) model.folded.add(box.id);
  else open(() => model.unfold(box));
  draw();
  select(key, false);
  stage.reach(key);
}

function open(what) {
  if (what()) hits.textContent = "others were folded: too much to lay out at once";
}

function refold(depth) {
  depth = model.foldTo(depth);
  if (selected) selected = visibleKey(selected);
  draw(true);
  if (selected) select(selected);
  return depth;
}

// --- mouse and search ---------------------------------------------------------------------------------------

canvas.addEventListener("click", (event) => {
  if (stage.moved) return;
  canvas.focus({ preventScroll: true });
  const title = event.target.closest?.(".title");
  if (title) return toggle(title.dataset.box);
  select(event.target.closest?.("g.node, g.cluster")?.id ?? null, false);
});

canvas.addEventListener("dblclick", (event) => {
  const group = event.target.closest?.("g.node");
  if (group?.id[0] === "b") toggle(group.id);
});

function look() {
  found = model.search(search.value);
  hits.textContent = search.value.trim() ? `${found.length} found` : "";
  mark();
}

function clear() {
  search.value = "";
  look();
}

let next = 0;
search.addEventListener("input", () => {
  next = 0;
  look();
});
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && found.length) {
    const key = found[next++ % found.length];
    hits.textContent = `${((next - 1) % found.length) + 1} of ${found.length}`;
    open(() => model.reveal(model.part(key)));
    draw();
    select(key);
  } else if (event.key === "Escape") {
    clear();
    canvas.focus();
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
});

// --- keys ---------------------------------------------------------------------------------------------------

// Of some nodes, the one that lies nearest in a direction.
function nearest(keys, from, ahead) {
  const start = stage.middle(from);
  let best = null;
  let least = Infinity;
  for (const key of keys) {
    const point = stage.middle(key);
    if (!point || key === from) continue;
    const [dx, dy] = [point.x - start.x, point.y - start.y];
    const along = ahead(dx, dy);
    const distance = along <= 1 ? Infinity : along + 3 * (Math.abs(dx) + Math.abs(dy) - along);
    if (distance < least) [best, least] = [key, distance];
  }
  return best;
}

const AHEAD = {
  ArrowRight: (dx) => dx, ArrowLeft: (dx) => -dx, ArrowDown: (_, dy) => dy, ArrowUp: (_, dy) => -dy,
};

function walk(name) {
  const first = shown.nodes.find((key) => model.part(key).kind === "data") ?? shown.nodes[0];
  if (!selected || !shown.nodes.includes(selected)) return select(first);
  const [forth, back] = model.direction === "TB" ? ["ArrowDown", "ArrowUp"] : ["ArrowRight", "ArrowLeft"];
  let goal = null;
  if (name === forth || name === back) {
    const [from, to] = name === forth ? ["tail", "head"] : ["head", "tail"];
    const ends = shown.edges.filter((edge) => edge[from] === selected).map((edge) => edge[to]);
    // Along the data first: parameters lie beside.
    const through = ends.filter((key) => model.part(key).kind !== "parameter");
    goal = nearest(through, selected, AHEAD[name]) ?? through[0] ?? ends[0];
  }
  goal ??= nearest(shown.nodes, selected, AHEAD[name]);
  if (goal) select(goal);
}

function enter() {
  if (!selected) return;
  if (selected[0] === "b") return toggle(selected);
  const box = model.boxes[model.part(selected).box];
  if (box) toggle(`b${box.id}`);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target === search;
  const pressing = event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ");
  const reading = panel.contains(event.target) && event.key in AHEAD; // they scroll it
  if (typing || pressing || reading) return;
  const actions = {
    "/": () => search.focus(),
    Escape: () => (selected ? select(null) : clear()),
    Enter: enter,
    "+": () => stage.zoom(1.25),
    "=": () => stage.zoom(1.25),
    "-": () => stage.zoom(0.8),
    0: () => stage.fit(),
    Home: () => stage.start(),
  };
  const action = event.key in AHEAD ? () => walk(event.key) : actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

draw();
select(null);
document.documentElement.dataset.ready = "yes";
