// Asks the daemon, with the token that this tab knows.

const KEPT = "posestream token";

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title);
    this.problem = problem;
  }
}

export function keepToken(token) {
  if (token) sessionStorage.setItem(KEPT, token);
  else sessionStorage.removeItem(KEPT);
}

export const hasToken = () => sessionStorage.getItem(KEPT) !== null;

export function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEPT);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  return fetch(path, { ...options, headers, cache: "no-store" });
}

export async function askJson(path, options = {}) {
  const answer = await ask(path, options);
  if (answer.status === 204) return null;
  const body = await answer.json();
  if (!answer.ok) throw new Refused(body);
  return body;
}

export const streamPath = (name, rest = "") => `/streams/${encodeURIComponent(name)}${rest}`;

// Asks until the token is right; at once where none is needed.
export async function logIn() {
  const about = await askJson("/about");
  if (!about.needs_token) return about;
  const dialog = document.getElementById("token");
  const wrong = dialog.querySelector(".wrong");
  while (!hasToken() || (await ask("/system")).status === 401) {
    wrong.textContent = hasToken() ? "That is not the token." : "";
    keepToken(await askPerson(dialog));
  }
  return about;
}

function askPerson(dialog) {
  const form = dialog.querySelector("form");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const token = form.elements.token.value.trim();
      form.reset();
      resolve(/^[!-~]+$/.test(token) ? token : "-");
    }, { once: true });
    dialog.showModal();
  });
}
