// The graph as it came in the page, and what of it is to be seen while some modules are folded.

export class Model {
  constructor(data) {
    this.data = data;
    this.items = data.items;
    this.boxes = data.boxes;
    this.folded = new Set(); // ids of boxes
    this.parameters = true; // whether they are shown
    this.direction = data.direction;
    this.foldTo(data.depth ?? this.readableDepth());
  }

  // The boxes around an item or a box, from inside out.
  *around(part) {
    let id = part.box ?? part.parent;
    while (id >= 0) {
      yield this.boxes[id];
      id = this.boxes[id].parent;
    }
  }

  foldTo(depth) {
    this.folded = new Set(this.boxes.filter((box) => box.level >= depth).map((box) => box.id));
  }

  // The deepest that still leaves few enough nodes to take in.
  readableDepth() {
    const deepest = Math.max(-1, ...this.boxes.map((box) => box.level)) + 1;
    for (let depth = deepest; depth > 1; depth--) {
      this.foldTo(depth);
      if (this.visible().nodes.length <= 80) return depth;
    }
    return Math.min(deepest, 1);
  }

  // What stands for an item: the outermost folded box around it, or the item itself; as a key.
  key(item) {
    let key = `n${item.id}`;
    for (const box of this.around(item)) if (this.folded.has(box.id)) key = `b${box.id}`;
    return key;
  }

  part(key) {
    return (key[0] === "n" ? this.items : this.boxes)[Number(key.slice(1))];
  }

  unfold(box) {
    this.folded.delete(box.id);
    for (const outer of this.around(box)) this.folded.delete(outer.id);
  }

  // Open whatever hides an item.
  reveal(item) {
    for (const box of this.around(item)) this.folded.delete(box.id);
  }

  // { nodes: keys in order, boxes: Map from box to the keys and boxes in it, edges }
  visible() {
    const shown = this.items.filter((item) => this.parameters || item.kind !== "parameter");
    const nodes = new Map(); // key -> id of the box around it
    for (const item of shown) {
      const key = this.key(item);
      if (!nodes.has(key)) nodes.set(key, key[0] === "n" ? item.box : this.part(key).parent);
    }
    const edges = new Map();
    for (const arrow of this.data.arrows) {
      const [tail, head] = [this.key(this.items[arrow.tail]), this.key(this.items[arrow.head])];
      if (tail === head || !nodes.has(tail) || !nodes.has(head)) continue;
      const name = `${tail} ${head} ${arrow.kind} ${arrow.label}`;
      if (!edges.has(name)) edges.set(name, { ...arrow, tail, head, story: arrow.story });
    }
    return { nodes: [...nodes.keys()], home: nodes, edges: [...edges.values()] };
  }

  // Items and boxes whose name, path or op has all the words.
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const found = [];
    const test = (key, ...texts) => {
      const all = texts.join(" ").toLowerCase();
      if (words.every((word) => all.includes(word))) found.push(key);
    };
    for (const box of this.boxes) test(`b${box.id}`, box.title, box.path);
    for (const item of this.items) {
      const box = this.boxes[item.box];
      test(`n${item.id}`, item.title, item.small, box ? box.path : "", item.shape ?? "");
    }
    return found;
  }
}
