// Numbers and names as people read them.

export const OUTCOMES = ["inferred", "skipped", "dropped", "corrupt", "failed"];

export const OUTCOME_WORDS = {
  inferred: "people were looked for",
  skipped: "left out on purpose: over max_fps",
  dropped: "overtaken by newer ones, or too old",
  corrupt: "came damaged",
  failed: "the engine failed on them",
};

export const REASONS = { overtaken: "overtaken", stale: "too old", no_room: "no room" };

export const STATES = {
  live: "live",
  connecting: "connecting",
  stalled: "stalled",
  backoff: "lost, tried again",
  quarantined: "needs a person",
  stopped: "stopped",
  paused: "paused",
};

export const stateOf = (stream) => (stream.paused && stream.state === "stopped" ? "paused" : stream.state);

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.001) return `${(value * 1000).toFixed(2)} ms`;
  if (value < 0.01) return `${(value * 1000).toFixed(1)} ms`;
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  if (value < 172800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86400)} days`;
}

export function rate(value) {
  return value === null || value === undefined ? "–" : value.toFixed(value < 10 ? 1 : 0);
}

export function count(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

export function bytes(value) {
  if (!value) return "0";
  if (value < 1e6) return `${Math.max(1, Math.round(value / 1e3))} kB`;
  if (value < 1e9) return `${Math.round(value / 1e6)} MB`;
  return `${(value / 1e9).toFixed(1)} GB`;
}

export function percent(value) {
  return value === null || value === undefined ? "–" : `${Math.round(value * 100)} %`;
}

export function clock(unixSeconds) {
  return new Date(unixSeconds * 1000).toLocaleTimeString("en-GB");
}

export function plural(number, word) {
  return `${count(number)} ${word}${number === 1 ? "" : "s"}`;
}

export function dropWords(stream) {
  const reasons = Object.entries(stream.drops).filter(([, number]) => number > 0);
  if (!stream.ledger.dropped) return "none dropped";
  const told = reasons.map(([reason, number]) => `${count(number)} ${REASONS[reason] ?? reason}`);
  return told.length ? `dropped: ${told.join(", ")}` : `${count(stream.ledger.dropped)} dropped`;
}

export const EVENT_WORDS = {
  added: () => "added",
  removed: () => "removed",
  changed: () => "changed by a reload or over the API",
  engine: (fields) => (fields.ready === "true" ? "engine ready" : "engine not ready"),
  state: (fields) => `${STATES[fields.state] ?? fields.state}${fields.words ? `: ${fields.words}` : ""}`,
};
