// One stream: picture, diagnosis, ledger, timeline of outcomes, what happened.

import { bar, el, keyed, mark, row, say, table } from "/page/elements.js";
import { keepFresh } from "/page/pictures.js";
import { askJson, streamPath } from "/page/session.js";
import { timeline } from "/page/timeline.js";
import * as words from "/page/words.js";

const KEPT = 600;

export function streamPage(name) {
  const image = el("img", { alt: `Newest picture of ${name} with skeletons`, width: 768, height: 432 });
  const state = el("span", { class: "state" });
  const findings = el("ul", { class: "findings" });
  const facts = el("dl", { class: "facts" });
  const ledger = ledgerCard();
  const line = timeline();
  const events = table("What happened", ["time", "what"]);
  const told = el("p", { class: "told", role: "status" });
  const gone = el("p", { class: "empty", hidden: true }, "There is no such stream any more. ", el("a", { href: "#/" }, "All streams"));
  const pause = el("button", { type: "button" });
  const remove = removal(name, told);
  const head = el("div", { class: "head" }, el("a", { href: "#/", class: "back", "aria-label": "All streams" }, "←"), el("h1", {}, name), state, pause, remove);
  const body = el("div", { class: "stream" },
    el("div", { class: "picture" }, image, el("span", { class: "waits", "aria-hidden": "true" }, "no picture yet")),
    el("section", { class: "card" }, el("h2", {}, "How it is"), findings, facts),
    el("section", { class: "card wide" }, el("h2", {}, "Outcomes of the last ten minutes"), line.node),
    ledger.node,
    el("section", { class: "card" }, events.node));
  const node = el("section", {}, head, told, gone, body);
  const stop = keepFresh(image, name, "medium");
  let history = null, newest = null;

  pause.addEventListener("click", async () => {
    await command(told, streamPath(name, newest?.paused ? "/resume" : "/pause"), "POST");
  });

  async function load() {
    history = await askJson(streamPath(name, "/history")).catch(() => null);
  }

  function draw(stream) {
    const shown = words.stateOf(stream);
    mark(node, "state", shown);
    say(state, words.STATES[shown] ?? shown);
    say(pause, stream.paused ? "Resume" : "Pause");
    keyed(findings, stream.findings, (finding) => finding.words, finding);
    keyed(facts, factsOf(stream), ([term]) => term, fact);
    ledger.draw(stream);
    if (!history) return;
    line.draw(history, history.times.at(-1) ?? 0);
    const listed = history.events.slice(-40).reverse();
    keyed(events.body, listed, (event) => `${event.time}${event.kind}`, () => row((event) => [
      words.clock(event.time), words.EVENT_WORDS[event.kind]?.(event.fields) ?? event.kind]));
  }

  return {
    title: name,
    node,
    begin: load,
    streams(streams, time) {
      const stream = streams.find((one) => one.name === name);
      gone.hidden = Boolean(stream);
      body.hidden = head.hidden = !stream;
      if (!stream) return;
      newest = stream;
      if (history) append(history, stream, time);
      draw(stream);
    },
    happened(event) {
      if (event.stream === name) history?.events.push(event);
    },
    close: stop,
  };
}

function append(history, stream, time) {
  if (time - (history.times.at(-1) ?? 0) < 0.9) return;
  history.times.push(time);
  history.states.push(stream.state);
  for (const outcome of ["read", ...words.OUTCOMES]) history[outcome].push(stream.ledger[outcome]);
  if (history.times.length > KEPT) {
    for (const column of ["times", "states", "read", ...words.OUTCOMES]) history[column].shift();
  }
}

function finding() {
  const said = el("span"), remedy = el("em");
  const node = el("li", {}, said, " ", remedy);
  return {
    node,
    update(one) {
      mark(node, "level", one.level);
      say(said, one.words);
      say(remedy, one.remedy);
    },
  };
}

function fact([term]) {
  const value = el("dd");
  return { node: el("div", {}, el("dt", {}, term), value), update: ([, text]) => say(value, text) };
}

function factsOf(stream) {
  const size = stream.width ? `${stream.width} × ${stream.height}, ${stream.codec}` : "–";
  return [
    ["frames in", `${words.rate(stream.fps_in)} a second`],
    ["frames out", `${words.rate(stream.fps_out)} a second${stream.max_fps ? ` (at most ${stream.max_fps})` : ""}`],
    ["result age", `${words.seconds(stream.result_age_seconds)} (wanted: ${words.seconds(stream.target_age_seconds)})`],
    ["last frame", `${words.seconds(stream.last_frame_age_seconds)} ago`],
    ["people now", words.count(stream.people)],
    ["in this state", words.seconds(stream.state_seconds)],
    ["reconnects", words.count(stream.reconnects)],
    ["last loss", stream.last_loss || "none"],
    ["picture", size],
    ["address", stream.address],
    ["model", stream.model],
    ["epoch", words.count(stream.epoch)],
    ["named by", stream.from_site_file ? "the site file" : stream.survives_restart ? "the API; kept" : "the API; gone after a restart"],
  ];
}

function ledgerCard() {
  const sum = el("p", { class: "sum" });
  const drops = el("p", { class: "drops" });
  const list = table("Ledger", ["frames", "so far", "share", "meaning"]);
  let counts = null;
  return {
    node: el("section", { class: "card" }, list.node, sum, drops),
    draw(stream) {
      const { ledger } = stream;
      const rows = [...words.OUTCOMES, "in_flight"];
      counts = ledger;
      keyed(list.body, rows, (outcome) => outcome, (outcome) => {
        const share = bar(outcome);
        return row((one) => {
          share.set(counts.read ? counts[one] / counts.read : 0);
          return [one.replace("_", " "), words.count(counts[one]), share.node, words.OUTCOME_WORDS[one] ?? "on their way"];
        });
      });
      const total = rows.reduce((all, outcome) => all + ledger[outcome], 0);
      say(sum, `${words.count(ledger.read)} read ${total === ledger.read ? "= all of these: it balances" : `≠ ${words.count(total)}: it does not balance`}`);
      mark(sum, "balances", String(total === ledger.read));
      say(drops, words.dropWords(stream));
    },
  };
}

function removal(name, told) {
  const button = el("button", { type: "button", class: "danger" }, "Remove");
  button.addEventListener("click", async () => {
    if (button.dataset.sure !== "true") {
      button.dataset.sure = "true";
      say(button, "Really remove?");
      setTimeout(() => { button.dataset.sure = ""; say(button, "Remove"); }, 4000);
      return;
    }
    if (await command(told, streamPath(name), "DELETE")) location.hash = "#/";
  });
  return button;
}

async function command(told, path, method) {
  try {
    await askJson(path, { method });
    say(told, "");
    return true;
  } catch (error) {
    say(told, error.message);
    return false;
  }
}
