// The page's side of the chat: the same lines as over TCP, as texts of a WebSocket.
"use strict";

/// How many lines the page keeps.
const KEPT = 1000;

/// How long to wait before the first try to connect again and before later ones, in ms.
const FIRST = 500;
const LONGEST = 30000;

const at = (id) => document.getElementById(id);
const log = at("log");

let socket = null;
let timer = 0;
let wait = FIRST;
/// Who and where one is, as the server has said; what to go back to.
let nick = null;
let room = null;
/// What was sent last.
let last = "";

function status(text) {
  at("status").textContent = text;
}

function show(line) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const entry = document.createElement("p");
  // As text: nobody's line is markup.
  entry.textContent = line;
  if (line.startsWith("* ")) entry.className = "notice";
  if (line.startsWith("! ")) entry.className = "wrong";
  log.append(entry);
  while (log.childElementCount > KEPT) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

/// Whatever anybody says begins with `<` or `(`, so these are the server's own.
function learn(line) {
  const named = /^\* you are now called (\S+)$/.exec(line);
  const entered = /^\* you are in (\S+) with /.exec(line);
  if (named) nick = named[1];
  if (entered) room = entered[1];
  if (named || entered) status(room ? `Connected as ${nick} in ${room}.` : `Connected as ${nick}.`);
}

function hear(event) {
  for (const line of event.data.split("\n")) {
    if (line === "") continue;
    learn(line);
    show(line);
  }
}

function send(text) {
  if (!socket || socket.readyState !== WebSocket.OPEN) {
    status("Not connected, so this was not sent.");
    return false;
  }
  socket.send(text);
  return true;
}

function opened() {
  wait = FIRST;
  status("Connected.");
  if (nick) send(room ? `/nick ${nick}\n/join ${room}` : `/nick ${nick}`);
}

function closed(event) {
  socket = null;
  if (event.code === 1000) {
    nick = room = null;
    status("You have left.");
    at("connect").hidden = false;
    return;
  }
  const why = event.code === 1009 ? "That was too long for the server"
    : event.code === 1001 ? "The server has shut down" : "The connection is lost";
  // Not all at the same moment, when a server with many people is back.
  const delay = wait * (0.5 + Math.random() / 2);
  wait = Math.min(wait * 2, LONGEST);
  status(`${why}. Trying again in ${Math.max(1, Math.round(delay / 1000))} s.`);
  at("connect").hidden = false;
  timer = setTimeout(connect, delay);
}

function connect() {
  clearTimeout(timer);
  if (socket) return;
  at("connect").hidden = true;
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.onopen = opened;
  socket.onmessage = hear;
  // Follows every error as well.
  socket.onclose = closed;
}

at("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  if (send(`/nick ${at("nick").value}\n/join ${at("room").value}`)) at("text").focus();
});

at("say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (text === "" || !send(text)) return;
  if (/^\/leave\s*$/.test(text)) room = null;
  last = text;
  at("text").value = "";
});

at("text").addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && at("text").value === "") {
    event.preventDefault();
    at("text").value = last;
  }
});

at("connect").addEventListener("click", connect);
window.addEventListener("online", connect);
connect();
