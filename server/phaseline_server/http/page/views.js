// The pages by their addresses; the code and the style of each are loaded when it is first shown.

import { ROOT, address } from "./api.js";
import { h } from "./dom.js";

/** @typedef {import("./main.js").App} App */
/** @typedef {import("./main.js").View} View */
/** @typedef {keyof typeof VIEWS} Name */

const IDLE_MS = 2000;

/**
 * Load a style, unless it is in the document.
 * @param {string} name
 */
function style(name) {
  const href = address(`page/${name}`).href;
  const links = /** @type {HTMLLinkElement[]} */ ([...document.querySelectorAll("link[rel=stylesheet]")]);
  if (links.some((link) => link.href === href)) return undefined;
  return new Promise((done, failed) => document.head.append(h("link", { rel: "stylesheet", href, onload: done, onerror: failed })));
}

/** Makes the view of each page. */
export const VIEWS = {
  /** @param {App} app @param {string} _job @returns {Promise<View>} */
  list: async (app, _job) => new (await import("./list.js")).ListView(app),
  /** @param {App} app @param {string} job @returns {Promise<View>} */
  job: async (app, job) => {
    const [{ JobView }] = await Promise.all([import("./job.js"), style("job.css")]);
    return new JobView(app, job);
  },
  /** @param {App} app @param {string} _job @returns {Promise<View>} */
  history: async (app, _job) => {
    const [{ HistoryView }] = await Promise.all([import("./history.js"), style("history.css")]);
    return new HistoryView(app);
  },
  /** @param {App} app @param {string} _job @returns {Promise<View>} */
  boxes: async (app, _job) => {
    const [{ BoxesView }] = await Promise.all([import("./boxes.js"), style("history.css"), style("boxes.css")]);
    return new BoxesView(app);
  },
  /** @param {App} app @param {string} picture @returns {Promise<View>} */
  pictures: async (app, picture) => {
    const [{ PictureView, PicturesView }] = await Promise.all([import("./pictures.js"), style("pictures.css"), style("history.css"), style("job.css")]);
    return picture ? new PictureView(app, picture) : new PicturesView(app);
  },
};

/** Let the pages open while the server is unreachable; browsers allow it over HTTPS and on this machine only. */
function install() {
  const { serviceWorker } = navigator;
  return serviceWorker?.register(address("page/worker.js"), { scope: ROOT.pathname });
}

/** Load the code of the pages that are not shown, so that they open at once, and while the server is unreachable. */
export function loadOthers() {
  const load = () => Promise.all([...["job.css", "history.css", "boxes.css"].map(style), import("./job.js"), import("./history.js"), import("./boxes.js"), import("./list.js"), install()]).catch(() => {});
  if ("requestIdleCallback" in globalThis) requestIdleCallback(load, { timeout: IDLE_MS });
  else setTimeout(load, IDLE_MS);
}

/**
 * Return the page at a path below the root, and the job that it names.
 * @param {string} path
 * @returns {{name: Name, job: string}}
 */
export function pageOf(path) {
  const job = /^job\/(.+)$/s.exec(path)?.[1];
  if (job) return { name: "job", job: decoded(job) };
  const picture = /^preview(?:\/(.+))?$/s.exec(path);
  if (picture) return { name: "pictures", job: decoded(picture[1] ?? "") };
  return { name: path === "history" || path === "boxes" ? path : "list", job: "" };
}

/** @param {string} text A part of an address, perhaps a wrong one. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
