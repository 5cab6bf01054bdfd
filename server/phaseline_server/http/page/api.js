// Requests to the server of this page, under any path prefix of a proxy.

/** The address of the server, with a slash at its end. */
export const ROOT = new URL("..", import.meta.url);

const KEY = "token";
/** The secret of a link to one job. It is in the fragment, which browsers send to no server. */
const link = /^#link=([\w-]+)$/.exec(location.hash)?.[1] ?? null;
/** Whether the page was opened by a link, which shows one job only. */
export const isLink = link !== null;
/** For this tab only; null on a server without tokens. @type {string | null} */
let token = link ?? sessionStorage.getItem(KEY);

/** @typedef {{scope: "read" | "report" | "admin", prefix: string, job: string | null}} Rights */
/** The token's permissions, as the server described them. @type {Rights} */
let known = { scope: "admin", prefix: "", job: null };
export const rights = () => known;
/** Whether the token allows reading all jobs. */
export const readsAll = () => !known.prefix && known.job === null;

/** An error that the server answered. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} text
   */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/**
 * Return the address of a path below the server's root.
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [query]
 */
export function address(path, query = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  return url;
}

/** @param {string} jobId */
export const jobPath = (jobId) => `job/${encodeURIComponent(jobId)}`;

/** @param {string} jobId */
export const statusPath = (jobId) => `progress/job/${encodeURIComponent(jobId)}`;

export const hasToken = () => token !== null;

/** @param {string | null} given */
export function setToken(given) {
  token = given;
  if (isLink) return;
  if (given === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, given);
}

/**
 * @param {string | URL} url
 * @param {RequestInit} [options]
 */
async function request(url, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(url, { ...options, headers });
  if (answer.ok) return answer;
  let text = `${answer.status} ${answer.statusText}`;
  try {
    text = (await answer.json()).error || text;
  } catch {
    // A proxy's own error page.
  }
  throw new ApiError(answer.status, text);
}

/**
 * Get JSON.
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} [query]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, query, signal) {
  return (await request(address(path, query), signal ? { signal } : {})).json();
}

/**
 * Send JSON.
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 */
export async function post(path, body) {
  return (await request(address(path), { method: "POST", body: JSON.stringify(body ?? {}) })).json();
}

/**
 * Delete what is at a path.
 * @param {string} path
 */
export async function remove(path) {
  await request(address(path), { method: "DELETE" });
}

/**
 * Return an address that an image or a new tab can show: browsers send no token with them.
 * @param {string | URL} url
 */
export async function shown(url) {
  if (!token) return String(url);
  return URL.createObjectURL(await (await request(url)).blob());
}

/** Return a ticket, which replaces the token once in an address; null without a token. */
export async function ticket() {
  if (!token) return null;
  const answer = await post("ws/ticket");
  known = { scope: answer.scope, prefix: answer.prefix, job: answer.job };
  return /** @type {string} */ (answer.ticket);
}
