// Every text of the pages, in one file, so that it can be translated.

/** @param {number} count @param {string} what */
const many = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

/** @type {Record<string, string>} */
export const SECTIONS = { active: "Active", queued: "Queued", stalled: "Stalled", failed: "Failed", cancelled: "Cancelled", done: "Done" };

/** @type {Record<string, string>} */
export const COLUMNS = {
  name: "name", source: "workflow", phase: "phase", percent: "progress", count: "count", elapsed: "elapsed", left: "left",
  band: "range", at: "at", host: "host",
};

export const WORDS = {
  title: "Phaseline",
  live: "● live",
  connecting: "○ connecting",
  /** @param {string} at */
  away: (at) => `○ server unreachable · state as of ${at} · reconnecting`,
  waiting: "The server is unreachable. This page continues when it is back.",
  /** @type {Record<string, string>} */
  ways: { ws: "", sse: " · by server-sent events, because WebSocket is blocked", poll: " · by polling, because streams are blocked" },
  tokenNeeded: "This server needs a token with scope read.",
  tokenEnded: "The token is unknown, has expired or was revoked. Enter another one.",
  linkEnded: "This link has expired or was revoked. Ask its sender for a new one.",
  tokenLabel: "Token",
  tokenButton: "Show jobs",
  tokenHelp: "An administrator creates one: progress-server token create --scope read",
  filterLabel: "Filter jobs",
  filterHint: "filter, for example: render !done host:box2 name:/v0[67]/",
  jobs: "Jobs",
  state: "state",
  history: "History",
  boxes: "Boxes",
  pictures: "Pictures",
  /** @param {number} count */
  matching: (count) => `${many(count, "job")} match`,
  nothingMatches: "No job matches the filter.",
  /** @param {number} count */
  more: (count) => `Show ${many(count, "more job")}`,
  less: "Show fewer",
  emptyTitle: "No jobs yet.",
  emptyRun: "Run any command, and its progress appears here:",
  emptyReport: "Or report your own job:",
  doneToday: "done today",
  failedToday: "failed today",
  cancelledToday: "cancelled today",
  active: "active",
  stalled: "stalled",
  queued: "queued",
  allDone: "until all are done",
  took: "took",
  /** @param {string} time */
  late: (time) => `late ${time}`,
  /** @param {string} time */
  silent: (time) => `silent ${time}`,
  workerGone: "worker gone",
  noReason: "no reason given",
  noEstimate: "no estimate yet",
  cached: "from the cache",
  /** @param {string} queue @param {number | null} place */
  waits: (queue, place) => [queue ? `waits in ${queue}` : "queued", place === null ? "" : `place ${place}`].filter(Boolean).join(", "),
  /** @param {string} time */
  starts: (time) => `starts at ${time}`,
  earlier: "Jobs that ended earlier are in the history.",
  notify: "Notify",
  /** @type {Record<string, string>} */
  notifyChoices: { off: "off", failures: "failed or stalled", all: "all that end" },
  notifyDenied: "This browser does not allow notifications from this page.",
  sound: "Sound",
  watch: "Notify me",
  watched: "Do not notify me",
  watchFilter: "Notify me about these",
  watchedFilters: "Notifications for",
  /** @param {string} text */
  unwatchFilter: (text) => `Stop notifications for ${text}`,
  theme: "Theme",
  /** @type {Record<string, string>} */
  themes: { auto: "system", light: "light", dark: "dark" },
  keysTitle: "Keys",
  close: "Close",
  keys: [
    ["/", "filter"], ["j k ↓ ↑", "move"], ["g G", "first, last"], ["Enter", "open, fold or unfold"], ["Esc", "back; clear the filter"],
    ["s S", "sort by the next column; reverse"], ["d", "in the history: the next range"], ["x", "dismiss the open job"],
    ["1 5 6", "jobs, boxes, history"], ["t", "theme"], ["?", "this list"],
  ],
};

export const JOB = {
  back: "← All jobs",
  unknown: "The server has no job with this id. It may have been deleted.",
  dismissed: "dismissed",
  phases: "Phases",
  phasesNote: "Solid: time taken. Outline: usual time. Line: 90th percentile of earlier runs.",
  estimate: "Estimate",
  reasons: "Why the remaining time changed",
  /** @param {number} runs @param {string} basis */
  basis: (runs, basis) => (basis === "none" ? "No data for an estimate yet." : runs === 0 ? "From this run's own progress." : `From ${many(runs, "earlier run")}${basis === "history" ? "" : " and this one's own progress"}.`),
  details: "Details",
  facts: "Facts",
  worker: "Worker",
  result: "Result",
  errors: "Errors",
  output: "Output",
  follow: "Follow",
  search: "Search the output",
  /** @param {number} count */
  lines: (count) => many(count, "line"),
  picture: "Picture",
  raw: "Raw JSON",
  dismiss: "Dismiss",
  dismissAsk: "Dismiss this job? Lists and counts will omit it; the history keeps it.",
  dismissDenied: "Your token does not allow this.",
  shortened: "shortened",
  skipped: "skipped",
  toCome: "to come",
  notReached: "not reached",
  /** @param {string} time */
  usually: (time) => `usually ${time}`,
  left: "left",
  /** @param {string} time */
  after: (time) => `after ${time}`,
  /** @param {string} time */
  elapsed: (time) => `${time} elapsed`,
  /** @param {string} low @param {string} high */
  between: (low, high) => `between ${low} and ${high}`,
  now: "now",
  /** @type {Record<string, string>} */
  names: {
    job_id: "id", workflow: "workflow", series: "series", host: "host", started: "started", queued: "queued", ended: "ended", elapsed: "elapsed",
    message: "message", photo_id: "item", stage: "phase",
  },
};

