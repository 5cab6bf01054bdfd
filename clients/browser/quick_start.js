// Without a browser: Node.js 22 has a WebSocket, an older one needs the package `ws`.
if (typeof WebSocket === 'undefined') {
  try {
    globalThis.WebSocket = require('ws');
  } catch {
    console.error('quick_start.js needs a browser, Node.js 22 or later, or the package ws (npm install ws)');
    process.exit(1);
  }
}
if (typeof document === 'undefined') {
  globalThis.updateProgressBar = (jobId, progress) => console.log(`Job ${jobId}: ${progress} %`);
  globalThis.updateStatusText = (text) => console.log(text);
  globalThis.showError = (text) => console.error(text);
}

// Connect to WebSocket
const ws = new WebSocket('ws://localhost:5100/ws');

// Subscribe to job updates
ws.onopen = () => {
  ws.send(JSON.stringify({
    type: 'subscribe',
    channels: ['jobs', 'photos']
  }));
};

// Handle incoming messages
ws.onmessage = (event) => {
  const message = JSON.parse(event.data);
  
  switch(message.type) {
    case 'job_started':
      console.log(`Job ${message.job_id} started`);
      break;
      
    case 'job_progress':
      updateProgressBar(message.job_id, message.progress);
      updateStatusText(message.message);
      break;
      
    case 'stage_completed':
      console.log(`Stage ${message.stage} completed`);
      break;
      
    case 'job_completed':
      console.log(`Job ${message.job_id} completed in ${message.duration}s`);
      break;
      
    case 'error_occurred':
      showError(message.error_message);
      break;
  }
};

if (typeof document === 'undefined') {
  ws.onerror = () => console.error(`No connection to ${ws.url}`);
}
