// The program of the pages: the connection, the addresses, the keys.

import { ROOT, isLink, jobPath } from "./api.js";
import { chooseNotify, chooseSound, notify, notifyChoice, showProgress, soundChoice } from "./alerts.js";
import { Connection } from "./connection.js";
import { byId, h, setText } from "./dom.js";
import { forgetLast, lastState, saveLast } from "./last.js";
import { Servers } from "./servers.js";
import { Store } from "./store.js";
import { VIEWS, loadOthers, pageOf } from "./views.js";
import { WORDS } from "./words.js";

const PAINT_MS = 250;
const TICK_MS = 1000; // times advance between messages

/** @typedef {{element: HTMLElement, name: string, opened: () => void, close: () => void, paint: () => void, key: (key: string) => boolean}} View */

export class App {
  constructor() {
    this.store = new Store();
    this.store.onStop = (job) => this.link.kind === "live" && notify(job);
    /** @type {import("./connection.js").Link} */
    this.link = { kind: "connecting", way: "ws", why: "" };
    /** Whether the server has sent its jobs. */
    this.known = false;
    /** The time when the connection was lost; null while times advance. @type {import("./row.js").Clock | null} */
    this.stopped = null;
    /** The time of the server's last snapshot. */
    this.synced = -Infinity;
    this.servers = new Servers();
    this.painted = { changes: -1, at: 0 };
    /** The number of the present visit of a page. */
    this.visit = 0;
    /** Whether the code of a page could not be loaded. */
    this.broken = false;
    /** Whether the jobs are those of an earlier visit. */
    this.offline = false;
    /** @type {View | null} */
    this.view = null;
    this.connection = new Connection(this.store, (messages) => this.#take(messages), (link) => this.#linked(link));
  }

  /** The time that the page shows: the present, or the moment of the last news. @returns {import("./row.js").Clock} */
  clock() {
    const [now, { since }] = [performance.now(), this.servers];
    // Data that a server sends after its last news is shown as of the time at which it was sent.
    const at = since === null ? now : Math.max(since, this.synced);
    return this.stopped ?? { now: at, wall: Date.now() - (now - at), stale: since !== null };
  }

  /** @param {any[]} messages */
  #take(messages) {
    const [now, wall] = [performance.now(), Date.now()];
    for (const message of messages) {
      this.store.take(message, now, wall);
      if (message.type === "snapshot") this.synced = now;
      if (message.type === "snapshot" && !this.known) {
        this.known = true;
        performance.mark("jobs");
        if (!isLink) loadOthers();
        this.offline = false;
      }
    }
  }

  /** @param {import("./connection.js").Link} link */
  #linked(link) {
    this.link = link;
    const live = link.kind === "live";
    if (link.kind === "away" && !this.known) this.#restore();
    if (live && this.broken) location.reload();
    if (live) this.stopped = null;
    else this.stopped ??= { now: performance.now(), wall: Date.now(), stale: true };
    if (!live) this.servers.lost();
    this.#showLink();
    this.#tokenForm(link);
    this.paint();
  }

  #showLink() {
    const { link } = this;
    const live = link.kind === "live";
    const behind = live ? this.servers.behind() : "";
    document.body.classList.toggle("stale", (!live && (this.known || this.offline)) || behind !== "");
    const connection = byId("connection");
    connection.className = link.kind;
    connection.classList.toggle("behind", behind !== "");
    const at = new Date(this.stopped?.wall ?? Date.now()).toLocaleTimeString("en-GB");
    const words = live ? WORDS.live + WORDS.ways[link.way] : link.kind === "away" ? WORDS.away(at) : link.kind === "token" ? "" : WORDS.connecting;
    setText(connection, behind || words);
  }

  /** Show the state of an earlier visit. */
  #restore() {
    const last = lastState();
    if (!last || this.offline) return;
    this.offline = true;
    for (const job of last.jobs) this.store.jobs.set(job.id, job);
    this.store.version += 1;
    this.stopped = { now: performance.now() - (Date.now() - last.wall), wall: last.wall, stale: true };
  }

  /** @param {import("./connection.js").Link} link */
  #tokenForm(link) {
    document.getElementById("token")?.remove();
    if (link.kind !== "token") return;
    this.#forget();
    forgetLast();
    if (isLink) {
      this.view?.close();
      this.view = null;
      byId("view").replaceChildren(h("p", { id: "token", role: "alert" }, WORDS.linkEnded));
      return;
    }
    const words = link.why === "needed" ? WORDS.tokenNeeded : link.why === "ended" ? WORDS.tokenEnded : link.why;
    const input = h("input", { type: "password", name: "token", autocomplete: "off", required: true, "aria-label": WORDS.tokenLabel });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      byId("token").remove();
      this.connection.useToken(input.value.trim());
    };
    byId("top").after(
      h("form", { id: "token", onsubmit: submit }, h("p", { role: "alert" }, words), input, h("button", {}, WORDS.tokenButton), h("p", { class: "hint" }, WORDS.tokenHelp)),
    );
    this.route();
    input.focus();
  }

  /** Drop the data read with a token that is no longer valid. */
  #forget() {
    this.store.jobs.clear();
    this.store.epoch = "";
    this.store.version += 1;
    this.known = false;
  }

  /** Show what the address names. */
  async route() {
    this.visit += 1;
    const { visit } = this;
    const { name, job } = pageOf(location.pathname.slice(ROOT.pathname.length));
    let view;
    try {
      view = await VIEWS[name](this, job);
    } catch {
      this.broken = true; // the server is unreachable
      return;
    }
    if (visit !== this.visit) return;
    this.view?.close();
    this.view = view;
    byId("view").replaceChildren(view.element);
    for (const link of document.querySelectorAll("[data-page]")) {
      if (link.getAttribute("data-page") === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    scrollTo(0, 0);
    view.opened();
    this.paint();
  }

  /** @param {string} path Below the root. */
  go(path) {
    if (isLink) return;
    history.pushState({ inside: true }, "", new URL(path, ROOT));
    this.route();
  }

  /** @param {string} id */
  openJob(id) {
    this.go(jobPath(id));
  }

  /** Go back to the page before, or to the list. */
  back() {
    if (history.state?.inside) history.back();
    else this.go("");
  }

  paint() {
    if (document.hidden) return;
    this.view?.paint();
    this.#title();
  }

  #title() {
    showProgress(this.store.jobs.values(), this.view?.name ?? "");
  }

  /** Paint if there is something new, at most four times a second. */
  tick() {
    const now = performance.now();
    const { changes } = this.store;
    if (changes === this.painted.changes && now - this.painted.at < TICK_MS) return;
    this.painted = { changes, at: now };
    if (this.link.kind === "live") this.servers.read(now).then((read) => read && this.#showLink());
    if (this.servers.since !== null) this.#showLink();
    if (this.known) saveLast(this.store.jobs);
    if (document.hidden) this.#title();
    else this.paint();
  }
}

// ------------------------------------------------------------------------------------------- settings

const THEME = "theme";
const THEMES = ["auto", "light", "dark"];

/** @param {string} theme */
function useTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
  const select = document.querySelector("select[name=theme]");
  if (select instanceof HTMLSelectElement) select.value = theme;
}

