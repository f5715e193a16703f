// Builds elements; text goes in as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

// Writes only what changed, so that selections and screen readers are left alone.
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function mark(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

// Keeps one child for each key, in order; makes new ones and removes those that are gone.
export function keyed(parent, items, keyOf, make) {
  const kept = parent.kept ?? (parent.kept = new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, child] of kept) {
    if (!wanted.has(key)) {
      child.gone?.();
      child.node.remove();
      kept.delete(key);
    }
  }
  items.forEach((item, place) => {
    const key = keyOf(item);
    if (!kept.has(key)) kept.set(key, make(item));
    const child = kept.get(key);
    if (parent.children[place] !== child.node) parent.insertBefore(child.node, parent.children[place] ?? null);
    child.update(item);
  });
}

// A table row whose cells are written anew: `cells(item)` gives texts or nodes; the last may be long.
export function row(cells) {
  const node = el("tr");
  return {
    node,
    update(item) {
      const found = cells(item);
      while (node.children.length < found.length) node.append(el(node.children.length ? "td" : "th", node.children.length ? {} : { scope: "row" }));
      found.forEach((content, place) => {
        const cell = node.children[place];
        if (content instanceof Node) {
          if (cell.firstChild !== content) cell.replaceChildren(content);
        } else say(cell, String(content));
        cell.classList.toggle("long", place > 0 && place === found.length - 1 && cell.textContent.length > 20);
      });
    },
  };
}

export function table(caption, headings) {
  const body = el("tbody");
  const head = el("tr", {}, ...headings.map((heading) => el("th", { scope: "col" }, heading)));
  const node = el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption), el("thead", {}, head), body));
  return { node, body };
}

// A bar as long as a share of 0 to 1; `set` changes it.
export function bar(kind) {
  const inner = el("span");
  return {
    node: el("span", { class: `share ${kind}`, "aria-hidden": "true" }, inner),
    set(value) { inner.style.width = `${(100 * Math.min(1, Math.max(0, value))).toFixed(1)}%`; },
  };
}
