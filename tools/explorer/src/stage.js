// The drawing: it pans, zooms, and says what was clicked.

// Graphviz guesses how wide letters are; here they are known.
function settle(svg) {
  for (const group of svg.querySelectorAll(".node")) {
    const frame = group.querySelector("path, ellipse, polygon")?.getBBox();
    if (!frame) continue;
    for (const text of group.querySelectorAll("text")) {
      text.setAttribute("text-anchor", "middle");
      text.setAttribute("x", frame.x + frame.width / 2);
      const room = frame.width - 6;
      if (text.getComputedTextLength() <= room) continue;
      text.setAttribute("textLength", room);
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
  }
  // Names of modules lie above the edges, not under them.
  for (const cluster of svg.querySelectorAll(".cluster")) {
    const title = cluster.querySelector("text");
    title.dataset.box = cluster.id;
    title.setAttribute("class", cluster.getAttribute("class").replace("cluster", "title"));
    cluster.parentNode.append(title);
  }
  for (const text of svg.querySelectorAll(".edge text")) {
    const guess = text.textContent.length * 4.6;
    text.setAttribute("text-anchor", "start");
    text.setAttribute("x", Number(text.getAttribute("x")) - guess / 2 + 4);
    text.textContent = text.textContent.trim();
  }
}

export class Stage {
  constructor(element) {
    this.element = element;
    this.svg = null;
    this.view = null; // { x, y, width, height } of what is shown, in the drawing's units
    this.pointers = new Map();
    this.moved = false;
    element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    element.addEventListener("pointerdown", (event) => this.down(event));
    element.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      element.addEventListener(name, (event) => this.pointers.delete(event.pointerId));
    }
    new ResizeObserver(() => this.resized()).observe(element);
  }

  show(svg) {
    const box = svg.viewBox.baseVal;
    this.whole = { x: box.x, y: box.y, width: box.width, height: box.height };
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    this.element.querySelector("svg")?.remove();
    this.element.append(svg);
    this.svg = svg;
    settle(svg);
    if (this.view) this.apply();
    else this.start();
  }

  size() {
    return { width: this.element.clientWidth || 1, height: this.element.clientHeight || 1 };
  }

  // Pixels to one unit of the drawing.
  scale() {
    return this.size().width / this.view.width;
  }

  resized() {
    if (!this.view) return;
    const { width, height } = this.size();
    this.view.height = (this.view.width * height) / width;
    this.apply();
  }

  apply() {
    const { x, y, width, height } = this.view;
    this.svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
  }

  // Everything, as small as it takes.
  fit() {
    const { width, height } = this.size();
    this.from(Math.min(1.6, width / this.whole.width, height / this.whole.height));
  }

  // From where the data comes in, as large as can be read.
  start() {
    const { width, height } = this.size();
    const [across, down] = [width / this.whole.width, height / this.whole.height];
    const oneSide = Math.max(across, down); // at this scale one side fits, and the other is a way to go
    this.from(oneSide < 1 ? oneSide : Math.min(1.6, Math.max(1, Math.min(across, down))));
  }

  from(scale) {
    const { width, height } = this.size();
    const whole = this.whole;
    const place = (from, length, room) => (length > room + 0.5 ? from : from + (length - room) / 2);
    this.view = {
      x: place(whole.x, whole.width, width / scale),
      y: place(whole.y, whole.height, height / scale),
      width: width / scale,
      height: height / scale,
    };
    this.apply();
  }

  zoom(factor, clientX, clientY) {
    const frame = this.element.getBoundingClientRect();
    const [px, py] = [clientX ?? frame.x + frame.width / 2, clientY ?? frame.y + frame.height / 2];
    const limited = Math.min(8, Math.max(0.02, this.scale() * factor)) / this.scale();
    const { x, y, width, height } = this.view;
    const [fx, fy] = [(px - frame.x) / frame.width, (py - frame.y) / frame.height];
    this.view = {
      x: x + fx * width * (1 - 1 / limited),
      y: y + fy * height * (1 - 1 / limited),
      width: width / limited,
      height: height / limited,
    };
    this.apply();
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX, event.clientY);
  }

  down(event) {
    this.pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.moved = false;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before || !this.view) return;
    const now = { x: event.clientX, y: event.clientY };
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    if (others.length) {
      const other = others[0];
      const apart = (point) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      this.zoom(apart(now) / apart(before), other.x, other.y);
      this.moved = true;
    } else if (this.moved || Math.hypot(now.x - before.x, now.y - before.y) > 3) {
      this.view.x -= (now.x - before.x) / this.scale();
      this.view.y -= (now.y - before.y) / this.scale();
      this.moved = true;
      this.apply();
    } else {
      return;
    }
    this.pointers.set(event.pointerId, now);
  }

  group(key) {
    return this.svg?.querySelector(`g[id="${key}"]`);
  }

  // The middle of a node, in the drawing's units.
  middle(key) {
    const group = this.group(key);
    if (!group) return null;
    const frame = this.element.getBoundingClientRect();
    const box = group.getBoundingClientRect();
    return {
      x: this.view.x + (box.x + box.width / 2 - frame.x) / this.scale(),
      y: this.view.y + (box.y + box.height / 2 - frame.y) / this.scale(),
    };
  }

  // Move so that a node is where it can be seen; in the middle if it was not.
  reach(key, always = false) {
    const middle = this.middle(key);
    if (!middle) return;
    const { x, y, width, height } = this.view;
    const [fx, fy] = [(middle.x - x) / width, (middle.y - y) / height];
    if (!always && fx > 0.1 && fx < 0.9 && fy > 0.1 && fy < 0.9) return;
    // Not beyond the drawing, where there is more of it than fits.
    const inside = (at, size, from, length) =>
      length > size ? Math.min(Math.max(at - size / 2, from), from + length - size) : at - size / 2;
    this.view.x = inside(middle.x, width, this.whole.x, this.whole.width);
    this.view.y = inside(middle.y, height, this.whole.y, this.whole.height);
    this.apply();
  }
}