/** @param {string} name @param {string} label @param {Record<string, string>} choices @param {string} value @param {(value: string) => void} choose */
function choice(name, label, choices, value, choose) {
  const select = h("select", { name }, ...Object.entries(choices).map(([key, word]) => h("option", { value: key, selected: key === value }, word)));
  select.addEventListener("change", () => choose(select.value));
  return h("label", {}, `${label} `, select);
}

/** @returns {HTMLDialogElement} */
function help() {
  const dialog = h("dialog", { id: "help", "aria-label": WORDS.keysTitle, onclick: () => dialog.close() });
  dialog.append(
    h("h2", {}, WORDS.keysTitle),
    h("dl", {}, ...WORDS.keys.flatMap(([keys, meaning]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, meaning)])),
    h("button", { type: "button" }, WORDS.close),
  );
  return dialog;
}

// ----------------------------------------------------------------------------------------------- keys

/** @param {App} app @param {HTMLDialogElement} dialog @param {KeyboardEvent} event */
function pressed(app, dialog, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const typing = target.matches("input, select, textarea");
  if (typing && target instanceof HTMLInputElement && target.type === "search") {
    if (event.key !== "Escape" && event.key !== "Enter" && event.key !== "ArrowDown") return;
    if (event.key === "Escape" && target.value && app.view?.key("Escape")) return;
    target.blur();
    document.querySelector(/** @type {any} */ ("[role=grid]"))?.focus();
    event.preventDefault();
    return;
  }
  if (typing || (event.key === "Enter" && target.matches("a, button, summary"))) return;
  /** @type {Record<string, () => void>} */
  const keys = { "?": () => dialog.showModal(), t: () => useTheme(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % 3] ?? "auto"), 1: () => app.go(""), 5: () => app.go("boxes"), 6: () => app.go("history") };
  const act = keys[event.key];
  if (act) act();
  else if (!app.view?.key(event.key)) return;
  event.preventDefault();
}

// ---------------------------------------------------------------------------------------------- start

function start() {
  const app = new App();
  const dialog = help();
  const notifyChosen = async (/** @type {string} */ value) => {
    if (!(await chooseNotify(value))) alert(WORDS.notifyDenied);
    const select = document.querySelector("select[name=notify]");
    if (select instanceof HTMLSelectElement) select.value = notifyChoice();
  };
  document.body.append(
    h("footer", {},
      choice("theme", WORDS.theme, WORDS.themes, localStorage.getItem(THEME) ?? "auto", useTheme),
      choice("notify", WORDS.notify, WORDS.notifyChoices, notifyChoice(), notifyChosen),
      h("label", {}, h("input", { type: "checkbox", name: "sound", checked: soundChoice(), onchange: (/** @type {Event} */ event) => chooseSound(/** @type {HTMLInputElement} */ (event.target).checked) }), ` ${WORDS.sound}`),
      h("button", { type: "button", onclick: () => dialog.showModal() }, `${WORDS.keysTitle} `, h("kbd", {}, "?")),
      app.servers.element),
    dialog,
  );
  useTheme(localStorage.getItem(THEME) ?? "auto");
  document.addEventListener("keydown", (event) => pressed(app, dialog, event));
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[data-page]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    app.go(link.href.slice(ROOT.href.length));
  });
  addEventListener("popstate", () => app.route());
  addEventListener("hashchange", () => location.hash.startsWith("#link=") && location.reload());
  document.body.classList.toggle("linked", isLink);
  document.addEventListener("visibilitychange", () => {
    app.paint();
    if (document.hidden && app.known) saveLast(app.store.jobs, true);
  });
  setInterval(() => app.tick(), PAINT_MS);
  app.route();
  app.connection.run();
  return app;
}

/** For tests and the console. */
Object.assign(globalThis, { phaseline: start() });
