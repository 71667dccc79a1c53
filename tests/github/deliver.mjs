// Sends deliveries to a server: GitHub's own examples, signed by GitHub's own library, or a load of one kind.
//
// Usage: node deliver.mjs '{"tools": <node_modules>, "url": <webhook>, "secret": <text>, "what": "examples" | "load", ...}'
// Prints one line of JSON at the end; with "load" also a line for every delivery that was answered with 202.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { pathToFileURL } from "node:url";

const config = JSON.parse(process.argv[2]);
const { sign } = await import(pathToFileURL(`${config.tools}/@octokit/webhooks-methods/dist-node/index.js`));
const agent = new http.Agent({ keepAlive: true, maxSockets: config.at_once ?? 8 });

/** Headers may have a list of values, which is sent as that many headers. */
function post(headers, body) {
  return new Promise((done, failed) => {
    const request = http.request(config.url, { method: "POST", agent, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () => done({ status: response.statusCode, body: Buffer.concat(parts).toString() }));
    });
    request.on("error", failed);
    request.end(body);
  });
}

function headers(event, id, signature) {
  const all = { "content-type": "application/json", "x-github-event": event, "x-github-delivery": id };
  return signature === undefined ? all : { ...all, "x-hub-signature-256": signature };
}

async function examples() {
  const file = `${config.tools}/@octokit/webhooks-examples/api.github.com/index.json`;
  const events = JSON.parse(readFileSync(file, "utf8"));
  const seen = {};
  const count = (variant, answer, what) => {
    const statuses = (seen[variant] ??= {});
    const at = (statuses[answer.status] ??= { count: 0, first: "" });
    at.count += 1;
    at.first ||= `${what}: ${answer.body}`;
  };
  for (const { name, examples } of events) {
    for (const example of examples) {
      const body = JSON.stringify(example);
      const signature = await sign(config.secret, body);
      const id = randomUUID();
      count("signed", await post(headers(name, id, signature), body), name);
      count("again", await post(headers(name, id, signature), body), name);
      count("wrong", await post(headers(name, randomUUID(), await sign("another", body)), body), name);
      count("missing", await post(headers(name, randomUUID()), body), name);
      count("truncated", await post(headers(name, randomUUID(), signature.slice(0, -1)), body), name);
      count("doubled", await post(headers(name, randomUUID(), [signature, signature]), body), name);
      count("changed", await post(headers(name, randomUUID(), signature), `${body} `), name);
    }
  }
  console.log(JSON.stringify(seen));
}

/** Deliveries of one kind, as fast as they are answered, until so many were sent or the server is gone. */
async function load() {
  let sent = 0;
  const times = [];
  const worker = async () => {
    while (sent < config.count) {
      const n = (sent += 1);
      const body = JSON.stringify({
        action: "labeled",
        issue: {
          number: n, state: "open", created_at: new Date().toISOString(), updated_at: new Date().toISOString(),
          labels: [{ name: "miyabi" }], body: "x".repeat(config.bytes ?? 1000),
        },
        label: { name: "miyabi" },
        repository: { full_name: "alice/shop" },
        sender: { login: "alice", type: "User" },
      });
      const id = randomUUID();
      const signature = await sign(config.secret, body);
      const begun = performance.now();
      const answer = await post(headers("issues", id, signature), body).catch(() => null);
      if (answer === null) return;
      times.push(performance.now() - begun);
      if (answer.status === 202) console.log(id);
    }
  };
  await Promise.all(Array.from({ length: config.at_once ?? 8 }, worker));
  console.log(JSON.stringify({ answered: times.length }));
}

await (config.what === "load" ? load() : examples());
process.exit(0);
