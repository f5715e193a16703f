// Keeps pictures of streams fresh: those that are in sight, all together a dozen a second at most.

import { ask, streamPath } from "/page/session.js";

const LEAST_MS = 250;
const EACH_MS = 80;
const TIMEOUT_MS = 4000;

const seen = new Map(); // image -> its stream, while it is in sight
let feed = null;

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) seen.set(target, target.dataset.stream);
    else seen.delete(target);
  }
});

export function followFeed(live) {
  feed = live;
}

// The image shows the newest picture until `stop` is called.
export function keepFresh(image, stream, size) {
  image.dataset.stream = stream;
  watcher.observe(image);
  const state = { alive: true, tag: "", address: "" };
  refresh(image, stream, size, state);
  return () => {
    state.alive = false;
    watcher.unobserve(image);
    seen.delete(image);
    if (state.address) URL.revokeObjectURL(state.address);
  };
}

async function refresh(image, stream, size, state) {
  while (state.alive) {
    const begun = performance.now();
    if (seen.has(image) && feed?.connected && !document.hidden) {
      await load(image, `${streamPath(stream, "/snapshot.jpg")}?size=${size}`, state).catch(() => {});
    }
    const wait = Math.max(LEAST_MS, EACH_MS * seen.size) - (performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, Math.max(wait, EACH_MS)));
  }
}

async function load(image, path, state) {
  const headers = state.tag ? { "If-None-Match": state.tag } : {};
  const answer = await ask(path, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (answer.status !== 200) return;
  const picture = await answer.blob();
  if (!state.alive) return;
  const before = state.address;
  state.tag = answer.headers.get("etag");
  state.address = URL.createObjectURL(picture);
  image.src = state.address;
  await image.decode().catch(() => {});
  image.dataset.shown = state.tag;
  if (before) URL.revokeObjectURL(before);
}
