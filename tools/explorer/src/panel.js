// What there is to say about one node.  Text is only ever set as text: names come from elsewhere.

export function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const duration = (seconds) =>
  seconds >= 1e-3 ? `${(seconds * 1e3).toFixed(2)} ms` : `${(seconds * 1e6).toFixed(1)} µs`;

function bars(counts) {
  if (!counts?.length) return null;
  const highest = Math.max(...counts);
  const columns = counts.map((n) =>
    element("i", { style: `height:${n ? Math.max(2, Math.round((40 * n) / highest)) : 0}px`, title: String(n) }),
  );
  return element("div", { class: "bars", role: "img", "aria-label": `histogram: ${counts.join(", ")}` }, ...columns);
}

function row({ name, what, code, numbers, words, bars: counts }) {
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, name),
    element(
      "td",
      {},
      what ? element("small", {}, what) : null,
      code ? element("pre", {}, code) : null,
      numbers ? element("pre", { class: "numbers" }, numbers) : null,
      words ? element("small", { class: "words" }, words) : null,
      bars(counts),
    ),
  );
}

function section(heading, rows) {
  return rows.length ? [element("h3", {}, heading), element("table", {}, element("tbody", {}, ...rows.map(row)))] : [];
}

function ofItem(item, path) {
  const about = item.explained;
  const parts = [];
  if (about) {
    parts.push(element("p", {}, about.about));
    if (about.call) parts.push(element("pre", { class: "call" }, [about.call, ...about.facts].join("\n  ")));
  } else {
    parts.push(element("pre", { class: "story" }, item.story));
  }
  if (item.note) parts.push(element("p", { class: "note" }, item.note));
  if (item.seconds !== undefined) {
    const back = item.rule_seconds ? `, backward ${duration(item.rule_seconds)}` : "";
    parts.push(element("p", { class: "time" }, `forward ${duration(item.seconds)}${back}`));
  }
  for (const { caption, png } of item.images) {
    const image = element("img", { src: `data:image/png;base64,${png}`, alt: caption });
    parts.push(element("figure", {}, image, element("figcaption", {}, caption)));
  }
  parts.push(...section(item.numbers.map(({ name }) => name).join(" and "), item.numbers));
  for (const { heading, rows } of about?.sections ?? []) parts.push(...section(heading, rows));
  return [
    element("h2", {}, item.title, item.shape ? element("span", {}, item.shape) : null),
    path ? element("p", { class: "path" }, path) : null,
    ...parts,
  ];
}

function ofBox(box, model, toggle) {
  const inside = model.items.filter((item) => [...model.around(item)].includes(box));
  const counts = new Map();
  for (const item of inside) {
    if (item.kind === "op" || item.kind === "rule") counts.set(item.title, (counts.get(item.title) ?? 0) + 1);
  }
  const folded = model.folded.has(box.id);
  return [
    element("h2", {}, box.title),
    element("p", { class: "path" }, box.path),
    element("button", { onclick: toggle, class: "fold" }, folded ? "unfold" : "fold"),
    element("p", {}, `${box.parameters.toLocaleString("en")} parameters`),
    element("ul", {}, ...[...counts].map(([title, n]) => element("li", {}, `${n} × ${title}`))),
  ];
}

const KEYS = [
  ["arrows", "along the edges, and to neighbours"],
  ["Enter", "unfold a module, or fold the one around"],
  ["/", "search; Enter takes the next one found"],
  ["+  -", "zoom in and out"],
  ["0  Home", "all of it, or from the start"],
  ["Esc", "close, clear"],
];

export function help() {
  const rows = KEYS.map(([keys, what]) => element("tr", {}, element("th", {}, keys), element("td", {}, what)));
  return [
    element("h2", {}, "Explore"),
    element("p", {}, "Click a node for what it computes. Click the name of a module to fold it, and again to unfold it. Drag to move, scroll or pinch to zoom."),
    element("table", { class: "keys" }, element("tbody", {}, ...rows)),
  ];
}

export function describe(model, key, toggle) {
  const part = model.part(key);
  const parts = key[0] === "b" ? ofBox(part, model, toggle) : ofItem(part, model.boxes[part.box]?.path);
  return parts.filter(Boolean);
}
