// The service worker: opens the pages while the server is unreachable.
//
// It stores the files of the pages, and documents without jobs. It neither stores nor intercepts answers about jobs,
// because an answer belongs to the token of its request. Each file is fetched again while the server is reachable. The
// server appends the version of all files to this file, so a new version replaces the old one.

const worker = /** @type {any} */ (self);
const CACHE = "phaseline-pages";
/** The address of the server, with a slash at its end. */
const ROOT = new URL("..", location.href);
/** Documents that show no job without a script; all others are like one of them, at the same depth. */
const SHELLS = ["history", "job/-", "preview/-/-"];
const READ_ONLY = ["", "boxes"]; // for the names of their files
const FILE = /page\/[\w-]+\.(?:json|js|css|svg)/g;

/** @param {string} path */
const fetched = (path) => fetch(new URL(path, ROOT), { cache: "no-cache" });

async function install() {
  const cache = await caches.open(CACHE);
  const texts = await Promise.all(
    [...SHELLS, ...READ_ONLY].map(async (path) => {
      const answer = await fetched(path);
      if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
      if (SHELLS.includes(path)) await cache.put(new URL(path, ROOT), answer.clone());
      return answer.text();
    }),
  );
  await cache.addAll([...new Set(texts.flatMap((text) => text.match(FILE) ?? []))].map((path) => new URL(path, ROOT).href));
  await worker.skipWaiting();
}

/** The stored document for a page, or null for an address that is none. @param {string} path */
function shellOf(path) {
  if (path.startsWith("job/")) return "job/-";
  if (/^preview\/[^/]+\/[^/]+$/.test(path)) return "preview/-/-";
  return ["", "history", "boxes", "preview"].includes(path) ? "history" : null;
}

/** @param {any} request @param {string} stored */
async function newest(request, stored) {
  const cache = await caches.open(CACHE);
  const url = new URL(stored, ROOT);
  try {
    const answer = await fetch(request);
    if (answer.status >= 500) throw new Error(`a proxy answered HTTP ${answer.status} for the server`);
    if (answer.ok && request.mode !== "navigate") await cache.put(url, answer.clone());
    return answer;
  } catch (error) {
    const found = await cache.match(url);
    if (found) return found;
    throw error;
  }
}

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(install()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(ROOT.href)) return;
  const path = new URL(request.url).pathname.slice(ROOT.pathname.length);
  const stored = request.mode === "navigate" ? shellOf(path) : path.startsWith("page/") ? path : null;
  if (stored !== null) event.respondWith(newest(request, stored));
});
