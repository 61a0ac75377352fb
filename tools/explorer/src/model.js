// The graph as it came in the page, and what of it is to be seen while some modules are folded.

// The layout takes a second for so much effort, and a minute for some times more.
const MOST = 10_000;
export const QUICK = 2_000; // beyond it, the layout does not try for long

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

  // Modules at this depth become one node each; at a smaller one, if so much cannot be laid out.  Says which.
  foldTo(depth) {
    depth = Math.min(depth, this.deepest());
    this.folded = new Set(this.boxes.filter((box) => box.level >= depth).map((box) => box.id));
    return depth > 1 && this.visible().effort > MOST ? this.foldTo(depth - 1) : depth;
  }

  deepest() {
    return Math.max(-1, ...this.boxes.map((box) => box.level)) + 1;
  }

  // The deepest that still leaves few enough nodes to take in.
  readableDepth() {
    for (let depth = this.foldTo(Infinity); depth > 1; depth = this.foldTo(depth - 1)) {
      const { nodes, effort } = this.visible();
      if (nodes.length <= 80 && effort <= QUICK) return depth;
    }
    return Math.min(this.deepest(), 1);
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

  // Open a box, and those around it.  Says whether others had to be folded for it.
  unfold(box) {
    this.folded.delete(box.id);
    return this.reveal(box);
  }

  // Open whatever hides an item or a box.
  reveal(part) {
    const shown = [...this.around(part)].map((box) => box.id);
    if (part.box === undefined && !this.folded.has(part.id)) shown.push(part.id);
    const open = () => shown.forEach((id) => this.folded.delete(id));
    open();
    if (this.visible().effort <= MOST) return false;
    this.foldTo(1);
    open();
    return true;
  }

  // { nodes: keys in order, home: Map from key to the id of the box around it, edges, effort of the layout }
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
    return { nodes: [...nodes.keys()], home: nodes, edges: [...edges.values()], effort: this.effort(nodes, edges) };
  }

  // As in graph/fold.py: the nodes, and the ranks that edges cross, each of which is a node to Graphviz.
  effort(nodes, edges) {
    const order = new Map();
    for (const key of nodes.keys()) if (this.part(key).kind !== "parameter") order.set(key, order.size);
    let sum = order.size;
    for (const { tail, head, kind } of edges.values()) {
      if (kind !== "kept" && order.has(tail) && order.has(head)) sum += Math.abs(order.get(head) - order.get(tail));
    }
    return sum;
  }

  // Items and boxes whose name, path or op has all the words, in the order of the graph.
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return [];
    const found = [];
    const test = (key, ...texts) => {
      const all = texts.join(" ").toLowerCase();
      if (words.every((word) => all.includes(word))) found.push(key);
    };
    const begun = new Set();
    for (const item of this.items) {
      for (const box of [...this.around(item)].reverse()) {
        if (begun.has(box)) continue;
        begun.add(box);
        test(`b${box.id}`, box.title, box.path);
      }
      const box = this.boxes[item.box];
      test(`n${item.id}`, item.title, item.small, box ? box.path : "", item.shape ?? "");
    }
    return found;
  }
}
