// Follow jobs at one of several servers that share a log. If its connection is lost, the next one continues at the same
// position, without a gap. The addresses are arguments in Node.js; a page sets `globalThis.servers`.
if (typeof WebSocket === 'undefined') globalThis.WebSocket = require('ws');
const servers = globalThis.servers ?? process.argv.slice(2);

let since = null; // the position to continue from

function follow() {
  const ws = new WebSocket(servers[0]);
  ws.onopen = () => ws.send(JSON.stringify({ type: 'subscribe', channels: ['jobs'], since }));
  ws.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    since ??= message.position ?? null;
    if (message.seq) since = { epoch: message.epoch, seq: message.seq };
    if (message.job_id) console.log(message.type, message.job_id, message.progress ?? '');
  };
  let isLost = false;
  // Browsers fire both events for a failed connection, Node.js 20 only `error`.
  ws.onerror = ws.onclose = () => {
    if (isLost) return;
    isLost = true;
    servers.push(servers.shift());
    setTimeout(follow, 500);
  };
}

follow();
