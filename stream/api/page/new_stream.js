// The form that adds a stream: a tile of the wall, and a dialog that tells what is wrong where it is.

import { el, say } from "/page/elements.js";
import { askJson, Refused } from "/page/session.js";

const TRANSPORTS = { auto: "TCP where the camera has it", tcp: "TCP", udp: "UDP" };
const PROFILES = { wired: "by cable", wifi: "by Wi-Fi", battery: "battery, seldom awake", file: "a file on a server" };

export function newStream() {
  const models = el("datalist", { id: "known-models" });
  const fields = [
    field("name", "Name", { required: true, maxlength: 64, autofocus: true, placeholder: "hall" }),
    field("url", "Address", { required: true, maxlength: 4096, inputmode: "url", placeholder: "rtsp://192.0.2.7/live" }),
    choice("transport", "Transport", TRANSPORTS),
    choice("profile", "Connected", PROFILES),
    field("max_fps", "Frames a second at most", { type: "number", min: 0, step: "any", placeholder: "all" }),
    field("model", "Model", { list: "known-models", placeholder: "bottom_up" }),
  ];
  const login = [
    field("login.user", "User", { maxlength: 512 }),
    field("login.password", "Password", { type: "password", maxlength: 512 }),
    field("login_name", "or a login of the site file", { maxlength: 64, placeholder: "its name in api.logins" }),
  ];
  const all = [...fields, ...login];
  const wrong = el("p", { class: "wrong", role: "alert" });
  const send = el("button", { type: "submit", class: "main" }, "Add");
  const cancel = el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = el("form", { novalidate: true, autocomplete: "off" },
    el("h2", { id: "new-stream-title" }, "Add a stream"),
    el("div", { class: "fields" }, ...fields.map((one) => one.node), models),
    el("fieldset", {}, el("legend", {}, "Login, if the camera wants one"), el("div", { class: "fields" }, ...login.map((one) => one.node)),
      el("p", { class: "hint" }, "A password typed here is kept in memory only: the stream is gone after a restart.")),
    wrong, el("div", { class: "choices" }, cancel, send));
  const dialog = el("dialog", { class: "new-stream", "aria-labelledby": "new-stream-title", onclose: forget }, form);
  const opener = el("button", { type: "button", class: "tile add", onclick: () => dialog.showModal() }, el("span", { "aria-hidden": "true" }, "+"), "Add a stream");

  function forget() {
    form.reset();
    show([], "");
  }

  function show(errors, detail) {
    const left = errors.filter((error) => !all.some((one) => one.tell(errors, error.field)));
    all.forEach((one) => one.tell(errors));
    say(wrong, errors.length && !left.length ? "" : detail);
    form.querySelector("[aria-invalid]")?.focus();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const unreadable = all.filter(({ input }) => input.validity.badInput).map(({ path }) => ({ field: path, problem: "expected a number" }));
    if (unreadable.length) {
      show(unreadable, "");
      return;
    }
    send.disabled = true;
    const wish = wished(all);
    try {
      await askJson("/streams", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish) });
      dialog.close();
      location.hash = `#/streams/${encodeURIComponent(wish.name)}`;
    } catch (error) {
      show(error instanceof Refused ? error.problem.errors ?? [] : [], error instanceof Refused ? `${error.message}. ${error.problem.remedy}` : "The daemon does not answer.");
    } finally {
      send.disabled = false;
    }
  });

  return {
    tile: el("li", {}, opener),
    dialog,
    streams(streams) {
      const known = [...new Set(["bottom_up", ...streams.map((stream) => stream.model)])];
      if (models.children.length !== known.length) models.replaceChildren(...known.map((value) => el("option", { value })));
    },
  };
}

// What was typed, nested as the API wants it; what was left empty is left out.
function wished(fields) {
  const wish = {};
  for (const { path, input } of fields) {
    if (input.value === "") continue;
    const [group, inner] = path.split(".");
    const value = input.type === "number" ? input.valueAsNumber : input.value;
    if (inner) (wish[group] ??= {})[inner] = value;
    else wish[group] = value;
  }
  return wish;
}

function field(path, words, attributes) {
  return labelled(path, words, el("input", { type: "text", autocomplete: attributes.type === "password" ? "new-password" : "off", spellcheck: "false", ...attributes }));
}

function choice(path, words, options) {
  return labelled(path, words, el("select", {}, ...Object.entries(options).map(([value, shown]) => el("option", { value }, shown))));
}

function labelled(path, words, input) {
  const id = `new-${path.replace(".", "-")}`;
  const told = el("span", { class: "wrong", id: `${id}-told` });
  input.id = id;
  input.name = path;
  return {
    path,
    input,
    node: el("div", {}, el("label", { for: id }, words), input, told),
    // Shows what is wrong with this field; whether `asked` is one that it shows.
    tell(errors, asked = path) {
      const own = errors.filter((error) => error.field === path || (path === "login.user" && error.field === "login"));
      say(told, own.map((error) => error.problem).join("; "));
      if (own.length) {
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-describedby", told.id);
      } else {
        input.removeAttribute("aria-invalid");
        input.removeAttribute("aria-describedby");
      }
      return own.some((error) => error.field === asked);
    },
  };
}
