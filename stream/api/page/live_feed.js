// Server-sent events, read with fetch: EventSource could not carry a token.

import { ask } from "/page/session.js";

const SILENCE_MS = 5000; // the daemon speaks every second
const HIDDEN_MS = 10000; // a browser has six connections to a daemon for all its tabs together
const FIRST_DELAY_MS = 500;
const MAX_DELAY_MS = 2000;

export class LiveFeed extends EventTarget {
  connected = false;
  #control = null;

  async run() {
    let delay = FIRST_DELAY_MS, hiding = 0;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(() => this.#control?.abort(), HIDDEN_MS);
    });
    for (;;) {
      await shown();
      const heard = await this.#listen().catch(() => false);
      this.#set(false);
      delay = heard ? FIRST_DELAY_MS : Math.min(delay * 1.5, MAX_DELAY_MS);
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }

  // Until the connection ends; whether anything came.
  async #listen() {
    const control = this.#control = new AbortController();
    let watch = setTimeout(() => control.abort(), SILENCE_MS);
    try {
      const answer = await ask("/events", { signal: control.signal });
      if (answer.status === 401) this.dispatchEvent(new Event("refused"));
      if (!answer.ok) return false;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let rest = ""; ;) {
        const { value, done } = await reader.read();
        if (done) return true;
        clearTimeout(watch);
        watch = setTimeout(() => control.abort(), SILENCE_MS);
        this.#set(true);
        const messages = (rest + value).split("\n\n");
        rest = messages.pop();
        messages.forEach((message) => this.#tell(message));
      }
    } finally {
      clearTimeout(watch);
    }
  }

  #tell(message) {
    const fields = Object.fromEntries(message.split("\n").map((line) => {
      const end = line.indexOf(": ");
      return [line.slice(0, end), line.slice(end + 2)];
    }));
    if (fields.event) this.dispatchEvent(new CustomEvent(fields.event, { detail: JSON.parse(fields.data) }));
  }

  #set(connected) {
    if (connected === this.connected) return;
    this.connected = connected;
    this.dispatchEvent(new Event(connected ? "found" : "lost"));
  }
}

// At once where the page is in sight, else as soon as it is.
function shown() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
  });
}
