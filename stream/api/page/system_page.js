// The daemon: stages, batches, processes, sinks, spool.

import { bar, el, keyed, mark, row, say, svg, table } from "/page/elements.js";
import * as words from "/page/words.js";

const KEPT = 120;

export function systemPage() {
  const figures = el("dl", { class: "tiles" });
  const stages = table("Where the time goes (last minute)", ["stage", "median", "95 of 100 under", "", "times"]);
  const processes = table("Processes", ["process", "own memory", "lately", "pid", "streams"]);
  const sinks = table("Sinks", ["sink", "state", "confirmed", "under way", "oldest", "spool", "spooled", "replayed", "lost"]);
  const refusals = el("ul", { class: "findings" });
  const memory = new Map();
  return {
    title: "System",
    node: el("section", {}, el("h1", {}, "System"), figures, refusals,
      el("div", { class: "cards" },
        el("section", { class: "card wide" }, stages.node),
        el("section", { class: "card wide" }, processes.node),
        el("section", { class: "card wide" }, sinks.node))),
    system(system) {
      keyed(figures, figuresOf(system), ([term]) => term, figure);
      keyed(refusals, refusalsOf(system), ({ words: said }) => said, refusal);
      const longest = Math.max(0.001, ...system.stages.map((stage) => stage.p95_seconds ?? 0));
      keyed(stages.body, system.stages.filter((stage) => stage.count > 0), (stage) => stage.name, () => stageRow(() => longest));
      remember(memory, system.processes);
      keyed(processes.body, system.processes, (one) => one.name, () => processRow(memory));
      keyed(sinks.body, system.sinks, (sink) => sink.name, sinkRow);
    },
    close() {},
  };
}

function figure([term]) {
  const value = el("dd"), note = el("dd", { class: "small" });
  const node = el("div", {}, el("dt", {}, term), value, note);
  return {
    node,
    update([, text, small, level]) {
      say(value, text);
      say(note, small ?? "");
      mark(node, "level", level ?? "good");
    },
  };
}

function figuresOf(system) {
  const { engine, batches, result_age: age } = system;
  const spool = system.sinks.reduce((all, sink) => all + sink.spool_bytes, 0);
  const away = system.sinks.filter((sink) => !sink.is_up);
  return [
    ["Engine", engine.is_ready ? "ready" : "not ready", words.plural(engine.restarts, "restart"), engine.is_ready ? "good" : "warning"],
    ["Result age", words.seconds(age.p50_seconds), `95 of 100 under ${words.seconds(age.p95_seconds)}, 99 under ${words.seconds(age.p99_seconds)}`],
    ["Batch fill", words.percent(batches.mean_fill), `${words.rate(batches.mean_frames)} frames a batch, ${words.count(batches.batches)} batches a minute`],
    ["Streams", `${system.streams} of ${system.max_streams}`, `${words.plural(system.decoder_restarts, "decoder restart")}`],
    ["Memory", words.bytes(system.processes.reduce((all, one) => all + one.own_memory_bytes, 0)), "of engine and decoders, not shared"],
    ["Sinks", away.length ? `${away.length} away` : "all take results", spool ? `${words.bytes(spool)} wait on disk` : "nothing waits on disk", away.length ? "bad" : "good"],
    ["Up for", words.seconds(system.uptime_seconds), `version ${system.version}`],
  ];
}

function refusalsOf(system) {
  const refused = Object.entries(system.engine.refusals).map(([model, why]) => ({ level: "bad", words: `The engine does not run ${model}: ${why}` }));
  const away = system.sinks.filter((sink) => !sink.is_up).map((sink) => ({ level: "bad", words: `${sink.name} takes nothing: ${sink.cause}` }));
  return [...refused, ...away];
}

function refusal() {
  const node = el("li");
  return { node, update: (one) => { mark(node, "level", one.level); say(node, one.words); } };
}

function stageRow(longest) {
  const length = bar("stage");
  return row((stage) => {
    length.set((stage.p95_seconds ?? 0) / longest());
    return [stage.name, words.seconds(stage.p50_seconds), words.seconds(stage.p95_seconds), length.node, words.count(stage.count)];
  });
}

function processRow(memory) {
  const line = svg("polyline");
  const picture = svg("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" }, line);
  return row((one) => {
    const values = memory.get(one.name) ?? [];
    const most = Math.max(1, ...values) * 1.1;
    line.setAttribute("points", values.map((value, i) => `${(100 * i) / Math.max(1, values.length - 1)},${24 - (24 * value) / most}`).join(" "));
    return [one.name, words.bytes(one.own_memory_bytes), picture, one.pid, one.streams.join(", ") || "–"];
  });
}

function remember(memory, processes) {
  const there = new Set(processes.map((one) => one.name));
  for (const name of memory.keys()) if (!there.has(name)) memory.delete(name);
  for (const one of processes) {
    const values = memory.get(one.name) ?? [];
    if (one.own_memory_bytes) values.push(one.own_memory_bytes);
    memory.set(one.name, values.slice(-KEPT));
  }
}

function sinkRow() {
  const state = el("span", { class: "state" });
  return row((sink) => {
    say(state, sink.is_up ? "takes results" : "away");
    mark(state, "state", sink.is_up ? "live" : "backoff");
    return [sink.name, state, words.count(sink.acked), words.count(sink.held), words.seconds(sink.lag_seconds || null), words.bytes(sink.spool_bytes), words.count(sink.spooled), words.count(sink.replayed), words.count(sink.gap)];
  });
}
