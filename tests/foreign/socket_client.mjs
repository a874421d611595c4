// A WebSocket as browsers have it: the token as a subprotocol. Arguments: the URL, then the subprotocols.
// It writes one line {"protocol": "...", "message": ...}, or {"error": true} if the handshake fails.

const [url, ...protocols] = process.argv.slice(2);
const socket = new WebSocket(url, protocols);
socket.addEventListener('message', (event) => {
  console.log(JSON.stringify({ protocol: socket.protocol, message: JSON.parse(event.data) }));
  socket.close();
});
socket.addEventListener('error', () => {
  console.log(JSON.stringify({ error: true }));
  process.exit(0);
});
