// Requests to the server that served this file, wherever a proxy has put it.

/** The address of the server, with a slash at its end. */
export const ROOT = new URL("..", import.meta.url);

const KEY = "token";
/** For this tab only; null on a server without tokens. @type {string | null} */
let token = sessionStorage.getItem(KEY);

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
  return /** @type {string} */ ((await post("ws/ticket")).ticket);
}
