// The wall: every stream with its picture, its state and what became of its frames.

import { el, keyed, mark, say } from "/page/elements.js";
import { newStream } from "/page/new_stream.js";
import { keepFresh } from "/page/pictures.js";
import * as words from "/page/words.js";

export function wall() {
  const addition = newStream();
  const grid = el("ul", { class: "wall", "aria-label": "Streams", onkeydown: move }, addition.tile);
  const empty = el("p", { class: "empty", hidden: true }, "No stream yet. Add one here, or name some in the site file and reload.");
  return {
    title: "Streams",
    node: el("section", {}, el("h1", { class: "unseen" }, "Streams"), empty, grid, addition.dialog),
    streams(streams) {
      empty.hidden = streams.length > 0;
      addition.streams(streams);
      keyed(grid, streams, (stream) => stream.name, tile);
    },
    close() {
      keyed(grid, [], (stream) => stream.name, tile);
    },
  };
}

function tile({ name }) {
  const image = el("img", { alt: "", width: 384, height: 216 });
  const state = el("span", { class: "state" });
  const people = el("span", { class: "people" });
  const note = el("p", { class: "note" });
  const drops = el("p", { class: "drops" });
  const figures = { in: el("dd"), out: el("dd"), age: el("dd") };
  const link = el("a", { href: `#/streams/${encodeURIComponent(name)}`, class: "tile" },
    el("span", { class: "picture" }, image, el("span", { class: "waits", "aria-hidden": "true" }, "no picture yet"), people),
    el("span", { class: "head" }, el("strong", { title: name }, name), state),
    el("dl", { class: "figures" },
      el("div", { title: "Frames a second that come" }, el("dt", {}, "in"), figures.in),
      el("div", { title: "Frames a second in which people are looked for" }, el("dt", {}, "out"), figures.out),
      el("div", { title: "Age of the newest result when it was delivered" }, el("dt", {}, "age"), figures.age)),
    drops, note);
  const stop = keepFresh(image, name, "small");
  return {
    node: el("li", {}, link),
    gone: stop,
    update(stream) {
      const shown = words.stateOf(stream);
      mark(link, "state", shown);
      mark(link, "stream", stream.name);
      say(state, words.STATES[shown] ?? shown);
      say(figures.in, `${words.rate(stream.fps_in)}/s`);
      say(figures.out, `${words.rate(stream.fps_out)}/s`);
      say(figures.age, words.seconds(stream.result_age_seconds));
      mark(figures.age, "late", String(stream.result_age_seconds > 2 * stream.target_age_seconds));
      say(people, stream.people === null ? "" : words.plural(stream.people, "person").replace("persons", "people"));
      say(drops, words.dropWords(stream));
      mark(drops, "any", String(stream.ledger.dropped > 0.01 * stream.ledger.read));
      const [worst] = stream.findings;
      mark(link, "level", worst.level);
      say(note, worst.level === "good" ? "" : worst.words);
    },
  };
}

// Arrow keys go to the tile that lies there.
function move(event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const from = event.target.closest?.(".tile");
  if (!step || !from) return;
  const here = centre(from);
  const others = [...event.currentTarget.querySelectorAll(".tile")].filter((other) => other !== from);
  const ahead = others.map((other) => ({ other, at: centre(other) }))
    .map(({ other, at }) => ({ other, x: at.x - here.x, y: at.y - here.y }))
    .filter(({ x, y }) => (step[0] ? x * step[0] > 1 && Math.abs(y) < 20 : y * step[1] > 20))
    .sort((a, b) => Math.hypot(a.x, a.y) - Math.hypot(b.x, b.y));
  if (ahead.length) {
    event.preventDefault();
    ahead[0].other.focus();
  }
}

function centre(node) {
  const box = node.getBoundingClientRect();
  return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
}