export const ORDERS = {
  /** @type {Record<string, string>} */
  buttons: { cancel: "Cancel", pause: "Pause", resume: "Resume" },
  ask: "Cancel this job? Its worker stops the program.",
  paused: "paused",
  /** @param {string} order @param {string} time */
  pending: (order, time) => `${order} ordered at ${time}, waiting for the worker`,
};

export const BOXES = {
  columns: ["host", "jobs", "load", "memory", "GPU", "free in", "silent", "active jobs"],
  /** @param {number} count */
  queued: (count) => `${count} queued`,
  load: "load of the last minute / processors",
  /** @param {string} age */
  old: (age) => `measured ${age} ago`,
  idle: "idle",
  none: "No machine has reported jobs or its load.",
  /** @param {number} count */
  more: (count) => `and ${many(count, "more job")}`,
  noLoad: "not reported",
};

export const SERVERS = {
  title: "Servers",
  columns: ["server", "role", "lag", "term", "version"],
  /** @param {number} count @param {number} away @param {string} leader @param {string} lag */
  short: (count, away, leader, lag) => `${many(count, "server")}${away ? `, ${away} away` : ""}, ${leader ? `leader ${leader}, lag ${lag}` : "no leader"}`,
  /** @param {string} source @param {string} lag */
  mirror: (source, lag) => `Mirror of ${source}, lag ${lag}`,
  /** @param {string} source @param {string} age */
  behind: (source, age) => `◐ stale: no news from ${source || "the leader"} for ${age}`,
  /** @param {string} age */
  away: (age) => `away ${age}`,
  here: "(this one)",
};

export const PICTURES = {
  series: "Series",
  all: "all series",
  /** @param {number} count @param {boolean} more */
  count: (count, more) => (more ? `The latest ${many(count, "picture")}` : many(count, "picture")),
  none: "No pictures yet.",
  /** @param {string} series */
  unknown: (series) => `The server has no series ${series}.`,
  make: "Make one, then reload this page:",
  making: "The picture is not finished yet.",
  back: "← All pictures",
  run: "its run",
  dress: "Dress",
  /** @type {Record<string, string>} */
  prompts: { enhancedPrompt: "Prompt", prompt: "Prompt before enhancement", tersePrompt: "In one line" },
};

export const FAN = {
  title: "Estimated length over time",
  note: "Line: estimated length of the run. Area: its range. Dashed: elapsed time.",
  /** @param {string} from @param {string} to */
  spoken: (from, to) => `The estimated length of the run changed from ${from} to ${to}.`,
};

export const SHARING = {
  copy: "Copy link",
  link: "Link to this job",
  copied: "Copied.",
  toCopy: "Copy this link:",
  open: "This server has no tokens, so every client can read the job.",
  /** @param {string} time */
  until: (time) => `It shows only this job, without a token, until ${time}.`,
  /** @param {number} count */
  revoke: (count) => (count === 1 ? "Revoke the link" : `Revoke all ${count} links to this job`),
  revoked: "All links to this job are revoked.",
};

export const HISTORY = {
  /** @type {Record<string, string>} */
  ranges: { today: "today", yesterday: "yesterday", "7d": "7 days", "30d": "30 days", all: "all" },
  rangeLabel: "Range",
  totals: "Totals by workflow",
  columns: ["workflow", "runs", "median", "p95", "vs week before", "done", "failed", "lost", "cancelled"],
  lengths: "Run lengths",
  /** @param {number} count */
  lengthsNote: (count) => `${many(count, "run")}; line: median; ✗: failed.`,
  none: "No job ended in this range.",
  loading: "Loading …",
  /** @param {number} count @param {boolean} more */
  listed: (count, more) => `${many(count, "job")} listed${more ? " so far" : ""}`,
  older: "Show older jobs",
  filteredHere: "Excluded words, regular expressions, phase: and message: apply to the list only, not to the totals.",
};

export const HELD = {
  title: "Accuracy of estimates",
  columns: ["workflow", "runs", "in range", "error", "after 10 %", "after 50 %", "after 90 %"],
  note: "The latest 200 runs of each series. In range: share of true ends within the range; the target is 80 %. Error: median difference between the estimated and the true remaining time, as a share of the run's length.",
  /** @param {number} error @param {number | null} held @param {number} runs */
  accuracy: (error, held, runs) =>
    `Estimates of the last ${many(runs, "run")}: median error ${Math.round(100 * error)} %${held === null ? "" : `; ${Math.round(100 * held)} % ended within the range`}.`,
};
