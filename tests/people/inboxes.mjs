// Where people are told something: a mail server that wants a login, and a Slack with an incoming webhook. Both are
// other people's programs; what arrived is told as they understood it.
//
// Usage: node inboxes.mjs '{"tools": <node_modules>}'
// Prints one line of JSON when it is ready, `GET /` of `look` tells what arrived, and it ends with its standard input.
// `POST /refuse` with a number has the mail server turn away that many mails with "try again later".

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Server } from "node:net";
import { pathToFileURL } from "node:url";

const { tools } = JSON.parse(process.argv[2]);
const require = createRequire(`${tools}/`);
const { SMTPServer } = require("smtp-server");
const { default: PostalMime } = await import(pathToFileURL(require.resolve("postal-mime")));
const { createEmulator } = await import(pathToFileURL(`${tools}/emulate/dist/api.js`));

const mails = [];
let refusals = 0;

const mail = new SMTPServer({
  disabledCommands: ["STARTTLS"],
  allowInsecureAuth: true,
  onAuth: ({ username, password }, _, done) =>
    username === "miyabi" && password === "p@ss word" ? done(null, { user: username }) : done(new Error("who?")),
  onData: async (stream, session, done) => {
    const parts = [];
    for await (const part of stream) parts.push(part);
    const read = await PostalMime.parse(Buffer.concat(parts));
    if (refusals > 0) {
      refusals -= 1;
      return done(Object.assign(new Error("try again later"), { responseCode: 451 }));
    }
    const to = session.envelope.rcptTo.map((entry) => entry.address);
    mails.push({ id: read.messageId, from: read.from.address, to, subject: read.subject, text: read.text });
    return done();
  },
});
await new Promise((done) => mail.listen(0, "127.0.0.1", done));

// The stand-in does not say which port the system gave it.
const { listen } = Server.prototype;
const listening = new Promise((done) => {
  Server.prototype.listen = function (...options) {
    this.once("listening", () => done(this.address().port));
    return listen.apply(this, options);
  };
});
const token = "xoxb-test";
await createEmulator({ service: "slack", port: 0, seed: { tokens: { [token]: { login: "alice", scopes: [] } } } });
Server.prototype.listen = listen;
const base = `http://127.0.0.1:${await listening}`;

async function slack(method, body) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return (await fetch(`${base}/api/${method}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

const look = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  if (request.url === "/refuse") refusals = Number(Buffer.concat(parts).toString());
  const channels = (await slack("conversations.list", {})).channels ?? [];
  const general = channels.find((channel) => channel.name === "general");
  const history = general ? await slack("conversations.history", { channel: general.id }) : {};
  const said = (history.messages ?? []).map((message) => message.text).reverse();
  response.end(JSON.stringify({ mails, slack: said }));
}).listen(0, "127.0.0.1", () => {
  console.log(
    JSON.stringify({
      look: `http://127.0.0.1:${look.address().port}/`,
      smtp: `smtp://miyabi:p%40ss%20word@127.0.0.1:${mail.server.address().port}`,
      slack: `${base}/services/T000000001/B000000001/X000000001`,
    }),
  );
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
