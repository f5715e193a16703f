// Joins the feed with the page that is looked at.

import { say, mark } from "/page/elements.js";
import { LiveFeed } from "/page/live_feed.js";
import { followFeed } from "/page/pictures.js";
import { keepToken, logIn } from "/page/session.js";
import { streamPage } from "/page/stream_page.js";
import { systemPage } from "/page/system_page.js";
import { wall } from "/page/wall.js";
import { STATES, plural, stateOf } from "/page/words.js";

const main = document.getElementById("main");
const banner = document.getElementById("banner");
const connection = document.getElementById("connection");
const summary = document.getElementById("summary");
const feed = new LiveFeed();
const newest = { streams: null, system: null, time: 0 };
let page = null, lostSince = 0, version = null;

function route() {
  const [, kind, name] = location.hash.split("/");
  if (kind === "streams" && name) return streamPage(decodeURIComponent(name));
  return kind === "system" ? systemPage() : wall();
}

function open() {
  const isFirst = page === null;
  page?.close();
  page = route();
  document.title = `${page.title} · posestream`;
  main.replaceChildren(page.node);
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.hash === (location.hash || "#/");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  page.begin?.();
  if (newest.streams) page.streams?.(newest.streams, newest.time);
  if (newest.system) page.system?.(newest.system);
  if (!isFirst) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function summarise(streams) {
  const numbers = new Map();
  for (const stream of streams) {
    const state = stateOf(stream);
    numbers.set(state, (numbers.get(state) ?? 0) + 1);
  }
  const parts = [...numbers].map(([state, number]) => `${number} ${STATES[state] ?? state}`);
  say(summary, streams.length ? `${plural(streams.length, "stream")}: ${parts.join(", ")}` : "no streams");
}

function tellConnection() {
  const since = lostSince ? (performance.now() - lostSince) / 1000 : 0;
  mark(connection, "state", feed.connected ? "found" : "lost");
  say(connection, feed.connected ? "live" : "no answer");
  banner.hidden = feed.connected || since < 1;
  if (!banner.hidden) say(banner, "The daemon does not answer. What you see is old; the page comes back by itself.");
  document.body.classList.toggle("old", !banner.hidden);
}

feed.addEventListener("streams", ({ detail }) => {
  newest.streams = detail.streams;
  newest.time = detail.time;
  summarise(detail.streams);
  page.streams?.(detail.streams, newest.time);
});
feed.addEventListener("system", ({ detail }) => {
  if (version !== null && detail.version !== version) location.reload();
  version = detail.version;
  newest.system = detail;
  page.system?.(detail);
});
feed.addEventListener("happened", ({ detail }) => page.happened?.(detail));
feed.addEventListener("found", () => {
  lostSince = 0;
  tellConnection();
  page.begin?.();
});
feed.addEventListener("lost", () => {
  lostSince = performance.now();
  tellConnection();
});
feed.addEventListener("refused", async () => {
  keepToken(null);
  location.reload();
});
setInterval(tellConnection, 1000);
addEventListener("visibilitychange", () => {
  if (lostSince) lostSince = performance.now(); // it let go by itself while nobody looked
});
addEventListener("hashchange", open);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && location.hash.startsWith("#/s") && !document.querySelector("dialog[open]")) location.hash = "#/";
});

followFeed(feed);
open();
for (;;) {
  try {
    await logIn();
    break;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
feed.run();
