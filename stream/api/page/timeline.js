// Outcomes of the last ten minutes as stacked bars, above a ribbon of states.

import { el, say, svg } from "/page/elements.js";
import { OUTCOMES, STATES, clock, rate } from "/page/words.js";

const WIDTH = 600, HEIGHT = 120, RIBBON = 10, BARS = 120, SPAN_SECONDS = 600;
const STEP_SECONDS = SPAN_SECONDS / BARS;

export function timeline() {
  const paths = OUTCOMES.map((outcome) => svg("path", { class: `bar ${outcome}` }));
  const ribbon = svg("g");
  const cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT, x1: -9, x2: -9 });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + RIBBON + 4}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    ...paths, ribbon, cursor);
  const top = el("span", { class: "scale" });
  const told = el("p", { class: "told", role: "status" });
  const chart = el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": "Timeline; arrow keys tell of a moment" }, top, picture);
  let bars = [], place = -1;

  function point(next) {
    place = Math.max(0, Math.min(BARS - 1, next));
    cursor.setAttribute("x1", ((place + 0.5) * WIDTH) / BARS);
    cursor.setAttribute("x2", ((place + 0.5) * WIDTH) / BARS);
    say(told, tell(bars[place]));
  }
  chart.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    point(Math.floor(((event.clientX - box.left) / box.width) * BARS));
  });
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    point((place < 0 ? BARS : place) + step);
  });
  const legend = el("ul", { class: "legend" }, ...OUTCOMES.map((outcome) => el("li", { class: outcome }, outcome)));
  return {
    node: el("div", { class: "timeline" }, chart,
      el("p", { class: "axis" }, el("span", {}, "10 min ago"), el("span", {}, "now")), legend, told),
    draw(history, nowSeconds) {
      bars = grouped(history, nowSeconds);
      const most = Math.max(1, ...bars.map((bar) => (bar ? bar.total : 0)));
      say(top, `${rate(most)} frames/s`);
      paths.forEach((path, layer) => path.setAttribute("d", outline(bars, layer, most)));
      ribbon.replaceChildren(...states(bars));
      if (place >= 0) say(told, tell(bars[place]));
    },
  };
}

// A bar for every step: frames a second by outcome, and the worst state.
function grouped(history, nowSeconds) {
  const bars = new Array(BARS).fill(null);
  const last = Math.floor(nowSeconds / STEP_SECONDS);
  for (let i = 1; i < history.times.length; i += 1) {
    const place = BARS - 1 - (last - Math.floor(history.times[i] / STEP_SECONDS));
    if (place < 0 || place >= BARS) continue;
    const bar = bars[place] ?? (bars[place] = { time: history.times[i], counts: OUTCOMES.map(() => 0), span: 0, states: new Set() });
    OUTCOMES.forEach((outcome, layer) => { bar.counts[layer] += Math.max(0, history[outcome][i] - history[outcome][i - 1]); });
    bar.span += history.times[i] - history.times[i - 1];
    bar.states.add(history.states[i]);
  }
  for (const bar of bars) {
    if (!bar) continue;
    bar.rates = bar.counts.map((number) => number / Math.max(bar.span, 0.5));
    bar.total = bar.rates.reduce((sum, value) => sum + value, 0);
    bar.state = [...bar.states].find((state) => state !== "live") ?? "live";
  }
  return bars;
}

function outline(bars, layer, most) {
  const width = WIDTH / BARS;
  return bars.map((bar, place) => {
    if (!bar || !bar.rates[layer]) return "";
    const below = bar.rates.slice(0, layer).reduce((sum, value) => sum + value, 0);
    const y = HEIGHT * (1 - (below + bar.rates[layer]) / most);
    const height = (HEIGHT * bar.rates[layer]) / most;
    return `M${(place * width).toFixed(2)} ${y.toFixed(2)}h${(width - 0.6).toFixed(2)}v${height.toFixed(2)}h${(0.6 - width).toFixed(2)}z`;
  }).join("");
}

function states(bars) {
  const width = WIDTH / BARS;
  return bars.map((bar, place) => bar && svg("rect", {
    class: `ribbon ${bar.state}`, x: place * width, y: HEIGHT + 4, width, height: RIBBON,
  })).filter(Boolean);
}

function tell(bar) {
  if (!bar) return "nothing is known of this moment";
  const parts = OUTCOMES.map((outcome, layer) => [outcome, bar.rates[layer]]).filter(([, value]) => value > 0);
  const frames = parts.map(([outcome, value]) => `${rate(value)} ${outcome}`).join(", ") || "no frames";
  return `${clock(bar.time)} · ${STATES[bar.state] ?? bar.state} · frames a second: ${frames}`;
}
