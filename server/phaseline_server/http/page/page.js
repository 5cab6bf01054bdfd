// Updates the table of jobs over /ws. All data from the server is shown as text, never as markup.
"use strict";

const PROTOCOL = 1;
const UNAUTHORIZED = 4501;
const REPAINT_MS = 250;
const BACK_OFF_MS = { first: 500, most: 10_000 };
const STATES = { completed: "done" };

// job_id -> { status, received: its performance.now(), to extrapolate its times; nodes: its rows, or null if outdated }
const jobs = new Map();
const open = new Set(); // job_ids whose details are shown
let dirty = true;
let pause = BACK_OFF_MS.first;
let token = sessionStorage.getItem("token"); // for this tab only; null on a server without tokens

function duration(seconds) {
  if (seconds === null || seconds === undefined) return "—";
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  if (hours) return `${hours} h ${two(minutes)} min`;
  return minutes ? `${minutes} min ${two(rest)} s` : `${rest} s`;
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function bar(percent) {
  const made = element("progress");
  made.max = 100;
  made.value = percent;
  return made;
}

// ---------------------------------------------------------------------------------------- messages

function put(status) {
  jobs.set(status.job_id, { status, received: performance.now(), nodes: null });
}

function stage(status, name) {
  let found = status.stages.find((each) => each.name === name);
  if (!found && name) {
    found = { name, state: "pending", elapsed_seconds: 0, average_seconds: null, progress: null, error: "" };
    status.stages.push(found);
  }
  return found;
}

function enter(status, name) {
  for (const each of status.stages) {
    if (each.state === "current" && each.name !== name) each.state = "done";
  }
  const entered = stage(status, name);
  if (entered && entered.state !== "current") {
    entered.state = "current";
    entered.elapsed_seconds = 0;
  }
  return entered;
}

// By message type: apply the fields that only this type has.
const handlers = {
  job_started(status, message) {
    status.started_at = message.timestamp;
    status.result = null;
    status.photo_info = message.photo_info;
    status.message = "";
    status.errors = [];
    status.completed_at = null;
    status.stages = [];
    for (const name of message.stages || []) {
      stage(status, name).average_seconds = (message.averages || {})[name] ?? null;
    }
  },
  job_progress(status, message) {
    status.message = message.message;
    status.current_stage = message.stage;
    const entered = enter(status, message.stage);
    if (!entered) return;
    entered.progress = message.progress;
    entered.elapsed_seconds = message.stage_elapsed_seconds ?? entered.elapsed_seconds;
  },
  stage_completed(status, message) {
    const ended = stage(status, message.stage);
    if (!ended) return;
    ended.state = message.skipped ? "skipped" : "done";
    ended.elapsed_seconds = message.stage_seconds ?? ended.elapsed_seconds;
    ended.average_seconds = message.average_seconds ?? ended.average_seconds;
  },
  photo_info(status, message) {
    Object.assign(status.photo_info, message.photo_data);
  },
  error_occurred(status, message) {
    status.errors.push({ error_message: message.error_message, stage: message.stage });
  },
  job_stalled: stop,
  job_lost: stop,
  job_completed: end,
  job_failed: end,
};

function stop(status, message) {
  const current = status.stages.find((each) => each.state === "current");
  if (current) current.elapsed_seconds = message.stage_elapsed_seconds ?? current.elapsed_seconds;
}

function end(status, message) {
  status.completed_at = message.timestamp;
  status.result = message.result;
  const left = message.success ? "done" : "failed";
  for (const each of status.stages) {
    if (each.state === "current") each.state = left;
  }
}

// Add the time since the last message to the current phase, because the job's next message restarts the count.
function advance({ status, received }) {
  const current = status.stages.find((each) => each.state === "current");
  if (current && isRunning(status)) current.elapsed_seconds += (performance.now() - received) / 1000;
}

function take(message) {
  if (message.type === "snapshot") {
    jobs.clear();
    message.jobs.forEach(put);
  } else if (message.type === "job_dismissed") {
    jobs.delete(message.job_id);
  } else if (message.job_id) {
    const known = jobs.get(message.job_id);
    if (known) advance(known);
    const status = known ? known.status : { job_id: message.job_id, stages: [], errors: [], photo_info: {}, message: "" };
    for (const name of ["name", "photo_id", "workflow", "series", "state", "percent", "eta_seconds", "eta_low_seconds",
      "eta_high_seconds", "stage_index", "stage_count", "elapsed_seconds", "reason"]) {
      if (name in message) status[name] = message[name];
    }
    if (message.type in handlers) handlers[message.type](status, message);
    put(status);
  }
  dirty = true;
}

// -------------------------------------------------------------------------------------- connection

function showConnection(text, lost) {
  const connection = document.getElementById("connection");
  connection.textContent = text;
  connection.classList.toggle("lost", lost);
}

function askForToken(why) {
  token = null;
  sessionStorage.removeItem("token");
  document.getElementById("token").hidden = false;
  showConnection(`○ ${why}`, true);
}

// Browsers cannot set headers on a WebSocket, so the page gets a ticket, which replaces its token once. Return null
// without a token, and false if the server rejects the token.
async function ticket() {
  if (!token) return null;
  const answer = await fetch("/ws/ticket", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
  if (answer.status === 401) return false;
  return (await answer.json()).ticket;
}

function reconnect() {
  showConnection(`○ disconnected; last update ${new Date().toLocaleTimeString()}; reconnecting`, true);
  setTimeout(connect, pause * (0.5 + Math.random() / 2));
  pause = Math.min(2 * pause, BACK_OFF_MS.most);
}

async function connect() {
  let shown = null;
  try {
    shown = await ticket();
  } catch {
    reconnect();
    return;
  }
  if (shown === false) {
    askForToken("token unknown, expired or revoked");
    return;
  }
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.onopen = () => {
    if (shown) socket.send(JSON.stringify({ type: "auth", token: shown }));
    socket.send(JSON.stringify({
      type: "subscribe", channels: ["jobs", "photos", "system"], snapshot: true, coalesce_ms: REPAINT_MS, batch: true,
    }));
  };
  socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    for (const message of Array.isArray(frame) ? frame : [frame]) {
      if (message.type === "connection_established" && message.protocol > PROTOCOL) location.reload();
      if (message.type === "subscription_confirmed") {
        pause = BACK_OFF_MS.first;
        showConnection("● live", false);
      }
      take(message);
    }
  };
  socket.onclose = (event) => {
    if (event.code === UNAUTHORIZED) askForToken("not connected");
    else reconnect();
  };
}

// ---------------------------------------------------------------------------------------- painting

function ended(status) {
  return Boolean(status.completed_at);
}

// Whether to extrapolate the job's times. Those of a lost job stop at the last message of its worker.
function isRunning(status) {
  return !ended(status) && status.state !== "lost";
}

// The reason why an unfinished job makes no progress, or "".
function stopped(status) {
  if (status.state !== "stalled" && status.state !== "lost") return "";
  return `${status.reason || "silent"} · was at ${Math.floor(status.percent)} %`;
}

function latest(status) {
  return status.completed_at || status.started_at || "";
}

function nameOf(status) {
  if (status.workflow === "dalle") return `${status.series}/${status.photo_id}`;
  return String(status.name || status.job_id);
}

function phaseOf(status) {
  const place = `${status.stage_index}/${status.stage_count}`;
  const now = status.stages.find((each) => each.state === (ended(status) ? "failed" : "current"));
  if (!now) return place;
  const percent = ended(status) || now.progress === null ? "" : ` · ${Math.floor(now.progress)} %`;
  return `${place} ${now.name}${percent}`;
}

// The latest error, or else the error in the result.
function errorOf(status) {
  return status.errors[status.errors.length - 1]?.error_message || (ended(status) && status.result?.error) || "";
}

function etaOf(status, since) {
  if (ended(status)) return "";
  if (stopped(status)) return stopped(status);
  if (status.eta_seconds === null || status.eta_seconds === undefined) return "not known yet";
  const left = Math.max(0, status.eta_seconds - since);
  const at = new Date(Date.now() + 1000 * left).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const band = status.eta_low_seconds == null ? "" :
    ` (${duration(Math.max(0, status.eta_low_seconds - since))} to ${duration(status.eta_high_seconds - since)})`;
  return `${left < 1 ? "any moment" : duration(left)}${band} · ${at}`;
}

function jobRow({ status, received }) {
  const since = isRunning(status) ? (performance.now() - received) / 1000 : 0;
  const row = element("tr", `job ${status.state}`);
  const button = element("button", "", nameOf(status));
  button.type = "button";
  button.dataset.job = status.job_id;
  button.setAttribute("aria-expanded", String(open.has(status.job_id)));
  row.append(
    element("td", "state", STATES[status.state] || status.state),
    element("td", "name", button),
    element("td", "workflow", status.series ? `${status.workflow} · ${status.series}` : status.workflow),
    element("td", "phase", phaseOf(status)),
    element("td", "progress", bar(status.percent), ` ${Math.floor(status.percent)} %`),
    element("td", "elapsed", duration(status.elapsed_seconds + since)),
    element("td", "eta", etaOf(status, since)),
  );
  return row;
}

function wordsRow(status) {
  const error = errorOf(status);
  if (!error && (!status.message || ended(status))) return null;
  const cell = element("td", "", error ? element("strong", "", String(error)) : status.message);
  cell.colSpan = 6;
  const row = element("tr", `words ${status.state}`);
  row.append(element("td"), cell);
  return row;
}

// Browsers cannot set headers on an image either, so with a token the page fetches the picture itself.
async function showPicture(picture, link, address) {
  picture.src = link.href = token
    ? URL.createObjectURL(await (await fetch(address, { headers: { Authorization: `Bearer ${token}` } })).blob())
    : address;
}

function detailsRow({ status, received }) {
  const list = element("ol", "phases");
  const longest = Math.max(0.001, ...status.stages.map((each) => Math.max(each.elapsed_seconds, each.average_seconds || 0)));
  for (const each of status.stages) {
    const since = each.state === "current" && isRunning(status) ? (performance.now() - received) / 1000 : 0;
    const took = each.elapsed_seconds + since;
    const usual = each.average_seconds === null ? "" : ` (usually ${each.average_seconds.toFixed(1)} s)`;
    const words = { pending: each.average_seconds === null ? "to come" : `to come${usual}`, skipped: "skipped" };
    const strip = element("progress");
    strip.max = longest;
    strip.value = Math.min(took, longest);
    list.append(element("li", "",
      element("span", each.state, each.name), strip, element("span", each.state, words[each.state] || `${took.toFixed(1)} s${usual}`)));
  }
  const side = element("div");
  if (status.workflow === "dalle" && status.state === "completed") {
    const address = `/dalle/${encodeURIComponent(status.series)}/${encodeURIComponent(status.photo_id)}`;
    const picture = element("img");
    picture.alt = status.result?.title || nameOf(status);
    const link = element("a", "", picture);
    showPicture(picture, link, `${address}?format=png`);
    side.append(link);
  }
  const cell = element("td", "", element("div", "details", list, side));
  cell.colSpan = 6;
  const row = element("tr", `more ${status.state}`);
  row.append(element("td"), cell);
  return row;
}

// The rows of a finished job are reused, so that the pictures in them don't flicker.
function rowsOf(job) {
  if (job.nodes === null || !ended(job.status)) {
    const words = wordsRow(job.status);
    job.nodes = [jobRow(job), ...(words ? [words] : []), ...(open.has(job.status.job_id) ? [detailsRow(job)] : [])];
  }
  return job.nodes;
}

function paint() {
  if (document.hidden) return;
  const all = [...jobs.values()];
  const active = all.filter(({ status }) => !ended(status) && status.state !== "lost");
  if (!dirty && active.length === 0) return;
  dirty = false;
  const focused = document.activeElement?.dataset?.job;
  all.sort((a, b) => ended(a.status) - ended(b.status) || latest(b.status).localeCompare(latest(a.status)));
  const rows = all.flatMap(rowsOf);
  if (!rows.length) {
    const code = element("code", "", `curl '${location.origin}/dalle/simple/0x1234?generate=1'`);
    const cell = element("td", "", "No jobs yet. Start one: ", code);
    cell.colSpan = 7;
    rows.push(element("tr", "empty", cell));
  }
  document.querySelector("#jobs tbody").replaceChildren(...rows);
  if (focused) document.querySelector(`button[data-job="${CSS.escape(focused)}"]`)?.focus();
  const failed = all.filter(({ status }) => status.state === "failed" || status.state === "lost").length;
  document.getElementById("totals").textContent =
    `${active.length} active · ${all.length - active.length - failed} done · ${failed} failed`;
  document.title = active.length ? `${active.length} active · Phaseline` : "Phaseline";
}

document.getElementById("token").addEventListener("submit", (event) => {
  event.preventDefault();
  token = event.target.elements.token.value.trim();
  sessionStorage.setItem("token", token);
  event.target.reset();
  event.target.hidden = true;
  connect();
});
document.getElementById("jobs").addEventListener("click", (event) => {
  const id = event.target.closest("button")?.dataset.job;
  if (id === undefined) return;
  if (!open.delete(id)) open.add(id);
  jobs.get(id).nodes = null;
  dirty = true;
  paint();
});
document.addEventListener("visibilitychange", () => {
  dirty = true;
  paint();
});
setInterval(paint, REPAINT_MS);
connect();
